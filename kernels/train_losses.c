// SPDX-License-Identifier: Apache-2.0
// Losses and the optimizer: checks the arguments, then calls the table's function.
#include "kernels/check.h"

// target: NULL, or of x's type and shape. dx must not overlap the inputs.
static tn_dtype check_loss(const kn_ctx *cx, const char *op, const tn_tensor *x,
                           const tn_tensor *target, const tn_tensor *dx) {
    tn_dtype dtype = kn_check_real(cx, op, "x", x);
    if (target) {
        kn_check_type(op, "target", target, dtype);
        kn_check_same(op, "x", x, "target", target);
    }
    if (dx) {
        kn_check_type(op, "dx", dx, dtype);
        kn_check_same(op, "x", x, "dx", dx);
        kn_check_apart(op, "x", x, dx);
        if (target) kn_check_apart(op, "target", target, dx);
    }
    return dtype;
}

static void check_weight(const char *op, const tn_tensor *x, const tn_tensor *weight,
                         const tn_tensor *dx) {
    if (!weight) return;
    kn_check_type(op, "weight", weight, x->dtype);
    kn_check_same(op, "x", x, "weight", weight);
    if (dx) kn_check_apart(op, "weight", weight, dx);
}

double kn_cross_entropy(kn_ctx *cx, double scale, const tn_tensor *x, const tn_tensor *target,
                        const tn_tensor *weight, double factor, tn_tensor *dx) {
    tn_dtype dtype = check_loss(cx, __func__, x, NULL, dx);
    kn_check_rank(__func__, "x", x, 2);
    kn_check_vector(__func__, "target", target, TN_I32, x->dim[0]);
    if (weight) kn_check_vector(__func__, "weight", weight, dtype, x->dim[1]);
    for (int64_t r = 0; r < x->dim[0]; r++)
        TN_CHECK(tn_i32(target)[r] < x->dim[1], "%s: target[%lld] = %d of x %s", __func__,
                 (long long)r, (int)tn_i32(target)[r], KN_SHAPE(x));
    return tn_count(x) ? cx->table->cross_entropy(cx, scale, x, target, weight, factor, dx) : 0;
}

double kn_bce_logits(kn_ctx *cx, const tn_tensor *x, const tn_tensor *target,
                     const tn_tensor *weight, double factor, tn_tensor *dx) {
    TN_CHECK(target, "%s: no target", __func__);
    check_loss(cx, __func__, x, target, dx);
    check_weight(__func__, x, weight, dx);
    return tn_count(x) ? cx->table->bce_logits(cx, x, target, weight, factor, dx) : 0;
}

double kn_smooth_l1(kn_ctx *cx, double delta, const tn_tensor *x, const tn_tensor *target,
                    const tn_tensor *weight, double factor, tn_tensor *dx) {
    TN_CHECK(target, "%s: no target", __func__);
    TN_CHECK(delta >= 0, "%s: delta %g", __func__, delta);
    check_loss(cx, __func__, x, target, dx);
    check_weight(__func__, x, weight, dx);
    return tn_count(x) ? cx->table->smooth_l1(cx, delta, x, target, weight, factor, dx) : 0;
}

double kn_cosine_loss(kn_ctx *cx, double eps, const tn_tensor *x, const tn_tensor *target,
                      const tn_tensor *weight, double factor, tn_tensor *dx) {
    TN_CHECK(target, "%s: no target", __func__);
    tn_dtype dtype = check_loss(cx, __func__, x, target, dx);
    kn_check_rank(__func__, "x", x, 2);
    if (weight) kn_check_vector(__func__, "weight", weight, dtype, x->dim[0]);
    return tn_count(x) ? cx->table->cosine_loss(cx, eps, x, target, weight, factor, dx) : 0;
}

void kn_adamw_step(kn_ctx *cx, const kn_adamw *cfg, const tn_tensor *grad, tn_tensor *value,
                   tn_tensor *m, tn_tensor *v) {
    tn_dtype dtype = kn_check_real(cx, __func__, "grad", grad);
    tn_tensor *state[] = {value, m, v};
    const char *const names[] = {"value", "m", "v"};
    for (int i = 0; i < 3; i++) {
        kn_check_type(__func__, names[i], state[i], dtype);
        kn_check_same(__func__, "grad", grad, names[i], state[i]);
        kn_check_apart(__func__, "grad", grad, state[i]);
        kn_check_apart(__func__, names[i], state[i], state[(i + 1) % 3]);
    }
    TN_CHECK(cfg->step >= 1 && cfg->beta1 >= 0 && cfg->beta1 < 1 && cfg->beta2 >= 0 &&
                 cfg->beta2 < 1 && cfg->eps >= 0,
             "%s: step %lld, beta %g and %g, eps %g", __func__, (long long)cfg->step, cfg->beta1,
             cfg->beta2, cfg->eps);
    if (tn_count(grad)) cx->table->adamw_step(cx, cfg, grad, value, m, v);
}

double kn_sum_squares(kn_ctx *cx, const tn_tensor *x) {
    kn_check_real(cx, __func__, "x", x);
    return tn_count(x) ? cx->table->sum_squares(cx, x) : 0;
}
