// SPDX-License-Identifier: Apache-2.0
// Products in bfloat16 (kn_set_products). Integers that bfloat16 can hold give the same bits as
// `ref`, at every edge of tiles, panels and blocks; other numbers give what `ref` gives for rounded
// inputs; the number of threads changes no bit.
#include "kernels/kernels.h"
#include "tests/support/ops.h"

#include <math.h>
#include <string.h>

enum { LINEAR, CONV, TRANSPOSED, MATMUL_NT, MATMUL_TN, MATMUL_NN, CONV_X, CONV_W };

typedef struct half_case {
    int kind;
    int64_t x[4], w[4]; // shapes; of products of matrices x[0], x[1], w[0], w[1]
    int64_t y[4];
    kn_conv conv;
    bool winograd; // numbers are rounded after the transform
} half_case;

static int rank_of(const int64_t dim[4]) {
    int rank = 0;
    while (rank < 4 && dim[rank]) rank++;
    return rank;
}

static void run(kn_ctx *cx, const half_case *c, const tn_tensor *x, const tn_tensor *w,
                tn_tensor *y) {
    kn_weight packed = {0};
    tn_error err;
    size_t mark = tn_arena_mark(weight_arena());
    if (c->kind == TRANSPOSED)
        ASSERT_OK(kn_weight_pack_transpose2x2(cx, weight_arena(), w, NULL, &packed, &err), err);
    else if (c->kind == CONV_X)
        ASSERT_OK(kn_weight_pack_adjoint(cx, weight_arena(), w, &packed, &err), err);
    else if (c->kind <= CONV)
        ASSERT_OK(kn_weight_pack(cx, weight_arena(), w, NULL, &packed, &err), err);
    switch (c->kind) {
    case LINEAR:
        kn_linear_fwd(cx, x, &packed, NULL, y);
        break;
    case CONV:
        kn_conv2d_fwd(cx, &c->conv, x, &packed, NULL, y);
        break;
    case TRANSPOSED:
        kn_conv_transpose2x2_fwd(cx, x, &packed, NULL, y);
        break;
    case MATMUL_NT:
        kn_matmul_nt_fwd(cx, 1, x, w, y);
        break;
    case MATMUL_TN:
        kn_matmul_tn(cx, 1, x, w, 0, y);
        break;
    case MATMUL_NN:
        kn_matmul_nn(cx, 1, x, w, 0, y);
        break;
    case CONV_X:
        kn_conv2d_bwd_x(cx, &c->conv, x, &packed, 0, y);
        break;
    case CONV_W:
        kn_conv2d_bwd_w(cx, &c->conv, x, w, 0, y);
        break;
    }
    tn_arena_reset(weight_arena(), mark);
}

static tn_tensor with_half(const test_level *level, int threads, const half_case *c,
                           const tn_tensor *x, const tn_tensor *w) {
    tn_error err;
    tn_tensor y = guarded_new(TN_F32, rank_of(c->y), c->y);
    ASSERT_OK(kn_set_products(level->cx[threads], TN_BF16, &err), err);
    run(level->cx[threads], c, x, w, &y);
    ASSERT_OK(kn_set_products(level->cx[threads], TN_F32, &err), err);
    return y;
}

// Compares every level that supports it with the oracle's result for the rounded numbers.
static void check(const half_case *c, const tn_tensor *x, const tn_tensor *w,
                  const tn_tensor *seen_x, const tn_tensor *seen_w, double absolute) {
    tn_tensor wanted = guarded_new(TN_F32, rank_of(c->y), c->y);
    run(levels_at(0)->cx[ONE_THREAD], c, seen_x, seen_w, &wanted);
    for (int i = 1; i < levels_count(); i++) {
        tn_tensor first = with_half(levels_at(i), ONE_THREAD, c, x, w);
        for (int64_t at = 0; at < tn_count(&wanted); at++) {
            double off = fabs((double)tn_f32(&first)[at] - (double)tn_f32(&wanted)[at]);
            if (!(off <= absolute))
                fail_msg("%s, kind %d: number %d is %.9g, expected %.9g", levels_at(i)->name,
                         c->kind, (int)at, (double)tn_f32(&first)[at], (double)tn_f32(&wanted)[at]);
        }
        for (int t = TWO_THREADS; t < LEVEL_THREADS; t++) {
            tn_tensor more = with_half(levels_at(i), t, c, x, w);
            assert_memory_equal(first.data, more.data, tn_bytes(&first));
        }
    }
    guarded_check();
}

static tn_tensor whole_numbers(uint64_t seed, const int64_t dim[4]) {
    tn_tensor t = guarded_random(seed, -3.5, 3.5, rank_of(dim), dim);
    for (int64_t i = 0; i < tn_count(&t); i++) tn_f32(&t)[i] = rintf(tn_f32(&t)[i]);
    return t;
}

static tn_tensor rounded(const tn_tensor *t) {
    tn_tensor half = guarded_convert(t, TN_BF16);
    return guarded_convert(&half, TN_F32);
}

static int64_t terms_of(const half_case *c) {
    int64_t all = 1;
    if (c->kind == MATMUL_TN) return c->x[0];
    if (c->kind == CONV_W) return c->x[0] * c->x[1] * c->x[2];
    if (c->kind != CONV && c->kind != CONV_X) return c->kind == TRANSPOSED ? c->x[3] : c->x[1];
    for (int i = 0; i < 4; i++) all *= c->w[i];
    return all / c->y[3];
}

static void check_case(uint64_t seed, const half_case *c) {
    guarded_free();
    tn_tensor x = whole_numbers(seed, c->x), w = whole_numbers(seed + 1, c->w);
    check(c, &x, &w, &x, &w, 0);
    guarded_free();
    x = guarded_random(seed + 2, -1, 1, rank_of(c->x), c->x);
    w = guarded_random(seed + 3, -1, 1, rank_of(c->w), c->w);
    double terms = (double)terms_of(c);
    if (c->winograd) {
        // At most two roundings of 2^-9 per product, of numbers that the transform's sums have made
        // about twice as large: eight standard deviations.
        check(c, &x, &w, &x, &w, 8 * ldexp(1, -9) * sqrt(terms));
        return;
    }
    tn_tensor seen_x = rounded(&x), seen_w = rounded(&w);
    check(c, &x, &w, &seen_x, &seen_w, 1.5 * op_sum_tolerance((int64_t)terms, 1, 1) + 4 * EPS);
}

static void matrices(void **state) {
    (void)state;
    uint64_t seed = 100;
    EACH(int64_t, m, 1, 3, 14, 29, 113)
    EACH(int64_t, n, 1, 15, 17, 33, 64, 130)
    EACH(int64_t, k, 1, 2, 7, 96, 97, 259) {
        half_case c = {.kind = LINEAR, .x = {*m, *k}, .w = {*n, *k}, .y = {*m, *n}};
        check_case(seed += 10, &c);
        c.kind = MATMUL_NT;
        check_case(seed += 10, &c);
        half_case nn = {.kind = MATMUL_NN, .x = {*m, *k}, .w = {*k, *n}, .y = {*m, *n}};
        check_case(seed += 10, &nn);
        half_case tn = {.kind = MATMUL_TN, .x = {*k, *m}, .w = {*k, *n}, .y = {*m, *n}};
        check_case(seed += 10, &tn);
    }
    check_case(7, &(half_case){.kind = LINEAR, .x = {40, 300}, .w = {1100, 300}, .y = {40, 1100}});
    check_case(17,
               &(half_case){.kind = MATMUL_TN, .x = {900, 300}, .w = {900, 40}, .y = {300, 40}});
}

// One convolution with its gradients.
static void check_conv(uint64_t seed, int64_t in, int64_t out, int64_t size, int64_t kernel,
                       int stride, int dilation, bool winograd) {
    int pad = dilation * (int)(kernel / 2);
    kn_conv conv = {stride, stride, pad, pad, pad, pad, dilation, dilation};
    int64_t side = kn_conv_out(size, kernel, stride, pad, pad, dilation);
    half_case c = {.kind = CONV,
                   .x = {2, size, size, in},
                   .w = {out, in, kernel, kernel},
                   .y = {2, side, side, out},
                   .conv = conv,
                   .winograd = winograd};
    check_case(seed, &c);
    half_case dx = c, dw = c;
    dx.kind = CONV_X;
    dw.kind = CONV_W;
    memcpy(dx.x, c.y, sizeof c.y);
    memcpy(dx.y, c.x, sizeof c.x);
    check_case(seed + 10, &dx);
    memcpy(dw.w, c.y, sizeof c.y);
    memcpy(dw.y, c.w, sizeof c.w);
    check_case(seed + 20, &dw);
}

static void convolutions(void **state) {
    (void)state;
    check_conv(1000, 3, 20, 13, 3, 1, 1, false);
    check_conv(1100, 5, 7, 12, 3, 2, 1, false); // an odd number of channels behind a stride
    check_conv(1200, 18, 35, 11, 1, 1, 1, false);
    check_conv(1300, 9, 33, 15, 5, 2, 1, false);
    check_conv(1400, 6, 10, 14, 3, 1, 2, false);
    check_conv(1500, 32, 33, 14, 3, 1, 1, true);
    check_conv(1600, 33, 65, 17, 3, 1, 1, true);
    check_conv(1700, 101, 40, 15, 3, 1, 1, true);
}

static void transposed(void **state) {
    (void)state;
    EACH(int64_t, in, 4, 7, 99)
    check_case((uint64_t)*in, &(half_case){.kind = TRANSPOSED,
                                           .x = {2, 5, 6, *in},
                                           .w = {*in, 35, 2, 2},
                                           .y = {2, 10, 12, 35}});
}

// A product of one row and n columns of `k` steps.
static half_case dot_of(int kind, int64_t k, int64_t n) {
    if (kind == MATMUL_TN) return (half_case){.kind = kind, .x = {k, 1}, .w = {k, n}, .y = {1, n}};
    return (half_case){.kind = kind, .x = {1, k}, .w = {n, k}, .y = {1, n}};
}

// Leaves NaN in scratch beyond the steps of the next product.
static void leave_nan(const test_level *level, int kind, int64_t k) {
    half_case c = dot_of(kind, k, 16);
    tn_tensor x = guarded_new(TN_F32, 2, c.x), w = guarded_new(TN_F32, 2, c.w);
    tn_tensor y = with_half(level, ONE_THREAD, &c, &x, &w);
    assert_true(isnan(tn_f32(&y)[0]));
}

// One number times 1, as step `at` of three: the rounded number.
static float seen(const test_level *level, int kind, float number, int64_t at) {
    half_case c = dot_of(kind, 3, 1);
    tn_tensor x = guarded_new(TN_F32, 2, c.x), w = guarded_new(TN_F32, 2, c.w);
    for (int i = 0; i < 3; i++) tn_f32(&x)[i] = i == at ? number : 0, tn_f32(&w)[i] = i == at;
    tn_tensor y = with_half(level, ONE_THREAD, &c, &x, &w);
    return tn_f32(&y)[0];
}

static void check_rounding(const test_level *level, int kind, int64_t at) {
    union {
        uint32_t bits;
        float real;
    } odd_nan = {0x7fffffffu}; // rounding these bits up would overflow to -0
    guarded_free();
    leave_nan(level, kind, 4);
    leave_nan(level, kind, 16);
    assert_true(seen(level, kind, 1 + 1.0f / 256, at) == 1.0f); // ties to even
    assert_true(seen(level, kind, 1 + 3.0f / 256, at) == 1 + 1.0f / 64);
    assert_true(seen(level, kind, -1 - 1.1f / 256, at) == -1 - 1.0f / 128);
    assert_true(seen(level, kind, 3e38f, at) > 2.9e38f);
    assert_true(isnan(seen(level, kind, NAN, at)));
    assert_true(isnan(seen(level, kind, odd_nan.real, at)));
}

static void rounding(void **state) {
    (void)state;
    for (int i = 1; i < levels_count(); i++)
        for (int64_t at = 0; at < 3; at++) {
            check_rounding(levels_at(i), LINEAR, at);
            check_rounding(levels_at(i), MATMUL_TN, at);
        }
}

static void set_and_refused(void **state) {
    (void)state;
    tn_error err;
    assert_int_equal(kn_set_products(levels_at(0)->cx[ONE_THREAD], TN_BF16, &err), TN_EDEVICE);
    assert_non_null(strstr(err.text, "ref"));
    assert_int_equal(kn_products(levels_at(0)->cx[ONE_THREAD]), TN_F32);
    for (int i = 1; i < levels_count(); i++) {
        kn_ctx *cx = levels_at(i)->cx[ONE_THREAD];
        assert_int_equal(kn_products(cx), TN_F32);
        ASSERT_OK(kn_set_products(cx, TN_BF16, &err), err);
        assert_int_equal(kn_products(cx), TN_BF16);
        ASSERT_OK(kn_set_products(cx, TN_F32, &err), err);
        assert_int_equal(kn_products(cx), TN_F32);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matrices), cmocka_unit_test(convolutions),    cmocka_unit_test(transposed),
        cmocka_unit_test(rounding), cmocka_unit_test(set_and_refused),
    };
    return cmocka_run_group_tests(tests, levels_setup, levels_teardown);
}
