// SPDX-License-Identifier: Apache-2.0
// Rows and elements: checks the arguments, then calls the table's function.
#include "kernels/check.h"

// x and y have the same real type and shape; y may be x.
static tn_dtype check_pair(const kn_ctx *cx, const char *op, const tn_tensor *x,
                           const tn_tensor *y) {
    tn_dtype dtype = kn_check_real(cx, op, "x", x);
    kn_check_type(op, "y", y, dtype);
    kn_check_same(op, "x", x, "y", y);
    kn_check_apart_or_same(op, "x", x, y);
    return dtype;
}

void kn_layer_norm_fwd(kn_ctx *cx, double eps, const tn_tensor *x, const tn_tensor *gamma,
                       const tn_tensor *beta, tn_tensor *y) {
    tn_dtype dtype = check_pair(cx, __func__, x, y);
    TN_CHECK(x->rank >= 1, "%s: x has no dimension", __func__);
    kn_check_vector(__func__, "gamma", gamma, dtype, tn_last(x));
    kn_check_vector(__func__, "beta", beta, dtype, tn_last(x));
    if (tn_count(y)) cx->table->layer_norm_fwd(cx, eps, x, gamma, beta, y);
}

void kn_batch_norm_fwd(kn_ctx *cx, double eps, const tn_tensor *x, const tn_tensor *mean,
                       const tn_tensor *var, const tn_tensor *gamma, const tn_tensor *beta,
                       kn_act act, tn_tensor *y) {
    tn_dtype dtype = check_pair(cx, __func__, x, y);
    TN_CHECK(x->rank >= 1, "%s: x has no dimension", __func__);
    kn_check_vector(__func__, "mean", mean, dtype, tn_last(x));
    kn_check_vector(__func__, "var", var, dtype, tn_last(x));
    kn_check_vector(__func__, "gamma", gamma, dtype, tn_last(x));
    kn_check_vector(__func__, "beta", beta, dtype, tn_last(x));
    kn_check_act(__func__, act);
    if (tn_count(y)) cx->table->batch_norm_fwd(cx, eps, x, mean, var, gamma, beta, act, y);
}

void kn_softmax_fwd(kn_ctx *cx, double scale, const tn_tensor *x, tn_tensor *y) {
    check_pair(cx, __func__, x, y);
    TN_CHECK(x->rank >= 1, "%s: x has no dimension", __func__);
    if (tn_count(y)) cx->table->softmax_fwd(cx, scale, x, y);
}

void kn_l2_normalize_fwd(kn_ctx *cx, double eps, const tn_tensor *x, tn_tensor *y) {
    check_pair(cx, __func__, x, y);
    TN_CHECK(x->rank >= 1, "%s: x has no dimension", __func__);
    if (tn_count(y)) cx->table->l2_normalize_fwd(cx, eps, x, y);
}

void kn_act_fwd(kn_ctx *cx, kn_act act, const tn_tensor *x, tn_tensor *y) {
    check_pair(cx, __func__, x, y);
    kn_check_act(__func__, act);
    if (tn_count(y)) cx->table->act_fwd(cx, act, x, y);
}

// b's shape, without leading ones, must be the end of a's shape.
static bool repeats_over(const tn_tensor *a, const tn_tensor *b) {
    int ones = 0;
    while (ones < b->rank && b->dim[ones] == 1) ones++;
    int rank = b->rank - ones;
    if (rank > a->rank) return false;
    for (int i = 0; i < rank; i++)
        if (b->dim[ones + i] != a->dim[a->rank - rank + i]) return false;
    return true;
}

void kn_add_fwd(kn_ctx *cx, kn_act act, const tn_tensor *a, const tn_tensor *b, tn_tensor *y) {
    tn_dtype dtype = check_pair(cx, __func__, a, y);
    kn_check_type(__func__, "b", b, dtype);
    kn_check_act(__func__, act);
    TN_CHECK(repeats_over(a, b), "%s: b %s is not the end of a %s", __func__, KN_SHAPE(b),
             KN_SHAPE(a));
    kn_check_apart(__func__, "b", b, y);
    if (tn_count(y)) cx->table->add_fwd(cx, act, a, b, y);
}

void kn_gather_rows_fwd(kn_ctx *cx, const tn_tensor *table, const tn_tensor *ids, tn_tensor *y) {
    tn_dtype dtype = kn_check_real(cx, __func__, "table", table);
    kn_check_type(__func__, "ids", ids, TN_I32);
    kn_check_type(__func__, "y", y, dtype);
    TN_CHECK(table->rank == 2 && ids->rank == 1 && y->rank == 2 && y->dim[0] == ids->dim[0] &&
                 y->dim[1] == table->dim[1],
             "%s: table %s, ids %s, y %s: expected [V,C], [M], [M,C]", __func__, KN_SHAPE(table),
             KN_SHAPE(ids), KN_SHAPE(y));
    kn_check_apart(__func__, "table", table, y);
    const int32_t *id = ids->data;
    for (int64_t i = 0; i < ids->dim[0]; i++)
        TN_CHECK(id[i] >= 0 && id[i] < table->dim[0], "%s: ids[%lld] = %d of a table %s", __func__,
                 (long long)i, (int)id[i], KN_SHAPE(table));
    if (tn_count(y)) cx->table->gather_rows_fwd(cx, table, ids, y);
}
