// SPDX-License-Identifier: Apache-2.0
#include "nn/blocks/block.h"

#include "nn/ops.h"
#include "nn/tape.h"

#include <math.h>

// Normal with these deviations: queries, keys and values C^-1/2, the MLP's first layer (2C)^-1/2;
// the last layer of a branch C^-1/2 (2 layers)^-1/2, so that the sum over all branches keeps size
// one.
static void init_branch(const nn_block_config *cfg, bool mlp, nn_loader *load) {
    double c = (double)cfg->channels, layers = (double)cfg->layers;
    if (!cfg->layers) return;
    load->init = (nn_init){NN_INIT_NORMAL, mlp ? 1 / sqrt(2 * c) : 1 / sqrt(c)};
    load->residual_scale = mlp ? 1 / sqrt(layers) : 1 / sqrt(2 * layers);
}

tn_status nn_block_load(const nn_loader *load, const char *prefix, const nn_block_config *cfg,
                        nn_block *block) {
    char name[NN_NAME], down[NN_NAME];
    TN_TRY(nn_layer_norm_load(load, nn_join(name, prefix, ".ln_1"), cfg->channels, cfg->norm_eps,
                              &block->norm1));
    nn_loader branch = *load;
    init_branch(cfg, false, &branch);
    TN_TRY(nn_attention_load(&branch, nn_join(name, prefix, ".attn"), cfg->channels, cfg->heads,
                             cfg->causal, &block->attention));
    TN_TRY(nn_layer_norm_load(load, nn_join(name, prefix, ".ln_2"), cfg->channels, cfg->norm_eps,
                              &block->norm2));
    init_branch(cfg, true, &branch);
    return nn_mlp_load(&branch, nn_join(name, prefix, ".mlp.c_fc"),
                       nn_join(down, prefix, ".mlp.c_proj"), cfg->channels, cfg->act, &block->mlp);
}

// The same sums, each in separate memory.
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

tn_status nn_block_token(nn_ctx *cx, const nn_block *block, const tn_tensor *x,
                         const tn_tensor *position, tn_tensor *y) {
    tn_tensor shortcut, normed, middle;
    TN_TRY(tn_new(cx->step, y, x->dtype, TN_DIMS(x->dim[0], x->dim[2]), cx->err));
    nn_scope scope = nn_scope_enter(cx);
    TN_TRY(tn_new(cx->step, &middle, x->dtype, 2, y->dim, cx->err));
    TN_TRY(nn_pick_tokens(cx, x, position, &shortcut));
    TN_TRY(nn_layer_norm_fwd(cx, &block->norm1, x, &normed));
    TN_TRY(nn_attention_token_into(cx, &block->attention, &normed, position, &shortcut, &middle));
    TN_TRY(nn_layer_norm_fwd(cx, &block->norm2, &middle, &normed));
    TN_TRY(nn_mlp_into(cx, &block->mlp, &normed, &middle, y));
    nn_scope_leave(cx, scope);
    return TN_OK;
}
