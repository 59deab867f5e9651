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

#define SOURCE "kernels/ref/products.inc"
#include "kernels/ref/both_types.inc"

// Plain copies [out][kh][kw][in].
size_t kn_ref_weight_bytes(const kn_weight *w) {
    return (size_t)(w->out * w->kh * w->kw * w->in) * tn_dtype_size(w->dtype);
}

void kn_ref_weight_pack(kn_ctx *cx, const tn_tensor *w, const tn_tensor *scale, kn_weight *out) {
    (void)cx;
    w->dtype == TN_F64 ? kn_ref_pack_f64(w, scale, out) : kn_ref_pack_f32(w, scale, out);
}
