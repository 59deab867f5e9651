// SPDX-License-Identifier: Apache-2.0
// A vocabulary that comes along with a CLIP that was trained with it.
#include "io/file.h"
#include "train/jobs/painted/clip_job.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

static tn_status copy_file(const char *from, const char *to, tn_error *err) {
    io_map map;
    TN_TRY(io_map_open(from, &map, err));
    tn_status status = io_write_file(to, map.bytes, map.count, err);
    io_map_close(&map);
    return status;
}

tn_status tr_copy_vocabulary(const char *from_folder, const char *to_folder, tn_error *err) {
    static const char *const names[] = {"vocab.json", "merges.txt", "tokenizer_config.json",
                                        "special_tokens_map.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char from[PATH_MAX], to[PATH_MAX];
        snprintf(from, sizeof from, "%s/%s", from_folder, names[i]);
        snprintf(to, sizeof to, "%s/%s", to_folder, names[i]);
        if (i >= 2 && access(from, F_OK) != 0) continue;
        TN_TRY(copy_file(from, to, err));
    }
    return TN_OK;
}
