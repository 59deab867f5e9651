// SPDX-License-Identifier: Apache-2.0
// Pictures: checks the arguments, then calls the table's function.
#include "kernels/check.h"

void kn_check_pool(const kn_ctx *cx, const char *op, const kn_pool2d *cfg, const tn_tensor *x,
                   const tn_tensor *y) {
    tn_dtype dtype = kn_check_real(cx, op, "x", x);
    kn_check_type(op, "y", y, dtype);
    kn_check_rank(op, "x", x, 4);
    // Pads smaller than the window: no window is empty.
    TN_CHECK(cfg->kh >= 1 && cfg->kw >= 1 && cfg->stride_h >= 1 && cfg->stride_w >= 1 &&
                 cfg->pad_top >= 0 && cfg->pad_left >= 0 && cfg->pad_bottom >= 0 &&
                 cfg->pad_right >= 0 && cfg->pad_top < cfg->kh && cfg->pad_bottom < cfg->kh &&
                 cfg->pad_left < cfg->kw && cfg->pad_right < cfg->kw,
             "%s: window %dx%d stride %d,%d pads %d,%d,%d,%d", op, cfg->kh, cfg->kw, cfg->stride_h,
             cfg->stride_w, cfg->pad_top, cfg->pad_left, cfg->pad_bottom, cfg->pad_right);
    kn_check_shape(
        op, "y", y,
        TN_DIMS(x->dim[0],
                kn_conv_out(x->dim[1], cfg->kh, cfg->stride_h, cfg->pad_top, cfg->pad_bottom, 1),
                kn_conv_out(x->dim[2], cfg->kw, cfg->stride_w, cfg->pad_left, cfg->pad_right, 1),
                x->dim[3]));
    kn_check_apart(op, "x", x, y);
}

void kn_max_pool2d_fwd(kn_ctx *cx, const kn_pool2d *cfg, const tn_tensor *x, tn_tensor *y) {
    kn_check_pool(cx, __func__, cfg, x, y);
    if (tn_count(y)) cx->table->max_pool2d_fwd(cx, cfg, x, y);
}

void kn_avg_pool2d_fwd(kn_ctx *cx, const kn_pool2d *cfg, const tn_tensor *x, tn_tensor *y) {
    kn_check_pool(cx, __func__, cfg, x, y);
    if (tn_count(y)) cx->table->avg_pool2d_fwd(cx, cfg, x, y);
}

void kn_check_resize(const kn_ctx *cx, const char *op, const kn_resize *cfg, const tn_tensor *x,
                     const tn_tensor *y) {
    tn_dtype dtype = kn_check_real(cx, op, "x", x);
    kn_check_type(op, "y", y, dtype);
    TN_CHECK(x->rank == 4 && y->rank == 4 && x->dim[0] == y->dim[0] && x->dim[3] == y->dim[3],
             "%s: x %s, y %s: expected [N,H,W,C], [N,Ho,Wo,C]", op, KN_SHAPE(x), KN_SHAPE(y));
    TN_CHECK((unsigned)cfg->filter <= KN_BICUBIC && cfg->scale_h >= 0 && cfg->scale_w >= 0,
             "%s: filter %d, scale %g, %g", op, (int)cfg->filter, cfg->scale_h, cfg->scale_w);
    kn_check_apart(op, "x", x, y);
    TN_CHECK(tn_count(x) || !tn_count(y), "%s: x %s is empty, y %s is not", op, KN_SHAPE(x),
             KN_SHAPE(y));
}

void kn_resize_fwd(kn_ctx *cx, const kn_resize *cfg, const tn_tensor *x, tn_tensor *y) {
    kn_check_resize(cx, __func__, cfg, x, y);
    if (tn_count(y)) cx->table->resize_fwd(cx, cfg, x, y);
}

void kn_check_upsample(const kn_ctx *cx, const char *op, const tn_tensor *top, const tn_tensor *y) {
    tn_dtype dtype = kn_check_real(cx, op, "top", top);
    kn_check_type(op, "y", y, dtype);
    TN_CHECK(top->rank == 4 && y->rank == 4 && top->dim[0] == y->dim[0] && top->dim[3] == y->dim[3],
             "%s: top %s, y %s: expected [N,H,W,C], [N,Ho,Wo,C]", op, KN_SHAPE(top), KN_SHAPE(y));
    kn_check_apart(op, "top", top, y);
    TN_CHECK(tn_count(top) || !tn_count(y), "%s: top %s is empty, y %s is not", op, KN_SHAPE(top),
             KN_SHAPE(y));
}

void kn_upsample_add_fwd(kn_ctx *cx, const tn_tensor *top, const tn_tensor *lateral, tn_tensor *y) {
    kn_check_upsample(cx, __func__, top, y);
    kn_check_type(__func__, "lateral", lateral, y->dtype);
    kn_check_same(__func__, "lateral", lateral, "y", y);
    kn_check_apart_or_same(__func__, "lateral", lateral, y);
    if (tn_count(y)) cx->table->upsample_add_fwd(cx, top, lateral, y);
}

void kn_resize_u8_window_fwd(kn_ctx *cx, const kn_resize_u8 *cfg, const tn_tensor *x,
                             tn_tensor *y) {
    kn_check_type(__func__, "x", x, TN_U8);
    kn_check_type(__func__, "y", y, TN_U8);
    TN_CHECK(x->rank == 3 && y->rank == 3 && x->dim[2] == y->dim[2],
             "%s: x %s, y %s: expected [H,W,C], [Ho,Wo,C]", __func__, KN_SHAPE(x), KN_SHAPE(y));
    TN_CHECK(cfg->filter == KN_BILINEAR || cfg->filter == KN_BICUBIC, "%s: filter %d", __func__,
             (int)cfg->filter);
    TN_CHECK(cfg->top >= 0 && cfg->left >= 0 && y->dim[0] <= cfg->height - cfg->top &&
                 y->dim[1] <= cfg->width - cfg->left,
             "%s: y %s at %lld,%lld of a result of %lldx%lld", __func__, KN_SHAPE(y),
             (long long)cfg->left, (long long)cfg->top, (long long)cfg->width,
             (long long)cfg->height);
    kn_check_apart(__func__, "x", x, y);
    if (!tn_count(y)) return;
    const double whole[4] = {0, 0, (double)x->dim[1], (double)x->dim[0]};
    kn_resize_u8 full = *cfg;
    if (!full.box) full.box = whole;
    const double *b = full.box;
    TN_CHECK(b[0] >= 0 && b[1] >= 0 && b[2] <= whole[2] && b[3] <= whole[3] && b[2] > b[0] &&
                 b[3] > b[1],
             "%s: box %g,%g,%g,%g of a picture %s", __func__, b[0], b[1], b[2], b[3], KN_SHAPE(x));
    cx->table->resize_u8_fwd(cx, &full, x, y);
}

void kn_resize_u8_fwd(kn_ctx *cx, kn_filter filter, const double *box, const tn_tensor *x,
                      tn_tensor *y) {
    TN_CHECK(y->rank == 3, "%s: y %s", __func__, KN_SHAPE(y));
    const kn_resize_u8 cfg = {
        .filter = filter, .box = box, .height = y->dim[0], .width = y->dim[1]};
    kn_resize_u8_window_fwd(cx, &cfg, x, y);
}

void kn_normalize_u8_fwd(kn_ctx *cx, const float *mean, const float *std, const tn_tensor *x,
                         tn_tensor *y) {
    kn_check_type(__func__, "x", x, TN_U8);
    kn_check_type(__func__, "y", y, TN_F32);
    TN_CHECK(mean && std, "%s: no mean or std", __func__);
    TN_CHECK(x->rank >= 1, "%s: x has no dimension", __func__);
    kn_check_same(__func__, "x", x, "y", y);
    kn_check_apart(__func__, "x", x, y);
    if (tn_count(y)) cx->table->normalize_u8_fwd(cx, mean, std, x, y);
}
