// SPDX-License-Identifier: Apache-2.0
#include "models/clip_towers.h"

tn_status md_text_tower_load(const nn_loader *load, const md_clip_config *cfg,
                             md_text_tower *tower) {
    int64_t c = cfg->text_width;
    *tower = (md_text_tower){.width = c, .layers = cfg->text_layers};
    TN_TRY(nn_load(load, "token_embedding.weight", TN_DIMS(cfg->vocabulary, c), &tower->token));
    TN_TRY(nn_load(load, "positional_embedding", TN_DIMS(cfg->context, c), &tower->position));
    nn_block_config block = {.channels = c,
                             .heads = (int)cfg->text_heads,
                             .causal = true,
                             .act = cfg->text_activation,
                             .norm_eps = cfg->norm_eps};
    TN_TRY(md_blocks_load(load, "transformer.resblocks", cfg->text_layers, &block, &tower->block));
    TN_TRY(nn_layer_norm_load(load, "ln_final", c, cfg->norm_eps, &tower->final));
    return md_projection_load(load, "text_projection", c, cfg->embed_dim, &tower->projection);
}

tn_status md_text_tower_fwd(nn_ctx *cx, const md_text_tower *tower, const tn_tensor *ids,
                            int64_t place, const md_clip_tap *tap, tn_tensor *y) {
    size_t mark = tn_arena_mark(cx->step);
    int64_t n = ids->dim[0], length = ids->dim[1];
    tn_tensor x, pooled, flat = tn_reshape(ids, TN_DIMS(n * length));
    TN_TRY(tn_new(cx->step, &x, TN_F32, TN_DIMS(n, length, tower->width), cx->err));
    tn_tensor rows = tn_reshape(&x, TN_DIMS(n * length, tower->width));
    kn_gather_rows_fwd(cx->kn, &tower->token, &flat, &rows);
    tn_tensor position = tn_slice(&tower->position, 0, length);
    kn_add_fwd(cx->kn, KN_LINEAR, &x, &position, &x);
    md_clip_see(tap, "embeddings", &x);
    TN_TRY(md_blocks_run(cx, tower->block, 0, tower->layers, tap, &x));
    TN_TRY(md_take_token(cx, &x, place, &pooled));
    nn_layer_norm_into(cx, &tower->final, &pooled, &pooled);
    md_clip_see(tap, "ln_final", &pooled);
    nn_linear_into(cx, &tower->projection, &pooled, NULL, y);
    md_clip_see(tap, "projection", y);
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}
