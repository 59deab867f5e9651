// SPDX-License-Identifier: Apache-2.0
#include "nn/block.h"

#include "nn/tape.h"

tn_status nn_block_load(const nn_loader *load, const char *prefix, const nn_block_config *cfg,
                        nn_block *block) {
    char name[NN_NAME], down[NN_NAME];
    TN_TRY(nn_layer_norm_load(load, nn_join(name, prefix, ".ln_1"), cfg->channels, cfg->norm_eps,
                              &block->norm1));
    TN_TRY(nn_attention_load(load, nn_join(name, prefix, ".attn"), cfg->channels, cfg->heads,
                             cfg->causal, &block->attention));
    TN_TRY(nn_layer_norm_load(load, nn_join(name, prefix, ".ln_2"), cfg->channels, cfg->norm_eps,
                              &block->norm2));
    return nn_mlp_load(load, nn_join(name, prefix, ".mlp.c_fc"),
                       nn_join(down, prefix, ".mlp.c_proj"), cfg->channels, cfg->act, &block->mlp);
}

// The same sums, each into memory of its own.
static tn_status recorded(nn_ctx *cx, const nn_block *block, tn_tensor *x) {
    tn_tensor normed, middle, y;
    TN_TRY(tn_new(cx->step, &y, x->dtype, x->rank, x->dim, cx->err));
    TN_TRY(tn_new(cx->step, &middle, x->dtype, x->rank, x->dim, cx->err));
    TN_TRY(nn_layer_norm_fwd(cx, &block->norm1, x, &normed));
    TN_TRY(nn_attention_into(cx, &block->attention, &normed, x, &middle));
    TN_TRY(nn_layer_norm_fwd(cx, &block->norm2, &middle, &normed));
    TN_TRY(nn_mlp_into(cx, &block->mlp, &normed, &middle, &y));
    *x = y;
    return TN_OK;
}

tn_status nn_block_inplace(nn_ctx *cx, const nn_block *block, tn_tensor *x) {
    if (cx->tape && (block->norm1.gamma_param || nn_tape_wants(cx, x)))
        return recorded(cx, block, x);
    size_t mark = tn_arena_mark(cx->step);
    tn_tensor normed;
    TN_TRY(nn_layer_norm_fwd(cx, &block->norm1, x, &normed));
    TN_TRY(nn_attention_into(cx, &block->attention, &normed, x, x));
    nn_layer_norm_into(cx, &block->norm2, x, &normed);
    TN_TRY(nn_mlp_into(cx, &block->mlp, &normed, x, x));
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}
