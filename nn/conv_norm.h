// SPDX-License-Identifier: Apache-2.0
// torchvision's Conv2dNormActivation: a convolution that may have batch norm after it.
#pragma once

#include "nn/conv.h"

// Epsilon of the batch norm called prefix: given where that is not negative, else 1e-5, or 0 for
// torchvision's frozen form (a file without prefix + ".num_batches_tracked").
double nn_batch_norm_eps(const nn_loader *load, const char *prefix, double given);

// Reads "prefix.0.weight" and either "prefix.0.bias" or the batch norm "prefix.1.*", which is
// folded in. dim, cfg, act and errors as nn_conv_load; bn_eps as nn_batch_norm_eps.
tn_status nn_conv_norm_load(const nn_loader *load, const char *prefix, double bn_eps,
                            const int64_t *dim, kn_conv cfg, kn_act act, nn_conv *out);

// nn_conv_load for a convolution that always has a bias: a file that lost it must not pass for one
// of a layer without.
tn_status nn_conv_bias_load(const nn_loader *load, const char *prefix, const int64_t *dim,
                            kn_conv cfg, kn_act act, nn_conv *out);
