// SPDX-License-Identifier: Apache-2.0
// 3x3 convolutions large enough for Winograd's form: within the tolerance of a direct sum of as
// many terms, on every border, with every epilogue.
#include "tests/support/ops.h"

#include <math.h>
#include <string.h>

typedef struct wino_case {
    kn_conv conv;
    kn_act act;
    bool bias, residual;
} wino_case;

// in: x, weight, bias, residual
static void run_conv(kn_ctx *cx, const tn_tensor *in, tn_tensor *out, const void *cfg) {
    const wino_case *p = cfg;
    kn_weight w;
    tn_error err;
    ASSERT_OK(kn_weight_pack(cx, weight_arena(), &in[1], NULL, &w, &err), err);
    kn_epilogue ep = {p->bias ? &in[2] : NULL, p->residual ? &in[3] : NULL, p->act};
    kn_conv2d_fwd(cx, &p->conv, &in[0], &w, &ep, out);
}

static void check(uint64_t seed, const int64_t *x, int64_t out, const int pads[4]) {
    char what[128], shape[64];
    guarded_free();
    wino_case p = {.conv = {1, 1, pads[0], pads[1], pads[2], pads[3], 1, 1},
                   .act = (kn_act)op_pick(seed, 1, 6),
                   .bias = op_pick(seed, 2, 2),
                   .residual = op_pick(seed, 3, 2)};
    int64_t ho = kn_conv_out(x[1], 3, 1, pads[0], pads[2], 1);
    int64_t wo = kn_conv_out(x[2], 3, 1, pads[1], pads[3], 1);
    snprintf(what, sizeof what, "3x3 %s to %d, pads %d,%d,%d,%d, act %d",
             tn_shape_text(4, x, shape, sizeof shape), (int)out, pads[0], pads[1], pads[2], pads[3],
             (int)p.act);
    op_case c = {.what = what,
                 .run = run_conv,
                 .cfg = &p,
                 .inputs = 4,
                 .out = op_shape(TN_F32, TN_DIMS(x[0], ho, wo, out)),
                 .absolute = 1.2 * op_sum_tolerance(9 * x[3], 1, 1) + 4 * EPS,
                 .relative = 4 * EPS,
                 .alias = p.residual ? 4 : 0};
    c.in[0] = guarded_random(seed, -1, 1, 4, x);
    c.in[1] = guarded_random(seed + 1, -1, 1, TN_DIMS(out, x[3], 3, 3));
    c.in[2] = guarded_random(seed + 2, -1, 1, TN_DIMS(out));
    c.in[3] = guarded_random(seed + 3, -1, 1, TN_DIMS(x[0], ho, wo, out));
    op_check(&c);
}

static void borders_and_channels(void **state) {
    (void)state;
    static const int pads[][4] = {{1, 1, 1, 1}, {0, 0, 0, 0}, {2, 1, 0, 3}};
    uint64_t seed = 100;
    EACH(int64_t, in, 32, 33, 100)
    EACH(int64_t, out, 32, 33, 47, 65, 130)
    for (int i = 0; i < 3; i++) {
        seed += 10;
        int64_t x[] = {1 + op_pick(seed, 4, 2), 11 + op_pick(seed, 5, 5), 13 + op_pick(seed, 6, 5),
                       *in};
        check(seed, x, *out, pads[i]);
    }
    check(9000, (int64_t[]){1, 14, 14, 257}, 64, pads[0]); // more channels than a block of K
    check(9005, (int64_t[]){3, 7, 7, 48}, 40, pads[0]);    // the smallest, as in a box head
    check(9010, (int64_t[]){1, 64, 2, 32}, 32, pads[0]);
    check(9020, (int64_t[]){1, 1, 128, 32}, 32, pads[0]);
    check(9030, (int64_t[]){1, 128, 1, 32}, 40, pads[0]);
}

// A picture with a single pixel reproduces the kernel exactly.
static void one_pixel_shows_the_kernel(void **state) {
    (void)state;
    for (int l = 0; l < levels_count(); l++) {
        guarded_free();
        tn_tensor x = guarded_new(TN_F32, TN_DIMS(1, 13, 15, 32));
        tn_tensor w = guarded_new(TN_F32, TN_DIMS(32, 32, 3, 3));
        tn_tensor y = guarded_new(TN_F32, TN_DIMS(1, 13, 15, 32));
        memset(x.data, 0, tn_bytes(&x));
        tn_f32(&x)[(6 * 15 + 7) * 32 + 5] = 1;
        for (int64_t i = 0; i < tn_count(&w); i++) tn_f32(&w)[i] = (float)(i % 101);
        run_conv(levels_at(l)->cx[TWO_THREADS], (tn_tensor[]){x, w, w, w}, &y,
                 &(wino_case){.conv = kn_conv_same(1, 1)});
        for (int64_t k = 0; k < 32; k++)
            for (int64_t oy = 0; oy < 13; oy++)
                for (int64_t ox = 0; ox < 15; ox++) {
                    int64_t ky = 7 - oy, kx = 8 - ox;
                    bool near = ky >= 0 && ky < 3 && kx >= 0 && kx < 3;
                    float want = near ? tn_f32(&w)[((k * 32 + 5) * 3 + ky) * 3 + kx] : 0;
                    assert_true(tn_f32(&y)[(oy * 15 + ox) * 32 + k] == want);
                }
    }
}

// At the models' sizes: distance from the double result, relative to its maximum.
static void error_at_the_models_size(void **state) {
    (void)state;
    guarded_free();
    tn_tensor x = guarded_random(1, -1, 1, TN_DIMS(1, 14, 14, 256));
    tn_tensor w = guarded_random(2, -1, 1, TN_DIMS(256, 256, 3, 3));
    tn_tensor x64 = guarded_convert(&x, TN_F64), w64 = guarded_convert(&w, TN_F64);
    tn_tensor want64 = guarded_new(TN_F64, TN_DIMS(1, 14, 14, 256));
    wino_case same = {.conv = kn_conv_same(1, 1)};
    run_conv(levels_at(0)->cx[TWO_THREADS], (tn_tensor[]){x64, w64, w64, w64}, &want64, &same);
    tn_tensor want = guarded_convert(&want64, TN_F32);
    for (int l = 1; l < levels_count(); l++) {
        tn_tensor y = guarded_new(TN_F32, TN_DIMS(1, 14, 14, 256));
        run_conv(levels_at(l)->cx[TWO_THREADS], (tn_tensor[]){x, w, w, w}, &y, &same);
        double error = test_relative_error(y.data, want.data, (size_t)tn_count(&y));
        printf("level %s: %.2g of the largest value\n", levels_at(l)->name, error);
        ASSERT_WITHIN(error, 2e-6);
    }
}

static void something_was_compared(void **state) {
    (void)state;
    guarded_free();
    assert_true(op_checked() >= 49 * levels_count());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(borders_and_channels),
        cmocka_unit_test(one_pixel_shows_the_kernel),
        cmocka_unit_test(error_at_the_models_size),
        cmocka_unit_test(something_was_compared),
    };
    return cmocka_run_group_tests(tests, levels_setup, levels_teardown);
}
