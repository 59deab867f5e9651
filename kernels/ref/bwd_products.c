// SPDX-License-Identifier: Apache-2.0
// Gradients of the products: direct sums over all that an element met.
#include "kernels/ref/train.h"

#include <math.h>

// Which output along an axis has its window's tap at `place` (stride times the output's index).
static bool output_at(int64_t place, int64_t stride, int64_t outs, int64_t *out) {
    *out = place / stride;
    return place >= 0 && place % stride == 0 && *out < outs;
}

#define REAL float
#define FN(name) name##_f32
#include "kernels/ref/bwd_products.inc"
#undef REAL
#undef FN
#define REAL double
#define FN(name) name##_f64
#include "kernels/ref/bwd_products.inc"

void kn_ref_linear_bwd_x(kn_ctx *cx, const tn_tensor *dy, const kn_weight *adjoint, double beta,
                         tn_tensor *dx) {
    (void)cx;
    dy->dtype == TN_F64 ? linear_bwd_x_f64(dy, adjoint, beta, dx)
                        : linear_bwd_x_f32(dy, adjoint, beta, dx);
}

void kn_ref_conv2d_bwd_x(kn_ctx *cx, const kn_conv *cfg, const tn_tensor *dy,
                         const kn_weight *adjoint, double beta, tn_tensor *dx) {
    (void)cx;
    dy->dtype == TN_F64 ? conv2d_bwd_x_f64(cfg, dy, adjoint, beta, dx)
                        : conv2d_bwd_x_f32(cfg, dy, adjoint, beta, dx);
}

void kn_ref_conv2d_bwd_w(kn_ctx *cx, const kn_conv *cfg, const tn_tensor *x, const tn_tensor *dy,
                         double beta, tn_tensor *dw) {
    (void)cx;
    x->dtype == TN_F64 ? conv2d_bwd_w_f64(cfg, x, dy, beta, dw)
                       : conv2d_bwd_w_f32(cfg, x, dy, beta, dw);
}

void kn_ref_matmul_tn(kn_ctx *cx, double alpha, const tn_tensor *a, const tn_tensor *b, double beta,
                      tn_tensor *y) {
    (void)cx;
    int64_t step = tn_last(a), depth = tn_rows(a);
    a->dtype == TN_F64 ? product_f64(alpha, a->data, 1, step, b->data, depth, beta, y)
                       : product_f32(alpha, a->data, 1, step, b->data, depth, beta, y);
}

void kn_ref_matmul_nn(kn_ctx *cx, double alpha, const tn_tensor *a, const tn_tensor *b, double beta,
                      tn_tensor *y) {
    (void)cx;
    int64_t depth = a->dim[1];
    a->dtype == TN_F64 ? product_f64(alpha, a->data, depth, 1, b->data, depth, beta, y)
                       : product_f32(alpha, a->data, depth, 1, b->data, depth, beta, y);
}

void kn_ref_sum_rows(kn_ctx *cx, const tn_tensor *x, double beta, tn_tensor *y) {
    (void)cx;
    x->dtype == TN_F64 ? sum_rows_f64(x, beta, y) : sum_rows_f32(x, beta, y);
}

void kn_ref_attention_bwd(kn_ctx *cx, const kn_attention *cfg, const tn_tensor *q,
                          const tn_tensor *k, const tn_tensor *v, const tn_tensor *y,
                          const tn_tensor *dy, tn_tensor *dq, tn_tensor *dk, tn_tensor *dv) {
    const tn_tensor *const in[5] = {q, k, v, y, dy};
    tn_tensor *const out[3] = {dq, dk, dv};
    q->dtype == TN_F64 ? attention_bwd_f64(cx, cfg, in, out) : attention_bwd_f32(cx, cfg, in, out);
}
