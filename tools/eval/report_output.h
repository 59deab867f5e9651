// SPDX-License-Identifier: Apache-2.0
// What `lexmask report` asks a model, and what it says.
#pragma once

#include "eval/report.h"
#include "tools/eval/data_model.h"

// Every true box that is not a crowd is named by the model. named and score: object_count each, of
// the caller. A picture that cannot be read is told, and its boxes are EV_LEFT_OUT; *broken counts
// those. TN_ECANCELLED, TN_EIO when a picture is not there at all, and what the model says.
tn_status tool_report_name(const tool_data_model *model, const io_coco *data, const char *pictures,
                           int64_t *named, float *score, size_t *broken, tn_error *err);

// scikit-learn's text, or JSON; with names (else NULL) how many boxes of base and of novel ones
// were named right, too. Standard output.
tn_status tool_report_print(const io_coco *data, const ev_report *report,
                            const io_coco_split *names, const int64_t *named, int digits, bool json,
                            tn_error *err);
// The confusion matrix as PNG. TN_EIO, TN_ENOMEM.
tn_status tool_report_matrix(const char *path, const ev_report *report, tn_error *err);
