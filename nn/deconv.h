// SPDX-License-Identifier: Apache-2.0
// Transposed convolution, kernel 2, stride 2, with bias and activation.
#pragma once

#include "nn/trained.h"

typedef struct nn_deconv {
    kn_weight w;    // of [C,K,2,2]
    tn_tensor bias; // [K]
    kn_act act;
    nn_trained *trained; // NULL: frozen
    kn_weight adjoint;   // of a frozen weight, if gradients pass through it
} nn_deconv;

// "prefix.weight" [channels,out,2,2], as PyTorch's ConvTranspose2d, and "prefix.bias" [out]; out:
// -1 for any. Errors as nn_load.
tn_status nn_deconv_load(const nn_loader *load, const char *prefix, int64_t channels, int64_t out,
                         kn_act act, nn_deconv *deconv);
// x [N,H,W,C] -> y [N,2H,2W,K] from cx->step. TN_ENOMEM.
tn_status nn_deconv_fwd(nn_ctx *cx, const nn_deconv *deconv, const tn_tensor *x, tn_tensor *y);
