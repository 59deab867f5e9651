// SPDX-License-Identifier: Apache-2.0
// Layers of the adapters that are not modules of their own elsewhere.
#pragma once

#include "models/fvlm_config.h"
#include "nn/conv_norm.h"
#include "nn/linear.h"

// Transposed convolution, kernel 2, stride 2.
typedef struct md_up {
    kn_weight w;
    tn_tensor bias;
    kn_act act;
} md_up;
tn_status md_up_load(const nn_loader *load, const char *prefix, int64_t in, int64_t out, kn_act act,
                     md_up *up);
tn_status md_up_fwd(nn_ctx *cx, const md_up *up, const tn_tensor *x, tn_tensor *y);

// Norm and activation.
typedef struct md_norm_act {
    md_norm kind;
    kn_act act;
    tn_tensor gamma, beta, mean, var;
} md_norm_act;
tn_status md_norm_act_load(const nn_loader *load, const char *prefix, int64_t channels,
                           md_norm kind, kn_act act, md_norm_act *out);
tn_status md_norm_act_fwd(nn_ctx *cx, const md_norm_act *norm, const tn_tensor *x, tn_tensor *y);

// A linear layer over whole regions.
tn_status md_whole_load(const nn_loader *load, const char *prefix, int64_t out, int64_t channels,
                        int64_t size, nn_conv *conv);
