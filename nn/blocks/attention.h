// SPDX-License-Identifier: Apache-2.0
// Multi-head self-attention (Vaswani et al. 2017). One product computes queries, keys and values.
#pragma once

#include "nn/linear.h"

typedef struct nn_attention {
    nn_linear qkv; // [3C,C]: queries, keys, values
    nn_linear out; // [C,C]
    int heads;
    bool causal; // token i sees tokens 0..i
} nn_attention;

// "prefix.in_proj_weight" [3C,C] with "prefix.in_proj_bias", or, if the file stores them
// separately, "prefix.q_proj", ".k_proj", ".v_proj"; and "prefix.out_proj". heads must divide
// channels. Errors as nn_load.
tn_status nn_attention_load(const nn_loader *load, const char *prefix, int64_t channels, int heads,
                            bool causal, nn_attention *attention);
// x [N,L,C] -> y [N,L,C], allocated by the caller: out(attention(x)) + residual. residual: NULL or
// the shape of y; it may be y if nothing is recorded. Scratch comes from cx->step and is freed if
// nothing is recorded. TN_ENOMEM.
tn_status nn_attention_into(nn_ctx *cx, const nn_attention *attention, const tn_tensor *x,
                            const tn_tensor *residual, tn_tensor *y);
// The same for one token of each sequence: position int32 [N] in [0,L), of which a tape keeps a
// reference; residual (may be NULL) and y [N,C].
tn_status nn_attention_token_into(nn_ctx *cx, const nn_attention *attention, const tn_tensor *x,
                                  const tn_tensor *position, const tn_tensor *residual,
                                  tn_tensor *y);
