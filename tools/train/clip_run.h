// SPDX-License-Identifier: Apache-2.0
// What `lexmask pretrain` and `refine` share: both train a CLIP on pictures that are painted as
// they are needed, and write it into their run's folder.
#pragma once

#include "models/clip/clip_train.h"
#include "models/text/bpe.h"
#include "tools/train/train_job.h"

typedef struct tool_clip_run {
    const char *out, *dtype, *matmul;
    int64_t batch, steps, warmup, seed, threads, save_every, val_every, stop_after;
    double lr, clip_norm, average;
    bool resume;
} tool_clip_run;

// Makes the folder. TN_EINVAL: it holds a run, which is not to go on. TN_EIO.
tn_status tool_clip_run_folder(const tool_clip_run *run, tn_error *err);
// The run, with AdamW without decay; figures are charted.
tr_loop tool_clip_run_begin(const tool_clip_run *run, const tool_run_settings *settings,
                            const char *const *figures, size_t figure_count);
// Ctrl-C, or --stop-after after so many updates of this call.
bool tool_clip_run_stop(const tool_clip_run *run, int64_t updates);
// The CLIP as it is now. Errors as md_clip_write.
tn_status tool_clip_run_keep(const tool_clip_run *run, const md_clip *clip, const nn_params *params,
                             const md_bpe *bpe, tn_error *err);
