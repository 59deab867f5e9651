// SPDX-License-Identifier: Apache-2.0
// Gradients of norms, softmax, activations and table rows; norms over a batch.
#include "kernels/ref/train.h"

#include <math.h>
#include <string.h>

// Of an activation at its input x; for ReLU and the sigmoid x is the output.
static double act_slope(kn_act act, double x) {
    double pi = acos(-1), s, t, k;
    switch (act) {
    case KN_RELU:
        return x <= 0 ? 0 : 1;
    case KN_GELU: // Phi(x) + x phi(x)
        return 0.5 * erfc(-x / sqrt(2)) + x * exp(-0.5 * x * x) / sqrt(2 * pi);
    case KN_QUICK_GELU:
        s = 1 / (1 + exp(-1.702 * x));
        return s + 1.702 * x * s * (1 - s);
    case KN_SIGMOID:
        return x * (1 - x);
    case KN_GELU_TANH:
        k = sqrt(2 / pi);
        t = tanh(k * (x + 0.044715 * x * x * x));
        return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * k * (1 + 3 * 0.044715 * x * x);
    case KN_LINEAR:
        break;
    }
    return 1;
}

static double *zeros(kn_ctx *cx, int64_t count) {
    double *block = kn_scratch(cx, 0, (size_t)count * sizeof *block);
    memset(block, 0, (size_t)count * sizeof *block);
    return block;
}

#define REAL float
#define FN(name) name##_f32
#include "kernels/ref/bwd_rows.inc"
#undef REAL
#undef FN
#define REAL double
#define FN(name) name##_f64
#include "kernels/ref/bwd_rows.inc"

void kn_ref_axpby(kn_ctx *cx, double alpha, const tn_tensor *x, double beta, tn_tensor *y) {
    (void)cx;
    x->dtype == TN_F64 ? axpby_f64(alpha, x, beta, y) : axpby_f32(alpha, x, beta, y);
}

void kn_ref_act_bwd(kn_ctx *cx, kn_act act, const tn_tensor *x, const tn_tensor *dy, double beta,
                    tn_tensor *dx) {
    (void)cx;
    x->dtype == TN_F64 ? act_bwd_f64(act, x, dy, beta, dx) : act_bwd_f32(act, x, dy, beta, dx);
}

void kn_ref_layer_norm_bwd(kn_ctx *cx, double eps, const tn_tensor *x, const tn_tensor *gamma,
                           const tn_tensor *dy, double beta, tn_tensor *dx, double beta_p,
                           tn_tensor *dgamma, tn_tensor *dbeta) {
    x->dtype == TN_F64 ? layer_norm_bwd_f64(cx, eps, x, gamma, dy, beta, dx, beta_p, dgamma, dbeta)
                       : layer_norm_bwd_f32(cx, eps, x, gamma, dy, beta, dx, beta_p, dgamma, dbeta);
}

void kn_ref_batch_norm_train_fwd(kn_ctx *cx, double eps, const tn_tensor *x, const tn_tensor *gamma,
                                 const tn_tensor *beta, kn_act act, tn_tensor *mean, tn_tensor *var,
                                 tn_tensor *y) {
    (void)cx;
    x->dtype == TN_F64 ? batch_norm_train_f64(eps, x, gamma, beta, act, mean, var, y)
                       : batch_norm_train_f32(eps, x, gamma, beta, act, mean, var, y);
}

void kn_ref_batch_norm_train_bwd(kn_ctx *cx, double eps, const tn_tensor *x, const tn_tensor *gamma,
                                 kn_act act, const tn_tensor *mean, const tn_tensor *var,
                                 const tn_tensor *y, const tn_tensor *dy, double beta,
                                 tn_tensor *dx, double beta_p, tn_tensor *dgamma,
                                 tn_tensor *dbeta) {
    (void)cx;
    x->dtype == TN_F64 ? batch_norm_train_bwd_f64(eps, x, gamma, act, mean, var, y, dy, beta, dx,
                                                  beta_p, dgamma, dbeta)
                       : batch_norm_train_bwd_f32(eps, x, gamma, act, mean, var, y, dy, beta, dx,
                                                  beta_p, dgamma, dbeta);
}

void kn_ref_group_norm_fwd(kn_ctx *cx, int groups, double eps, const tn_tensor *x,
                           const tn_tensor *gamma, const tn_tensor *beta, tn_tensor *y) {
    (void)cx;
    x->dtype == TN_F64 ? group_norm_f64(groups, eps, x, gamma, beta, y)
                       : group_norm_f32(groups, eps, x, gamma, beta, y);
}

void kn_ref_group_norm_bwd(kn_ctx *cx, int groups, double eps, const tn_tensor *x,
                           const tn_tensor *gamma, const tn_tensor *dy, double beta, tn_tensor *dx,
                           double beta_p, tn_tensor *dgamma, tn_tensor *dbeta) {
    x->dtype == TN_F64
        ? group_norm_bwd_f64(cx, groups, eps, x, gamma, dy, beta, dx, beta_p, dgamma, dbeta)
        : group_norm_bwd_f32(cx, groups, eps, x, gamma, dy, beta, dx, beta_p, dgamma, dbeta);
}

void kn_ref_softmax_bwd(kn_ctx *cx, double scale, const tn_tensor *y, const tn_tensor *dy,
                        double beta, tn_tensor *dx) {
    (void)cx;
    y->dtype == TN_F64 ? softmax_bwd_f64(scale, y, dy, beta, dx)
                       : softmax_bwd_f32(scale, y, dy, beta, dx);
}

void kn_ref_l2_normalize_bwd(kn_ctx *cx, double eps, const tn_tensor *x, const tn_tensor *dy,
                             double beta, tn_tensor *dx) {
    (void)cx;
    x->dtype == TN_F64 ? l2_normalize_bwd_f64(eps, x, dy, beta, dx)
                       : l2_normalize_bwd_f32(eps, x, dy, beta, dx);
}

void kn_ref_gather_rows_bwd(kn_ctx *cx, const tn_tensor *ids, const tn_tensor *dy, double beta,
                            tn_tensor *dtable) {
    (void)cx;
    dy->dtype == TN_F64 ? gather_rows_bwd_f64(ids, dy, beta, dtable)
                        : gather_rows_bwd_f32(ids, dy, beta, dtable);
}
