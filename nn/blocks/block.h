// SPDX-License-Identifier: Apache-2.0
// The transformer block with norms in front: x += attention(norm1(x)); x += mlp(norm2(x)).
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
    int64_t layers; // of the tower: new weights begin as CLIP's do (Radford et al. 2021); 0: as the
                    // loader says
} nn_block_config;

// OpenAI's names: "prefix.ln_1", ".attn", ".ln_2", ".mlp.c_fc", ".mlp.c_proj". Errors as nn_load.
tn_status nn_block_load(const nn_loader *load, const char *prefix, const nn_block_config *cfg,
                        nn_block *block);
// x [N,L,C] becomes the block's output in place, so that a tower of any depth needs the memory of
// one block; that is taken from cx->step and given back. Where the block is recorded, x becomes
// another tensor (x->data changes), since the tape needs the input. TN_ENOMEM.
tn_status nn_block_inplace(nn_ctx *cx, const nn_block *block, tn_tensor *x);
// The output for one token of each sequence, with its very bits and without the others': x [N,L,C],
// place int32 [N] in [0,L), kept by a tape -> y [N,C] from cx->step. TN_ENOMEM.
tn_status nn_block_at(nn_ctx *cx, const nn_block *block, const tn_tensor *x, const tn_tensor *place,
                      tn_tensor *y);
