// SPDX-License-Identifier: Apache-2.0
// Which of many candidates are the answer: threshold, suppression, fading, containment, number.
// Host code that knows no model and no context: a model calls it with probabilities, a sweep over
// settings with logarithms.
#pragma once

#include "nn/nn.h"

typedef struct nn_candidate {
    float score;
    int32_t box, label; // box: row of the boxes; several candidates may share one
} nn_candidate;

// Candidates meet when they have the same label. Which of two is better: the higher score, then the
// lower box, then the lower label.
typedef struct nn_select_rules {
    double score;    // a candidate is dropped unless its score is above
    double nms;      // … and when it overlaps a better one by more (IoU); 1: never
    double soft;     // its score fades when it overlaps a kept one by more; 1: never
    double inside;   // it is dropped when more than this share of it lies in a kept one; 1: never
    int64_t top;     // kept at most
    int64_t best;    // only the best so many candidates are looked at; 0: all
    bool agnostic;   // labels do not count: all candidates meet
    bool logarithms; // scores and the threshold are logarithms
} nn_select_rules;

// Threshold, suppression and number alone.
nn_select_rules nn_select_hard(double score, double nms, int64_t top);

// Bytes of scratch for up to count candidates with labels in [0, labels); false: too many.
bool nn_select_bytes(int64_t count, int64_t labels, size_t *bytes);
// candidates [count], none of them at or under the threshold, in any order; they are overwritten.
// boxes [.,4]. -> out, the min(top, count) best at most, best first, with their faded scores.
// Returns how many. The steps: greedy suppression (kn_nms), then the best of what is left is kept
// again and again unless it lies inside a kept one, and fades the others by 1 - IoU (Bodla et al.
// 2017, "Soft-NMS", the linear form).
int64_t nn_select(const nn_select_rules *rules, const float *boxes, nn_candidate *candidates,
                  int64_t count, int64_t labels, void *scratch, nn_candidate *out);

// The same for a model; from cx->step, best first. TN_ENOMEM.
typedef struct nn_selected {
    tn_tensor boxes, scores; // [K,4], [K]
    tn_tensor rows, labels;  // int32 [K] rows of the given boxes; [K]
} nn_selected;
tn_status nn_select_rows(nn_ctx *cx, const nn_select_rules *rules, const tn_tensor *boxes,
                         nn_candidate *candidates, int64_t count, int64_t labels, nn_selected *out);
// Room for count*labels candidates at most, from cx->step. TN_ENOMEM.
tn_status nn_candidates_new(nn_ctx *cx, int64_t count, int64_t labels, nn_candidate **out);
