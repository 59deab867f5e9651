// SPDX-License-Identifier: Apache-2.0
// Convolution with what follows it: bias or batch norm, a residual, an activation.
#pragma once

#include "nn/norm.h"
#include "nn/trained.h"

typedef struct nn_conv {
    kn_weight w;    // [K,C,kh,kw]
    tn_tensor bias; // [K]; data is NULL where there is none
    kn_conv cfg;
    kn_act act;
    nn_norm norm; // between convolution and activation, where it is not folded; kind NN_NORM_NONE
                  // for none
    nn_trained *trained; // NULL: frozen
    kn_weight adjoint;   // of a frozen weight, where a gradient goes through
} nn_conv;

// Prefixes have no dot at their end: "visual.conv1" reads "visual.conv1.weight" and, if the file
// has it, "visual.conv1.bias". dim: the expected [K,C,kh,kw], -1 for any; NULL for any.
// TN_EFORMAT names file, tensor and shapes; TN_ENOMEM.
tn_status nn_conv_load(const nn_loader *load, const char *prefix, const int64_t *dim, kn_conv cfg,
                       kn_act act, nn_conv *out);
// The same with the batch norm after it ("bn_prefix.weight", .bias, .running_mean, .running_var,
// all [K]): y = act(bn(conv(x)) + residual). Frozen, it is folded into weight and bias.
tn_status nn_conv_bn_load(const nn_loader *load, const char *prefix, const char *bn_prefix,
                          double eps, const int64_t *dim, kn_conv cfg, kn_act act, nn_conv *out);
// x [N,H,W,C] -> y [N,Ho,Wo,K] from cx->step: act(conv(x) + bias + residual). residual: NULL or the
// shape of y. x must have C channels and be at least as large as the kernel after padding: anything
// else aborts. TN_ENOMEM.
tn_status nn_conv_fwd(nn_ctx *cx, const nn_conv *conv, const tn_tensor *x,
                      const tn_tensor *residual, tn_tensor *y);
// The same into a y that is there. residual may be y, where nothing is recorded and nothing norms:
// a block's shortcut is then added in place. TN_ENOMEM where there is a norm, else never fails.
tn_status nn_conv_into(nn_ctx *cx, const nn_conv *conv, const tn_tensor *x,
                       const tn_tensor *residual, tn_tensor *y);
