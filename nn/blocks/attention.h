// SPDX-License-Identifier: Apache-2.0
// Multi-head self-attention (Vaswani et al. 2017): one product makes queries, keys and values.
#pragma once

#include "nn/linear.h"

typedef struct nn_attention {
    nn_linear qkv; // [3C,C]: queries, keys, values
    nn_linear out; // [C,C]
    int heads;
    bool causal; // token i sees tokens 0..i
} nn_attention;

// "prefix.in_proj_weight" [3C,C] with "prefix.in_proj_bias", or, where the file keeps them apart,
// "prefix.q_proj", ".k_proj", ".v_proj"; and "prefix.out_proj". heads divides channels.
// Errors as nn_load.
tn_status nn_attention_load(const nn_loader *load, const char *prefix, int64_t channels, int heads,
                            bool causal, nn_attention *attention);
// x [N,L,C] -> y [N,L,C] of the caller: out(attention(x)) + residual. residual: NULL or the shape
// of y, and may be y where nothing is recorded. What it needs between is taken from cx->step, and
// given back where nothing is recorded. TN_ENOMEM.
tn_status nn_attention_into(nn_ctx *cx, const nn_attention *attention, const tn_tensor *x,
                            const tn_tensor *residual, tn_tensor *y);
// The same for one token of each sequence: place int32 [N] in [0,L), kept by a tape; residual (may
// be NULL) and y [N,C].
tn_status nn_attention_at_into(nn_ctx *cx, const nn_attention *attention, const tn_tensor *x,
                               const tn_tensor *place, const tn_tensor *residual, tn_tensor *y);
