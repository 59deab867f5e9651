// SPDX-License-Identifier: Apache-2.0
// Losses with their gradients, the optimizer's step, the square of a norm.
#include "kernels/kernels.h"
#include "tests/support/ops.h"

#include "tensor/rng.h"

#include <math.h>
#include <string.h>

typedef struct loss_case {
    const char *what;
    double number, factor; // delta, eps or scale
    tn_tensor in[3];       // x, target, weight (data NULL: none)
    double (*run)(kn_ctx *cx, const struct loss_case *c, const tn_tensor *in, tn_tensor *dx);
    double absolute;     // of a gradient divided by factor
    double sum_relative; // of the loss
    double sum_absolute; // where its terms are differences
    bool bends;          // no differences
} loss_case;

static const tn_tensor *weight_of(const tn_tensor *in) {
    return in[2].data ? &in[2] : NULL;
}

static double cross_entropy(kn_ctx *cx, const loss_case *c, const tn_tensor *in, tn_tensor *dx) {
    return kn_cross_entropy(cx, c->number, &in[0], &in[1], weight_of(in), c->factor, dx);
}

static double bce_logits(kn_ctx *cx, const loss_case *c, const tn_tensor *in, tn_tensor *dx) {
    return kn_bce_logits(cx, &in[0], &in[1], weight_of(in), c->factor, dx);
}

static double smooth_l1(kn_ctx *cx, const loss_case *c, const tn_tensor *in, tn_tensor *dx) {
    return kn_smooth_l1(cx, c->number, &in[0], &in[1], weight_of(in), c->factor, dx);
}

static double cosine_loss(kn_ctx *cx, const loss_case *c, const tn_tensor *in, tn_tensor *dx) {
    return kn_cosine_loss(cx, c->number, &in[0], &in[1], weight_of(in), c->factor, dx);
}

static int checked;

static void check_differences(const loss_case *c, const tn_tensor *in, const tn_tensor *dx) {
    kn_ctx *ref = levels_at(0)->cx[ONE_THREAD];
    tn_rng rng = tn_rng_new(3, 3);
    double step = 2e-4, slope = 0, size = 0, value[4];
    tn_tensor moved[4];
    for (int k = 0; k < 4; k++) moved[k] = guarded_copy(&in[0]);
    for (int64_t i = 0; i < tn_count(dx); i++) {
        double v = tn_rng_uniform(&rng, -1, 1), d = ((double *)dx->data)[i];
        slope += v * d;
        size += d * d;
        for (int k = 0; k < 4; k++)
            ((double *)moved[k].data)[i] += (k < 2 ? k - 2 : k - 1) * step * v;
    }
    for (int k = 0; k < 4; k++) {
        const tn_tensor at[3] = {moved[k], in[1], in[2]};
        value[k] = c->factor * c->run(ref, c, at, NULL);
    }
    double difference = (8 * (value[2] - value[1]) - (value[3] - value[0])) / (12 * step);
    double room = 1e-8 * sqrt(size * (double)tn_count(dx)) + 1e-11 * fabs(value[0]) +
                  1e-12 * fabs(c->factor); // terms of up to 90 cancel
    if (!(fabs(slope - difference) <= room))
        fail_msg("%s: the gradient along a direction is %.12g, differences give %.12g", c->what,
                 slope, difference);
}

static void check_level(const loss_case *c, const test_level *level, double want,
                        const tn_tensor *oracle) {
    double first_sum = 0, sum;
    tn_tensor first = {0};
    for (int turn = 0; turn < 2 * LEVEL_THREADS; turn++) {
        tn_tensor dx = guarded_new(TN_F32, c->in[0].rank, c->in[0].dim);
        sum = c->run(level->cx[turn / 2], c, c->in, &dx);
        if (turn == 0) {
            first = dx;
            first_sum = sum;
        } else if (sum != first_sum || memcmp(dx.data, first.data, tn_bytes(&dx)) != 0) {
            fail_msg("%s at level %s: other bits %s", c->what, level->name,
                     turn % 2 ? "when run again" : "with other threads");
        }
    }
    if (c->run(level->cx[TWO_THREADS], c, c->in, NULL) != first_sum)
        fail_msg("%s at level %s: another loss without its gradient", c->what, level->name);
    if (!(fabs(first_sum - want) <= c->sum_relative * fabs(want) + c->sum_absolute))
        fail_msg("%s at level %s: the loss is %.9g, expected %.9g", c->what, level->name, first_sum,
                 want);
    for (int64_t i = 0; i < tn_count(&first); i++) {
        double d = ((double *)oracle->data)[i], error = fabs((double)tn_f32(&first)[i] - d);
        if (!(error <= fabs(c->factor) * c->absolute + 8 * EPS * fabs(d)))
            fail_msg("%s at level %s: element %lld is %.9g, expected %.9g", c->what, level->name,
                     (long long)i, (double)tn_f32(&first)[i], d);
    }
    checked++;
}

static void check(const loss_case *c) {
    tn_tensor in[3], before[3];
    for (int i = 0; i < 3; i++) {
        in[i] = c->in[i].data && c->in[i].dtype == TN_F32 ? guarded_convert(&c->in[i], TN_F64)
                                                          : c->in[i];
        if (c->in[i].data) before[i] = guarded_copy(&c->in[i]);
    }
    tn_tensor dx = guarded_new(TN_F64, in[0].rank, in[0].dim);
    double want = c->run(levels_at(0)->cx[ONE_THREAD], c, in, &dx);
    if (!c->bends) check_differences(c, in, &dx);
    for (int l = 0; l < levels_count(); l++) check_level(c, levels_at(l), want, &dx);
    for (int i = 0; i < 3; i++)
        if (c->in[i].data && memcmp(before[i].data, c->in[i].data, tn_bytes(&before[i])) != 0)
            fail_msg("%s: input %d was changed", c->what, i);
    guarded_check();
}

static const char *name_of(const char *op, int64_t rows, int64_t columns, double number) {
    static char text[96];
    snprintf(text, sizeof text, "%s [%d,%d] %g", op, (int)rows, (int)columns, number);
    return text;
}

// Weights of a third of the terms are 0, and there the values are not numbers.
static tn_tensor some_weights(uint64_t seed, tn_tensor *x, bool spoil) {
    tn_tensor w = guarded_random(seed, 0.2, 2, x->rank, x->dim);
    for (int64_t i = 0; i < tn_count(x); i++)
        if (op_pick(seed, (uint64_t)i, 3) == 0) {
            tn_f32(&w)[i] = 0;
            if (spoil) tn_f32(x)[i] = NAN;
        }
    return w;
}

#define COUNTS 0, 1, 2, 7, 8, 9, 63, 64, 65

static void cross_entropy_agrees(void **state) {
    (void)state;
    uint64_t seed = 0;
    EACH(int64_t, rows, COUNTS, 700)
    EACH(int64_t, types, 1, 2, 3, 8, 17, 66, 81, 1204)
    EACH(double, scale, 1, 50) {
        if (*rows == 700 && *types > 100) continue;
        guarded_free();
        loss_case c = {.what = name_of("cross-entropy", *rows, *types, *scale),
                       .number = *scale,
                       .factor = 1.0 / 512,
                       .run = cross_entropy};
        double range = *scale > 1 ? 0.3 : 4;
        c.in[0] = guarded_random(++seed, -range, range, TN_DIMS(*rows, *types));
        c.in[1] = guarded_new(TN_I32, TN_DIMS(*rows));
        for (int64_t r = 0; r < *rows; r++)
            tn_i32(&c.in[1])[r] = (int32_t)op_pick(seed, (uint64_t)r, *types + 1) - 1;
        if (seed % 3) c.in[2] = guarded_random(seed + 9, 0.1, 1, TN_DIMS(*types));
        // Exponents up to 15 are rounded, and that is a relative error of what comes out.
        c.absolute = *scale * EPS * 40;
        c.sum_relative = EPS * 40;
        check(&c);
    }
}

// A column of -inf (a name that is not trained) has probability 0.
static void cross_entropy_of_columns_left_out(void **state) {
    (void)state;
    for (int l = 0; l < levels_count(); l++) {
        guarded_free();
        tn_tensor x = guarded_random(1, -1, 1, TN_DIMS(5, 20)), dx = guarded_copy(&x);
        tn_tensor target = guarded_new(TN_I32, TN_DIMS(5));
        for (int r = 0; r < 5; r++) {
            tn_i32(&target)[r] = r ? r : -100;
            tn_f32(&x)[r * 20 + 7] = -INFINITY;
            tn_f32(&x)[r * 20 + 19] = -INFINITY;
        }
        tn_f32(&x)[3] = NAN; // in a row that is ignored
        double loss =
            kn_cross_entropy(levels_at(l)->cx[TWO_THREADS], 50, &x, &target, NULL, 1, &dx);
        assert_true(isfinite(loss));
        for (int i = 0; i < 100; i++) {
            assert_true(isfinite(tn_f32(&dx)[i]));
            if (i < 20 || i % 20 == 7 || i % 20 == 19) assert_true(tn_f32(&dx)[i] == 0);
        }
    }
}

static void bce_agrees(void **state) {
    (void)state;
    uint64_t seed = 0;
    EACH(int64_t, count, COUNTS, 2000, 40001)
    EACH(double, range, 1e-2, 4, 90)
    for (int weighted = 0; weighted < 3; weighted++) {
        guarded_free();
        loss_case c = {.what = name_of("binary cross-entropy", *count, weighted, *range),
                       .factor = 1.0 / 256,
                       .run = bce_logits,
                       .absolute = 4 * EPS,
                       .sum_relative = 64 * EPS,
                       .bends = weighted == 2};
        c.in[0] = guarded_random(++seed, -*range, *range, TN_DIMS(*count));
        c.in[1] = guarded_random(seed + 9, 0, 1, TN_DIMS(*count));
        for (int64_t i = 0; i < *count && seed % 2; i++)
            tn_f32(&c.in[1])[i] = tn_f32(&c.in[1])[i] < 0.4f ? 0 : 1;
        if (weighted) c.in[2] = some_weights(seed, &c.in[0], weighted == 2);
        if (weighted) c.absolute *= 2;
        check(&c);
    }
}

// Confident logits: the loss is a small sum and keeps its precision.
static void bce_of_confident_logits(void **state) {
    (void)state;
    for (int l = 0; l < levels_count(); l++) {
        guarded_free();
        tn_tensor x = guarded_random(1, -16, -15, TN_DIMS(1000)), zero = guarded_copy(&x);
        memset(zero.data, 0, tn_bytes(&zero));
        double want = 0, got;
        for (int i = 0; i < 1000; i++) want += log1p(exp((double)tn_f32(&x)[i]));
        got = kn_bce_logits(levels_at(l)->cx[TWO_THREADS], &x, &zero, NULL, 1, NULL);
        ASSERT_WITHIN(fabs(got - want) / want, 16 * EPS);
    }
}

static void smooth_l1_agrees(void **state) {
    (void)state;
    uint64_t seed = 0;
    EACH(int64_t, count, COUNTS, 2000, 40001)
    EACH(double, delta, 0, 1.0 / 9, 1)
    for (int weighted = 0; weighted < 3; weighted++) {
        guarded_free();
        loss_case c = {.what = name_of("smooth L1", *count, weighted, *delta),
                       .number = *delta,
                       .factor = 1.0 / 256,
                       .run = smooth_l1,
                       .absolute = *delta > 0 ? 8 * EPS / *delta : 0,
                       .sum_relative = 64 * EPS,
                       .bends = weighted == 2};
        c.in[0] = guarded_random(++seed, -1, 1, TN_DIMS(*count));
        c.in[1] = guarded_random(seed + 9, -1, 1, TN_DIMS(*count));
        for (int64_t i = 0; i < *count; i++) { // away from the kinks
            float *x = tn_f32(&c.in[0]) + i, d = fabsf(*x - tn_f32(&c.in[1])[i]);
            if (fabs((double)d - *delta) < 2e-3) *x += 0.01f;
        }
        if (weighted) c.in[2] = some_weights(seed, &c.in[0], weighted == 2);
        check(&c);
    }
    for (int l = 0; l < levels_count(); l++) { // no difference: no slope
        guarded_free();
        tn_tensor x = guarded_random(1, -1, 1, TN_DIMS(35)), y = guarded_copy(&x),
                  dx = guarded_new(TN_F32, TN_DIMS(35));
        assert_true(kn_smooth_l1(levels_at(l)->cx[0], 0, &x, &y, NULL, 1, &dx) == 0);
        for (int i = 0; i < 35; i++) assert_true(tn_f32(&dx)[i] == 0);
    }
}

static void cosine_loss_agrees(void **state) {
    (void)state;
    uint64_t seed = 0;
    EACH(int64_t, rows, COUNTS)
    EACH(int64_t, length, 1, 2, 3, 8, 17, 64, 65, 512)
    EACH(double, eps, 1e-8, 100) {
        guarded_free();
        loss_case c = {.what = name_of("cosine loss", *rows, *length, *eps),
                       .number = *eps,
                       .factor = 0.25,
                       .run = cosine_loss,
                       .absolute = 64 * EPS,
                       .sum_relative = 64 * EPS,
                       .sum_absolute = 4 * EPS * (double)*rows}; // 1 - cosine
        c.in[0] = guarded_random(++seed, -1, 1, TN_DIMS(*rows, *length));
        c.in[1] = guarded_random(seed + 9, -1, 1, TN_DIMS(*rows, *length));
        for (int64_t i = 0; i < *rows * *length; i++) // no row is short, none is its target
            tn_f32(&c.in[0])[i] += i % 2 ? 2 : -2;
        if (seed % 3) c.in[2] = guarded_random(seed + 20, 0.1, 1, TN_DIMS(*rows));
        check(&c);
    }
}

// ---- the optimizer -----------------------------------------------------------------------------

static void adamw_agrees(void **state) {
    (void)state;
    EACH(int64_t, count, COUNTS, 40001)
    EACH(int64_t, step, 1, 2, 1000) {
        guarded_free();
        kn_adamw cfg = {1e-3, 0.9, 0.999, 1e-8, 0.1, *step, 0.5};
        tn_tensor start[4], wide[4], out[4], first[4];
        for (int i = 0; i < 4; i++) {
            start[i] =
                guarded_random((uint64_t)(*count + i), i == 3 ? 0.01 : -1, 1, TN_DIMS(*count));
            wide[i] = guarded_convert(&start[i], TN_F64);
        }
        kn_adamw_step(levels_at(0)->cx[0], &cfg, &wide[0], &wide[1], &wide[2], &wide[3]);
        for (int l = 0; l < levels_count(); l++)
            for (int turn = 0; turn < 2 * LEVEL_THREADS; turn++) {
                for (int i = 0; i < 4; i++) out[i] = guarded_copy(&start[i]);
                kn_adamw_step(levels_at(l)->cx[turn / 2], &cfg, &out[0], &out[1], &out[2], &out[3]);
                for (int i = 0; i < 4; i++) {
                    if (turn == 0) first[i] = out[i];
                    assert_memory_equal(out[i].data, first[i].data, tn_bytes(&out[i]));
                    for (int64_t k = 0; k < *count && turn == 0; k++) {
                        // Rounded like what went in; the step itself is below 1e-2.
                        double want = ((double *)wide[i].data)[k];
                        double in = fabs((double)tn_f32(&start[i])[k]) + 0.01;
                        ASSERT_WITHIN(fabs((double)tn_f32(&out[i])[k] - want),
                                      EPS * (fabs(want) + in));
                    }
                }
                checked++;
            }
        guarded_check();
    }
}

static void squares_are_summed(void **state) {
    (void)state;
    EACH(int64_t, count, COUNTS, 2000, 300001) {
        guarded_free();
        tn_tensor x = guarded_random(1, -1, 1, TN_DIMS(*count));
        double want = 0;
        for (int64_t i = 0; i < *count; i++) want += (double)tn_f32(&x)[i] * (double)tn_f32(&x)[i];
        for (int l = 0; l < levels_count(); l++) {
            double first = kn_sum_squares(levels_at(l)->cx[0], &x);
            ASSERT_WITHIN(fabs(first - want), 8 * EPS * want);
            for (int t = 0; t < LEVEL_THREADS; t++)
                assert_true(kn_sum_squares(levels_at(l)->cx[t], &x) == first);
        }
        if (*count) tn_f32(&x)[*count / 2] = NAN;
        for (int l = 0; l < levels_count() && *count; l++)
            assert_true(isnan(kn_sum_squares(levels_at(l)->cx[0], &x)));
    }
}

static void something_was_compared(void **state) {
    (void)state;
    guarded_free();
    printf("%d comparisons at %d levels\n", checked, levels_count());
    assert_true(checked >= 400 * levels_count());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cross_entropy_agrees),
        cmocka_unit_test(cross_entropy_of_columns_left_out),
        cmocka_unit_test(bce_agrees),
        cmocka_unit_test(bce_of_confident_logits),
        cmocka_unit_test(smooth_l1_agrees),
        cmocka_unit_test(cosine_loss_agrees),
        cmocka_unit_test(adamw_agrees),
        cmocka_unit_test(squares_are_summed),
        cmocka_unit_test(something_was_compared),
    };
    return cmocka_run_group_tests(tests, levels_setup, levels_teardown);
}
