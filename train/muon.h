// SPDX-License-Identifier: Apache-2.0
// Muon (Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"): the
// momentum of a matrix's gradient is approximately orthogonalised by five Newton-Schulz steps
// before it is subtracted. As torch.optim.Muon with Nesterov's momentum and the learning rate that
// matches AdamW's updates (Liu et al., "Muon is scalable for LLM training", 2025), but in the
// parameters' type, where PyTorch iterates in bfloat16.
#pragma once

#include "kernels/kernels.h"

typedef struct tr_muon {
    double rate, decay, momentum; // momentum: 0.95
    double grad_scale;            // factor applied to the gradients first: clipping
} tr_muon;

// Elements of scratch for a matrix [rows,columns].
int64_t tr_muon_scratch(int64_t rows, int64_t columns);
// One update: value, m (the momentum) and grad [R,C]; scratch: a vector of at least tr_muon_scratch
// elements, of the same type.
void tr_muon_step(kn_ctx *cx, const tr_muon *cfg, const tn_tensor *grad, tn_tensor *value,
                  tn_tensor *m, const tn_tensor *scratch);
