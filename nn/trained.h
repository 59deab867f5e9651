// SPDX-License-Identifier: Apache-2.0
// What a weight has besides when it is trained: its parameters, what is packed of them, and the
// way from one to the other and back.
#pragma once

#include "nn/params.h"

typedef enum nn_form {
    NN_PLAIN,   // [K,C] or [K,C,kh,kw], as kernels are given them
    NN_DECONV,  // [C,K,2,2], of a transposed convolution
    NN_TURNED,  // [C,K]: a bare matrix that files keep the other way round
    NN_REGIONS, // [K,C*bins]: a linear layer over regions, whose columns are turned to [bins,C]
    NN_JOINED,  // several [K,C], one after the other
} nn_form;

#define NN_JOINED_MOST 3

struct nn_trained {
    nn_trained *next; // in nn_params.trained
    nn_form form;
    int parts;
    nn_param *weight[NN_JOINED_MOST], *bias[NN_JOINED_MOST]; // bias: NULL where there is none
    int64_t bins;
    kn_weight plain;
    tn_tensor staged;                 // [K,C] as kernels are given it, where no parameter is that
    tn_tensor joined_bias, bias_grad; // [K], of several parts
};

// trained: form, parts, weight, bias and bins are set, the rest is filled in; the copy that *out
// points to lives with params and is packed again by nn_params_changed. TN_ENOMEM.
tn_status nn_trained_new(const nn_loader *load, const nn_trained *trained, nn_trained **out);
void nn_trained_repack(kn_ctx *kn, nn_trained *trained);
// The adjoint of the values as they are now, packed into cx->step for one product: to keep it would
// take as much memory as the parameters. TN_ENOMEM.
tn_status nn_trained_adjoint(nn_ctx *cx, nn_trained *trained, kn_weight *out);
// The bias as kernels are given it; data is NULL where there is none.
tn_tensor nn_trained_bias(const nn_trained *trained);

// Gradients of a linear layer's parameters, added: x [...,C], dy [...,K].
void nn_trained_linear_bwd(kn_ctx *kn, nn_trained *trained, const tn_tensor *x,
                           const tn_tensor *dy);
// Of the biases alone.
void nn_trained_bias_bwd(kn_ctx *kn, nn_trained *trained, const tn_tensor *dy);
