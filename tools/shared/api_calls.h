// SPDX-License-Identifier: Apache-2.0
// How the commands call the public C API: its errors, its callbacks, its results in files.
#pragma once

#include "io/coco/coco.h"
#include "lexmask.h"

// The API's status numbers and texts are the library's own.
tn_status tool_api_status(lexmask_status status, const lexmask_error *from, tn_error *to);
// A count that was not given is 0 in a command's options.
static inline int tool_api_count(int64_t given) {
    return given ? (int)given : LEXMASK_DEFAULT;
}
// Its callbacks: messages as the command's own, and Ctrl-C as a wish to stop. user is not used.
void tool_api_log(void *user, lexmask_log_level level, const char *text);
int tool_api_cancelled(void *user, double done);

// All detections of one picture into a file of COCO results, with their masks. category: the id of
// each label. left_out: labels without a category, whose detections are left out; NULL: none.
tn_status tool_api_write_coco(lexmask_result *result, io_coco_id image, const io_coco_id *category,
                              const bool *left_out, io_coco_writer *writer, tn_error *err);
