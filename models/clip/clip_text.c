// SPDX-License-Identifier: Apache-2.0
#include "models/clip/clip_towers.h"

#include <math.h>

// Parameters are initialised as OpenAI's were.
tn_status md_text_tower_load(const nn_loader *load, const md_clip_config *cfg,
                             md_text_tower *tower) {
    int64_t c = cfg->text_width;
    *tower = (md_text_tower){.width = c, .layers = cfg->text_layers};
    nn_loader last = *load;
    last.init = (nn_init){NN_INIT_NORMAL, 1 / sqrt((double)c)};
    TN_TRY(nn_embedding_load(load, "token_embedding.weight", TN_DIMS(cfg->vocabulary, c), 0.02,
                             &tower->token));
    TN_TRY(nn_embedding_load(load, "positional_embedding", TN_DIMS(cfg->context, c), 0.01,
                             &tower->position));
    nn_block_config block = {.channels = c,
                             .heads = (int)cfg->text_heads,
                             .causal = true,
                             .act = cfg->text_activation,
                             .norm_eps = cfg->norm_eps,
                             .layers = cfg->text_layers};
    TN_TRY(md_blocks_load(load, "transformer.resblocks", cfg->text_layers, &block, &tower->block));
    TN_TRY(nn_layer_norm_load(load, "ln_final", c, cfg->norm_eps, &tower->final));
    return md_projection_load(&last, "text_projection", c, cfg->embed_dim, &tower->projection);
}

// Tokens with their positions, [N,L,C] from cx->step.
static tn_status embed(nn_ctx *cx, const md_text_tower *tower, const tn_tensor *ids, tn_tensor *x) {
    int64_t n = ids->dim[0], length = ids->dim[1], c = tower->width;
    tn_tensor bare, flat = tn_reshape(ids, TN_DIMS(n * length));
    TN_TRY(tn_new(cx->step, x, tower->token.rows.dtype, TN_DIMS(n, length, c), cx->err));
    nn_scope scope = nn_scope_enter(cx);
    TN_TRY(tn_new(cx->step, &bare, x->dtype, TN_DIMS(n * length, c), cx->err));
    nn_embedding_lookup(cx, &tower->token, &flat, &bare);
    bare = tn_reshape(&bare, TN_DIMS(n, length, c));
    TN_TRY(nn_embedding_add_into(cx, &tower->position, NULL, &bare, x));
    nn_scope_leave(cx, scope);
    return TN_OK;
}

tn_status md_text_tower_fwd(nn_ctx *cx, const md_text_tower *tower, const tn_tensor *ids,
                            const tn_tensor *position, const md_clip_tap *tap, tn_tensor *y) {
    nn_scope scope = nn_scope_enter(cx);
    tn_tensor x, pooled, unit;
    TN_TRY(embed(cx, tower, ids, &x));
    md_clip_see(tap, "embeddings", &x);
    TN_TRY(md_blocks_token(cx, tower->block, tower->layers, position, tap, &x, &pooled));
    TN_TRY(nn_layer_norm_fwd(cx, &tower->final, &pooled, &unit));
    md_clip_see(tap, "ln_final", &unit);
    nn_linear_into(cx, &tower->projection, &unit, NULL, y);
    md_clip_see(tap, "projection", y);
    nn_scope_leave(cx, scope);
    return TN_OK;
}
