// SPDX-License-Identifier: Apache-2.0
// Norms, softmax, activations, sums and table rows.
#include "kernels/ref/ref.h"

#include <math.h>
#include <string.h>

#define REAL float
#define FN(name) name##_f32
#include "kernels/ref/rows.inc"
#undef REAL
#undef FN
#define REAL double
#define FN(name) name##_f64
#include "kernels/ref/rows.inc"

void kn_ref_layer_norm_fwd(kn_ctx *cx, double eps, const tn_tensor *x, const tn_tensor *gamma,
                           const tn_tensor *beta, tn_tensor *y) {
    (void)cx;
    x->dtype == TN_F64 ? layer_norm_f64(eps, x, gamma, beta, y)
                       : layer_norm_f32(eps, x, gamma, beta, y);
}

void kn_ref_batch_norm_fwd(kn_ctx *cx, double eps, const tn_tensor *x, const tn_tensor *mean,
                           const tn_tensor *var, const tn_tensor *gamma, const tn_tensor *beta,
                           kn_act act, tn_tensor *y) {
    (void)cx;
    x->dtype == TN_F64 ? batch_norm_f64(eps, x, mean, var, gamma, beta, act, y)
                       : batch_norm_f32(eps, x, mean, var, gamma, beta, act, y);
}

void kn_ref_softmax_fwd(kn_ctx *cx, double scale, const tn_tensor *x, tn_tensor *y) {
    (void)cx;
    x->dtype == TN_F64 ? softmax_f64(scale, x, y) : softmax_f32(scale, x, y);
}

void kn_ref_l2_normalize_fwd(kn_ctx *cx, double eps, const tn_tensor *x, tn_tensor *y) {
    (void)cx;
    x->dtype == TN_F64 ? l2_normalize_f64(eps, x, y) : l2_normalize_f32(eps, x, y);
}

void kn_ref_act_fwd(kn_ctx *cx, kn_act act, const tn_tensor *x, tn_tensor *y) {
    (void)cx;
    x->dtype == TN_F64 ? act_f64(act, x, y) : act_f32(act, x, y);
}

void kn_ref_add_fwd(kn_ctx *cx, kn_act act, const tn_tensor *a, const tn_tensor *b, tn_tensor *y) {
    (void)cx;
    a->dtype == TN_F64 ? add_f64(act, a, b, y) : add_f32(act, a, b, y);
}

void kn_ref_gather_rows_fwd(kn_ctx *cx, const tn_tensor *table, const tn_tensor *ids,
                            tn_tensor *y) {
    (void)cx;
    size_t row = (size_t)tn_last(table) * tn_dtype_size(table->dtype);
    for (int64_t i = 0; i < ids->dim[0]; i++)
        memcpy((char *)y->data + (size_t)i * row,
               (const char *)table->data + (size_t)tn_i32(ids)[i] * row, row);
}
