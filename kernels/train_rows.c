// SPDX-License-Identifier: Apache-2.0
// Training, rows and elements: checks the arguments, then calls the table's function.
#include "kernels/check.h"

// Another input or a gradient of the same type and shape as x.
static void check_like(const char *op, const tn_tensor *x, const char *name, const tn_tensor *t) {
    kn_check_type(op, name, t, x->dtype);
    kn_check_same(op, "x", x, name, t);
}

// A gradient of x's shape that overlaps neither x nor dy; may be NULL.
static void check_dx(const char *op, const tn_tensor *x, const tn_tensor *dy, const tn_tensor *dx) {
    if (!dx) return;
    check_like(op, x, "dx", dx);
    kn_check_apart(op, "x", x, dx);
    kn_check_apart(op, "dy", dy, dx);
}

// The same for a gradient that may be dy itself when beta is 0.
static void check_dx_over(const char *op, const char *name, const tn_tensor *x, const tn_tensor *dy,
                          double beta, const tn_tensor *dx) {
    check_like(op, x, "dy", dy);
    check_like(op, x, "dx", dx);
    kn_check_beta(op, beta);
    kn_check_apart(op, name, x, dx);
    if (beta == 0)
        kn_check_apart_or_same(op, "dy", dy, dx);
    else
        kn_check_apart(op, "dy", dy, dx);
}

// x and dy of a norm over rows, and its gradients.
static void check_norm_bwd(const kn_ctx *cx, const char *op, const tn_tensor *x,
                           const tn_tensor *gamma, const tn_tensor *dy, double beta,
                           const tn_tensor *dx, double beta_p, const tn_tensor *dgamma,
                           const tn_tensor *dbeta) {
    tn_dtype dtype = kn_check_real(cx, op, "x", x);
    TN_CHECK(x->rank >= 1, "%s: x has no dimension", op);
    check_like(op, x, "dy", dy);
    kn_check_vector(op, "gamma", gamma, dtype, tn_last(x));
    kn_check_beta(op, beta);
    kn_check_beta(op, beta_p);
    check_dx(op, x, dy, dx);
    if (dgamma) kn_check_vector(op, "dgamma", dgamma, dtype, tn_last(x));
    if (dbeta) kn_check_vector(op, "dbeta", dbeta, dtype, tn_last(x));
}

void kn_axpby(kn_ctx *cx, double alpha, const tn_tensor *x, double beta, tn_tensor *y) {
    kn_check_real(cx, __func__, "x", x);
    check_like(__func__, x, "y", y);
    kn_check_apart_or_same(__func__, "x", x, y);
    if (tn_count(y)) cx->table->axpby(cx, alpha, x, beta, y);
}

void kn_act_bwd(kn_ctx *cx, kn_act act, const tn_tensor *x, const tn_tensor *dy, double beta,
                tn_tensor *dx) {
    kn_check_real(cx, __func__, "x", x);
    kn_check_act(__func__, act);
    check_dx_over(__func__, "x", x, dy, beta, dx);
    if (tn_count(dx)) cx->table->act_bwd(cx, act, x, dy, beta, dx);
}

void kn_layer_norm_bwd(kn_ctx *cx, double eps, const tn_tensor *x, const tn_tensor *gamma,
                       const tn_tensor *dy, double beta, tn_tensor *dx, double beta_p,
                       tn_tensor *dgamma, tn_tensor *dbeta) {
    check_norm_bwd(cx, __func__, x, gamma, dy, beta, dx, beta_p, dgamma, dbeta);
    if (tn_last(x))
        cx->table->layer_norm_bwd(cx, eps, x, gamma, dy, beta, dx, beta_p, dgamma, dbeta);
}

void kn_batch_norm_train_fwd(kn_ctx *cx, double eps, const tn_tensor *x, const tn_tensor *gamma,
                             const tn_tensor *beta, kn_act act, tn_tensor *mean, tn_tensor *var,
                             tn_tensor *y) {
    tn_dtype dtype = kn_check_real(cx, __func__, "x", x);
    TN_CHECK(x->rank >= 1, "%s: x has no dimension", __func__);
    check_like(__func__, x, "y", y);
    kn_check_apart(__func__, "x", x, y);
    kn_check_vector(__func__, "gamma", gamma, dtype, tn_last(x));
    kn_check_vector(__func__, "beta", beta, dtype, tn_last(x));
    kn_check_vector(__func__, "mean", mean, dtype, tn_last(x));
    kn_check_vector(__func__, "var", var, dtype, tn_last(x));
    TN_CHECK(act == KN_LINEAR || act == KN_RELU, "%s: activation %d", __func__, (int)act);
    if (tn_last(x)) cx->table->batch_norm_train_fwd(cx, eps, x, gamma, beta, act, mean, var, y);
}

void kn_batch_norm_train_bwd(kn_ctx *cx, double eps, const tn_tensor *x, const tn_tensor *gamma,
                             kn_act act, const tn_tensor *mean, const tn_tensor *var,
                             const tn_tensor *y, const tn_tensor *dy, double beta, tn_tensor *dx,
                             double beta_p, tn_tensor *dgamma, tn_tensor *dbeta) {
    check_norm_bwd(cx, __func__, x, gamma, dy, beta, dx, beta_p, dgamma, dbeta);
    kn_check_vector(__func__, "mean", mean, x->dtype, tn_last(x));
    kn_check_vector(__func__, "var", var, x->dtype, tn_last(x));
    check_like(__func__, x, "y", y);
    TN_CHECK(act == KN_LINEAR || act == KN_RELU, "%s: activation %d", __func__, (int)act);
    if (dx) kn_check_apart(__func__, "y", y, dx);
    if (tn_last(x))
        cx->table->batch_norm_train_bwd(cx, eps, x, gamma, act, mean, var, y, dy, beta, dx, beta_p,
                                        dgamma, dbeta);
}

static void check_groups(const char *op, int groups, const tn_tensor *x) {
    TN_CHECK(x->rank >= 2 && groups >= 1 && tn_last(x) % groups == 0, "%s: %d groups of x %s", op,
             groups, KN_SHAPE(x));
}

void kn_group_norm_fwd(kn_ctx *cx, int groups, double eps, const tn_tensor *x,
                       const tn_tensor *gamma, const tn_tensor *beta, tn_tensor *y) {
    tn_dtype dtype = kn_check_real(cx, __func__, "x", x);
    check_groups(__func__, groups, x);
    check_like(__func__, x, "y", y);
    kn_check_apart_or_same(__func__, "x", x, y);
    kn_check_vector(__func__, "gamma", gamma, dtype, tn_last(x));
    kn_check_vector(__func__, "beta", beta, dtype, tn_last(x));
    if (tn_count(y)) cx->table->group_norm_fwd(cx, groups, eps, x, gamma, beta, y);
}

void kn_group_norm_bwd(kn_ctx *cx, int groups, double eps, const tn_tensor *x,
                       const tn_tensor *gamma, const tn_tensor *dy, double beta, tn_tensor *dx,
                       double beta_p, tn_tensor *dgamma, tn_tensor *dbeta) {
    check_norm_bwd(cx, __func__, x, gamma, dy, beta, dx, beta_p, dgamma, dbeta);
    check_groups(__func__, groups, x);
    if (tn_last(x))
        cx->table->group_norm_bwd(cx, groups, eps, x, gamma, dy, beta, dx, beta_p, dgamma, dbeta);
}

void kn_softmax_bwd(kn_ctx *cx, double scale, const tn_tensor *y, const tn_tensor *dy, double beta,
                    tn_tensor *dx) {
    kn_check_real(cx, __func__, "y", y);
    TN_CHECK(y->rank >= 1, "%s: y has no dimension", __func__);
    check_dx_over(__func__, "y", y, dy, beta, dx);
    if (tn_count(dx)) cx->table->softmax_bwd(cx, scale, y, dy, beta, dx);
}

void kn_l2_normalize_bwd(kn_ctx *cx, double eps, const tn_tensor *x, const tn_tensor *dy,
                         double beta, tn_tensor *dx) {
    kn_check_real(cx, __func__, "x", x);
    TN_CHECK(x->rank >= 1, "%s: x has no dimension", __func__);
    check_like(__func__, x, "dy", dy);
    check_like(__func__, x, "dx", dx);
    check_dx(__func__, x, dy, dx);
    kn_check_beta(__func__, beta);
    if (tn_count(dx)) cx->table->l2_normalize_bwd(cx, eps, x, dy, beta, dx);
}

void kn_gather_rows_bwd(kn_ctx *cx, const tn_tensor *ids, const tn_tensor *dy, double beta,
                        tn_tensor *dtable) {
    tn_dtype dtype = kn_check_real(cx, __func__, "dy", dy);
    kn_check_type(__func__, "dtable", dtable, dtype);
    TN_CHECK(dtable->rank == 2 && dy->rank == 2 && dy->dim[1] == dtable->dim[1],
             "%s: dy %s, dtable %s: expected [M,C], [V,C]", __func__, KN_SHAPE(dy),
             KN_SHAPE(dtable));
    kn_check_ids(__func__, "ids", ids, dy->dim[0], dtable->dim[0]);
    kn_check_beta(__func__, beta);
    kn_check_apart(__func__, "dy", dy, dtable);
    if (tn_count(dtable)) cx->table->gather_rows_bwd(cx, ids, dy, beta, dtable);
}
