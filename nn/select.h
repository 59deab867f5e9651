// SPDX-License-Identifier: Apache-2.0
// Selects detections from candidates: threshold, suppression, score fading, containment, count.
// Host code that needs no model or context: a model calls it with probabilities, a sweep over
// settings with logarithms.
#pragma once

#include "nn/nn.h"

typedef struct nn_candidate {
    float score;
    int32_t box, label; // box: row of the boxes; several candidates may share one
} nn_candidate;

// Candidates compete when they have the same label. The better one has the higher score, then the
// lower box, then the lower label.
typedef struct nn_select_rules {
    double score;    // candidates with a score not above this are dropped
    double nms;      // IoU with a better one above which a candidate is dropped; 1: never
    double soft;     // IoU with a kept one above which its score fades; 1: never
    double inside;   // fraction of its box inside a kept one above which it is dropped; 1: never
    int64_t top;     // maximum number of kept candidates
    int64_t best;    // only this many of the best candidates are processed; 0: all
    bool agnostic;   // class-agnostic: labels are ignored, all candidates compete
    bool logarithms; // scores and the threshold are logarithms
} nn_select_rules;

// Rules with only threshold, suppression and count.
nn_select_rules nn_select_hard(double score, double nms, int64_t top);

// Sets *bytes to the scratch size for up to count candidates with labels in [0, labels). False:
// overflow.
bool nn_select_bytes(int64_t count, int64_t labels, size_t *bytes);
// candidates [count], all above the threshold, in any order; they are overwritten. boxes [.,4].
// Writes at most min(top, count) candidates to out, best first, with their faded scores, and
// returns their number. First greedy suppression (kn_nms). Then repeatedly the best remaining
// candidate is kept, unless it lies inside a kept one, and the scores of the others fade by 1 - IoU
// (Bodla et al. 2017, "Soft-NMS", the linear form).
int64_t nn_select(const nn_select_rules *rules, const float *boxes, nn_candidate *candidates,
                  int64_t count, int64_t labels, void *scratch, nn_candidate *out);

// The same for a model, allocated from cx->step, best first. TN_ENOMEM.
typedef struct nn_selected {
    tn_tensor boxes, scores; // [K,4], [K]
    tn_tensor rows, labels;  // int32 [K] index into the given boxes; int32 [K]
} nn_selected;
tn_status nn_select_rows(nn_ctx *cx, const nn_select_rules *rules, const tn_tensor *boxes,
                         nn_candidate *candidates, int64_t count, int64_t labels, nn_selected *out);
// An array for count*labels candidates, from cx->step. TN_ENOMEM.
tn_status nn_candidates_new(nn_ctx *cx, int64_t count, int64_t labels, nn_candidate **out);
