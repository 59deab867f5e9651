// SPDX-License-Identifier: Apache-2.0
// Two scores of a box become one (Kuo et al. 2023, "F-VLM", section 3.3): their geometric mean.
// Models use probabilities; a sweep over weights, which takes a picture's logarithms once, adds.
#pragma once

#include "nn/nn.h"

#include <math.h>

// p^(1-w) q^w, and its logarithm from theirs.
static inline double nn_geometric_mean(double p, double q, double w) {
    return pow(p, 1 - w) * pow(q, w);
}
static inline float nn_geometric_mean_log(float log_p, float log_q, float w) {
    return (1 - w) * log_p + w * log_q;
}

typedef struct nn_fusion {
    double alpha, beta; // weight of the second score: for base names, for all others
    double objectness;  // power of the objectness; 0: it does not count
    bool renormalise;   // rows are brought to sum 1
} nn_fusion;

static inline double nn_fusion_weight(const nn_fusion *how, bool base) {
    return base ? how->alpha : how->beta;
}

// p1, p2 [P,columns] (p2 NULL: p1 alone), objectness [P] -> fused [P,columns], of the caller.
// Columns are the classes and, where there is one, the background, whose score is p1's. base
// [classes]: 1: alpha's; NULL: all are beta's. The mean of both, rows brought to sum 1 if asked
// for, then the classes times objectness^power.
void nn_fuse(kn_ctx *kn, const nn_fusion *how, int64_t classes, const uint8_t *base,
             const tn_tensor *p1, const tn_tensor *p2, const tn_tensor *objectness,
             tn_tensor *fused);
