// SPDX-License-Identifier: Apache-2.0
// `lexmask eval --sweep`: kept scores of boxes put together in many ways, each evaluated.
#pragma once

#include "tools/eval/eval_output.h"

typedef struct tool_sweep_options {
    bool wanted;
    const char *scores; // folder: io/coco/scores.h
    // Lists of numbers, separated by commas; NULL: a grid of weights, the rest as it was run.
    const char *alphas, *betas, *scales1, *scales2, *powers, *thresholds;
} tool_sweep_options;

// Rows of an option table.
#define TOOL_SWEEP_OPTIONS(sweep)                                                                  \
    {"sweep", TOOL_FLAG, NULL,                                                                     \
     "try weights of the two scores, scales and thresholds on kept scores: a table, with --plots " \
     "a picture",                                                                                  \
     &(sweep).wanted},                                                                             \
        {"alphas", TOOL_TEXT, "A,B,…", "sweep: weights of score 2 for base names; default a grid", \
         &(sweep).alphas},                                                                         \
        {"betas", TOOL_TEXT, "A,B,…", "sweep: its weights for all other names; default a grid",    \
         &(sweep).betas},                                                                          \
        {"scales1", TOOL_TEXT, "A,B,…",                                                            \
         "sweep: factors on score 1's scale (2: half its temperature); default 1",                 \
         &(sweep).scales1},                                                                        \
        {"scales2", TOOL_TEXT, "A,B,…", "sweep: the same of score 2", &(sweep).scales2},           \
        {"powers", TOOL_TEXT, "A,B,…",                                                             \
         "sweep: powers of the objectness; default the one it was run with", &(sweep).powers},     \
    {                                                                                              \
        "thresholds", TOOL_TEXT, "A,B,…", "sweep: least scores; default the one it was run with",  \
            &(sweep).thresholds                                                                    \
    }

// Tries all combinations, prints a table or JSON (how->json) to standard output, and with
// how->plots draws sweep.png (with a split, sweep_novel.png and sweep_base.png). Boxes are
// compared. TN_EINVAL: a list that is none, too many combinations; and what reading and evaluating
// say.
tn_status tool_sweep(const io_coco *truth, const tool_eval_options *how,
                     const tool_sweep_options *options, tn_pool *pool, tn_error *err);
