// SPDX-License-Identifier: Apache-2.0
#include "nn/embedding.h"

#include "kernels/kernels.h"
#include "nn/tape.h"

tn_status nn_embedding_load(const nn_loader *load, const char *name, int rank, const int64_t *dim,
                            double deviation, nn_embedding *table) {
    TN_CHECK(rank == 1 || rank == 2, "a table of rank %d", rank);
    *table = (nn_embedding){0};
    if (load->params) {
        TN_TRY(nn_param_load(load, name, rank, dim, rank == 2, (nn_init){NN_INIT_NORMAL, deviation},
                             &table->param));
        table->rows = table->param->value;
    } else {
        TN_TRY(nn_load(load, name, rank, dim, &table->rows));
    }
    if (rank == 1) table->rows = tn_reshape(&table->rows, TN_DIMS(1, table->rows.dim[0]));
    return TN_OK;
}

// x is used by nn_embedding_add_into only. ids.data is NULL if rows are added by position.
typedef struct saved {
    const nn_embedding *table;
    tn_tensor ids, x, y;
} saved;

// The gradient in the shape of the table.
static tn_tensor rows_gradient(const nn_embedding *table) {
    return tn_reshape(&table->param->grad, 2, table->rows.dim);
}

static tn_status look_up_backward(nn_ctx *cx, const void *of) {
    const saved *s = of;
    tn_tensor dy, grad = rows_gradient(s->table);
    TN_TRY(nn_tape_output_grad(cx, &s->y, &dy));
    if (dy.data) kn_gather_rows_bwd(cx->kn, &s->ids, &dy, 1, &grad);
    return TN_OK;
}

void nn_embedding_lookup(nn_ctx *cx, const nn_embedding *table, const tn_tensor *ids,
                         tn_tensor *y) {
    kn_gather_rows_fwd(cx->kn, &table->rows, ids, y);
    if (!cx->tape || !table->param) return;
    saved s = {.table = table, .ids = *ids, .y = *y};
    nn_tape_push(cx, look_up_backward, &s, sizeof s, y);
}

static void add_gradient(nn_ctx *cx, const saved *s, const tn_tensor *dy) {
    tn_tensor grad = rows_gradient(s->table);
    int64_t n = dy->dim[0], length = dy->dim[1], c = dy->dim[2];
    if (s->ids.data) {
        tn_tensor rows = tn_reshape(dy, TN_DIMS(n * length, c));
        kn_gather_rows_bwd(cx->kn, &s->ids, &rows, 1, &grad);
        return;
    }
    tn_tensor each = tn_reshape(dy, TN_DIMS(n, length * c)), used = tn_slice(&grad, 0, length);
    used = tn_reshape(&used, TN_DIMS(length * c));
    kn_sum_rows(cx->kn, &each, 1, &used);
}

static tn_status add_backward(nn_ctx *cx, const void *of) {
    const saved *s = of;
    tn_tensor dy;
    TN_TRY(nn_tape_output_grad(cx, &s->y, &dy));
    if (!dy.data) return TN_OK;
    if (s->table->param) add_gradient(cx, s, &dy);
    return nn_tape_add_gradient(cx, &s->x, &dy);
}

tn_status nn_embedding_add_into(nn_ctx *cx, const nn_embedding *table, const tn_tensor *ids,
                                const tn_tensor *x, tn_tensor *y) {
    TN_CHECK(x->rank == 3, "x has rank %d", x->rank);
    nn_scope scope = nn_scope_enter(cx);
    tn_tensor added;
    if (ids) {
        TN_TRY(tn_new(cx->step, &added, x->dtype, 3, x->dim, cx->err));
        tn_tensor rows = tn_reshape(&added, TN_DIMS(x->dim[0] * x->dim[1], x->dim[2]));
        kn_gather_rows_fwd(cx->kn, &table->rows, ids, &rows);
    } else {
        added = tn_slice(&table->rows, 0, x->dim[1]);
    }
    kn_add_fwd(cx->kn, KN_LINEAR, x, &added, y);
    nn_scope_leave(cx, scope);
    if (!cx->tape || !(table->param || nn_tape_wants(cx, x))) return TN_OK;
    TN_CHECK(x->data != y->data, "in place under a tape");
    saved s = {.table = table, .x = *x, .y = *y};
    if (ids) s.ids = *ids;
    nn_tape_push(cx, add_backward, &s, sizeof s, y);
    return TN_OK;
}
