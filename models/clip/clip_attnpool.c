// SPDX-License-Identifier: Apache-2.0
// Stage 2 of CLIP's ResNets: applies the attention pool to regions of the last stage.
#include "models/clip/clip_scene.h"

#include <string.h>

#define BOXES_AT_ONCE 32

typedef struct regions {
    const md_attention_pool *pool;
    const tn_tensor *map, *projected; // [N,h,w,C]; keys and values without bias [N,h,w,2C]
    tn_tensor cell_bias;              // [1+grid²,2C] from the positions, with bias
    double stride;
    int64_t grid;
} regions;

static void pool_one(nn_ctx *cx, const regions *r, const tn_tensor *map, const tn_tensor *boxes,
                     const tn_tensor *image, tn_tensor *y) {
    const double scale = 1 / r->stride;
    kn_roi_align cfg = {.aligned = true, .levels = 1, .level = map, .scale = &scale};
    kn_roi_align_fwd(cx->kn, &cfg, boxes, image, NULL, y);
}

static tn_status new_regions(nn_ctx *cx, const regions *r, int64_t n, int64_t channels,
                             tn_tensor *y) {
    return tn_new(cx->step, y, TN_F32, TN_DIMS(n, r->grid, r->grid, channels), cx->err);
}

static tn_status mean_of(nn_ctx *cx, const tn_tensor *x, tn_tensor *y) {
    int side = (int)x->dim[1];
    kn_pool2d cfg = {.kh = side, .kw = side, .stride_h = side, .stride_w = side, .count_pad = true};
    TN_TRY(tn_new(cx->step, y, TN_F32, TN_DIMS(x->dim[0], 1, 1, x->dim[3]), cx->err));
    kn_avg_pool2d_fwd(cx->kn, &cfg, x, y);
    *y = tn_reshape(y, TN_DIMS(x->dim[0], x->dim[3]));
    return TN_OK;
}

// Keys and values [n,1+grid²,2C]: of the mean, then of each cell.
static tn_status keys_and_values(nn_ctx *cx, const regions *r, const tn_tensor *boxes,
                                 const tn_tensor *image, tn_tensor *out) {
    int64_t n = boxes->dim[0], wide = r->projected->dim[3], cells = r->grid * r->grid;
    TN_TRY(tn_new(cx->step, out, TN_F32, TN_DIMS(n, 1 + cells, wide), cx->err));
    size_t mark = tn_arena_mark(cx->step);
    tn_tensor pooled, mean;
    TN_TRY(new_regions(cx, r, n, wide, &pooled));
    pool_one(cx, r, r->projected, boxes, image, &pooled);
    TN_TRY(mean_of(cx, &pooled, &mean));
    float *to = tn_f32(out);
    for (int64_t i = 0; i < n; i++, to += (1 + cells) * wide) {
        memcpy(to, tn_f32(&mean) + i * wide, (size_t)wide * sizeof(float));
        memcpy(to + wide, tn_f32(&pooled) + i * cells * wide,
               (size_t)(cells * wide) * sizeof(float));
    }
    kn_add_fwd(cx->kn, KN_LINEAR, out, &r->cell_bias, out);
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}

// The query of each region [n,C], from the mean of its features and the first position.
static tn_status queries(nn_ctx *cx, const regions *r, const tn_tensor *boxes,
                         const tn_tensor *image, tn_tensor *out) {
    int64_t n = boxes->dim[0], c = r->map->dim[3];
    TN_TRY(tn_new(cx->step, out, TN_F32, TN_DIMS(n, c), cx->err));
    size_t mark = tn_arena_mark(cx->step);
    tn_tensor pooled, mean, first = tn_slice(&r->pool->position, 0, 1);
    TN_TRY(new_regions(cx, r, n, c, &pooled));
    pool_one(cx, r, r->map, boxes, image, &pooled);
    TN_TRY(mean_of(cx, &pooled, &mean));
    kn_add_fwd(cx->kn, KN_LINEAR, &mean, &first, &mean);
    nn_linear_into(cx, &r->pool->query, &mean, NULL, out);
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}

static tn_status some_first(nn_ctx *cx, const regions *r, const tn_tensor *boxes,
                            const tn_tensor *image, tn_tensor *y) {
    int64_t n = boxes->dim[0], c = r->map->dim[3];
    tn_tensor query, both, mixed;
    TN_TRY(queries(cx, r, boxes, image, &query));
    TN_TRY(keys_and_values(cx, r, boxes, image, &both));
    TN_TRY(tn_new(cx->step, &mixed, TN_F32, TN_DIMS(n, 1, c), cx->err));
    query = tn_reshape(&query, TN_DIMS(n, 1, c));
    tn_tensor key = tn_view(tn_f32(&both), TN_F32, TN_DIMS(n, both.dim[1], c));
    tn_tensor value = tn_view(tn_f32(&both) + c, TN_F32, 3, key.dim);
    kn_attention cfg = {.heads = r->pool->heads, .k_stride = 2 * c, .v_stride = 2 * c};
    kn_attention_fwd(cx->kn, &cfg, &query, &key, &value, &mixed);
    mixed = tn_reshape(&mixed, TN_DIMS(n, c));
    nn_linear_into(cx, &r->pool->projection, &mixed, NULL, y);
    return TN_OK;
}

static tn_status some_plain(nn_ctx *cx, const regions *r, const tn_tensor *boxes,
                            const tn_tensor *image, tn_tensor *y) {
    tn_tensor pooled;
    TN_TRY(new_regions(cx, r, boxes->dim[0], r->map->dim[3], &pooled));
    pool_one(cx, r, r->map, boxes, image, &pooled);
    return md_attention_pool_fwd(cx, r->pool, &pooled, y);
}

// Projects every cell of the map, and the positions, once.
static tn_status project_all(nn_ctx *cx, regions *r, tn_tensor *projected) {
    const tn_tensor *map = r->map;
    const nn_linear *both = &r->pool->key_value;
    TN_TRY(tn_new(cx->step, projected, TN_F32,
                  TN_DIMS(map->dim[0], map->dim[1], map->dim[2], both->w.out), cx->err));
    kn_linear_fwd(cx->kn, map, &both->w, NULL, projected); // the bias is added with the positions
    r->projected = projected;
    return nn_linear_fwd(cx, both, &r->pool->position, NULL, &r->cell_bias);
}

tn_status md_attention_pool_regions(nn_ctx *cx, const md_attention_pool *pool, const tn_tensor *map,
                                    double stride, bool first, const tn_tensor *boxes,
                                    const tn_tensor *image, tn_tensor *y) {
    size_t mark = tn_arena_mark(cx->step);
    regions r = {.pool = pool, .map = map, .stride = stride, .grid = 1};
    while (r.grid * r.grid + 1 < pool->position.dim[0]) r.grid++;
    tn_tensor projected;
    if (first) TN_TRY(project_all(cx, &r, &projected));
    for (int64_t from = 0; from < boxes->dim[0]; from += BOXES_AT_ONCE) {
        int64_t left = boxes->dim[0] - from, n = left < BOXES_AT_ONCE ? left : BOXES_AT_ONCE;
        size_t inner = tn_arena_mark(cx->step);
        tn_tensor some = tn_slice(boxes, from, n), of = tn_slice(image, from, n),
                  out = tn_slice(y, from, n);
        TN_TRY(first ? some_first(cx, &r, &some, &of, &out) : some_plain(cx, &r, &some, &of, &out));
        tn_arena_reset(cx->step, inner);
    }
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}
