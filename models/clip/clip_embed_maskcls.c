// SPDX-License-Identifier: Apache-2.0
// Stage 2: embeddings of boxes in CLIP's space, without cropping the picture.
#include "models/clip/clip_scene.h"

#include <math.h>
#include <string.h>

#define TOKENS_AT_ONCE 4096 // tokens of boxes that are encoded together
#define BOXES_AT_ONCE 512

// Boxes [from, from+count) of a list; image may be NULL.
typedef struct box_range {
    tn_tensor boxes, image, y;
} box_range;

static box_range range_of(const tn_tensor *boxes, const tn_tensor *image, const tn_tensor *y,
                          int64_t from, int64_t most) {
    int64_t count = boxes->dim[0] - from < most ? boxes->dim[0] - from : most;
    return (box_range){tn_slice(boxes, from, count), tn_slice(image, from, count),
                       tn_slice(y, from, count)};
}

// Pools regions of a map [N,h,w,C] with stride pixels per cell -> y [R,size,size,C], one sample per
// cell.
static void pool(nn_ctx *cx, const tn_tensor *map, double stride, const box_range *p,
                 tn_tensor *y) {
    const double scale = 1 / stride;
    kn_roi_align cfg = {.aligned = true, .levels = 1, .level = map, .scale = &scale};
    kn_roi_align_fwd(cx->kn, &cfg, &p->boxes, &p->image, NULL, y);
}

static double stride_of(const md_scene *s) {
    return (double)s->vit->patch.w.kh;
}

// ---- embed -------------------------------------------------------------------------------------

// Tokens [B,1+grid²,C] after the first norm, from regions [B,grid,grid,C]: with CLIP's positions
// added, or with the pooled positions of the regions.
static tn_status box_tokens(nn_ctx *cx, const md_vit *vit, const tn_tensor *regions, bool own,
                            tn_tensor *tokens) {
    int64_t n = regions->dim[0], cells = vit->grid * vit->grid, c = vit->width;
    TN_TRY(tn_new(cx->step, tokens, TN_F32, TN_DIMS(n, 1 + cells, c), cx->err));
    float *to = tn_f32(tokens);
    const float *row = tn_f32(&vit->class_row.rows), *first = tn_f32(&vit->position.rows);
    for (int64_t i = 0; i < n; i++, to += (1 + cells) * c) {
        for (int64_t k = 0; k < c; k++) to[k] = own ? row[k] : row[k] + first[k];
        memcpy(to + c, tn_f32(regions) + i * cells * c, (size_t)(cells * c) * sizeof(float));
    }
    if (own) kn_add_fwd(cx->kn, KN_LINEAR, tokens, &vit->position.rows, tokens);
    nn_layer_norm_into(cx, &vit->pre, tokens, tokens);
    return TN_OK;
}

// Projects the class token after all blocks -> y [B,D].
static tn_status project(nn_ctx *cx, const md_vit *vit, const tn_tensor *rows, tn_tensor *y) {
    tn_tensor normed;
    TN_TRY(nn_layer_norm_fwd(cx, &vit->post, rows, &normed));
    nn_linear_into(cx, &vit->projection, &normed, NULL, y);
    return TN_OK;
}

static tn_status embed_piece(nn_ctx *cx, const md_scene *s, const tn_tensor *map, bool own,
                             box_range *p) {
    const md_vit *vit = s->vit;
    tn_tensor regions, tokens, rows;
    TN_TRY(tn_new(cx->step, &regions, TN_F32,
                  TN_DIMS(p->boxes.dim[0], vit->grid, vit->grid, vit->width), cx->err));
    pool(cx, map, stride_of(s), p, &regions);
    TN_TRY(box_tokens(cx, vit, &regions, own, &tokens));
    TN_TRY(md_blocks_token(cx, vit->block, vit->layers, NULL, NULL, &tokens, &rows));
    return project(cx, vit, &rows, &p->y);
}

// Adds the scene's positions to the patches.
static tn_status with_positions(nn_ctx *cx, const md_scene *s, const tn_tensor *patches,
                                tn_tensor *y) {
    int64_t cells = s->rows * s->columns;
    tn_tensor position = tn_slice(&s->position, 1, cells);
    TN_TRY(tn_new(cx->step, y, TN_F32, patches->rank, patches->dim, cx->err));
    tn_tensor from = tn_reshape(patches, TN_DIMS(patches->dim[0], cells, s->vit->width));
    tn_tensor to = tn_reshape(y, 3, from.dim);
    kn_add_fwd(cx->kn, KN_LINEAR, &from, &position, &to);
    return TN_OK;
}

tn_status md_scene_embed(nn_ctx *cx, const md_scene *s, const tn_tensor *patches, bool own,
                         const tn_tensor *boxes, const tn_tensor *image, tn_tensor *y) {
    int64_t at_once = TOKENS_AT_ONCE / (1 + s->vit->grid * s->vit->grid);
    size_t mark = tn_arena_mark(cx->step);
    tn_tensor placed = *patches;
    if (!own) TN_TRY(with_positions(cx, s, patches, &placed));
    if (at_once < 1) at_once = 1;
    for (int64_t from = 0; from < boxes->dim[0]; from += at_once) {
        size_t inner = tn_arena_mark(cx->step);
        box_range p = range_of(boxes, image, y, from, at_once);
        TN_TRY(embed_piece(cx, s, &placed, own, &p));
        tn_arena_reset(cx->step, inner);
    }
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}

// ---- dense -------------------------------------------------------------------------------------

tn_status md_scene_dense(nn_ctx *cx, const md_scene *s, const tn_tensor *dense,
                         const tn_tensor *boxes, const tn_tensor *image, tn_tensor *y) {
    box_range all = range_of(boxes, image, y, 0, boxes->dim[0]);
    tn_tensor regions = tn_reshape(y, TN_DIMS(boxes->dim[0], 1, 1, dense->dim[3]));
    (void)cx;
    pool(cx, dense, stride_of(s), &all, &regions);
    return TN_OK;
}

// ---- maskcls -----------------------------------------------------------------------------------

// The cells whose centres lie in [low, high], of n cells of `stride`; the nearest one if none.
static void span(double low, double high, double stride, int64_t n, int64_t *from, int64_t *to) {
    double first = ceil(low / stride - 0.5), last = floor(high / stride - 0.5);
    if (!(first <= last)) first = last = floor((low + high) / (2 * stride));
    *from = first > 0 ? (int64_t)first : 0;
    *to = last < (double)(n - 1) ? (int64_t)last : n - 1;
    if (*from > n - 1) *from = n - 1;
    if (*to < 0) *to = 0;
}

// mask uint8 [1,R,1+L]: the tokens that each copy attends to.
static void fill_mask(const md_scene *s, const tn_tensor *boxes, tn_tensor *mask) {
    double stride = stride_of(s);
    memset(mask->data, 0, tn_bytes(mask));
    uint8_t *row = tn_u8(mask);
    for (int64_t r = 0; r < boxes->dim[0]; r++, row += 1 + s->rows * s->columns) {
        const float *box = tn_f32(boxes) + 4 * r;
        int64_t top, bottom, left, right;
        span((double)box[1], (double)box[3], stride, s->rows, &top, &bottom);
        span((double)box[0], (double)box[2], stride, s->columns, &left, &right);
        row[0] = 1;
        for (int64_t y = top; y <= bottom; y++)
            memset(row + 1 + y * s->columns + left, 1, (size_t)(right - left + 1));
    }
}

static tn_tensor third(const tn_tensor *qkv, int part, int64_t c) {
    return tn_view(tn_f32(qkv) + part * c, TN_F32, TN_DIMS(qkv->dim[0], qkv->dim[1], c));
}

// Runs copies [1,R,C] through one block, given the qkv [1,1+L,3C] of the scene's tokens.
static tn_status copies_step(nn_ctx *cx, const nn_block *block, const tn_tensor *qkv,
                             const tn_tensor *mask, tn_tensor *copies) {
    int64_t c = copies->dim[2];
    tn_tensor normed, own, mixed;
    TN_TRY(nn_layer_norm_fwd(cx, &block->norm1, copies, &normed));
    TN_TRY(nn_linear_fwd(cx, &block->attention.qkv, &normed, NULL, &own));
    TN_TRY(tn_new(cx->step, &mixed, TN_F32, 3, copies->dim, cx->err));
    tn_tensor q = third(&own, 0, c), k = third(qkv, 1, c), v = third(qkv, 2, c);
    kn_attention cfg = {.heads = block->attention.heads,
                        .mask = mask,
                        .q_stride = 3 * c,
                        .k_stride = 3 * c,
                        .v_stride = 3 * c};
    kn_attention_fwd(cx->kn, &cfg, &q, &k, &v, &mixed);
    nn_linear_into(cx, &block->attention.out, &mixed, copies, copies);
    nn_layer_norm_into(cx, &block->norm2, copies, &normed);
    return nn_mlp_into(cx, &block->mlp, &normed, copies, copies);
}

// Runs all copies, in groups.
static tn_status copies_through(nn_ctx *cx, const md_scene *s, const nn_block *block,
                                const tn_tensor *qkv, const tn_tensor *boxes, tn_tensor *copies) {
    int64_t c = s->vit->width, length = 1 + s->rows * s->columns;
    for (int64_t from = 0; from < boxes->dim[0]; from += BOXES_AT_ONCE) {
        int64_t left = boxes->dim[0] - from, count = left < BOXES_AT_ONCE ? left : BOXES_AT_ONCE;
        size_t mark = tn_arena_mark(cx->step);
        tn_tensor mask, some = tn_slice(copies, from, count), of = tn_slice(boxes, from, count);
        some = tn_reshape(&some, TN_DIMS(1, count, c));
        TN_TRY(tn_new(cx->step, &mask, TN_U8, TN_DIMS(1, count, length), cx->err));
        fill_mask(s, &of, &mask);
        TN_TRY(copies_step(cx, block, qkv, &mask, &some));
        tn_arena_reset(cx->step, mark);
    }
    return TN_OK;
}

// Runs one block: first the copies, with the scene's tokens before the block.
static tn_status both_through(nn_ctx *cx, const md_scene *s, int64_t b, const tn_tensor *boxes,
                              tn_tensor *tokens, tn_tensor *copies) {
    const nn_block *block = &s->vit->block[b];
    size_t mark = tn_arena_mark(cx->step);
    tn_tensor normed, qkv;
    TN_TRY(nn_layer_norm_fwd(cx, &block->norm1, tokens, &normed));
    TN_TRY(nn_linear_fwd(cx, &block->attention.qkv, &normed, NULL, &qkv));
    TN_TRY(copies_through(cx, s, block, &qkv, boxes, copies));
    tn_arena_reset(cx->step, mark);
    return b + 1 < s->vit->layers ? nn_block_inplace(cx, block, tokens) : TN_OK;
}

tn_status md_scene_maskcls(nn_ctx *cx, const md_scene *s, const tn_tensor *given,
                           const tn_tensor *boxes, tn_tensor *y) {
    int64_t count = boxes->dim[0], c = s->vit->width;
    TN_CHECK(!s->window && given->dim[0] == 1, "one picture, without windows");
    size_t mark = tn_arena_mark(cx->step);
    tn_tensor tokens, copies;
    TN_TRY(tn_new(cx->step, &tokens, TN_F32, 3, given->dim, cx->err));
    memcpy(tokens.data, given->data, tn_bytes(given));
    TN_TRY(tn_new(cx->step, &copies, TN_F32, TN_DIMS(count, c), cx->err));
    for (int64_t i = 0; i < count; i++) // the scene's class token is the first
        memcpy(tn_f32(&copies) + i * c, given->data, (size_t)c * sizeof(float));
    for (int64_t b = 0; b < s->vit->layers && count; b++)
        TN_TRY(both_through(cx, s, b, boxes, &tokens, &copies));
    if (count) TN_TRY(project(cx, s->vit, &copies, y));
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}
