// SPDX-License-Identifier: Apache-2.0
// Layer norm (Ba et al. 2016) over the last dimension, with scale and shift.
#pragma once

#include "nn/params.h"

typedef struct nn_layer_norm {
    tn_tensor gamma, beta; // [C]
    double eps;
    nn_param *gamma_param, *beta_param; // NULL: frozen
} nn_layer_norm;

// "prefix.weight" and "prefix.bias", both [channels]. Errors as nn_load.
tn_status nn_layer_norm_load(const nn_loader *load, const char *prefix, int64_t channels,
                             double eps, nn_layer_norm *norm);
// x [...,C] -> y of the same shape from cx->step. TN_ENOMEM.
tn_status nn_layer_norm_fwd(nn_ctx *cx, const nn_layer_norm *norm, const tn_tensor *x,
                            tn_tensor *y);
// Writes to an existing y, which may be x if nothing is recorded.
void nn_layer_norm_into(nn_ctx *cx, const nn_layer_norm *norm, const tn_tensor *x, tn_tensor *y);
