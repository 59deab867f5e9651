// SPDX-License-Identifier: Apache-2.0
// Stage 1 under a tape: the part that `lexmask refine` trains.
#include "models/clip/clip_scene.h"

#include "nn/blocks/roi_pool.h"
#include "nn/blocks/value_path.h"
#include "nn/ops.h"
#include "nn/tape.h"

#define UNIT_EPS 1e-12

static tn_status whole_numbers(nn_ctx *cx, int64_t count, tn_tensor *ids) {
    TN_TRY(tn_new(cx->step, ids, TN_I32, TN_DIMS(count), cx->err));
    for (int64_t i = 0; i < count; i++) tn_i32(ids)[i] = (int32_t)i;
    return TN_OK;
}

// For each token of all sequences, its row in a table (patches of all pictures row by row, then the
// class token), and for each patch its index among the tokens.
static tn_status number_tokens(nn_ctx *cx, const md_scene *s, int64_t n, tn_tensor *row_of,
                               tn_tensor *token_of) {
    int64_t cells = s->rows * s->columns, length = md_scene_length(s);
    int64_t sequences = md_scene_sequences(s);
    TN_TRY(tn_new(cx->step, row_of, TN_I32, TN_DIMS(n * sequences * length), cx->err));
    TN_TRY(tn_new(cx->step, token_of, TN_I32, TN_DIMS(n * cells), cx->err));
    for (int64_t i = 0; i < n * sequences; i++) tn_i32(row_of)[i * length] = (int32_t)(n * cells);
    for (int64_t cell = 0; cell < n * cells; cell++) {
        int64_t row = cell % cells / s->columns, column = cell % s->columns, sequence, at;
        md_scene_locate(s, row, column, &sequence, &at);
        int64_t token = (cell / cells * sequences + sequence) * length + at;
        tn_i32(row_of)[token] = (int32_t)cell;
        tn_i32(token_of)[cell] = (int32_t)token;
    }
    return TN_OK;
}

// CLIP's positions interpolated to rows x columns, row by row, then the class token's:
// [rows*columns+1,C].
static tn_status stretched(nn_ctx *cx, const md_vit *vit, int64_t rows, int64_t columns,
                           tn_tensor *y) {
    int64_t c = vit->width, grid = vit->grid;
    tn_tensor ids, own, part[2];
    TN_TRY(whole_numbers(cx, 1 + grid * grid, &ids));
    TN_TRY(tn_new(cx->step, &own, vit->position.rows.dtype, TN_DIMS(1 + grid * grid, c), cx->err));
    nn_embedding_lookup(cx, &vit->position, &ids, &own);
    part[0] = tn_slice(&own, 1, grid * grid), part[1] = tn_slice(&own, 0, 1);
    if (rows != grid || columns != grid) {
        tn_tensor square = tn_reshape(&part[0], TN_DIMS(1, grid, grid, c)), wide;
        kn_resize bicubic = {.filter = KN_BICUBIC, .cubic_a = -0.75};
        TN_TRY(nn_resize(cx, &bicubic, rows, columns, &square, &wide));
        part[0] = tn_reshape(&wide, TN_DIMS(rows * columns, c));
    }
    return nn_concat_rows(cx, 2, part, y);
}

// The position of each token of all sequences: [N*sequences*length,C].
static tn_status positions(nn_ctx *cx, const md_scene *s, int64_t n, const tn_tensor *row_of,
                           tn_tensor *y) {
    bool of_window = s->window && s->sequence.data;
    int64_t rows = of_window ? s->window : s->rows, columns = of_window ? s->window : s->columns;
    int64_t cells = rows * columns, tokens = row_of->dim[0];
    tn_tensor table, ids;
    TN_TRY(stretched(cx, s->vit, rows, columns, &table));
    TN_TRY(tn_new(cx->step, &ids, TN_I32, TN_DIMS(tokens), cx->err));
    for (int64_t i = 0; i < tokens; i++) {
        int64_t row = tn_i32(row_of)[i], at = i % md_scene_length(s);
        bool class_token = row == n * s->rows * s->columns;
        tn_i32(&ids)[i] = (int32_t)(class_token ? cells : of_window ? at - 1 : row % cells);
    }
    return nn_gather_rows(cx, &table, &ids, y);
}

// Tokens of all sequences with their positions, normalised: [N*sequences,length,C].
static tn_status tokens_of(nn_ctx *cx, const md_scene *s, const tn_tensor *x,
                           const tn_tensor *row_of, tn_tensor *y) {
    int64_t n = x->dim[0], c = s->vit->width;
    tn_tensor part[2], zero, table, bare, placed, sum;
    TN_TRY(nn_conv_fwd(cx, &s->vit->patch, x, NULL, &part[0]));
    part[0] = tn_reshape(&part[0], TN_DIMS(n * s->rows * s->columns, c));
    TN_TRY(whole_numbers(cx, 1, &zero));
    TN_TRY(tn_new(cx->step, &part[1], x->dtype, TN_DIMS(1, c), cx->err));
    nn_embedding_lookup(cx, &s->vit->class_row, &zero, &part[1]);
    TN_TRY(nn_concat_rows(cx, 2, part, &table));
    TN_TRY(nn_gather_rows(cx, &table, row_of, &bare));
    TN_TRY(positions(cx, s, n, row_of, &placed));
    TN_TRY(nn_add(cx, KN_LINEAR, &bare, &placed, &sum));
    TN_TRY(nn_layer_norm_fwd(cx, &s->vit->pre, &sum, y));
    *y = tn_reshape(y, TN_DIMS(n * md_scene_sequences(s), md_scene_length(s), c));
    return TN_OK;
}

tn_status md_scene_train_dense(nn_ctx *cx, const md_scene *s, const tn_tensor *x,
                               tn_tensor *dense) {
    const md_vit *vit = s->vit;
    int64_t n = x->dim[0], p = vit->patch.w.kh, last = vit->layers - 1;
    tn_tensor row_of, token_of, tokens, map, normed, projected;
    TN_CHECK(tn_has_shape(x, TN_DIMS(n, s->rows * p, s->columns * p, 3)), "x of %lld x %lld pixels",
             (long long)x->dim[1], (long long)x->dim[2]);
    TN_TRY(number_tokens(cx, s, n, &row_of, &token_of));
    TN_TRY(tokens_of(cx, s, x, &row_of, &tokens));
    TN_TRY(md_blocks_run(cx, vit->block, 0, last, NULL, &tokens));
    tokens = tn_reshape(&tokens, TN_DIMS(row_of.dim[0], vit->width));
    TN_TRY(nn_gather_rows(cx, &tokens, &token_of, &map));
    TN_TRY(nn_value_path_inplace(cx, &vit->block[last], &map));
    TN_TRY(nn_layer_norm_fwd(cx, &vit->post, &map, &normed));
    TN_TRY(nn_linear_fwd(cx, &vit->projection, &normed, NULL, &projected));
    TN_TRY(nn_l2_normalize(cx, UNIT_EPS, &projected, dense));
    *dense = tn_reshape(dense, TN_DIMS(n, s->rows, s->columns, tn_last(dense)));
    return TN_OK;
}

tn_status md_scene_train_regions(nn_ctx *cx, const md_scene *s, const tn_tensor *dense,
                                 const tn_tensor *boxes, const tn_tensor *image, tn_tensor *y) {
    const double stride = (double)s->vit->patch.w.kh;
    nn_roi_pool pool = {.levels = 1, .aligned = true, .stride = &stride};
    tn_tensor regions;
    TN_TRY(nn_roi_pool_fwd(cx, &pool, dense, boxes, image, 1, &regions));
    regions = tn_reshape(&regions, TN_DIMS(boxes->dim[0], dense->dim[3]));
    return nn_l2_normalize(cx, UNIT_EPS, &regions, y);
}
