// SPDX-License-Identifier: Apache-2.0
// The trainable side of a weight: its parameters, their packed form, and the conversion in both
// directions.
#pragma once

#include "nn/params.h"

typedef enum nn_form {
    NN_PLAIN,      // [K,C] or [K,C,kh,kw], the form that kernels read
    NN_DECONV,     // [C,K,2,2], of a transposed convolution
    NN_TRANSPOSED, // [C,K]: a bare matrix that files store transposed
    NN_REGIONS,    // [K,C*bins]: a linear layer over regions; columns are reordered to [bins,C]
    NN_JOINED,     // several [K,C], concatenated
} nn_form;

#define NN_MAX_JOINED 3

struct nn_trained {
    nn_trained *next; // in nn_params.trained
    nn_form form;
    int parts;
    nn_param *weight[NN_MAX_JOINED], *bias[NN_MAX_JOINED]; // bias: NULL if there is none
    int64_t bins;
    kn_weight plain;
    tn_tensor staged;                 // [K,C] in the form that kernels read, if no parameter has it
    tn_tensor joined_bias, bias_grad; // [K], of several layers
};

// `trained`: form, parts, weight, bias and bins are set, the rest is filled in. The copy that *out
// points to lives as long as params; nn_params_changed packs it again. TN_ENOMEM.
tn_status nn_trained_new(const nn_loader *load, const nn_trained *trained, nn_trained **out);
void nn_trained_repack(kn_ctx *kn, nn_trained *trained);
// The adjoint of the current values, packed into cx->step for one product: keeping it would take as
// much memory as the parameters. TN_ENOMEM.
tn_status nn_trained_adjoint(nn_ctx *cx, nn_trained *trained, kn_weight *out);
// The bias in the form that kernels read; data is NULL if there is none.
tn_tensor nn_trained_bias(const nn_trained *trained);

// Adds the gradients of a linear layer's parameters: x [...,C], dy [...,K].
void nn_trained_linear_bwd(kn_ctx *kn, nn_trained *trained, const tn_tensor *x,
                           const tn_tensor *dy);
// Adds the gradients of the biases only.
void nn_trained_bias_bwd(kn_ctx *kn, nn_trained *trained, const tn_tensor *dy);
