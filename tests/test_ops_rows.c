// SPDX-License-Identifier: Apache-2.0
// Rows and elements: norms, softmax, activations, sums, table rows.
#include "tests/support/ops.h"

#include <math.h>
#include <string.h>

typedef struct row_op {
    double number; // eps, or the scale
    kn_act act;
} row_op;

static void run_layer_norm(kn_ctx *cx, const tn_tensor *in, tn_tensor *out, const void *cfg) {
    kn_layer_norm_fwd(cx, ((const row_op *)cfg)->number, &in[0], &in[1], &in[2], out);
}

static void run_batch_norm(kn_ctx *cx, const tn_tensor *in, tn_tensor *out, const void *cfg) {
    const row_op *op = cfg;
    kn_batch_norm_fwd(cx, op->number, &in[0], &in[3], &in[4], &in[1], &in[2], op->act, out);
}

static void run_softmax(kn_ctx *cx, const tn_tensor *in, tn_tensor *out, const void *cfg) {
    kn_softmax_fwd(cx, ((const row_op *)cfg)->number, &in[0], out);
}

static void run_l2_normalize(kn_ctx *cx, const tn_tensor *in, tn_tensor *out, const void *cfg) {
    kn_l2_normalize_fwd(cx, ((const row_op *)cfg)->number, &in[0], out);
}

static void run_act(kn_ctx *cx, const tn_tensor *in, tn_tensor *out, const void *cfg) {
    kn_act_fwd(cx, ((const row_op *)cfg)->act, &in[0], out);
}

static void run_add(kn_ctx *cx, const tn_tensor *in, tn_tensor *out, const void *cfg) {
    kn_add_fwd(cx, ((const row_op *)cfg)->act, &in[0], &in[1], out);
}

static void run_gather(kn_ctx *cx, const tn_tensor *in, tn_tensor *out, const void *cfg) {
    (void)cfg;
    kn_gather_rows_fwd(cx, &in[0], &in[1], out);
}

#define ROWS 0, 1, 2, 7, 65
#define CHANNELS 1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 100, 257, 768

static const char *name_of(const char *op, int64_t rows, int64_t channels) {
    static char text[64];
    snprintf(text, sizeof text, "%s [%d,%d]", op, (int)rows, (int)channels);
    return text;
}

// Even channels around 1, odd ones around -1: the variance of short rows is not close to 0, where
// dividing by it makes any rounding large.
static tn_tensor spread(uint64_t seed, int64_t rows, int64_t channels) {
    tn_tensor x = guarded_random(seed, -0.7, 0.7, TN_DIMS(rows, channels));
    for (int64_t i = 0; i < tn_count(&x); i++) tn_f32(&x)[i] += i % channels % 2 ? -1 : 1;
    return x;
}

static void layer_norm_agrees(void **state) {
    (void)state;
    uint64_t seed = 0;
    EACH(int64_t, rows, ROWS)
    EACH(int64_t, channels, CHANNELS) {
        guarded_free();
        row_op op = {.number = *channels % 2 ? 1e-5 : 1e-6};
        op_case c = {.what = name_of("layer norm", *rows, *channels),
                     .run = run_layer_norm,
                     .cfg = &op,
                     .inputs = 3,
                     .out = op_shape(TN_F32, TN_DIMS(*rows, *channels)),
                     .alias = 1};
        c.in[0] = spread(++seed, *rows, *channels);
        c.in[1] = guarded_random(seed + 500, -1, 1, TN_DIMS(*channels));
        c.in[2] = guarded_random(seed + 600, -1, 1, TN_DIMS(*channels));
        // Mean and variance are means of `channels` numbers; deviations are 0.3 to 2 of x's units.
        c.absolute = 4 * op_sum_tolerance(*channels, 1, 1) / (double)*channels + 16 * EPS;
        op_check(&c);
    }
}

// With a mean far above the deviations, variance as mean(x^2) - mean(x)^2 would be lost.
static void layer_norm_survives_a_large_mean(void **state) {
    (void)state;
    guarded_free();
    row_op op = {.number = 1e-5};
    op_case c = {.what = "layer norm around 100",
                 .run = run_layer_norm,
                 .cfg = &op,
                 .inputs = 3,
                 .out = op_shape(TN_F32, TN_DIMS(5, 257)),
                 .absolute = 200 * EPS}; // x itself is rounded to 100*EPS/2
    c.in[0] = guarded_random(1, 99, 101, TN_DIMS(5, 257));
    c.in[1] = guarded_random(2, -1, 1, TN_DIMS(257));
    c.in[2] = guarded_random(3, -1, 1, TN_DIMS(257));
    op_check(&c);
}

static void batch_norm_agrees(void **state) {
    (void)state;
    uint64_t seed = 0;
    EACH(int64_t, rows, ROWS)
    EACH(int64_t, channels, CHANNELS) {
        guarded_free();
        row_op op = {.number = *channels % 2 ? 1e-5 : 0, .act = (kn_act)(++seed % 6)};
        op_case c = {.what = name_of("batch norm", *rows, *channels),
                     .run = run_batch_norm,
                     .cfg = &op,
                     .inputs = 5,
                     .out = op_shape(TN_F32, TN_DIMS(1, 1, *rows, *channels)),
                     .absolute = 16 * EPS,
                     .relative = 4 * EPS,
                     .alias = 1};
        c.in[0] = guarded_random(seed, -1, 1, TN_DIMS(1, 1, *rows, *channels));
        c.in[1] = guarded_random(seed + 500, -1, 1, TN_DIMS(*channels));
        c.in[2] = guarded_random(seed + 600, -1, 1, TN_DIMS(*channels));
        c.in[3] = guarded_random(seed + 700, -1, 1, TN_DIMS(*channels));
        c.in[4] = guarded_random(seed + 800, 0.3, 2, TN_DIMS(*channels));
        op_check(&c);
    }
}

static void softmax_agrees(void **state) {
    (void)state;
    uint64_t seed = 0;
    EACH(int64_t, rows, ROWS)
    EACH(int64_t, channels, CHANNELS)
    EACH(double, scale, 1, 50, -0.3) {
        guarded_free();
        row_op op = {.number = *scale};
        op_case c = {.what = name_of("softmax", *rows, *channels),
                     .run = run_softmax,
                     .cfg = &op,
                     .inputs = 1,
                     .out = op_shape(TN_F32, TN_DIMS(*rows, *channels)),
                     .alias = 1};
        c.in[0] = guarded_random(++seed, -3, 3, TN_DIMS(*rows, *channels));
        // The exponent is rounded in proportion to its size, which is a relative error of exp.
        c.relative = EPS * (8 + 2 * 6 * fabs(*scale)) + op_sum_tolerance(*channels, 1, 1) / 8;
        c.absolute = 0x1p-120; // what may be flushed to zero
        op_check(&c);
    }
}

static void softmax_rows_sum_to_one(void **state) {
    (void)state;
    for (int l = 0; l < levels_count(); l++) {
        guarded_free();
        tn_tensor x = guarded_random(1, -90, 90, TN_DIMS(50, 81));
        tn_f32(&x)[81] = 3e38f, tn_f32(&x)[2 * 81] = -3e38f; // the maximum is subtracted first
        kn_softmax_fwd(levels_at(l)->cx[TWO_THREADS], 1, &x, &x);
        for (int row = 0; row < 50; row++) {
            double sum = 0;
            for (int i = 0; i < 81; i++) {
                assert_true(tn_f32(&x)[row * 81 + i] >= 0);
                sum += tn_f32(&x)[row * 81 + i];
            }
            ASSERT_WITHIN(fabs(sum - 1), 81 * EPS);
        }
    }
}

static void l2_normalize_agrees(void **state) {
    (void)state;
    uint64_t seed = 0;
    EACH(int64_t, rows, ROWS)
    EACH(int64_t, channels, CHANNELS) {
        guarded_free();
        row_op op = {.number = 1e-12};
        op_case c = {.what = name_of("l2 normalize", *rows, *channels),
                     .run = run_l2_normalize,
                     .cfg = &op,
                     .inputs = 1,
                     .out = op_shape(TN_F32, TN_DIMS(*rows, *channels)),
                     .alias = 1};
        c.in[0] = guarded_random(++seed, -3, 3, TN_DIMS(*rows, *channels));
        if (*rows > 1) // a row of zeros stays zero
            memset((float *)c.in[0].data + *channels, 0, (size_t)*channels * sizeof(float));
        c.relative = 4 * EPS + op_sum_tolerance(*channels, 1, 1) / (double)*channels;
        op_check(&c);
    }
}

static void activations_agree(void **state) {
    (void)state;
    uint64_t seed = 0;
    for (kn_act act = KN_LINEAR; act <= KN_GELU_TANH; act++)
        EACH(int64_t, count, 0, 1, 7, 8, 9, 63, 64, 65, 2000, 100001)
    EACH(double, range, 1e-3, 1, 12, 1e4) {
        guarded_free();
        row_op op = {.act = act};
        op_case c = {.what = name_of("activation", (int64_t)act, *count),
                     .run = run_act,
                     .cfg = &op,
                     .inputs = 1,
                     .out = op_shape(TN_F32, TN_DIMS(*count)),
                     .relative = 4 * EPS,
                     .alias = 1};
        // GELU and similar functions approach zero on the left as a difference of ones times x.
        c.absolute = act >= KN_GELU ? EPS * (*range < 1 ? *range : 1) * 2 : 0;
        c.in[0] = guarded_random(++seed, -*range, *range, TN_DIMS(*count));
        if (*count > 8) memcpy(c.in[0].data, (float[]){0, -0.0f, 1e-38f, -1e-42f, 88, -88}, 24);
        op_check(&c);
    }
}

static void add_agrees(void **state) {
    (void)state;
    uint64_t seed = 0;
    EACH(int64_t, n, 0, 1, 3)
    EACH(int64_t, length, 1, 7, 50)
    EACH(int64_t, channels, 1, 3, 8, 17, 64, 100)
    for (int b_rank = 0; b_rank <= 3; b_rank++) {
        guarded_free();
        int64_t dim[] = {*n, *length, *channels};
        row_op op = {.act = (kn_act)(++seed % 6)};
        op_case c = {.what = name_of("add", *length, *channels),
                     .run = run_add,
                     .cfg = &op,
                     .inputs = 2,
                     .out = op_shape(TN_F32, 3, dim),
                     .absolute = 2 * EPS,
                     .relative = 4 * EPS,
                     .alias = 1};
        c.in[0] = guarded_random(seed, -2, 2, 3, dim);
        c.in[1] = guarded_random(seed + 500, -2, 2, b_rank, dim + 3 - b_rank);
        op_check(&c);
    }
    guarded_free(); // leading ones are ignored
    op_case c = {.what = "add [1,4,6] to [2,3,4,6]",
                 .run = run_add,
                 .cfg = &(row_op){0},
                 .inputs = 2,
                 .out = op_shape(TN_F32, TN_DIMS(2, 3, 4, 6)),
                 .relative = EPS};
    c.in[0] = guarded_random(1, -2, 2, TN_DIMS(2, 3, 4, 6));
    c.in[1] = guarded_random(2, -2, 2, TN_DIMS(1, 4, 6));
    op_check(&c);
}

static void rows_are_gathered(void **state) {
    (void)state;
    EACH(int64_t, rows, 0, 1, 7, 65)
    EACH(int64_t, channels, 1, 3, 17, 64) {
        guarded_free();
        op_case c = {.what = name_of("gather", *rows, *channels),
                     .run = run_gather,
                     .inputs = 2,
                     .out = op_shape(TN_F32, TN_DIMS(*rows, *channels))};
        c.in[0] = guarded_random(1, -1, 1, TN_DIMS(11, *channels));
        c.in[1] = guarded_new(TN_I32, TN_DIMS(*rows));
        for (int64_t i = 0; i < *rows; i++)
            tn_i32(&c.in[1])[i] = i < 2 ? (int32_t)(10 * i) : (int32_t)op_pick(1, (uint64_t)i, 11);
        op_check(&c);
    }
}

static void nan_is_propagated(void **state) {
    (void)state;
    for (int l = 0; l < levels_count(); l++) {
        kn_ctx *cx = levels_at(l)->cx[ONE_THREAD];
        for (int place = 0; place < 35; place++) {
            guarded_free();
            tn_tensor x = guarded_random(1, -1, 1, TN_DIMS(35)),
                      y = guarded_new(TN_F32, TN_DIMS(35));
            tn_f32(&x)[place] = NAN;
            for (kn_act act = KN_LINEAR; act <= KN_GELU_TANH; act++) {
                kn_act_fwd(cx, act, &x, &y);
                for (int i = 0; i < 35; i++)
                    assert_int_equal(isnan(tn_f32(&y)[i]) != 0, i == place);
                kn_add_fwd(cx, act, &x, &x, &y);
                for (int i = 0; i < 35; i++)
                    assert_int_equal(isnan(tn_f32(&y)[i]) != 0, i == place);
            }
            kn_layer_norm_fwd(cx, 1e-5, &x, &x, &x, &y);
            for (int i = 0; i < 35; i++) assert_true(isnan(tn_f32(&y)[i]));
            kn_l2_normalize_fwd(cx, 1e-5, &x, &y);
            for (int i = 0; i < 35; i++) assert_true(isnan(tn_f32(&y)[i]));
            kn_softmax_fwd(cx, 1, &x, &y);
            assert_true(isnan(tn_f32(&y)[place]));
        }
    }
}

static void something_was_compared(void **state) {
    (void)state;
    guarded_free();
    printf("%d comparisons at %d levels\n", op_checked(), levels_count());
    assert_true(op_checked() >= 1000 * levels_count());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layer_norm_agrees),
        cmocka_unit_test(layer_norm_survives_a_large_mean),
        cmocka_unit_test(batch_norm_agrees),
        cmocka_unit_test(softmax_agrees),
        cmocka_unit_test(softmax_rows_sum_to_one),
        cmocka_unit_test(l2_normalize_agrees),
        cmocka_unit_test(activations_agree),
        cmocka_unit_test(add_agrees),
        cmocka_unit_test(rows_are_gathered),
        cmocka_unit_test(nan_is_propagated),
        cmocka_unit_test(something_was_compared),
    };
    return cmocka_run_group_tests(tests, levels_setup, levels_teardown);
}
