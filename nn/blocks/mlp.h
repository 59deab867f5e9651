// SPDX-License-Identifier: Apache-2.0
// Two linear layers with an activation between them.
#pragma once

#include "nn/linear.h"

typedef struct nn_mlp {
    nn_linear up;   // [hidden,C] with the activation
    nn_linear down; // [C,hidden]
} nn_mlp;

// Both prefixes in full. The hidden size is taken from the file, or is four times the channels if
// there is none. Both layers have biases. Errors as nn_load.
tn_status nn_mlp_load(const nn_loader *load, const char *up, const char *down, int64_t channels,
                      kn_act act, nn_mlp *mlp);
// x [...,C] -> y of the same shape, allocated by the caller: mlp(x) + residual. residual: NULL or
// the shape of y; it may be y if nothing is recorded. Scratch comes from cx->step and is freed if
// nothing is recorded. TN_ENOMEM.
tn_status nn_mlp_into(nn_ctx *cx, const nn_mlp *mlp, const tn_tensor *x, const tn_tensor *residual,
                      tn_tensor *y);
