// SPDX-License-Identifier: Apache-2.0
// Convolution with its epilogue: bias or batch norm, residual, activation.
#pragma once

#include "nn/norm.h"
#include "nn/trained.h"

typedef struct nn_conv {
    kn_weight w;    // [K,C,kh,kw]
    tn_tensor bias; // [K]; data is NULL if there is none
    kn_conv cfg;
    kn_act act;
    nn_norm
        norm; // between convolution and activation, if it is not folded; else kind is NN_NORM_NONE
    nn_trained *trained; // NULL: frozen
    kn_weight adjoint;   // of a frozen weight, if gradients pass through it
} nn_conv;

// A prefix has no dot at its end: "visual.conv1" reads "visual.conv1.weight" and, if the file has
// it, "visual.conv1.bias". dim: the expected [K,C,kh,kw], -1 for any; NULL for any. TN_EFORMAT
// names file, tensor and shapes; TN_ENOMEM.
tn_status nn_conv_load(const nn_loader *load, const char *prefix, const int64_t *dim, kn_conv cfg,
                       kn_act act, nn_conv *out);
// The same, followed by a batch norm ("bn_prefix.weight", .bias, .running_mean, .running_var, all
// [K]): y = act(bn(conv(x)) + residual). A frozen one is folded into weight and bias.
tn_status nn_conv_bn_load(const nn_loader *load, const char *prefix, const char *bn_prefix,
                          double eps, const int64_t *dim, kn_conv cfg, kn_act act, nn_conv *out);
// x [N,H,W,C] -> y [N,Ho,Wo,K] from cx->step: act(conv(x) + bias + residual). residual: NULL or the
// shape of y. x must have C channels and, after padding, be at least as large as the kernel;
// otherwise aborts. TN_ENOMEM.
tn_status nn_conv_fwd(nn_ctx *cx, const nn_conv *conv, const tn_tensor *x,
                      const tn_tensor *residual, tn_tensor *y);
// The same, but writes to an existing y. residual may be y if nothing is recorded and there is no
// norm: a block's shortcut is then added in place. TN_ENOMEM if there is a norm; never fails
// otherwise.
tn_status nn_conv_into(nn_ctx *cx, const nn_conv *conv, const tn_tensor *x,
                       const tn_tensor *residual, tn_tensor *y);
