// SPDX-License-Identifier: Apache-2.0
// Weights, direct convolutions, plain products, attention with its matrix written out.
#include "kernels/ref/ref.h"

#include <math.h>

double kn_ref_act(kn_act act, double x) {
    switch (act) {
    case KN_RELU:
        return x < 0 ? 0 : x;
    case KN_GELU:
        return 0.5 * x * erfc(-x / sqrt(2)); // Phi(x) without cancellation for negative x
    case KN_QUICK_GELU:
        return x / (1 + exp(-1.702 * x));
    case KN_SIGMOID:
        return 1 / (1 + exp(-x));
    case KN_GELU_TANH:
        return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
    case KN_LINEAR:
        break;
    }
    return x;
}

bool kn_ref_attends(const kn_attention *cfg, int64_t n, int64_t i, int64_t j) {
    if (cfg->causal && j > i) return false;
    if (!cfg->mask) return true;
    int64_t picture = cfg->mask->dim[0] == 1 ? 0 : n;
    return tn_u8(cfg->mask)[(picture * cfg->mask->dim[1] + i) * cfg->mask->dim[2] + j] != 0;
}

#define REAL float
#define FN(name) name##_f32
#include "kernels/ref/products.inc"
#undef REAL
#undef FN
#define REAL double
#define FN(name) name##_f64
#include "kernels/ref/products.inc"

// Plain copies [out][kh][kw][in].
size_t kn_ref_weight_bytes(const kn_weight *w) {
    return (size_t)(w->out * w->kh * w->kw * w->in) * tn_dtype_size(w->dtype);
}

void kn_ref_weight_pack(kn_ctx *cx, const tn_tensor *w, const tn_tensor *scale, kn_weight *out) {
    (void)cx;
    w->dtype == TN_F64 ? pack_f64(w, scale, out) : pack_f32(w, scale, out);
}

void kn_ref_linear_fwd(kn_ctx *cx, const tn_tensor *x, const kn_weight *w, const kn_epilogue *ep,
                       tn_tensor *y) {
    (void)cx;
    x->dtype == TN_F64 ? linear_f64(x, w, ep, y) : linear_f32(x, w, ep, y);
}

void kn_ref_conv2d_fwd(kn_ctx *cx, const kn_conv *cfg, const tn_tensor *x, const kn_weight *w,
                       const kn_epilogue *ep, tn_tensor *y) {
    (void)cx;
    x->dtype == TN_F64 ? conv2d_f64(cfg, x, w, ep, y) : conv2d_f32(cfg, x, w, ep, y);
}

void kn_ref_conv_transpose2x2_fwd(kn_ctx *cx, const tn_tensor *x, const kn_weight *w,
                                  const kn_epilogue *ep, tn_tensor *y) {
    (void)cx;
    x->dtype == TN_F64 ? conv_transpose2x2_f64(x, w, ep, y) : conv_transpose2x2_f32(x, w, ep, y);
}

void kn_ref_matmul_nt_fwd(kn_ctx *cx, double alpha, const tn_tensor *a, const tn_tensor *b,
                          tn_tensor *y) {
    (void)cx;
    a->dtype == TN_F64 ? matmul_nt_f64(alpha, a, b, y) : matmul_nt_f32(alpha, a, b, y);
}

void kn_ref_attention_fwd(kn_ctx *cx, const kn_attention *cfg, const tn_tensor *q,
                          const tn_tensor *k, const tn_tensor *v, tn_tensor *y) {
    q->dtype == TN_F64 ? attention_f64(cx, cfg, q, k, v, y) : attention_f32(cx, cfg, q, k, v, y);
}
