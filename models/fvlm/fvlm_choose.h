// SPDX-License-Identifier: Apache-2.0
// The scored boxes of an F-VLM, and the selection of its result.
#pragma once

#include "models/fvlm/fvlm.h"

typedef struct md_fvlm_regions {
    tn_tensor proposals, boxes; // [P,4] network coordinates
    tn_tensor refined;        // the refined boxes before the best were selected; only if requested
    tn_tensor objectness;     // [P]
    tn_tensor embedding;      // [P,D] for score 1: the mean of the unit vectors of all rounds
    tn_tensor score1, score2; // [P,columns]; score2.data NULL before it is computed
    tn_tensor fused;
} md_fvlm_regions;

// Probability that box i is an object and not background: by score 1, times the RPN's objectness to
// a power; without a background column, the RPN's objectness only.
double md_fvlm_object_score(const md_fvlm_regions *f, int64_t i, bool background, double power);

// From all pairs of a box and a requested name to the detections, best first: fills out's count,
// boxes (network coordinates), scores, labels, objectness, score1, score2, best and best_scores,
// from cx->step. Changes f->fused if class-agnostic. TN_ENOMEM.
tn_status md_fvlm_choose(nn_ctx *cx, const md_fvlm_config *config, const md_fvlm_regions *f,
                         const md_vocabulary *vocabulary, const md_fvlm_options *options,
                         md_found *out);
