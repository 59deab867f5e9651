// SPDX-License-Identifier: Apache-2.0
// Pooling, resizing by direct sums, normalisation.
#include "kernels/ref/train.h"
#include "kernels/rules.h"

#include <string.h>

#define REAL float
#define FN(name) name##_f32
#include "kernels/ref/pictures.inc"
#undef REAL
#undef FN
#define REAL double
#define FN(name) name##_f64
#include "kernels/ref/pictures.inc"

void kn_ref_max_pool2d_fwd(kn_ctx *cx, const kn_pool2d *cfg, const tn_tensor *x, tn_tensor *y) {
    (void)cx;
    x->dtype == TN_F64 ? pool_f64(cfg, false, x, y) : pool_f32(cfg, false, x, y);
}

void kn_ref_avg_pool2d_fwd(kn_ctx *cx, const kn_pool2d *cfg, const tn_tensor *x, tn_tensor *y) {
    (void)cx;
    x->dtype == TN_F64 ? pool_f64(cfg, true, x, y) : pool_f32(cfg, true, x, y);
}

void kn_ref_resize_fwd(kn_ctx *cx, const kn_resize *cfg, const tn_tensor *x, tn_tensor *y) {
    x->dtype == TN_F64 ? resize_f64(cx, cfg, x, y) : resize_f32(cx, cfg, x, y);
}

void kn_ref_upsample_add_fwd(kn_ctx *cx, const tn_tensor *top, const tn_tensor *lateral,
                             tn_tensor *y) {
    (void)cx;
    top->dtype == TN_F64 ? upsample_add_f64(top, lateral, y) : upsample_add_f32(top, lateral, y);
}

// Each step is rounded to float32, as to_tensor and normalize of torchvision do.
void kn_ref_normalize_u8_fwd(kn_ctx *cx, const float *mean, const float *std, const tn_tensor *x,
                             tn_tensor *y) {
    (void)cx;
    int64_t channels = tn_last(x);
    for (int64_t i = 0; i < tn_count(x); i++) {
        float unit = (float)tn_u8(x)[i] / 255.0f;
        float centred = unit - mean[i % channels];
        tn_f32(y)[i] = centred / std[i % channels];
    }
}

void kn_ref_max_pool2d_bwd(kn_ctx *cx, const kn_pool2d *cfg, const tn_tensor *x,
                           const tn_tensor *dy, double beta, tn_tensor *dx) {
    (void)cx;
    x->dtype == TN_F64 ? max_pool_bwd_f64(cfg, x, dy, beta, dx)
                       : max_pool_bwd_f32(cfg, x, dy, beta, dx);
}

void kn_ref_avg_pool2d_bwd(kn_ctx *cx, const kn_pool2d *cfg, const tn_tensor *dy, double beta,
                           tn_tensor *dx) {
    (void)cx;
    dy->dtype == TN_F64 ? avg_pool_bwd_f64(cfg, dy, beta, dx) : avg_pool_bwd_f32(cfg, dy, beta, dx);
}

void kn_ref_resize_bwd(kn_ctx *cx, const kn_resize *cfg, const tn_tensor *dy, double beta,
                       tn_tensor *dx) {
    dy->dtype == TN_F64 ? resize_bwd_f64(cx, cfg, dy, beta, dx)
                        : resize_bwd_f32(cx, cfg, dy, beta, dx);
}

void kn_ref_upsample_bwd(kn_ctx *cx, const tn_tensor *dy, double beta, tn_tensor *dtop) {
    (void)cx;
    dy->dtype == TN_F64 ? upsample_bwd_f64(dy, beta, dtop) : upsample_bwd_f32(dy, beta, dtop);
}
