// SPDX-License-Identifier: Apache-2.0
// Stage 1: runs a picture through a ViT.
#include "models/clip/clip_scene.h"

#include "nn/blocks/value_path.h"

#include <string.h>

// Interpolates CLIP's positions, after the class token's row, to another grid.
static tn_status stretch(kn_ctx *kn, tn_arena *arena, const md_vit *vit, int64_t rows,
                         int64_t columns, tn_tensor *y, tn_error *err) {
    int64_t c = vit->width, grid = vit->grid;
    TN_TRY(tn_new(arena, y, TN_F32, TN_DIMS(1 + rows * columns, c), err));
    memcpy(y->data, vit->position.rows.data, (size_t)c * sizeof(float));
    tn_tensor from = tn_slice(&vit->position.rows, 1, grid * grid);
    tn_tensor to = tn_slice(y, 1, rows * columns);
    from = tn_reshape(&from, TN_DIMS(1, grid, grid, c));
    to = tn_reshape(&to, TN_DIMS(1, rows, columns, c));
    if (rows == grid && columns == grid)
        memcpy(to.data, from.data, tn_bytes(&from));
    else
        kn_resize_fwd(kn, &(kn_resize){.filter = KN_BICUBIC, .cubic_a = -0.75}, &from, &to);
    return TN_OK;
}

tn_status md_scene_init(kn_ctx *kn, tn_arena *arena, const md_vit *vit, int64_t rows,
                        int64_t columns, int64_t window, bool positions_of_window, md_scene *out,
                        tn_error *err) {
    TN_CHECK(rows > 0 && columns > 0 && (!window || (rows % window == 0 && columns % window == 0)),
             "%lld x %lld patches in windows of %lld", (long long)rows, (long long)columns,
             (long long)window);
    *out = (md_scene){.vit = vit, .rows = rows, .columns = columns, .window = window};
    TN_TRY(stretch(kn, arena, vit, rows, columns, &out->position, err));
    if (window && positions_of_window)
        return stretch(kn, arena, vit, window, window, &out->sequence, err);
    if (!window) out->sequence = out->position;
    return TN_OK;
}

// ---- patches and tokens ------------------------------------------------------------------------

static void add_rows(nn_ctx *cx, const tn_tensor *a, const tn_tensor *b, tn_tensor *y) {
    kn_add_fwd(cx->kn, KN_LINEAR, a, b, y);
}

void md_scene_locate(const md_scene *s, int64_t row, int64_t column, int64_t *sequence,
                     int64_t *at) {
    int64_t w = s->window ? s->window : s->columns, h = s->window ? s->window : s->rows;
    *sequence = row / h * (s->columns / w) + column / w;
    *at = 1 + row % h * w + column % w;
}

int64_t md_scene_length(const md_scene *s) {
    return 1 + (s->window ? s->window * s->window : s->rows * s->columns);
}

int64_t md_scene_sequences(const md_scene *s) {
    return s->window ? s->rows / s->window * (s->columns / s->window) : 1;
}

// x [N,rows,columns,C] patches -> tokens [N*sequences,1+L,C], a class token first in each.
static void to_sequences(const md_scene *s, const tn_tensor *x, tn_tensor *tokens) {
    int64_t c = s->vit->width, length = md_scene_length(s), count = md_scene_sequences(s);
    size_t bytes = (size_t)c * sizeof(float);
    for (int64_t i = 0; i < tokens->dim[0]; i++)
        memcpy(tn_f32(tokens) + i * length * c, tn_f32(&s->vit->class_row.rows), bytes);
    const float *from = tn_f32(x);
    for (int64_t n = 0; n < x->dim[0]; n++)
        for (int64_t row = 0; row < s->rows; row++)
            for (int64_t column = 0; column < s->columns; column++, from += c) {
                int64_t sequence, at;
                md_scene_locate(s, row, column, &sequence, &at);
                memcpy(tn_f32(tokens) + ((n * count + sequence) * length + at) * c, from, bytes);
            }
}

// The inverse, without the class tokens.
static void from_sequences(const md_scene *s, const tn_tensor *tokens, tn_tensor *map) {
    int64_t c = s->vit->width, length = md_scene_length(s), count = md_scene_sequences(s);
    float *to = tn_f32(map);
    for (int64_t n = 0; n < map->dim[0]; n++)
        for (int64_t row = 0; row < s->rows; row++)
            for (int64_t column = 0; column < s->columns; column++, to += c) {
                int64_t sequence, at;
                md_scene_locate(s, row, column, &sequence, &at);
                memcpy(to, tn_f32(tokens) + ((n * count + sequence) * length + at) * c,
                       (size_t)c * sizeof(float));
            }
}

// Adds the scene's positions to the patches.
static void add_positions(nn_ctx *cx, const md_scene *s, const tn_tensor *patches, tn_tensor *y) {
    tn_tensor cells = tn_slice(&s->position, 1, s->rows * s->columns);
    cells = tn_reshape(&cells, TN_DIMS(1, s->rows, s->columns, s->vit->width));
    for (int64_t n = 0; n < patches->dim[0]; n++) {
        tn_tensor from = tn_slice(patches, n, 1), to = tn_slice(y, n, 1);
        add_rows(cx, &from, &cells, &to);
    }
}

// Tokens with their positions, normalised: the input of the first block.
static tn_status tokens_of(nn_ctx *cx, const md_scene *s, const tn_tensor *patches,
                           tn_tensor *tokens) {
    int64_t c = s->vit->width;
    size_t mark = tn_arena_mark(cx->step);
    if (s->sequence.data) {
        to_sequences(s, patches, tokens);
        add_rows(cx, tokens, &s->sequence, tokens);
    } else {
        tn_tensor placed, first = tn_slice(&s->position, 0, 1);
        TN_TRY(tn_new(cx->step, &placed, TN_F32, patches->rank, patches->dim, cx->err));
        add_positions(cx, s, patches, &placed);
        to_sequences(s, &placed, tokens);
        for (int64_t i = 0; i < tokens->dim[0]; i++) {
            tn_tensor one = tn_slice(tokens, i, 1);
            one = tn_reshape(&one, TN_DIMS(md_scene_length(s), c));
            one = tn_slice(&one, 0, 1);
            add_rows(cx, &one, &first, &one);
        }
    }
    nn_layer_norm_into(cx, &s->vit->pre, tokens, tokens);
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}

// ---- the pass ----------------------------------------------------------------------------------

static tn_status new_map(nn_ctx *cx, const md_scene *s, int64_t n, int64_t channels, tn_tensor *y) {
    return tn_new(cx->step, y, TN_F32, TN_DIMS(n, s->rows, s->columns, channels), cx->err);
}

static tn_status new_maps(nn_ctx *cx, const md_scene *s, int64_t n, const md_scene_wants *wants,
                          md_scene_maps *out) {
    int64_t c = s->vit->width;
    *out = (md_scene_maps){0};
    if (wants->patches) TN_TRY(new_map(cx, s, n, c, &out->patches));
    if (wants->tokens)
        TN_TRY(tn_new(cx->step, &out->tokens, TN_F32, TN_DIMS(n, md_scene_length(s), c), cx->err));
    for (int i = 0; i < wants->taps; i++) TN_TRY(new_map(cx, s, n, c, &out->map[i]));
    if (wants->dense) TN_TRY(new_map(cx, s, n, s->vit->projection.w.out, &out->dense));
    return TN_OK;
}

// The last block's value path, for its tap and for the dense map.
static tn_status last_block(nn_ctx *cx, const md_scene *s, const md_scene_wants *wants,
                            const tn_tensor *tokens, md_scene_maps *out) {
    tn_tensor map;
    int last = wants->taps - 1;
    bool tapped = last >= 0 && wants->tap[last] == s->vit->layers - 1;
    if (!tapped && !wants->dense) return TN_OK;
    if (tapped)
        map = out->map[last];
    else
        TN_TRY(new_map(cx, s, 1, s->vit->width, &map));
    from_sequences(s, tokens, &map);
    TN_TRY(nn_value_path_inplace(cx, &s->vit->block[s->vit->layers - 1], &map));
    if (!wants->dense) return TN_OK;
    tn_tensor normed;
    TN_TRY(nn_layer_norm_fwd(cx, &s->vit->post, &map, &normed));
    nn_linear_into(cx, &s->vit->projection, &normed, NULL, &out->dense);
    kn_l2_normalize_fwd(cx->kn, 1e-12, &out->dense, &out->dense);
    return TN_OK;
}

static tn_status run_blocks(nn_ctx *cx, const md_scene *s, const md_scene_wants *wants,
                            tn_tensor *tokens, md_scene_maps *out) {
    int next = 0;
    while (next < wants->taps && wants->tap[next] < 0) next++;
    int64_t most = wants->taps ? wants->tap[wants->taps - 1] + 1 : 0;
    if (wants->dense || most >= s->vit->layers) most = s->vit->layers - 1;
    for (int64_t b = 0; b < most; b++) {
        TN_TRY(nn_block_inplace(cx, &s->vit->block[b], tokens));
        if (next < wants->taps && wants->tap[next] == b)
            from_sequences(s, tokens, &out->map[next++]);
    }
    return last_block(cx, s, wants, tokens, out);
}

// Processes one picture; the maps in `out` are already allocated.
static tn_status run_one(nn_ctx *cx, const md_scene *s, const tn_tensor *x,
                         const md_scene_wants *wants, md_scene_maps *out) {
    tn_tensor patches = out->patches, tokens;
    if (!wants->patches) TN_TRY(new_map(cx, s, 1, s->vit->width, &patches));
    TN_TRY(nn_conv_into(cx, &s->vit->patch, x, NULL, &patches));
    if (wants->taps && wants->tap[0] < 0) add_positions(cx, s, &patches, &out->map[0]);
    bool blocks = wants->dense || (wants->taps && wants->tap[wants->taps - 1] >= 0);
    if (!blocks && !wants->tokens) return TN_OK;
    TN_TRY(tn_new(cx->step, &tokens, TN_F32,
                  TN_DIMS(md_scene_sequences(s), md_scene_length(s), s->vit->width), cx->err));
    TN_TRY(tokens_of(cx, s, &patches, &tokens));
    if (wants->tokens) memcpy(out->tokens.data, tokens.data, tn_bytes(&tokens));
    return blocks ? run_blocks(cx, s, wants, &tokens, out) : TN_OK;
}

static tn_tensor one_of(const tn_tensor *t, int64_t i) {
    return t->data ? tn_slice(t, i, 1) : *t;
}

tn_status md_scene_run(nn_ctx *cx, const md_scene *s, const tn_tensor *x,
                       const md_scene_wants *wants, md_scene_maps *out) {
    int64_t n = x->dim[0], p = s->vit->patch.w.kh;
    TN_CHECK(tn_has_shape(x, TN_DIMS(n, s->rows * p, s->columns * p, 3)) &&
                 !(wants->tokens && s->window),
             "x of %lld x %lld pixels", (long long)x->dim[1], (long long)x->dim[2]);
    TN_TRY(new_maps(cx, s, n, wants, out));
    // Pictures are processed one by one, so that memory does not grow with the batch.
    for (int64_t i = 0; i < n; i++) {
        size_t mark = tn_arena_mark(cx->step);
        tn_tensor picture = tn_slice(x, i, 1);
        md_scene_maps one = {.patches = one_of(&out->patches, i),
                             .tokens = one_of(&out->tokens, i),
                             .dense = one_of(&out->dense, i)};
        for (int k = 0; k < wants->taps; k++) one.map[k] = one_of(&out->map[k], i);
        TN_TRY(run_one(cx, s, &picture, wants, &one));
        tn_arena_reset(cx->step, mark);
    }
    return TN_OK;
}

tn_status md_clip_resnet_maps(nn_ctx *cx, const md_clip_resnet *resnet, const tn_tensor *x,
                              tn_tensor map[4]) {
    tn_tensor at;
    TN_CHECK(x->dim[1] % 32 == 0 && x->dim[2] % 32 == 0, "x of %lld x %lld pixels",
             (long long)x->dim[1], (long long)x->dim[2]);
    TN_TRY(tn_new(cx->step, &at, TN_F32,
                  TN_DIMS(x->dim[0], x->dim[1] / 4, x->dim[2] / 4, resnet->stem[2].w.out),
                  cx->err));
    TN_TRY(md_clip_resnet_stem(cx, resnet, x, NULL, &at));
    for (int stage = 0; stage < 4; stage++)
        TN_TRY(md_clip_resnet_stage(cx, resnet, stage, stage ? &map[stage - 1] : &at, NULL,
                                    &map[stage]));
    return TN_OK;
}
