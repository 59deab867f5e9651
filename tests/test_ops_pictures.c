// SPDX-License-Identifier: Apache-2.0
// Pictures: pooling, resizing, normalisation.
#include "tests/support/ops.h"

#include <math.h>
#include <string.h>

typedef struct pooling {
    kn_pool2d cfg;
    bool average;
} pooling;

static void run_pool(kn_ctx *cx, const tn_tensor *in, tn_tensor *out, const void *cfg) {
    const pooling *p = cfg;
    p->average ? kn_avg_pool2d_fwd(cx, &p->cfg, &in[0], out)
               : kn_max_pool2d_fwd(cx, &p->cfg, &in[0], out);
}

static void check_pool(uint64_t seed, const pooling *p, const int64_t *x) {
    char what[128], shape[64];
    const kn_pool2d *cfg = &p->cfg;
    guarded_free();
    snprintf(what, sizeof what, "%s pool %s, window %dx%d stride %d,%d pads %d,%d,%d,%d",
             p->average ? "average" : "max", tn_shape_text(4, x, shape, sizeof shape), cfg->kh,
             cfg->kw, cfg->stride_h, cfg->stride_w, cfg->pad_top, cfg->pad_left, cfg->pad_bottom,
             cfg->pad_right);
    int64_t ho = kn_conv_out(x[1], cfg->kh, cfg->stride_h, cfg->pad_top, cfg->pad_bottom, 1);
    int64_t wo = kn_conv_out(x[2], cfg->kw, cfg->stride_w, cfg->pad_left, cfg->pad_right, 1);
    op_case c = {.what = what,
                 .run = run_pool,
                 .cfg = p,
                 .inputs = 1,
                 .out = op_shape(TN_F32, TN_DIMS(x[0], ho, wo, x[3])),
                 .absolute = p->average ? op_sum_tolerance(cfg->kh * cfg->kw, 1, 1) : 0};
    c.in[0] = guarded_random(seed, -1, 1, 4, x);
    op_check(&c);
}

static void pooling_agrees(void **state) {
    (void)state;
    static const int64_t size[] = {1, 2, 7, 8, 9, 15}, channels[] = {1, 3, 5, 8, 17, 64, 100};
    for (uint64_t seed = 1; seed <= 120; seed++) {
        pooling p = {.average = seed % 2, .cfg.count_pad = op_pick(seed, 1, 2)};
        int kh = 1 + (int)op_pick(seed, 2, 4), kw = 1 + (int)op_pick(seed, 3, 4);
        p.cfg.kh = kh, p.cfg.kw = kw;
        p.cfg.stride_h = 1 + (int)op_pick(seed, 4, 3),
        p.cfg.stride_w = 1 + (int)op_pick(seed, 5, 3);
        p.cfg.pad_top = (int)op_pick(seed, 6, kh), p.cfg.pad_bottom = (int)op_pick(seed, 7, kh);
        p.cfg.pad_left = (int)op_pick(seed, 8, kw), p.cfg.pad_right = (int)op_pick(seed, 9, kw);
        int64_t x[] = {op_pick(seed, 10, 3), size[op_pick(seed, 11, 6)], size[op_pick(seed, 12, 6)],
                       channels[op_pick(seed, 13, 7)]};
        check_pool(seed, &p, x);
    }
    // ResNet's first pool, the FPN's last, CLIP's anti-aliasing pool, a global mean.
    check_pool(1, &(pooling){{3, 3, 2, 2, 1, 1, 1, 1, false}, false}, (int64_t[]){1, 33, 34, 64});
    check_pool(2, &(pooling){{1, 1, 2, 2, 0, 0, 0, 0, false}, false}, (int64_t[]){1, 13, 14, 65});
    check_pool(3, &(pooling){{2, 2, 2, 2, 0, 0, 0, 0, false}, true}, (int64_t[]){2, 14, 14, 65});
    check_pool(4, &(pooling){{7, 9, 1, 1, 0, 0, 0, 0, false}, true}, (int64_t[]){2, 7, 9, 33});
}

static void max_pool_of_negative_values(void **state) {
    (void)state;
    for (int l = 0; l < levels_count(); l++) {
        guarded_free();
        tn_tensor x = guarded_random(1, -9, -8, TN_DIMS(1, 3, 3, 17));
        tn_tensor y = guarded_new(TN_F32, TN_DIMS(1, 3, 3, 17));
        kn_max_pool2d_fwd(levels_at(l)->cx[ONE_THREAD], &(kn_pool2d){3, 3, 1, 1, 1, 1, 1, 1, false},
                          &x, &y);
        for (int i = 0; i < 9 * 17; i++) assert_true(tn_f32(&y)[i] < -7); // padding is not zero
    }
}

static void run_resize(kn_ctx *cx, const tn_tensor *in, tn_tensor *out, const void *cfg) {
    kn_resize_fwd(cx, cfg, &in[0], out);
}

static void check_resize(uint64_t seed, const kn_resize *cfg, const int64_t *x, int64_t ho,
                         int64_t wo) {
    static const char *const filters[] = {"nearest", "bilinear", "bicubic"};
    char what[128], shape[64];
    guarded_free();
    snprintf(what, sizeof what, "resize %s to %dx%d, %s%s, scale %g,%g a %g",
             tn_shape_text(4, x, shape, sizeof shape), (int)ho, (int)wo, filters[cfg->filter],
             cfg->antialias ? " antialias" : "", cfg->scale_h, cfg->scale_w, cfg->cubic_a);
    int64_t largest = x[1] > x[2] ? x[1] : x[2];
    op_case c = {.what = what,
                 .run = run_resize,
                 .cfg = cfg,
                 .inputs = 1,
                 .out = op_shape(TN_F32, TN_DIMS(x[0], ho, wo, x[3])),
                 .absolute = 0};
    // A centre is rounded to EPS/2 of the picture's size, three times; the filters' slopes are at
    // most 1.5 a pixel, neighbours differ by at most 2, two axes.
    if (cfg->filter != KN_NEAREST) c.absolute = EPS * (16 + 6 * (double)largest);
    c.in[0] = guarded_random(seed, -1, 1, 4, x);
    op_check(&c);
}

static void resizing_agrees(void **state) {
    (void)state;
    static const int64_t size[] = {1, 2, 3, 7, 8, 9, 16, 25, 40, 65};
    static const int64_t channels[] = {1, 3, 5, 17, 64, 100};
    for (uint64_t seed = 1; seed <= 150; seed++) {
        kn_resize cfg = {.filter = (kn_filter)(seed % 3), .antialias = op_pick(seed, 1, 2)};
        int64_t x[] = {op_pick(seed, 2, 3), size[op_pick(seed, 3, 10)], size[op_pick(seed, 4, 10)],
                       channels[op_pick(seed, 5, 6)]};
        int64_t ho = size[op_pick(seed, 6, 10)], wo = size[op_pick(seed, 7, 10)];
        if (op_pick(seed, 8, 4) == 0) {
            cfg.scale_h = (double)x[1] / ((double)ho + 0.4);
            cfg.scale_w = (double)x[2] / ((double)wo + 0.7);
        }
        if (op_pick(seed, 9, 4) == 0) cfg.cubic_a = -0.6;
        check_resize(seed, &cfg, x, ho, wo);
    }
    for (kn_filter f = KN_NEAREST; f <= KN_BICUBIC; f++) {
        check_resize(1, &(kn_resize){.filter = f}, (int64_t[]){1, 24, 24, 64}, 40, 40);
        check_resize(2, &(kn_resize){.filter = f}, (int64_t[]){1, 120, 160, 3}, 200, 267);
        check_resize(3, &(kn_resize){.filter = f, .antialias = true}, (int64_t[]){1, 120, 160, 3},
                     32, 43);
        check_resize(4, &(kn_resize){.filter = f}, (int64_t[]){1, 9, 9, 17}, 9, 9);
        check_resize(5, &(kn_resize){.filter = f}, (int64_t[]){1, 9, 9, 17}, 0, 9);
    }
}

// Nearest must take the same sample as PyTorch, which multiplies in float32, at every size.
static void nearest_takes_the_same_samples(void **state) {
    (void)state;
    for (int64_t in = 1; in <= 40; in++)
        for (int l = 0; l < levels_count(); l++) {
            guarded_free();
            tn_tensor x = guarded_new(TN_F32, TN_DIMS(1, 1, in, 1));
            for (int64_t i = 0; i < in; i++) tn_f32(&x)[i] = (float)i;
            for (int64_t out = 1; out <= 70; out++) {
                tn_tensor y = guarded_new(TN_F32, TN_DIMS(1, 1, out, 1));
                kn_resize_fwd(levels_at(l)->cx[ONE_THREAD], &(kn_resize){.filter = KN_NEAREST}, &x,
                              &y);
                for (int64_t i = 0; i < out; i++) {
                    int64_t want = (int64_t)floorf((float)i * ((float)in / (float)out));
                    if (want > in - 1) want = in - 1;
                    if (in == out) want = i;
                    if (tn_f32(&y)[i] != (float)want)
                        fail_msg("level %s, %d to %d: output %d takes sample %g, expected %d",
                                 levels_at(l)->name, (int)in, (int)out, (int)i,
                                 (double)tn_f32(&y)[i], (int)want);
                }
            }
        }
}

static void resizing_keeps_a_constant_and_a_slope(void **state) {
    (void)state;
    for (int l = 0; l < levels_count(); l++)
        for (int kind = 0; kind < 4; kind++) {
            guarded_free();
            // Of the cubic filters, only that with a = -0.5 keeps a slope.
            kn_resize cfg = {.filter = kind % 2 ? KN_BILINEAR : KN_BICUBIC,
                             .antialias = kind > 1,
                             .cubic_a = -0.5};
            tn_tensor x = guarded_new(TN_F32, TN_DIMS(1, 20, 30, 1));
            tn_tensor y = guarded_new(TN_F32, TN_DIMS(1, 40, 90, 1));
            for (int i = 0; i < 600; i++) tn_f32(&x)[i] = 1 + 0.25f * (float)(i % 30);
            kn_resize_fwd(levels_at(l)->cx[TWO_THREADS], &cfg, &x, &y);
            for (int row = 0; row < 40; row++)
                for (int i = 12; i < 78; i++) // away from the border, where nothing repeats
                    ASSERT_WITHIN(
                        fabs(tn_f32(&y)[row * 90 + i] - (1 + 0.25 * ((i + 0.5) / 3 - 0.5))),
                        100 * EPS);
        }
}

static void run_upsample(kn_ctx *cx, const tn_tensor *in, tn_tensor *out, const void *cfg) {
    (void)cfg;
    kn_upsample_add_fwd(cx, &in[0], &in[1], out);
}

static void upsampling_agrees(void **state) {
    (void)state;
    uint64_t seed = 0;
    static const int64_t sizes[][4] = {{1, 1, 1, 1},  {1, 1, 2, 2},     {7, 13, 13, 25},
                                       {4, 5, 8, 10}, {25, 42, 50, 84}, {3, 4, 10, 17},
                                       {9, 9, 5, 4}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) EACH(int64_t, n, 0, 1, 2)
    EACH(int64_t, channels, 1, 3, 17, 64) {
        const int64_t *s = sizes[i];
        guarded_free();
        op_case c = {.what = "upsample and add",
                     .run = run_upsample,
                     .inputs = 2,
                     .out = op_shape(TN_F32, TN_DIMS(*n, s[2], s[3], *channels)),
                     .relative = EPS,
                     .alias = 2};
        c.in[0] = guarded_random(++seed, -1, 1, TN_DIMS(*n, s[0], s[1], *channels));
        c.in[1] = guarded_random(seed + 500, -1, 1, TN_DIMS(*n, s[2], s[3], *channels));
        op_check(&c);
    }
}

typedef struct byte_resize {
    kn_filter filter;
    const double *box;
} byte_resize;

static void run_resize_u8(kn_ctx *cx, const tn_tensor *in, tn_tensor *out, const void *cfg) {
    const byte_resize *r = cfg;
    kn_resize_u8_fwd(cx, r->filter, r->box, &in[0], out);
}

// Noise, or only black and white, where the bicubic filter overshoots and must be clipped.
static tn_tensor bytes(uint64_t seed, int64_t h, int64_t w, int64_t c) {
    tn_tensor x = guarded_new(TN_U8, TN_DIMS(h, w, c));
    for (int64_t i = 0; i < tn_count(&x); i++) {
        uint8_t noise = (uint8_t)op_pick(seed, (uint64_t)i, 256);
        tn_u8(&x)[i] = seed % 2 ? noise : noise > 127 ? 255 : 0;
    }
    return x;
}

static void byte_resizing_is_equal(void **state) {
    (void)state;
    static const int64_t size[] = {1, 2, 3, 7, 8, 9, 31, 64, 65, 130};
    static const int64_t channels[] = {1, 3, 3, 3, 4, 5};
    for (uint64_t seed = 1; seed <= 160; seed++) {
        char what[128];
        int64_t h = size[op_pick(seed, 1, 10)], w = size[op_pick(seed, 2, 10)];
        int64_t ho = size[op_pick(seed, 3, 10)], wo = size[op_pick(seed, 4, 10)];
        int64_t c = channels[op_pick(seed, 5, 6)], boxed = op_pick(seed, 6, 3);
        if (op_pick(seed, 7, 8) == 0) ho = h; // a pass that changes nothing is skipped
        if (op_pick(seed, 8, 8) == 0) wo = w;
        double box[4] = {0.2 * (double)w, 0.15 * (double)h, 0.9 * (double)w, 0.8 * (double)h};
        if (boxed == 2) // whole pixels, same size: only cut
            for (int i = 0; i < 4; i++) box[i] = i < 2 ? floor(box[i]) : ceil(box[i]);
        if (boxed == 2 && seed % 3 == 0)
            ho = (int64_t)(box[3] - box[1]), wo = (int64_t)(box[2] - box[0]);
        guarded_free();
        byte_resize r = {seed % 4 < 2 ? KN_BILINEAR : KN_BICUBIC, boxed ? box : NULL};
        snprintf(what, sizeof what, "resize of bytes [%d,%d,%d] to %dx%d%s, seed %d", (int)h,
                 (int)w, (int)c, (int)ho, (int)wo, boxed ? " of a box" : "", (int)seed);
        op_case op = {.what = what,
                      .run = run_resize_u8,
                      .cfg = &r,
                      .inputs = 1,
                      .out = op_shape(TN_U8, TN_DIMS(ho, wo, c))};
        op.in[0] = bytes(seed, h, w, c);
        op_check(&op);
    }
}

// Any window equals the same part of the whole result.
static void a_window_is_a_part_of_the_result(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 120; seed++) {
        int64_t h = 1 + op_pick(seed, 1, 90), w = 1 + op_pick(seed, 2, 90);
        kn_resize_u8 cfg = {.filter = seed % 4 ? KN_BICUBIC : KN_BILINEAR,
                            .height = op_pick(seed, 3, 5) ? 1 + op_pick(seed, 4, 90) : h,
                            .width = op_pick(seed, 5, 5) ? 1 + op_pick(seed, 6, 90) : w};
        cfg.top = op_pick(seed, 7, cfg.height);
        cfg.left = op_pick(seed, 8, cfg.width);
        int64_t rows = 1 + op_pick(seed, 9, (cfg.height - cfg.top));
        int64_t columns = 1 + op_pick(seed, 10, (cfg.width - cfg.left));
        for (int l = 0; l < levels_count(); l++) {
            guarded_free();
            kn_ctx *cx = levels_at(l)->cx[TWO_THREADS];
            tn_tensor x = bytes(seed, h, w, 3);
            tn_tensor whole = guarded_new(TN_U8, TN_DIMS(cfg.height, cfg.width, 3));
            tn_tensor part = guarded_new(TN_U8, TN_DIMS(rows, columns, 3));
            kn_resize_u8_fwd(cx, cfg.filter, NULL, &x, &whole);
            kn_resize_u8_window_fwd(cx, &cfg, &x, &part);
            for (int64_t i = 0; i < rows; i++)
                assert_memory_equal(tn_u8(&part) + i * columns * 3,
                                    tn_u8(&whole) + ((cfg.top + i) * cfg.width + cfg.left) * 3,
                                    (size_t)columns * 3);
        }
    }
    guarded_free();
}

static void run_normalize(kn_ctx *cx, const tn_tensor *in, tn_tensor *out, const void *cfg) {
    (void)cfg;
    static const float mean[] = {0.48145466f, 0.4578275f, 0.40821073f, 0, 0.5f};
    static const float std[] = {0.26862954f, 0.26130258f, 0.27577711f, 1, 0.5f};
    kn_normalize_u8_fwd(cx, mean, std, &in[0], out);
}

static void normalising_is_equal(void **state) {
    (void)state;
    uint64_t seed = 0;
    EACH(int64_t, pixels, 0, 1, 5, 7, 16, 85, 300)
    for (int64_t channels = 1; channels <= 5; channels++) {
        guarded_free();
        op_case c = {.what = "normalize",
                     .run = run_normalize,
                     .inputs = 1,
                     .single = true,
                     .out = op_shape(TN_F32, TN_DIMS(1, *pixels, channels))};
        c.in[0] = bytes(2 * ++seed + 1, 1, *pixels, channels);
        op_check(&c);
    }
}

static void something_was_compared(void **state) {
    (void)state;
    guarded_free();
    printf("%d comparisons at %d levels\n", op_checked(), levels_count());
    assert_true(op_checked() >= 550 * levels_count());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pooling_agrees),
        cmocka_unit_test(max_pool_of_negative_values),
        cmocka_unit_test(resizing_agrees),
        cmocka_unit_test(nearest_takes_the_same_samples),
        cmocka_unit_test(resizing_keeps_a_constant_and_a_slope),
        cmocka_unit_test(upsampling_agrees),
        cmocka_unit_test(byte_resizing_is_equal),
        cmocka_unit_test(a_window_is_a_part_of_the_result),
        cmocka_unit_test(normalising_is_equal),
        cmocka_unit_test(something_was_compared),
    };
    return cmocka_run_group_tests(tests, levels_setup, levels_teardown);
}
