// SPDX-License-Identifier: Apache-2.0
// Losses with their gradients, the optimizer's step, the square of a norm.
#include "kernels/ref/train.h"

#include <math.h>

#define REAL float
#define FN(name) name##_f32
#include "kernels/ref/losses.inc"
#undef REAL
#undef FN
#define REAL double
#define FN(name) name##_f64
#include "kernels/ref/losses.inc"

double kn_ref_cross_entropy(kn_ctx *cx, double scale, const tn_tensor *x, const tn_tensor *target,
                            const tn_tensor *weight, double factor, tn_tensor *dx) {
    (void)cx;
    return x->dtype == TN_F64 ? cross_entropy_f64(scale, x, target, weight, factor, dx)
                              : cross_entropy_f32(scale, x, target, weight, factor, dx);
}

double kn_ref_bce_logits(kn_ctx *cx, const tn_tensor *x, const tn_tensor *target,
                         const tn_tensor *weight, double factor, tn_tensor *dx) {
    (void)cx;
    return x->dtype == TN_F64 ? bce_logits_f64(x, target, weight, factor, dx)
                              : bce_logits_f32(x, target, weight, factor, dx);
}

double kn_ref_smooth_l1(kn_ctx *cx, double delta, const tn_tensor *x, const tn_tensor *target,
                        const tn_tensor *weight, double factor, tn_tensor *dx) {
    (void)cx;
    return x->dtype == TN_F64 ? smooth_l1_f64(delta, x, target, weight, factor, dx)
                              : smooth_l1_f32(delta, x, target, weight, factor, dx);
}

double kn_ref_cosine_loss(kn_ctx *cx, double eps, const tn_tensor *x, const tn_tensor *target,
                          const tn_tensor *weight, double factor, tn_tensor *dx) {
    (void)cx;
    return x->dtype == TN_F64 ? cosine_loss_f64(eps, x, target, weight, factor, dx)
                              : cosine_loss_f32(eps, x, target, weight, factor, dx);
}

void kn_ref_adamw_step(kn_ctx *cx, const kn_adamw *cfg, const tn_tensor *grad, tn_tensor *value,
                       tn_tensor *m, tn_tensor *v) {
    (void)cx;
    grad->dtype == TN_F64 ? adamw_step_f64(cfg, grad, value, m, v)
                          : adamw_step_f32(cfg, grad, value, m, v);
}

double kn_ref_sum_squares(kn_ctx *cx, const tn_tensor *x) {
    (void)cx;
    return x->dtype == TN_F64 ? sum_squares_f64(x) : sum_squares_f32(x);
}
