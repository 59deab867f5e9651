// SPDX-License-Identifier: Apache-2.0
// What an F-VLM knows of the boxes that it looked at, and which of them are its answer.
#pragma once

#include "models/fvlm/fvlm.h"

typedef struct md_fvlm_regions {
    tn_tensor proposals, boxes; // [P,4] network coordinates
    tn_tensor refined;          // the boxes before the best were kept; only where it is wanted
    tn_tensor objectness;       // [P]
    tn_tensor embedding;        // [P,D] of score 1: the mean of each look's unit vector
    tn_tensor score1, score2;   // [P,columns]; score2.data NULL before it is asked
    tn_tensor fused;
} md_fvlm_regions;

// How much box i is any thing at all, not background: score 1 with the RPN's to a power, or where
// the columns have no background that alone.
double md_fvlm_object_score(const md_fvlm_regions *f, int64_t i, bool background, double power);

// From all pairs of a box and a name that is asked for to those that are given back, best first:
// out's count, boxes (network coordinates), scores, labels, objectness, score1, score2, best
// and best_scores, from cx->step. f->fused is changed where the names do not count. TN_ENOMEM.
tn_status md_fvlm_choose(nn_ctx *cx, const md_fvlm_config *config, const md_fvlm_regions *f,
                         const md_vocabulary *vocabulary, const md_fvlm_options *options,
                         md_found *out);
