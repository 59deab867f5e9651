// SPDX-License-Identifier: Apache-2.0
// Gradients of pictures: pooling, resizing, the top-down step, RoIAlign.
#include "tests/support/grads.h"

#include "tensor/rng.h"

#include <math.h>
#include <string.h>

// ---- pooling -----------------------------------------------------------------------------------

typedef struct pool_op {
    kn_pool2d cfg;
    bool average;
} pool_op;

static void pool_fwd(kn_ctx *cx, const tn_tensor *in, tn_tensor *y, const void *cfg) {
    const pool_op *p = cfg;
    p->average ? kn_avg_pool2d_fwd(cx, &p->cfg, &in[0], y)
               : kn_max_pool2d_fwd(cx, &p->cfg, &in[0], y);
}

static void pool_bwd(kn_ctx *cx, const tn_tensor *in, const tn_tensor *y, const tn_tensor *dy,
                     double beta, tn_tensor *const *d, const void *cfg) {
    const pool_op *p = cfg;
    (void)y;
    p->average ? kn_avg_pool2d_bwd(cx, &p->cfg, dy, beta, d[0])
               : kn_max_pool2d_bwd(cx, &p->cfg, &in[0], dy, beta, d[0]);
}

// All numbers are different, so that a window's maximum exceeds the others by more than a step.
static tn_tensor all_different(uint64_t seed, int rank, const int64_t *dim) {
    tn_tensor x = guarded_new(TN_F32, rank, dim);
    int64_t count = tn_count(&x);
    for (int64_t i = 0; i < count; i++) tn_f32(&x)[i] = (float)i * 0x1p-8f;
    for (int64_t i = count - 1; i > 0; i--) {
        int64_t j = op_pick(seed, (uint64_t)i, i + 1);
        float kept = tn_f32(&x)[i];
        tn_f32(&x)[i] = tn_f32(&x)[j], tn_f32(&x)[j] = kept;
    }
    return x;
}

static void pooling_agrees(void **state) {
    (void)state;
    static const int64_t size[] = {1, 2, 3, 7, 8, 9, 16, 33};
    static const int64_t channels[] = {1, 3, 8, 17, 64, 65};
    for (uint64_t seed = 1; seed <= 120; seed++) {
        guarded_free();
        pool_op op = {.average = seed % 2};
        kn_pool2d *p = &op.cfg;
        p->kh = 1 + (int)op_pick(seed, 1, 4), p->kw = 1 + (int)op_pick(seed, 2, 4);
        p->stride_h = 1 + (int)op_pick(seed, 3, 3), p->stride_w = 1 + (int)op_pick(seed, 4, 3);
        p->pad_top = (int)op_pick(seed, 5, p->kh), p->pad_left = (int)op_pick(seed, 6, p->kw);
        p->pad_bottom = (int)op_pick(seed, 7, p->kh), p->pad_right = (int)op_pick(seed, 8, p->kw);
        p->count_pad = op_pick(seed, 9, 2);
        int64_t x[] = {op_pick(seed, 10, 4), size[op_pick(seed, 11, 8)], size[op_pick(seed, 12, 8)],
                       channels[op_pick(seed, 13, 6)]};
        int64_t ho = kn_conv_out(x[1], p->kh, p->stride_h, p->pad_top, p->pad_bottom, 1);
        int64_t wo = kn_conv_out(x[2], p->kw, p->stride_w, p->pad_left, p->pad_right, 1);
        grad_case c = {.what =
                           grad_name(op.average ? "average pool" : "max pool", x[1], x[2], x[3]),
                       .cfg = &op,
                       .inputs = 1,
                       .wants = 1,
                       .y = op_shape(TN_F32, TN_DIMS(x[0], ho, wo, x[3])),
                       .fwd = pool_fwd,
                       .bwd = pool_bwd,
                       .linear = op.average,
                       .absolute = {op_sum_tolerance((int64_t)p->kh * p->kw, 1, 1)}};
        c.in[0] = op.average ? guarded_random(seed, -1, 1, 4, x) : all_different(seed, 4, x);
        grad_check(&c);
    }
}

// If several are equal, the first in row order gets the whole gradient; NaN counts as larger than
// the values before it.
static void max_pool_gradient_goes_to_the_first_maximum(void **state) {
    (void)state;
    const float nan = NAN, inf = INFINITY;
    const float x[4][4] = {{1, 1, 1, 1}, {0, 2, 2, 0}, {3, nan, 4, 1}, {-inf, -inf, -inf, -inf}};
    const int winner[4] = {0, 1, 1, 0};
    for (int l = 0; l < levels_count(); l++)
        for (int64_t channels = 1; channels <= 33; channels += 8) {
            guarded_free();
            tn_tensor in = guarded_new(TN_F32, TN_DIMS(4, 2, 2, channels));
            tn_tensor dx = guarded_copy(&in), dy = guarded_new(TN_F32, TN_DIMS(4, 1, 1, channels));
            for (int64_t i = 0; i < 16 * channels; i++) {
                tn_f32(&in)[i] = x[i / channels / 4][i / channels % 4];
                if (i < 4 * channels) tn_f32(&dy)[i] = 5;
            }
            kn_max_pool2d_bwd(levels_at(l)->cx[TWO_THREADS],
                              &(kn_pool2d){.kh = 2, .kw = 2, .stride_h = 2, .stride_w = 2}, &in,
                              &dy, 0, &dx);
            for (int64_t i = 0; i < 16 * channels; i++) {
                int64_t at = i / channels;
                assert_true(tn_f32(&dx)[i] == (at % 4 == winner[at / 4] ? 5 : 0));
            }
        }
}

// ---- resizing ----------------------------------------------------------------------------------

static void resize_fwd(kn_ctx *cx, const tn_tensor *in, tn_tensor *y, const void *cfg) {
    kn_resize_fwd(cx, cfg, &in[0], y);
}

static void resize_bwd(kn_ctx *cx, const tn_tensor *in, const tn_tensor *y, const tn_tensor *dy,
                       double beta, tn_tensor *const *d, const void *cfg) {
    (void)in;
    (void)y;
    kn_resize_bwd(cx, cfg, dy, beta, d[0]);
}

static void check_resize(uint64_t seed, const kn_resize *cfg, const int64_t *x, int64_t ho,
                         int64_t wo) {
    guarded_free();
    grad_case c = {
        .what = grad_name("resize", (int64_t)cfg->filter, x[1] * 1000 + x[2], ho * 1000 + wo),
        .cfg = cfg,
        .inputs = 1,
        .wants = 1,
        .y = op_shape(TN_F32, TN_DIMS(x[0], ho, wo, x[3])),
        .fwd = resize_fwd,
        .bwd = resize_bwd,
        .linear = true};
    // Weights are off by the rounding of a centre; an element has this many outputs.
    int64_t most = x[1] > x[2] ? x[1] : x[2], high = ho > wo ? ho : wo;
    double shares = (1 + 4.0 * (double)ho / (double)x[1]) * (1 + 4.0 * (double)wo / (double)x[2]);
    c.absolute[0] = cfg->filter == KN_NEAREST
                        ? op_sum_tolerance((int64_t)shares, 1, 1)
                        : EPS * (16 + 6 * (double)(most > high ? most : high)) * (1 + shares / 4);
    c.in[0] = guarded_random(seed, -1, 1, 4, x);
    grad_check(&c);
}

static void resizing_agrees(void **state) {
    (void)state;
    static const int64_t size[] = {1, 2, 3, 7, 8, 9, 16, 25, 40};
    static const int64_t channels[] = {1, 3, 5, 17, 64};
    for (uint64_t seed = 1; seed <= 60; seed++) {
        kn_resize cfg = {.filter = (kn_filter)(seed % 3), .antialias = op_pick(seed, 1, 2)};
        int64_t x[] = {op_pick(seed, 2, 3), size[op_pick(seed, 3, 9)], size[op_pick(seed, 4, 9)],
                       channels[op_pick(seed, 5, 5)]};
        int64_t ho = size[op_pick(seed, 6, 9)], wo = size[op_pick(seed, 7, 9)];
        if (op_pick(seed, 8, 4) == 0) {
            cfg.scale_h = (double)x[1] / ((double)ho + 0.4);
            cfg.scale_w = (double)x[2] / ((double)wo + 0.7);
        }
        if (op_pick(seed, 9, 4) == 0) cfg.cubic_a = -0.6;
        check_resize(seed, &cfg, x, ho, wo);
    }
    for (kn_filter f = KN_NEAREST; f <= KN_BICUBIC; f++) {
        check_resize(1, &(kn_resize){.filter = f}, (int64_t[]){1, 24, 24, 64}, 40, 40);
        check_resize(4, &(kn_resize){.filter = f}, (int64_t[]){1, 9, 9, 17}, 9, 9);
        check_resize(5, &(kn_resize){.filter = f}, (int64_t[]){1, 9, 9, 17}, 0, 9);
    }
}

static void upsample_fwd(kn_ctx *cx, const tn_tensor *in, tn_tensor *y, const void *cfg) {
    (void)cfg;
    memset(y->data, 0, tn_bytes(y));
    kn_upsample_add_fwd(cx, &in[0], y, y);
}

static void upsample_bwd(kn_ctx *cx, const tn_tensor *in, const tn_tensor *y, const tn_tensor *dy,
                         double beta, tn_tensor *const *d, const void *cfg) {
    (void)in;
    (void)y;
    (void)cfg;
    kn_upsample_bwd(cx, dy, beta, d[0]);
}

static void upsampling_agrees(void **state) {
    (void)state;
    uint64_t seed = 0;
    static const int64_t sizes[][4] = {{1, 1, 1, 1},  {1, 1, 2, 2},     {7, 13, 13, 25},
                                       {4, 5, 8, 10}, {25, 42, 50, 84}, {3, 4, 10, 17},
                                       {9, 9, 5, 4},  {5, 6, 0, 7}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) EACH(int64_t, n, 0, 1, 2)
    EACH(int64_t, channels, 1, 3, 17, 64) {
        const int64_t *s = sizes[i];
        guarded_free();
        grad_case c = {.what = grad_name("upsample", s[0], s[2], *channels),
                       .inputs = 1,
                       .wants = 1,
                       .y = op_shape(TN_F32, TN_DIMS(*n, s[2], s[3], *channels)),
                       .fwd = upsample_fwd,
                       .bwd = upsample_bwd,
                       .linear = true,
                       .absolute = {op_sum_tolerance(4 + s[2] * s[3] / (s[0] * s[1]), 1, 1)}};
        c.in[0] = guarded_random(++seed, -1, 1, TN_DIMS(*n, s[0], s[1], *channels));
        grad_check(&c);
    }
}

// ---- RoIAlign ----------------------------------------------------------------------------------

// Boxes in a picture, some reaching outside, the last ones thin or without area.
static tn_tensor random_boxes(uint64_t seed, int64_t count, double height, double width) {
    tn_tensor t = guarded_new(TN_F32, TN_DIMS(count, 4));
    tn_rng rng = tn_rng_new(seed, 7);
    for (int64_t i = 0; i < count; i++) {
        float *box = tn_f32(&t) + 4 * i;
        double w = width * tn_rng_uniform(&rng, 0.02, 0.8),
               h = height * tn_rng_uniform(&rng, 0.02, 0.8);
        double x = tn_rng_uniform(&rng, -0.2 * w, width - 0.8 * w);
        double y = tn_rng_uniform(&rng, -0.2 * h, height - 0.8 * h);
        if (i > 4 && i == count - 1) w = 0;
        if (i > 4 && i == count - 2) h = 0.01;
        box[0] = (float)x, box[1] = (float)y, box[2] = (float)(x + w), box[3] = (float)(y + h);
    }
    return t;
}

static tn_tensor random_index(uint64_t seed, int64_t count, int64_t below) {
    tn_tensor t = guarded_new(TN_I32, TN_DIMS(count));
    for (int64_t i = 0; i < count; i++) tn_i32(&t)[i] = (int32_t)op_pick(seed, (uint64_t)i, below);
    return t;
}

typedef struct roi_op {
    kn_roi_align cfg;
    tn_tensor rois, image, map;
} roi_op;

static void roi_align_fwd(kn_ctx *cx, const tn_tensor *in, tn_tensor *y, const void *cfg) {
    roi_op op = *(const roi_op *)cfg;
    op.cfg.level = in;
    kn_roi_align_fwd(cx, &op.cfg, &op.rois, &op.image, op.cfg.levels > 1 ? &op.map : NULL, y);
}

static void roi_align_bwd(kn_ctx *cx, const tn_tensor *in, const tn_tensor *y, const tn_tensor *dy,
                          double beta, tn_tensor *const *d, const void *cfg) {
    (void)y;
    roi_op op = *(const roi_op *)cfg;
    tn_tensor dlevel[GRAD_INPUTS];
    op.cfg.level = in;
    for (int i = 0; i < op.cfg.levels; i++)
        dlevel[i] = d[i] ? *d[i] : guarded_new(in[i].dtype, in[i].rank, in[i].dim);
    kn_roi_align_bwd(cx, &op.cfg, &op.rois, &op.image, op.cfg.levels > 1 ? &op.map : NULL, dy, beta,
                     dlevel);
}

static void roi_align_agrees(void **state) {
    (void)state;
    static const double scale[] = {0.5, 0.25, 0.125};
    uint64_t seed = 0;
    EACH(int64_t, regions, 0, 1, 9, 65)
    EACH(int64_t, channels, 1, 17, 64, 100)
    EACH(int, ratio, 0, 1, 2)
    for (int aligned = 0; aligned < 2; aligned++) {
        guarded_free();
        int levels = 1 + (int)op_pick(++seed, 1, 3);
        int64_t ph = 1 + op_pick(seed, 2, 7), pw = 1 + op_pick(seed, 3, 7),
                n = 1 + op_pick(seed, 4, 2);
        roi_op op = {
            .cfg = {.sampling_ratio = *ratio, .aligned = aligned, .levels = levels, .scale = scale},
            .rois = random_boxes(seed, *regions, 50, 70),
            .image = random_index(seed + 500, *regions, n),
            .map = random_index(seed + 600, *regions, levels)};
        grad_case c = {.what = grad_name("RoIAlign", *regions, *channels, *ratio),
                       .cfg = &op,
                       .inputs = levels,
                       .wants = (1u << levels) - 1,
                       .y = op_shape(TN_F32, TN_DIMS(*regions, ph, pw, *channels)),
                       .fwd = roi_align_fwd,
                       .bwd = roi_align_bwd,
                       .linear = true};
        for (int i = 0; i < levels; i++) {
            // Coordinates up to 40 are rounded four times; a region gives an element the share of
            // one bin, or of several if bins are smaller than elements.
            c.absolute[i] = EPS * 40 * 4 * (1 + (double)*regions / 4);
            c.in[i] = guarded_random(seed + 700 + (uint64_t)i, -1, 1,
                                     TN_DIMS(n, (25 >> i) + 1, 35 >> i, *channels));
        }
        grad_check(&c);
    }
}

// No box may cause a write outside the maps or a hang.
static void roi_align_survives_any_box(void **state) {
    (void)state;
    const float big = 3e38f, inf = INFINITY, nan = NAN;
    const float boxes[8][4] = {
        {0, 0, big, big}, {-big, -big, big, big},   {nan, 0, 5, 5},         {0, 0, inf, 4},
        {9, 9, 1, 1},     {1e9f, 1e9f, 2e9f, 2e9f}, {-5, -5, -4.5f, -4.5f}, {-inf, nan, 1, inf}};
    const double scale = 0.25;
    for (int l = 0; l < levels_count(); l++)
        for (int ratio = 0; ratio < 3; ratio++)
            for (int aligned = 0; aligned < 2; aligned++) {
                guarded_free();
                tn_tensor dx = guarded_new(TN_F32, TN_DIMS(1, 6, 7, 5));
                tn_tensor rois = guarded_new(TN_F32, TN_DIMS(8, 4)), image = random_index(1, 8, 1);
                tn_tensor dy = guarded_random(1, -1, 1, TN_DIMS(8, 2, 3, 5));
                memcpy(rois.data, boxes, sizeof boxes);
                kn_roi_align cfg = {ratio, aligned, 1, &dx, &scale};
                if (ratio == 0) // the number of samples grows with the box: skip endless ones
                    for (int i = 0; i < 8; i++) {
                        float *roi = tn_f32(&rois) + 4 * i;
                        for (int k = 0; k < 4; k++)
                            if (roi[k] > 1e3f || roi[k] < -1e3f) roi[k] = roi[k] > 0 ? 1e3f : -1e3f;
                    }
                kn_roi_align_bwd(levels_at(l)->cx[ONE_THREAD], &cfg, &rois, &image, NULL, &dy, 0,
                                 &dx);
                guarded_check();
            }
}

static void something_was_compared(void **state) {
    (void)state;
    guarded_free();
    printf("%d comparisons at %d levels\n", grad_checked(), levels_count());
    assert_true(grad_checked() >= 300 * levels_count());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pooling_agrees),
        cmocka_unit_test(max_pool_gradient_goes_to_the_first_maximum),
        cmocka_unit_test(resizing_agrees),
        cmocka_unit_test(upsampling_agrees),
        cmocka_unit_test(roi_align_agrees),
        cmocka_unit_test(roi_align_survives_any_box),
        cmocka_unit_test(something_was_compared),
    };
    return cmocka_run_group_tests(tests, levels_setup, levels_teardown);
}
