// SPDX-License-Identifier: Apache-2.0
#include "nn/ops.h"

#include "kernels/kernels.h"
#include "nn/epilogue.h"

#include <string.h>

// ---- elements and rows ------------------------------------------------------------------------

typedef struct saved_add {
    kn_act act;
    tn_tensor a, b, pre, y;
} saved_add;

static tn_status add_backward(nn_ctx *cx, const void *of) {
    const saved_add *s = of;
    tn_tensor dy;
    TN_TRY(nn_epilogue_grad(cx, s->act, &s->pre, &s->y, &s->a, &dy));
    return dy.data ? nn_tape_add_gradient(cx, &s->b, &dy) : TN_OK;
}

void nn_add_into(nn_ctx *cx, kn_act act, const tn_tensor *a, const tn_tensor *b, tn_tensor *y) {
    TN_CHECK(tn_same_shape(a, b), "a sum of two shapes");
    if (!nn_tape_wants(cx, a) && !nn_tape_wants(cx, b)) {
        kn_add_fwd(cx->kn, act, a, b, y);
        return;
    }
    saved_add s = {.act = act, .a = *a, .b = *b, .y = *y};
    bool separate = nn_epilogue_input(cx, act, y, &s.pre);
    kn_add_fwd(cx->kn, separate ? KN_LINEAR : act, a, b, &s.pre);
    if (separate) kn_act_fwd(cx->kn, act, &s.pre, y);
    nn_tape_push(cx, add_backward, &s, sizeof s, y);
}

tn_status nn_add(nn_ctx *cx, kn_act act, const tn_tensor *a, const tn_tensor *b, tn_tensor *y) {
    TN_TRY(tn_new(cx->step, y, a->dtype, a->rank, a->dim, cx->err));
    nn_add_into(cx, act, a, b, y);
    return TN_OK;
}

// Saved by all operations from x to y that have one number or kind.
typedef struct saved_one {
    kn_act act;
    double number;
    tn_tensor x, y;
} saved_one;

static void push_one(nn_ctx *cx, nn_backward *run, const saved_one *s) {
    if (nn_tape_wants(cx, &s->x)) nn_tape_push(cx, run, s, sizeof *s, &s->y);
}

static tn_status act_backward(nn_ctx *cx, const void *of) {
    const saved_one *s = of;
    tn_tensor dy, dx;
    double beta;
    TN_TRY(nn_tape_both_grads(cx, &s->y, &s->x, &dy, &beta, &dx));
    if (!dy.data) return TN_OK;
    kn_act_bwd(cx->kn, s->act, nn_act_keeps_input(s->act) ? &s->x : &s->y, &dy, beta, &dx);
    return TN_OK;
}

void nn_act_into(nn_ctx *cx, kn_act act, const tn_tensor *x, tn_tensor *y) {
    kn_act_fwd(cx->kn, act, x, y);
    push_one(cx, act_backward, &(saved_one){.act = act, .x = *x, .y = *y});
}

tn_status nn_act(nn_ctx *cx, kn_act act, const tn_tensor *x, tn_tensor *y) {
    TN_TRY(tn_new(cx->step, y, x->dtype, x->rank, x->dim, cx->err));
    nn_act_into(cx, act, x, y);
    return TN_OK;
}

static tn_status normalize_backward(nn_ctx *cx, const void *of) {
    const saved_one *s = of;
    tn_tensor dy, dx;
    double beta;
    TN_TRY(nn_tape_both_grads(cx, &s->y, &s->x, &dy, &beta, &dx));
    if (!dy.data) return TN_OK;
    kn_l2_normalize_bwd(cx->kn, s->number, &s->x, &dy, beta, &dx);
    return TN_OK;
}

tn_status nn_l2_normalize(nn_ctx *cx, double eps, const tn_tensor *x, tn_tensor *y) {
    TN_TRY(tn_new(cx->step, y, x->dtype, x->rank, x->dim, cx->err));
    kn_l2_normalize_fwd(cx->kn, eps, x, y);
    push_one(cx, normalize_backward, &(saved_one){.number = eps, .x = *x, .y = *y});
    return TN_OK;
}

static tn_status softmax_backward(nn_ctx *cx, const void *of) {
    const saved_one *s = of;
    tn_tensor dy, dx;
    double beta;
    TN_TRY(nn_tape_both_grads(cx, &s->y, &s->x, &dy, &beta, &dx));
    if (!dy.data) return TN_OK;
    kn_softmax_bwd(cx->kn, s->number, &s->y, &dy, beta, &dx);
    return TN_OK;
}

tn_status nn_softmax(nn_ctx *cx, double scale, const tn_tensor *x, tn_tensor *y) {
    TN_TRY(tn_new(cx->step, y, x->dtype, x->rank, x->dim, cx->err));
    kn_softmax_fwd(cx->kn, scale, x, y);
    push_one(cx, softmax_backward, &(saved_one){.number = scale, .x = *x, .y = *y});
    return TN_OK;
}

// ---- concatenation and gathering --------------------------------------------------------------

typedef struct saved_concat {
    int count;
    const tn_tensor *parts;
    tn_tensor y;
} saved_concat;

static tn_status concat_backward(nn_ctx *cx, const void *of) {
    const saved_concat *s = of;
    tn_tensor dy;
    int64_t from = 0;
    TN_TRY(nn_tape_output_grad(cx, &s->y, &dy));
    for (int i = 0; dy.data && i < s->count; from += s->parts[i++].dim[0]) {
        tn_tensor rows = tn_slice(&dy, from, s->parts[i].dim[0]);
        TN_TRY(nn_tape_add_gradient(cx, &s->parts[i], &rows));
    }
    return TN_OK;
}

// Copies the descriptions of the parts, so that they live as long as the record.
static void push_concat(nn_ctx *cx, int count, const tn_tensor *parts, const tn_tensor *y) {
    bool wanted = false;
    for (int i = 0; i < count; i++) wanted = wanted || nn_tape_wants(cx, &parts[i]);
    if (!wanted) return;
    tn_tensor *kept = tn_arena_alloc(cx->step, (size_t)count * sizeof *kept);
    if (!kept) {
        nn_tape_out_of_memory(cx);
        return;
    }
    memcpy(kept, parts, (size_t)count * sizeof *kept);
    saved_concat s = {.count = count, .parts = kept, .y = *y};
    nn_tape_push(cx, concat_backward, &s, sizeof s, y);
}

tn_status nn_concat_rows(nn_ctx *cx, int count, const tn_tensor *parts, tn_tensor *y) {
    int64_t dim[TN_MAX_RANK], from = 0;
    TN_CHECK(count > 0 && parts[0].rank > 0, "%d parts", count);
    memcpy(dim, parts[0].dim, sizeof dim);
    dim[0] = 0;
    for (int i = 0; i < count; i++) {
        int64_t like[TN_MAX_RANK];
        memcpy(like, parts[0].dim, sizeof like);
        like[0] = -1;
        TN_CHECK(tn_has_shape(&parts[i], parts[0].rank, like), "part %d has another shape", i);
        dim[0] += parts[i].dim[0];
    }
    TN_TRY(tn_new(cx->step, y, parts[0].dtype, parts[0].rank, dim, cx->err));
    for (int i = 0; i < count; from += parts[i++].dim[0]) {
        tn_tensor rows = tn_slice(y, from, parts[i].dim[0]);
        if (tn_bytes(&rows)) memcpy(rows.data, parts[i].data, tn_bytes(&rows));
    }
    push_concat(cx, count, parts, y);
    return TN_OK;
}

typedef struct saved_gather {
    tn_tensor x, ids, y;
} saved_gather;

static tn_status gather_backward(nn_ctx *cx, const void *of) {
    const saved_gather *s = of;
    tn_tensor dy, dx;
    double beta;
    TN_TRY(nn_tape_both_grads(cx, &s->y, &s->x, &dy, &beta, &dx));
    if (!dy.data) return TN_OK;
    kn_gather_rows_bwd(cx->kn, &s->ids, &dy, beta, &dx);
    return TN_OK;
}

void nn_gather_rows_into(nn_ctx *cx, const tn_tensor *x, const tn_tensor *ids, tn_tensor *y) {
    kn_gather_rows_fwd(cx->kn, x, ids, y);
    if (!nn_tape_wants(cx, x)) return;
    saved_gather s = {*x, *ids, *y};
    nn_tape_push(cx, gather_backward, &s, sizeof s, y);
}

tn_status nn_gather_rows(nn_ctx *cx, const tn_tensor *x, const tn_tensor *ids, tn_tensor *y) {
    TN_TRY(tn_new(cx->step, y, x->dtype, TN_DIMS(tn_count(ids), tn_last(x)), cx->err));
    nn_gather_rows_into(cx, x, ids, y);
    return TN_OK;
}

tn_status nn_pick_tokens(nn_ctx *cx, const tn_tensor *x, const tn_tensor *position, tn_tensor *y) {
    TN_CHECK(x->rank == 3, "x has rank %d", x->rank);
    int64_t n = x->dim[0], length = x->dim[1];
    TN_TRY(tn_new(cx->step, y, x->dtype, TN_DIMS(n, x->dim[2]), cx->err));
    nn_scope scope = nn_scope_enter(cx);
    tn_tensor rows = tn_reshape(x, TN_DIMS(n * length, x->dim[2])), ids;
    TN_TRY(tn_new(cx->step, &ids, TN_I32, TN_DIMS(n), cx->err));
    for (int64_t i = 0; i < n; i++)
        tn_i32(&ids)[i] = (int32_t)(i * length + (position ? tn_i32(position)[i] : 0));
    nn_gather_rows_into(cx, &rows, &ids, y);
    nn_scope_leave(cx, scope);
    return TN_OK;
}
