// SPDX-License-Identifier: Apache-2.0
// Fusion of two scores of a box by their geometric mean (Kuo et al. 2023, "F-VLM", section 3.3).
// Models use probabilities; a sweep over weights, which computes the logarithms of a picture once,
// uses logarithms.
#pragma once

#include "nn/nn.h"

#include <math.h>

// p^(1-w) q^w, and the same for logarithms.
static inline double nn_geometric_mean(double p, double q, double w) {
    return pow(p, 1 - w) * pow(q, w);
}
static inline float nn_geometric_mean_log(float log_p, float log_q, float w) {
    return (1 - w) * log_p + w * log_q;
}

typedef struct nn_fusion {
    double alpha, beta; // weight of the second score: for base names, for all others
    double objectness;  // exponent of the objectness; 0: not used
    bool renormalise;   // scales each row to sum 1
} nn_fusion;

static inline double nn_fusion_weight(const nn_fusion *how, bool base) {
    return base ? how->alpha : how->beta;
}

// p1, p2 [P,columns] (p2 NULL: p1 alone), objectness [P] -> fused [P,columns], allocated by the
// caller. Columns are the classes and possibly the background, whose score is that of p1. base
// [classes]: 1: alpha applies, 0: beta; NULL: beta for all. Computes the mean, scales the rows to
// sum 1 if asked for, then multiplies the classes by objectness^power.
void nn_fuse(kn_ctx *kn, const nn_fusion *how, int64_t classes, const uint8_t *base,
             const tn_tensor *p1, const tn_tensor *p2, const tn_tensor *objectness,
             tn_tensor *fused);
