// SPDX-License-Identifier: Apache-2.0
#include "kernels/kernels.h"
#include "nn/ops.h"
#include "nn/tape.h"

// ---- pooling ----------------------------------------------------------------------------------

typedef struct saved_pool {
    kn_pool2d cfg;
    bool average;
    tn_tensor x, y;
} saved_pool;

static tn_status pool_backward(nn_ctx *cx, const void *of) {
    const saved_pool *s = of;
    tn_tensor dy, dx;
    double beta;
    TN_TRY(nn_tape_both_grads(cx, &s->y, &s->x, &dy, &beta, &dx));
    if (!dy.data) return TN_OK;
    if (s->average)
        kn_avg_pool2d_bwd(cx->kn, &s->cfg, &dy, beta, &dx);
    else
        kn_max_pool2d_bwd(cx->kn, &s->cfg, &s->x, &dy, beta, &dx);
    return TN_OK;
}

static void pool_into(nn_ctx *cx, const kn_pool2d *cfg, bool average, const tn_tensor *x,
                      tn_tensor *y) {
    if (average)
        kn_avg_pool2d_fwd(cx->kn, cfg, x, y);
    else
        kn_max_pool2d_fwd(cx->kn, cfg, x, y);
    if (!nn_tape_wants(cx, x)) return;
    saved_pool s = {*cfg, average, *x, *y};
    nn_tape_push(cx, pool_backward, &s, sizeof s, y);
}

static tn_status pool(nn_ctx *cx, const kn_pool2d *cfg, bool average, const tn_tensor *x,
                      tn_tensor *y) {
    TN_CHECK(x->rank == 4, "x has rank %d", x->rank);
    int64_t h = kn_conv_out(x->dim[1], cfg->kh, cfg->stride_h, cfg->pad_top, cfg->pad_bottom, 1);
    int64_t w = kn_conv_out(x->dim[2], cfg->kw, cfg->stride_w, cfg->pad_left, cfg->pad_right, 1);
    TN_TRY(tn_new(cx->step, y, x->dtype, TN_DIMS(x->dim[0], h, w, x->dim[3]), cx->err));
    pool_into(cx, cfg, average, x, y);
    return TN_OK;
}

tn_status nn_max_pool(nn_ctx *cx, const kn_pool2d *cfg, const tn_tensor *x, tn_tensor *y) {
    return pool(cx, cfg, false, x, y);
}

tn_status nn_avg_pool(nn_ctx *cx, const kn_pool2d *cfg, const tn_tensor *x, tn_tensor *y) {
    return pool(cx, cfg, true, x, y);
}

void nn_max_pool_into(nn_ctx *cx, const kn_pool2d *cfg, const tn_tensor *x, tn_tensor *y) {
    pool_into(cx, cfg, false, x, y);
}

// ---- sizes ------------------------------------------------------------------------------------

typedef struct saved_resize {
    kn_resize cfg;
    tn_tensor x, y;
} saved_resize;

static tn_status resize_backward(nn_ctx *cx, const void *of) {
    const saved_resize *s = of;
    tn_tensor dy, dx;
    double beta;
    TN_TRY(nn_tape_both_grads(cx, &s->y, &s->x, &dy, &beta, &dx));
    if (!dy.data) return TN_OK;
    kn_resize_bwd(cx->kn, &s->cfg, &dy, beta, &dx);
    return TN_OK;
}

tn_status nn_resize(nn_ctx *cx, const kn_resize *cfg, int64_t height, int64_t width,
                    const tn_tensor *x, tn_tensor *y) {
    TN_CHECK(x->rank == 4, "x has rank %d", x->rank);
    TN_TRY(tn_new(cx->step, y, x->dtype, TN_DIMS(x->dim[0], height, width, x->dim[3]), cx->err));
    kn_resize_fwd(cx->kn, cfg, x, y);
    if (!nn_tape_wants(cx, x)) return TN_OK;
    saved_resize s = {*cfg, *x, *y};
    nn_tape_push(cx, resize_backward, &s, sizeof s, y);
    return TN_OK;
}

typedef struct saved_upsample {
    tn_tensor top, y;
} saved_upsample;

static tn_status upsample_backward(nn_ctx *cx, const void *of) {
    const saved_upsample *s = of;
    tn_tensor dy, dtop;
    double beta;
    TN_TRY(nn_tape_output_grad(cx, &s->y, &dy));
    if (!dy.data || !nn_tape_wants(cx, &s->top)) return TN_OK;
    TN_TRY(nn_tape_input_grad(cx, &s->top, &beta, &dtop));
    kn_upsample_bwd(cx->kn, &dy, beta, &dtop);
    return TN_OK;
}

void nn_upsample_add(nn_ctx *cx, const tn_tensor *top, tn_tensor *y) {
    kn_upsample_add_fwd(cx->kn, top, y, y);
    if (!nn_tape_wants(cx, top)) return;
    TN_CHECK(nn_tape_wants(cx, y), "a gradient through a frozen map");
    saved_upsample s = {*top, *y};
    nn_tape_push(cx, upsample_backward, &s, sizeof s, NULL);
}
