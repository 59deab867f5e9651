// SPDX-License-Identifier: Apache-2.0
#include "models/clip/clip_towers.h"
#include "nn/ops.h"

#include <math.h>

// Parameters are initialised as OpenAI's were, except positions and class token with 0.01 and 0.02.
tn_status md_vit_load(const nn_loader *load, const md_clip_config *cfg, md_vit *vit) {
    int64_t c = cfg->width, tokens = 1 + cfg->grid * cfg->grid;
    int patch = (int)cfg->patch;
    *vit = (md_vit){.grid = cfg->grid, .width = c, .layers = cfg->layers};
    nn_loader first = *load, last = *load;
    first.init = (nn_init){NN_INIT_NORMAL, 1 / sqrt(3.0 * patch * patch)};
    last.init = (nn_init){NN_INIT_NORMAL, 1 / sqrt((double)c)};
    TN_TRY(nn_conv_load(&first, "visual.conv1", (int64_t[]){c, 3, patch, patch},
                        kn_conv_same(patch, 0), KN_LINEAR, &vit->patch));
    TN_TRY(nn_embedding_load(load, "visual.class_embedding", TN_DIMS(c), 0.02, &vit->class_row));
    TN_TRY(nn_embedding_load(load, "visual.positional_embedding", TN_DIMS(tokens, c), 0.01,
                             &vit->position));
    TN_TRY(nn_layer_norm_load(load, "visual.ln_pre", c, cfg->norm_eps, &vit->pre));
    nn_block_config block = {.channels = c,
                             .heads = (int)cfg->heads,
                             .act = cfg->activation,
                             .norm_eps = cfg->norm_eps,
                             .layers = cfg->layers};
    TN_TRY(md_blocks_load(load, "visual.transformer.resblocks", cfg->layers, &block, &vit->block));
    TN_TRY(nn_layer_norm_load(load, "visual.ln_post", c, cfg->norm_eps, &vit->post));
    return md_projection_load(&last, "visual.proj", c, cfg->embed_dim, &vit->projection);
}

// For each token, its row in the table (patches of all pictures, then the class token) and the
// index of its position. places: NULL if all patches are used, in order.
static void number_tokens(const md_vit *vit, int64_t n, const tn_tensor *keep, tn_tensor *ids,
                          tn_tensor *places) {
    int64_t cells = vit->grid * vit->grid, kept = keep ? keep->dim[1] : cells;
    int32_t *id = tn_i32(ids), *position = places ? tn_i32(places) : NULL;
    for (int64_t i = 0; i < n; i++)
        for (int64_t t = 0; t <= kept; t++) {
            int64_t cell = t == 0 ? -1 : keep ? tn_i32(keep)[i * kept + t - 1] : t - 1;
            TN_CHECK(cell < cells && (t == 0 || cell >= 0), "patch %lld of %lld", (long long)cell,
                     (long long)cells);
            *id++ = (int32_t)(t ? i * cells + cell : n * cells);
            if (position) *position++ = (int32_t)(cell + 1);
        }
}

// The patches of all pictures, followed by the class token: one table from which each picture's
// sequence is gathered.
static tn_status make_table(nn_ctx *cx, const md_vit *vit, const tn_tensor *x, tn_tensor *table) {
    int64_t n = x->dim[0], c = vit->width;
    tn_tensor part[2], zero;
    TN_TRY(nn_conv_fwd(cx, &vit->patch, x, NULL, &part[0]));
    part[0] = tn_reshape(&part[0], TN_DIMS(n * vit->grid * vit->grid, c));
    TN_TRY(tn_new(cx->step, &zero, TN_I32, TN_DIMS(1), cx->err));
    TN_TRY(tn_new(cx->step, &part[1], x->dtype, TN_DIMS(1, c), cx->err));
    tn_i32(&zero)[0] = 0;
    nn_embedding_lookup(cx, &vit->class_row, &zero, &part[1]);
    return nn_concat_rows(cx, 2, part, table);
}

// x [N,S,S,3] -> tokens [N,1+K,C] from cx->step: class token and patches with their positions.
static tn_status embed(nn_ctx *cx, const md_vit *vit, const tn_tensor *x, const tn_tensor *keep,
                       tn_tensor *tokens) {
    int64_t n = x->dim[0], c = vit->width, cells = vit->grid * vit->grid;
    int64_t length = 1 + (keep ? keep->dim[1] : cells);
    tn_tensor table, bare, ids, places;
    TN_TRY(tn_new(cx->step, tokens, x->dtype, TN_DIMS(n, length, c), cx->err));
    nn_scope scope = nn_scope_enter(cx);
    TN_TRY(tn_new(cx->step, &ids, TN_I32, TN_DIMS(n * length), cx->err));
    if (keep) TN_TRY(tn_new(cx->step, &places, TN_I32, TN_DIMS(n * length), cx->err));
    number_tokens(vit, n, keep, &ids, keep ? &places : NULL);
    TN_TRY(make_table(cx, vit, x, &table));
    TN_TRY(nn_gather_rows(cx, &table, &ids, &bare));
    bare = tn_reshape(&bare, TN_DIMS(n, length, c));
    TN_TRY(nn_embedding_add_into(cx, &vit->position, keep ? &places : NULL, &bare, tokens));
    nn_scope_leave(cx, scope);
    return TN_OK;
}

tn_status md_vit_fwd(nn_ctx *cx, const md_vit *vit, const tn_tensor *x, const tn_tensor *keep,
                     const md_clip_tap *tap, tn_tensor *y) {
    nn_scope scope = nn_scope_enter(cx);
    tn_tensor tokens, normed, pooled, unit;
    TN_TRY(embed(cx, vit, x, keep, &tokens));
    md_clip_see(tap, "embeddings", &tokens);
    TN_TRY(nn_layer_norm_fwd(cx, &vit->pre, &tokens, &normed));
    md_clip_see(tap, "ln_pre", &normed);
    TN_TRY(md_blocks_token(cx, vit->block, vit->layers, NULL, tap, &normed, &pooled));
    TN_TRY(nn_layer_norm_fwd(cx, &vit->post, &pooled, &unit));
    md_clip_see(tap, "ln_post", &unit);
    nn_linear_into(cx, &vit->projection, &unit, NULL, y);
    md_clip_see(tap, "projection", y);
    nn_scope_leave(cx, scope);
    return TN_OK;
}
