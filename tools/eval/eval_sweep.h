// SPDX-License-Identifier: Apache-2.0
// `lexmask eval --sweep`: kept scores of boxes put together in many ways, each evaluated.
#pragma once

#include "tools/eval/eval_output.h"
#include "tools/shared/options.h"

typedef struct tool_sweep_options {
    bool wanted;
    const char *scores; // folder: io/coco/scores.h
    // Lists of numbers, separated by commas; NULL: a grid of weights, the rest as it was run.
    const char *alphas, *betas, *scales1, *scales2, *powers, *thresholds;
} tool_sweep_options;

extern tool_sweep_options tool_sweep_chosen;     // of this run
extern const tool_option_group tool_sweep_group; // the lists, which go with `wanted` alone

// Tries all combinations, prints a table or JSON (how->json) to standard output, and with
// how->plots draws sweep.png (with a split, sweep_novel.png and sweep_base.png). Boxes are
// compared. TN_EINVAL: a list that is none, too many combinations, weights of a
// score 2 that was not kept; and what reading and evaluating say.
tn_status tool_sweep(const io_coco *truth, const tool_eval_options *how,
                     const tool_sweep_options *options, tn_pool *pool, tn_error *err);
