// SPDX-License-Identifier: Apache-2.0
// Two linear layers with an activation between them.
#pragma once

#include "nn/linear.h"

typedef struct nn_mlp {
    nn_linear up;   // [hidden,C] with the activation
    nn_linear down; // [C,hidden]
} nn_mlp;

// Both prefixes in full; the hidden size is told by the file, or, where there is none, is four
// times the channels. Both have biases. Errors as nn_load.
tn_status nn_mlp_load(const nn_loader *load, const char *up, const char *down, int64_t channels,
                      kn_act act, nn_mlp *mlp);
// x [...,C] -> y of the same shape, of the caller: mlp(x) + residual. residual: NULL or the shape
// of y, and may be y where nothing is recorded. What it needs between is taken from cx->step, and
// given back where nothing is recorded. TN_ENOMEM.
tn_status nn_mlp_into(nn_ctx *cx, const nn_mlp *mlp, const tn_tensor *x, const tn_tensor *residual,
                      tn_tensor *y);
