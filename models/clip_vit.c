// SPDX-License-Identifier: Apache-2.0
#include "models/clip_towers.h"

tn_status md_vit_load(const nn_loader *load, const md_clip_config *cfg, md_vit *vit) {
    int64_t c = cfg->width, tokens = 1 + cfg->grid * cfg->grid;
    int patch = (int)cfg->patch;
    *vit = (md_vit){.grid = cfg->grid, .width = c, .layers = cfg->layers};
    TN_TRY(nn_conv_load(load, "visual.conv1", (int64_t[]){c, 3, patch, patch},
                        kn_conv_same(patch, 0), KN_LINEAR, &vit->patch));
    TN_TRY(nn_load(load, "visual.class_embedding", TN_DIMS(c), &vit->class_row));
    vit->class_row = tn_reshape(&vit->class_row, TN_DIMS(1, c));
    TN_TRY(nn_load(load, "visual.positional_embedding", TN_DIMS(tokens, c), &vit->position));
    TN_TRY(nn_layer_norm_load(load, "visual.ln_pre", c, cfg->norm_eps, &vit->pre));
    nn_block_config block = {
        .channels = c, .heads = (int)cfg->heads, .act = cfg->activation, .norm_eps = cfg->norm_eps};
    TN_TRY(md_blocks_load(load, "visual.transformer.resblocks", cfg->layers, &block, &vit->block));
    TN_TRY(nn_layer_norm_load(load, "visual.ln_post", c, cfg->norm_eps, &vit->post));
    return md_projection_load(load, "visual.proj", c, cfg->embed_dim, &vit->projection);
}

tn_status md_vit_embed(nn_ctx *cx, const md_vit *vit, const tn_tensor *x, tn_tensor *tokens) {
    int64_t n = x->dim[0], c = vit->width, cells = vit->grid * vit->grid, length = 1 + cells;
    TN_TRY(tn_new(cx->step, tokens, TN_F32, TN_DIMS(n, length, c), cx->err));
    size_t mark = tn_arena_mark(cx->step);
    // The patches of all pictures and, behind them, the class token: one table from which each
    // picture's sequence is gathered.
    tn_tensor table, ids;
    TN_TRY(tn_new(cx->step, &table, TN_F32, TN_DIMS(n * cells + 1, c), cx->err));
    TN_TRY(tn_new(cx->step, &ids, TN_I32, TN_DIMS(n * length), cx->err));
    tn_tensor patches = tn_slice(&table, 0, n * cells), last = tn_slice(&table, n * cells, 1);
    patches = tn_reshape(&patches, TN_DIMS(n, vit->grid, vit->grid, c));
    TN_TRY(nn_conv_into(cx, &vit->patch, x, NULL, &patches));
    tn_tensor first = tn_slice(&ids, 0, 1);
    tn_i32(&first)[0] = 0;
    kn_gather_rows_fwd(cx->kn, &vit->class_row, &first, &last);
    for (int64_t i = 0; i < n; i++)
        for (int64_t t = 0; t < length; t++)
            tn_i32(&ids)[i * length + t] = (int32_t)(t ? i * cells + t - 1 : n * cells);
    tn_tensor rows = tn_reshape(tokens, TN_DIMS(n * length, c));
    kn_gather_rows_fwd(cx->kn, &table, &ids, &rows);
    kn_add_fwd(cx->kn, KN_LINEAR, tokens, &vit->position, tokens);
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}

tn_status md_vit_fwd(nn_ctx *cx, const md_vit *vit, const tn_tensor *x, const md_clip_tap *tap,
                     tn_tensor *y) {
    size_t mark = tn_arena_mark(cx->step);
    tn_tensor tokens, pooled;
    TN_TRY(md_vit_embed(cx, vit, x, &tokens));
    md_clip_see(tap, "embeddings", &tokens);
    nn_layer_norm_into(cx, &vit->pre, &tokens, &tokens);
    md_clip_see(tap, "ln_pre", &tokens);
    TN_TRY(md_blocks_run(cx, vit->block, 0, vit->layers, tap, &tokens));
    TN_TRY(md_take_token(cx, &tokens, 0, &pooled)); // the norm is a row's own affair: one is enough
    nn_layer_norm_into(cx, &vit->post, &pooled, &pooled);
    md_clip_see(tap, "ln_post", &pooled);
    nn_linear_into(cx, &vit->projection, &pooled, NULL, y);
    md_clip_see(tap, "projection", y);
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}
