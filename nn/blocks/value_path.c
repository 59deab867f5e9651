// SPDX-License-Identifier: Apache-2.0
#include "nn/blocks/value_path.h"

#include "nn/ops.h"
#include "nn/tape.h"

#include <string.h>

#define ROWS 4096 // tokens at a time

// Rows [M,C] of the attention's values. Queries and keys are computed with them and dropped: this
// wastes part of one product of one block, but avoids a second packed copy of the matrix.
static tn_status values_of(nn_ctx *cx, const nn_linear *qkv, const tn_tensor *x, tn_tensor *v) {
    int64_t m = x->dim[0], c = x->dim[1];
    size_t mark = tn_arena_mark(cx->step);
    tn_tensor all;
    TN_TRY(nn_linear_fwd(cx, qkv, x, NULL, &all));
    for (int64_t i = 0; i < m; i++)
        memcpy(tn_f32(v) + i * c, tn_f32(&all) + (3 * i + 2) * c, (size_t)c * sizeof(float));
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}

static tn_status some_rows(nn_ctx *cx, const nn_block *block, tn_tensor *x) {
    tn_tensor normed, v;
    TN_TRY(nn_layer_norm_fwd(cx, &block->norm1, x, &normed));
    TN_TRY(tn_new(cx->step, &v, TN_F32, x->rank, x->dim, cx->err));
    TN_TRY(values_of(cx, &block->attention.qkv, &normed, &v));
    nn_linear_into(cx, &block->attention.out, &v, x, x);
    nn_layer_norm_into(cx, &block->norm2, x, &normed);
    return nn_mlp_into(cx, &block->mlp, &normed, x, x);
}

// Indices of the values in the rows [3M,C] of queries, keys and values of M tokens.
static tn_status value_rows(nn_ctx *cx, int64_t m, tn_tensor *ids) {
    TN_TRY(tn_new(cx->step, ids, TN_I32, TN_DIMS(m), cx->err));
    for (int64_t i = 0; i < m; i++) tn_i32(ids)[i] = (int32_t)(3 * i + 2);
    return TN_OK;
}

// The same sums, each in separate memory.
static tn_status recorded(nn_ctx *cx, const nn_block *block, tn_tensor *x) {
    int64_t c = tn_last(x), m = tn_rows(x);
    tn_tensor flat = tn_reshape(x, TN_DIMS(m, c)), normed, all, ids, v, middle, y;
    TN_TRY(tn_new(cx->step, &y, x->dtype, x->rank, x->dim, cx->err));
    TN_TRY(tn_new(cx->step, &middle, x->dtype, TN_DIMS(m, c), cx->err));
    TN_TRY(value_rows(cx, m, &ids));
    TN_TRY(nn_layer_norm_fwd(cx, &block->norm1, &flat, &normed));
    TN_TRY(nn_linear_fwd(cx, &block->attention.qkv, &normed, NULL, &all));
    all = tn_reshape(&all, TN_DIMS(3 * m, c));
    TN_TRY(nn_gather_rows(cx, &all, &ids, &v));
    nn_linear_into(cx, &block->attention.out, &v, &flat, &middle);
    TN_TRY(nn_layer_norm_fwd(cx, &block->norm2, &middle, &normed));
    tn_tensor out = tn_reshape(&y, TN_DIMS(m, c));
    TN_TRY(nn_mlp_into(cx, &block->mlp, &normed, &middle, &out));
    *x = y;
    return TN_OK;
}

tn_status nn_value_path_inplace(nn_ctx *cx, const nn_block *block, tn_tensor *x) {
    if (cx->tape && (block->norm1.gamma_param || nn_tape_wants(cx, x)))
        return recorded(cx, block, x);
    int64_t channels = tn_last(x), rows = tn_rows(x);
    tn_tensor flat = tn_reshape(x, TN_DIMS(rows, channels));
    for (int64_t from = 0; from < rows; from += ROWS) {
        size_t mark = tn_arena_mark(cx->step);
        tn_tensor some = tn_slice(&flat, from, rows - from < ROWS ? rows - from : ROWS);
        tn_status status = some_rows(cx, block, &some);
        tn_arena_reset(cx->step, mark);
        TN_TRY(status);
    }
    return TN_OK;
}
