// SPDX-License-Identifier: Apache-2.0
// Gradients of rows and elements: norms, softmax, activations, table rows.
#include "tests/support/grads.h"

#include <math.h>
#include <string.h>

typedef struct row_op {
    double number; // eps, or the scale
    kn_act act;
    int groups;
} row_op;

#define ROWS 0, 1, 2, 7, 65
#define CHANNELS 1, 2, 3, 7, 8, 9, 16, 17, 63, 64, 65, 257, 768

// Even channels around 1, odd ones around -1: the variance of short rows is not close to 0, where
// dividing by it makes any rounding large.
static tn_tensor spread(uint64_t seed, int rank, const int64_t *dim) {
    tn_tensor x = guarded_random(seed, -0.7, 0.7, rank, dim);
    for (int64_t i = 0; i < tn_count(&x); i++) tn_f32(&x)[i] += i % tn_last(&x) % 2 ? -1 : 1;
    return x;
}

// ---- norms -------------------------------------------------------------------------------------

static void layer_norm_fwd(kn_ctx *cx, const tn_tensor *in, tn_tensor *y, const void *cfg) {
    kn_layer_norm_fwd(cx, ((const row_op *)cfg)->number, &in[0], &in[1], &in[2], y);
}

static void layer_norm_bwd(kn_ctx *cx, const tn_tensor *in, const tn_tensor *y, const tn_tensor *dy,
                           double beta, tn_tensor *const *d, const void *cfg) {
    (void)y;
    kn_layer_norm_bwd(cx, ((const row_op *)cfg)->number, &in[0], &in[1], dy, beta, d[0], beta, d[1],
                      d[2]);
}

static void layer_norm_agrees(void **state) {
    (void)state;
    uint64_t seed = 0;
    EACH(int64_t, rows, ROWS, 700)
    EACH(int64_t, channels, CHANNELS) {
        if (*rows == 700 && *channels > 17) continue;
        guarded_free();
        row_op op = {.number = *channels % 2 ? 1e-5 : 1e-6};
        grad_case c = {.what = grad_name("layer norm", *rows, *channels, 0),
                       .cfg = &op,
                       .inputs = 3,
                       .wants = 7,
                       .y = op_shape(TN_F32, TN_DIMS(*rows, *channels)),
                       .fwd = layer_norm_fwd,
                       .bwd = layer_norm_bwd,
                       .relative = 8 * EPS};
        c.in[0] = spread(++seed, TN_DIMS(*rows, *channels));
        c.in[1] = guarded_random(seed + 500, -1, 1, TN_DIMS(*channels));
        c.in[2] = guarded_random(seed + 600, -1, 1, TN_DIMS(*channels));
        // One channel has variance 0: gradients are of the order of 1/sqrt(eps).
        double steep = *channels == 1 ? 400 : *channels < 4 ? 8 : 1;
        c.absolute[0] = steep * (16 * EPS + op_sum_tolerance(*channels, 2, 2) / (double)*channels);
        c.absolute[1] = op_sum_tolerance(*rows, 2, 1) + 64 * EPS;
        c.absolute[2] = op_sum_tolerance(*rows, 1, 1);
        grad_check(&c);
    }
}

static void batch_norm_fwd(kn_ctx *cx, const tn_tensor *in, tn_tensor *y, const void *cfg) {
    const row_op *op = cfg;
    tn_tensor mean = guarded_new(y->dtype, TN_DIMS(tn_last(y))), var = guarded_copy(&mean);
    kn_batch_norm_train_fwd(cx, op->number, &in[0], &in[1], &in[2], op->act, &mean, &var, y);
}

static void batch_norm_bwd(kn_ctx *cx, const tn_tensor *in, const tn_tensor *y, const tn_tensor *dy,
                           double beta, tn_tensor *const *d, const void *cfg) {
    const row_op *op = cfg;
    tn_tensor mean = guarded_new(y->dtype, TN_DIMS(tn_last(y))), var = guarded_copy(&mean);
    tn_tensor again = guarded_new(y->dtype, y->rank, y->dim);
    kn_batch_norm_train_fwd(cx, op->number, &in[0], &in[1], &in[2], op->act, &mean, &var, &again);
    kn_batch_norm_train_bwd(cx, op->number, &in[0], &in[1], op->act, &mean, &var, y, dy, beta, d[0],
                            beta, d[1], d[2]);
}

// Rows around +1 and -1 in turn.
static tn_tensor spread_rows(uint64_t seed, int rank, const int64_t *dim) {
    tn_tensor x = guarded_random(seed, -0.7, 0.7, rank, dim);
    for (int64_t i = 0; i < tn_count(&x); i++) tn_f32(&x)[i] += i / tn_last(&x) % 2 ? -1 : 1;
    return x;
}

static void batch_norm_agrees(void **state) {
    (void)state;
    uint64_t seed = 0;
    EACH(int64_t, rows, ROWS, 700)
    EACH(int64_t, channels, CHANNELS)
    EACH(kn_act, act, KN_LINEAR, KN_RELU) {
        if (*rows == 700 && *channels > 17) continue;
        guarded_free();
        row_op op = {.number = 1e-3, .act = *act};
        grad_case c = {.what = grad_name("batch norm", *rows, *channels, *act),
                       .cfg = &op,
                       .inputs = 3,
                       .wants = 7,
                       .y = op_shape(TN_F32, TN_DIMS(1, *rows, *channels)),
                       .fwd = batch_norm_fwd,
                       .bwd = batch_norm_bwd,
                       .relative = 8 * EPS};
        c.in[0] = spread_rows(++seed, TN_DIMS(1, *rows, *channels));
        c.in[1] = guarded_random(seed + 500, 0.5, 1, TN_DIMS(*channels));
        // Values are kept away from ReLU's kink, so that differences see a smooth function.
        c.in[2] = guarded_random(seed + 600, *act ? 0.02 : -1, *act ? 0.1 : 1, TN_DIMS(*channels));
        double steep = *rows < 2 ? 40 : *rows < 8 ? 4 : 1;
        c.absolute[0] = steep * (16 * EPS + op_sum_tolerance(*rows, 2, 2) / (double)(*rows + 1));
        c.absolute[1] = steep * (op_sum_tolerance(*rows, 2, 1) + 64 * EPS);
        c.absolute[2] = op_sum_tolerance(*rows, 1, 1);
        grad_check(&c);
    }
}

static void group_norm_fwd(kn_ctx *cx, const tn_tensor *in, tn_tensor *y, const void *cfg) {
    const row_op *op = cfg;
    kn_group_norm_fwd(cx, op->groups, op->number, &in[0], &in[1], &in[2], y);
}

static void group_norm_bwd(kn_ctx *cx, const tn_tensor *in, const tn_tensor *y, const tn_tensor *dy,
                           double beta, tn_tensor *const *d, const void *cfg) {
    const row_op *op = cfg;
    (void)y;
    kn_group_norm_bwd(cx, op->groups, op->number, &in[0], &in[1], dy, beta, d[0], beta, d[1], d[2]);
}

static void group_norm_agrees(void **state) {
    (void)state;
    uint64_t seed = 0;
    EACH(int64_t, n, 0, 1, 3)
    EACH(int64_t, rows, 0, 1, 9, 65)
    EACH(int64_t, width, 2, 3, 8, 17)
    EACH(int, groups, 1, 3, 8) {
        guarded_free();
        int64_t channels = *width * *groups, terms = *rows * *width;
        row_op op = {.number = 1e-5, .groups = *groups};
        grad_case c = {.what = grad_name("group norm", *rows, channels, *groups),
                       .cfg = &op,
                       .inputs = 3,
                       .wants = 7,
                       .y = op_shape(TN_F32, TN_DIMS(*n, *rows, channels)),
                       .fwd = group_norm_fwd,
                       .bwd = group_norm_bwd,
                       .relative = 8 * EPS};
        c.in[0] = spread(++seed, TN_DIMS(*n, *rows, channels));
        c.in[1] = guarded_random(seed + 500, -1, 1, TN_DIMS(channels));
        c.in[2] = guarded_random(seed + 600, -1, 1, TN_DIMS(channels));
        double steep = terms < 4 ? 8 : 1;
        c.absolute[0] = steep * (16 * EPS + op_sum_tolerance(terms, 2, 2) / (double)(terms + 1));
        c.absolute[1] = op_sum_tolerance(*n * *rows, 2, 1) + 64 * EPS;
        c.absolute[2] = op_sum_tolerance(*n * *rows, 1, 1);
        grad_check(&c);
    }
}

// The forward passes, which test_ops_rows.c does not cover.
static void forward_of_norms_agrees(void **state) {
    (void)state;
    uint64_t seed = 0;
    EACH(int64_t, rows, 1, 2, 7, 65, 3000)
    EACH(int64_t, channels, 6, 15, 24, 96, 255)
    for (int kind = 0; kind < 3; kind++) {
        guarded_free();
        row_op op = {.number = 1e-5, .groups = 3, .act = kind == 1 ? KN_RELU : KN_LINEAR};
        op_case c = {.what = grad_name("norm forward", *rows, *channels, kind),
                     .run = kind < 2 ? batch_norm_fwd : group_norm_fwd,
                     .cfg = &op,
                     .inputs = 3,
                     .out = op_shape(TN_F32, TN_DIMS(2, *rows, *channels)),
                     .alias = kind < 2 ? 0 : 1};
        c.in[0] = spread_rows(++seed, TN_DIMS(2, *rows, *channels));
        c.in[1] = guarded_random(seed + 500, -1, 1, TN_DIMS(*channels));
        c.in[2] = guarded_random(seed + 600, -1, 1, TN_DIMS(*channels));
        c.absolute = 32 * EPS + 8 * op_sum_tolerance(2 * *rows, 2, 2) / (double)*rows;
        op_check(&c);
    }
}

// ---- softmax, unit rows, activations -----------------------------------------------------------

static void softmax_fwd(kn_ctx *cx, const tn_tensor *in, tn_tensor *y, const void *cfg) {
    kn_softmax_fwd(cx, ((const row_op *)cfg)->number, &in[0], y);
}

static void softmax_bwd(kn_ctx *cx, const tn_tensor *in, const tn_tensor *y, const tn_tensor *dy,
                        double beta, tn_tensor *const *d, const void *cfg) {
    (void)in;
    kn_softmax_bwd(cx, ((const row_op *)cfg)->number, y, dy, beta, d[0]);
}

static void softmax_agrees(void **state) {
    (void)state;
    uint64_t seed = 0;
    EACH(int64_t, rows, ROWS)
    EACH(int64_t, channels, CHANNELS)
    EACH(double, scale, 1, 10, -0.3) {
        guarded_free();
        row_op op = {.number = *scale};
        grad_case c = {.what = grad_name("softmax", *rows, *channels, (int64_t)*scale),
                       .cfg = &op,
                       .inputs = 1,
                       .wants = 1,
                       .y = op_shape(TN_F32, TN_DIMS(*rows, *channels)),
                       .fwd = softmax_fwd,
                       .bwd = softmax_bwd,
                       .absolute = {fabs(*scale) * EPS * (4 + 12 * fabs(*scale))}};
        c.in[0] = guarded_random(++seed, -1, 1, TN_DIMS(*rows, *channels));
        grad_check(&c);
    }
}

static void l2_normalize_fwd(kn_ctx *cx, const tn_tensor *in, tn_tensor *y, const void *cfg) {
    kn_l2_normalize_fwd(cx, ((const row_op *)cfg)->number, &in[0], y);
}

static void l2_normalize_bwd(kn_ctx *cx, const tn_tensor *in, const tn_tensor *y,
                             const tn_tensor *dy, double beta, tn_tensor *const *d,
                             const void *cfg) {
    (void)y;
    kn_l2_normalize_bwd(cx, ((const row_op *)cfg)->number, &in[0], dy, beta, d[0]);
}

static void l2_normalize_agrees(void **state) {
    (void)state;
    uint64_t seed = 0;
    EACH(int64_t, rows, ROWS)
    EACH(int64_t, channels, CHANNELS)
    EACH(double, eps, 1e-12, 100) { // rows of ordinary and of too little length
        guarded_free();
        row_op op = {.number = *eps};
        grad_case c = {.what = grad_name("l2 normalize", *rows, *channels, (int64_t)*eps),
                       .cfg = &op,
                       .inputs = 1,
                       .wants = 1,
                       .y = op_shape(TN_F32, TN_DIMS(*rows, *channels)),
                       .fwd = l2_normalize_fwd,
                       .bwd = l2_normalize_bwd,
                       .relative = 8 * EPS};
        c.in[0] = spread(++seed, TN_DIMS(*rows, *channels));
        c.absolute[0] = op_sum_tolerance(*channels, 2, 2) / (double)*channels + 32 * EPS;
        grad_check(&c);
    }
}

static void act_fwd(kn_ctx *cx, const tn_tensor *in, tn_tensor *y, const void *cfg) {
    kn_act_fwd(cx, ((const row_op *)cfg)->act, &in[0], y);
}

static void act_bwd(kn_ctx *cx, const tn_tensor *in, const tn_tensor *y, const tn_tensor *dy,
                    double beta, tn_tensor *const *d, const void *cfg) {
    kn_act act = ((const row_op *)cfg)->act;
    bool by_output = act == KN_RELU || act == KN_SIGMOID;
    kn_act_bwd(cx, act, by_output ? y : &in[0], dy, beta, d[0]);
}

static void activations_agree(void **state) {
    (void)state;
    uint64_t seed = 0;
    for (kn_act act = KN_LINEAR; act <= KN_GELU_TANH; act++)
        EACH(int64_t, count, 0, 1, 7, 8, 9, 63, 64, 65, 2000, 20001)
    EACH(double, range, 1e-2, 1, 12) {
        guarded_free();
        row_op op = {.act = act};
        grad_case c = {.what = grad_name("activation", (int64_t)act, *count, (int64_t)*range),
                       .cfg = &op,
                       .inputs = 1,
                       .wants = 1,
                       .y = op_shape(TN_F32, TN_DIMS(*count)),
                       .fwd = act_fwd,
                       .bwd = act_bwd,
                       .relative = 8 * EPS};
        c.in[0] = guarded_random(++seed, -*range, *range, TN_DIMS(*count));
        for (int64_t i = 0; i < *count && act == KN_RELU; i++) // no kink within a step
            if (fabsf(tn_f32(&c.in[0])[i]) < 1e-3f) tn_f32(&c.in[0])[i] = 1e-3f;
        // Slopes are differences of numbers around 1; the exponent of the tanh form is a cubic
        // whose roundings (up to 8 where exp still matters, three of them) are relative errors of
        // exp.
        c.absolute[0] = act == KN_LINEAR || act == KN_RELU ? 0 : 4 * EPS;
        if (act == KN_GELU_TANH) c.absolute[0] = 12 * EPS;
        grad_check(&c);
    }
}

static void activations_of_special_numbers(void **state) {
    (void)state;
    for (int l = 0; l < levels_count(); l++) {
        guarded_free();
        kn_ctx *cx = levels_at(l)->cx[ONE_THREAD];
        for (kn_act act = KN_LINEAR; act <= KN_GELU_TANH; act++) {
            float far = act == KN_RELU ? INFINITY : act == KN_SIGMOID ? 1.0f : 1e4f;
            tn_tensor x = guarded_new(TN_F32, TN_DIMS(21)), dy = guarded_copy(&x);
            tn_tensor dx = guarded_copy(&x);
            for (int i = 0; i < 21; i++) {
                tn_f32(&x)[i] = i % 3 == 0   ? far
                                : i % 3 == 1 ? (act == KN_SIGMOID ? 0 : -far)
                                             : NAN;
                tn_f32(&dy)[i] = 2;
            }
            kn_act_bwd(cx, act, &x, &dy, 0, &dx);
            for (int i = 0; i < 21; i++) {
                float got = tn_f32(&dx)[i];
                // ReLU passes the gradient where its output is NaN, as in PyTorch.
                if (i % 3 == 2)
                    assert_true(act <= KN_RELU ? got == 2 : isnan(got));
                else if (i % 3 == 1)
                    assert_true(got == (act == KN_LINEAR ? 2 : 0));
                else
                    assert_true(got == (act == KN_SIGMOID ? 0 : 2));
            }
            kn_act_bwd(cx, act, &x, &dy, 0, &dy); // dx may be dy
            assert_memory_equal(dy.data, dx.data, tn_bytes(&dx));
        }
    }
}

// ---- sums --------------------------------------------------------------------------------------

static void axpby_agrees(void **state) {
    (void)state;
    EACH(int64_t, count, 0, 1, 7, 8, 9, 63, 64, 65, 20001)
    EACH(double, beta, 0, 1, 0.9, -2)
    for (int l = 0; l < levels_count(); l++)
        for (int t = 0; t < LEVEL_THREADS; t++) {
            guarded_free();
            kn_ctx *cx = levels_at(l)->cx[t];
            tn_tensor x = guarded_random(1, -1, 1, TN_DIMS(*count));
            tn_tensor y = *beta != 0 ? guarded_random(2, -1, 1, TN_DIMS(*count))
                                     : guarded_new(TN_F32, TN_DIMS(*count));
            tn_tensor old = guarded_copy(&y);
            kn_axpby(cx, 0.1, &x, *beta, &y);
            for (int64_t i = 0; i < *count; i++) {
                double want = 0.1 * (double)tn_f32(&x)[i];
                if (*beta != 0) want += *beta * (double)tn_f32(&old)[i];
                ASSERT_WITHIN(fabs((double)tn_f32(&y)[i] - want), 4 * EPS);
            }
            kn_axpby(cx, 0.5, &x, 0.5, &x); // y may be x
            guarded_check();
        }
}

static void gather_fwd(kn_ctx *cx, const tn_tensor *in, tn_tensor *y, const void *cfg) {
    (void)cfg;
    kn_gather_rows_fwd(cx, &in[0], &in[1], y);
}

static void gather_bwd(kn_ctx *cx, const tn_tensor *in, const tn_tensor *y, const tn_tensor *dy,
                       double beta, tn_tensor *const *d, const void *cfg) {
    (void)cfg;
    (void)y;
    kn_gather_rows_bwd(cx, &in[1], dy, beta, d[0]);
}

static void gathered_rows_go_back(void **state) {
    (void)state;
    EACH(int64_t, rows, 0, 1, 7, 65, 999)
    EACH(int64_t, channels, 1, 3, 17, 64, 65)
    EACH(int64_t, table, 2, 11, 700) {
        guarded_free();
        grad_case c = {.what = grad_name("gather", *rows, *channels, *table),
                       .inputs = 2,
                       .wants = 1,
                       .y = op_shape(TN_F32, TN_DIMS(*rows, *channels)),
                       .fwd = gather_fwd,
                       .bwd = gather_bwd,
                       .linear = true,
                       .relative = EPS,
                       .absolute = {op_sum_tolerance(*rows / *table * 2 + 8, 1, 1)}};
        c.in[0] = guarded_random(1, -1, 1, TN_DIMS(*table, *channels));
        c.in[1] = guarded_new(TN_I32, TN_DIMS(*rows));
        for (int64_t i = 0; i < *rows; i++)
            tn_i32(&c.in[1])[i] =
                i < 2 ? (int32_t)((*table - 1) * i) : (int32_t)op_pick(1, (uint64_t)i, *table);
        grad_check(&c);
    }
}

static void something_was_compared(void **state) {
    (void)state;
    guarded_free();
    printf("%d comparisons at %d levels\n", grad_checked(), levels_count());
    assert_true(grad_checked() >= 800 * levels_count());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layer_norm_agrees),      cmocka_unit_test(batch_norm_agrees),
        cmocka_unit_test(group_norm_agrees),      cmocka_unit_test(forward_of_norms_agrees),
        cmocka_unit_test(softmax_agrees),         cmocka_unit_test(l2_normalize_agrees),
        cmocka_unit_test(activations_agree),      cmocka_unit_test(activations_of_special_numbers),
        cmocka_unit_test(axpby_agrees),           cmocka_unit_test(gathered_rows_go_back),
        cmocka_unit_test(something_was_compared),
    };
    return cmocka_run_group_tests(tests, levels_setup, levels_teardown);
}
