// SPDX-License-Identifier: Apache-2.0
// torchvision's Conv2dNormActivation: a convolution with an optional norm.
#pragma once

#include "nn/conv.h"

// Reads "prefix.0.weight" and either "prefix.0.bias" or the norm "prefix.1" (nn/norm.h). Frozen
// batch norm is folded in; any other norm is in out->norm. dim, cfg, act and errors as
// nn_conv_load; bn_eps as nn_batch_norm_eps. Without a file, load->norm selects the form.
tn_status nn_conv_norm_load(const nn_loader *load, const char *prefix, double bn_eps,
                            const int64_t *dim, kn_conv cfg, kn_act act, nn_conv *out);

// nn_conv_load for a convolution that always has a bias, so that a file that lacks it is refused.
tn_status nn_conv_bias_load(const nn_loader *load, const char *prefix, const int64_t *dim,
                            kn_conv cfg, kn_act act, nn_conv *out);
