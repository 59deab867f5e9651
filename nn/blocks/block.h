// SPDX-License-Identifier: Apache-2.0
// The pre-norm transformer block: x += attention(norm1(x)); x += mlp(norm2(x)).
#pragma once

#include "nn/blocks/attention.h"
#include "nn/blocks/mlp.h"
#include "nn/layer_norm.h"

typedef struct nn_block {
    nn_layer_norm norm1, norm2;
    nn_attention attention;
    nn_mlp mlp;
} nn_block;

typedef struct nn_block_config {
    int64_t channels;
    int heads;
    bool causal;
    kn_act act;
    double norm_eps;
    int64_t layers; // of the tower: weights are initialised as CLIP's (Radford et al. 2021); 0: by
                    // load->init
} nn_block_config;

// OpenAI's names: "prefix.ln_1", ".attn", ".ln_2", ".mlp.c_fc", ".mlp.c_proj". Errors as nn_load.
tn_status nn_block_load(const nn_loader *load, const char *prefix, const nn_block_config *cfg,
                        nn_block *block);
// Replaces x [N,L,C] by the block's output in position, so that a tower of any depth needs the
// scratch of one block, which comes from cx->step and is freed. If the block is recorded, x becomes
// another tensor (x->data changes), because the tape needs the input. TN_ENOMEM.
tn_status nn_block_inplace(nn_ctx *cx, const nn_block *block, tn_tensor *x);
// The output for one token of each sequence, with the same bits as the whole output: x [N,L,C],
// position int32 [N] in [0,L), of which a tape keeps a reference -> y [N,C] from cx->step.
// TN_ENOMEM.
tn_status nn_block_token(nn_ctx *cx, const nn_block *block, const tn_tensor *x,
                         const tn_tensor *position, tn_tensor *y);
