// SPDX-License-Identifier: Apache-2.0
// Batch norm (Ioffe and Szegedy 2015) and group norm (Wu and He 2018) with an activation, as
// separate layers: for training, and where they cannot be folded into a convolution.
#pragma once

#include "nn/params.h"

typedef struct nn_norm {
    nn_norm_kind kind;
    int groups; // of group norm
    double eps, momentum;
    kn_act act;
    tn_tensor gamma, beta;              // [C]
    tn_tensor mean, var;                // [C] of batch norm: running statistics
    nn_param *gamma_param, *beta_param; // NULL: frozen
} nn_norm;

// The kind of norm called prefix: taken from the file ("prefix.running_mean": batch norm, else
// "prefix.weight": group norm), or load->norm if there is none.
nn_norm_kind nn_norm_kind_of(const nn_loader *load, const char *prefix);
// "prefix.weight", ".bias" and, for batch norm, the buffers ".running_mean", ".running_var" (all
// [channels]). eps: if negative, nn_batch_norm_eps decides. Errors as nn_load.
tn_status nn_norm_load(const nn_loader *load, const char *prefix, int64_t channels, double eps,
                       kn_act act, nn_norm *norm);
// x [...,C] -> y of the same shape from cx->step. Under a tape, batch norm uses the statistics of x
// and updates the running ones (momentum 0.1, unbiased variance, as PyTorch). TN_ENOMEM.
tn_status nn_norm_fwd(nn_ctx *cx, const nn_norm *norm, const tn_tensor *x, tn_tensor *y);
// Writes to an existing y, which may be x without a tape.
void nn_norm_into(nn_ctx *cx, const nn_norm *norm, const tn_tensor *x, tn_tensor *y);
// The same with another activation than the norm's.
void nn_norm_act_into(nn_ctx *cx, const nn_norm *norm, kn_act act, const tn_tensor *x,
                      tn_tensor *y);

// Epsilon of the batch norm called prefix: `given` if it is not negative, else 1e-5, or 0 for
// torchvision's frozen form (a file without prefix + ".num_batches_tracked", loaded frozen).
double nn_batch_norm_eps(const nn_loader *load, const char *prefix, double given);
