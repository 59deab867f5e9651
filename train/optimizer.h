// SPDX-License-Identifier: Apache-2.0
// AdamW over the flat buffers of a model's parameters (Loshchilov and Hutter, "Decoupled weight
// decay regularization", ICLR 2019), with gradients clipped by their global norm as in PyTorch's
// clip_grad_norm_, no decay for norms and biases, and an optional moving average of the weights.
#pragma once

#include "kernels/kernels.h"

// Consecutive parameters that are treated alike.
typedef struct tr_span {
    int64_t from, count; // elements
    bool decay;
    int64_t rows, columns; // a matrix that Muon updates (train/muon.h); 0: AdamW
} tr_span;

// The four buffers, of equal length and type, with zeros between parameters.
typedef struct tr_flat {
    tn_tensor value, grad, m, v;
    const tr_span *spans; // ascending; they cover all parameters
    size_t span_count;
    tn_tensor scratch; // for Muon; NULL data if no span uses it
} tr_flat;

typedef struct tr_optimizer {
    double beta1, beta2, eps; // 0.9, 0.999, 1e-8
    double decay;             // 0.1
    double clip;              // of the global norm; 0: none
    double average;           // weight of the past in the moving average, e.g. 0.999; 0: none
    // Matrices and kernels whose names contain `muon` and not `not_muon` (NULL: no exception) are
    // updated by Muon, with the same rate and decay; NULL: none
    const char *muon, *not_muon;
    double momentum; // of Muon, 0.95
} tr_optimizer;

tr_optimizer tr_optimizer_default(void);
// TN_EINVAL names the invalid value.
tn_status tr_optimizer_check(const tr_optimizer *cfg, tn_error *err);

// The global norm of the gradients.
double tr_gradient_norm(kn_ctx *cx, const tr_flat *flat);
// One update. step: 1 for the first. rate: the learning rate. norm: the finite result of
// tr_gradient_norm. average: of the length of value, or NULL. Gradients are not changed.
void tr_optimizer_step(kn_ctx *cx, const tr_optimizer *cfg, int64_t step, double rate, double norm,
                       const tr_flat *flat, tn_tensor *average);
