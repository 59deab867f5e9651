// SPDX-License-Identifier: Apache-2.0
// Muon (Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"): the
// momentum of a matrix's gradient is brought near to the orthogonal matrix of the same directions
// before it is taken away, by five steps of an iteration with products alone. As torch.optim.Muon
// with Nesterov's momentum and the rate that matches AdamW's updates (Liu et al., "Muon is scalable
// for LLM training", 2025), but in the type of the parameters where PyTorch iterates in bfloat16.
#pragma once

#include "kernels/kernels.h"

typedef struct tr_muon {
    double rate, decay, momentum; // momentum: 0.95
    double grad_scale;            // gradients are multiplied with it first: clipping
} tr_muon;

// Elements of `room` that a matrix [rows,columns] needs.
int64_t tr_muon_room(int64_t rows, int64_t columns);
// One update: value, m (the momentum) and grad [R,C]; room: a vector of tr_muon_room elements or
// more, of the same type.
void tr_muon_step(kn_ctx *cx, const tr_muon *cfg, const tn_tensor *grad, tn_tensor *value,
                  tn_tensor *m, const tn_tensor *room);
