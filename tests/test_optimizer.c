// SPDX-License-Identifier: Apache-2.0
// The optimizer: twelve steps equal to PyTorch's AdamW with clipped gradients, in double and in
// float32, with any number of threads.
#include "train/optimizer.h"

#include "io/weights/weights.h"
#include "tests/support/test.h"
#include "train/muon.h"

#include <math.h>
#include <string.h>

#define GOLDEN "tests/golden/adamw.safetensors"
#define N 70 // elements: a weight of 63 with decay, a bias of 7 without
#define STEPS 12

static const tr_span spans[] = {{0, 63, true}, {63, 7, false}};

typedef struct run {
    double memory[5][N];
    tr_flat flat;
    tn_tensor average;
} run;

static const double *golden(const io_weights *file, const char *name) {
    const io_tensor *t = io_weights_find(file, name);
    assert_non_null(t);
    assert_int_equal(t->dtype, TN_F64);
    return t->data;
}

static void start(run *r, tn_dtype dtype, const double *first) {
    memset(r, 0, sizeof *r);
    tn_tensor *const t[5] = {&r->flat.value, &r->flat.grad, &r->flat.m, &r->flat.v, &r->average};
    for (int i = 0; i < 5; i++) *t[i] = tn_view(r->memory[i], dtype, TN_DIMS(N));
    tn_convert(first, TN_F64, r->memory[0], dtype, N);
    tn_convert(first, TN_F64, r->memory[4], dtype, N);
    r->flat.spans = spans, r->flat.span_count = 2;
}

static double difference(const void *is, tn_dtype dtype, const double *want) {
    double value[N], most = 0;
    tn_convert(is, dtype, value, TN_F64, N);
    for (int i = 0; i < N; i++) {
        double d = fabs(value[i] - want[i]);
        if (!(d <= most)) most = d;
    }
    return most;
}

static void follow(tn_dtype dtype, const char *level, int threads, double tolerance) {
    io_weights *file;
    kn_ctx *cx;
    tn_error err = {0};
    run r;
    ASSERT_OK(io_weights_open(GOLDEN, &file, &err), err);
    ASSERT_OK(kn_open("cpu", level, threads, &cx, &err), err);
    start(&r, dtype, golden(file, "value0"));
    tr_optimizer cfg = tr_optimizer_default();
    cfg.average = 0.9;
    ASSERT_OK(tr_optimizer_check(&cfg, &err), err);
    for (int step = 0; step < STEPS; step++) {
        tn_convert(golden(file, "grads") + N * step, TN_F64, r.memory[1], dtype, N);
        double norm = tr_gradient_norm(cx, &r.flat), want = golden(file, "norms")[step];
        ASSERT_WITHIN(fabs(norm - want) / want, tolerance);
        tr_optimizer_step(cx, &cfg, step + 1, 3e-3 * (step + 1) / STEPS, norm, &r.flat, &r.average);
        ASSERT_WITHIN(difference(r.memory[0], dtype, golden(file, "values") + N * step), tolerance);
    }
    ASSERT_WITHIN(difference(r.memory[4], dtype, golden(file, "average")), tolerance);
    kn_close(cx);
    io_weights_close(file);
}

static void equals_pytorch_in_double(void **state) {
    (void)state;
    follow(TN_F64, "ref", 1, 1e-12);
}

static void equals_pytorch_in_float32(void **state) {
    (void)state;
    follow(TN_F32, "ref", 1, 1e-6);
    follow(TN_F32, NULL, 1, 1e-6);
    follow(TN_F32, NULL, 2, 1e-6);
}

// Six steps of a wide, a tall and a square matrix, as separate spans beside AdamW's.
static void follow_muon(tn_dtype dtype, const char *level, int threads, double tolerance) {
    io_weights *file;
    kn_ctx *cx;
    tn_error err = {0};
    ASSERT_OK(io_weights_open("tests/golden/muon.safetensors", &file, &err), err);
    ASSERT_OK(kn_open("cpu", level, threads, &cx, &err), err);
    for (int k = 0; k < 3; k++) {
        static const int64_t shape[3][2] = {{5, 9}, {12, 4}, {7, 7}};
        int64_t rows = shape[k][0], columns = shape[k][1], count = rows * columns;
        double memory[5][512] = {{0}};
        char name[32];
        tr_span span = {0, count, true, rows, columns};
        tr_flat flat = {.spans = &span, .span_count = 1};
        tn_tensor *const t[4] = {&flat.value, &flat.grad, &flat.m, &flat.v};
        for (int i = 0; i < 4; i++) *t[i] = tn_view(memory[i], dtype, TN_DIMS(count));
        flat.scratch = tn_view(memory[4], dtype, TN_DIMS(tr_muon_scratch(rows, columns)));
        snprintf(name, sizeof name, "value%d", k);
        tn_convert(golden(file, name), TN_F64, memory[0], dtype, (size_t)count);
        tr_optimizer cfg = tr_optimizer_default();
        cfg.clip = 0;
        for (int step = 0; step < 6; step++) {
            snprintf(name, sizeof name, "grads%d", k);
            tn_convert(golden(file, name) + count * step, TN_F64, memory[1], dtype, (size_t)count);
            tr_optimizer_step(cx, &cfg, step + 1, 4e-3 * (step + 1) / 6, 1, &flat, NULL);
            double value[128], most = 0;
            snprintf(name, sizeof name, "after%d", k);
            tn_convert(memory[0], dtype, value, TN_F64, (size_t)count);
            for (int64_t i = 0; i < count; i++) {
                double d = fabs(value[i] - golden(file, name)[count * step + i]);
                if (!(d <= most)) most = d;
            }
            ASSERT_WITHIN(most, tolerance);
        }
    }
    kn_close(cx);
    io_weights_close(file);
}

static void muon_equals_pytorchs(void **state) {
    (void)state;
    follow_muon(TN_F64, "ref", 1, 1e-12);
    follow_muon(TN_F32, "ref", 1, 2e-6);
    follow_muon(TN_F32, NULL, 1, 2e-6);
    follow_muon(TN_F32, NULL, 2, 2e-6);
}

static void optimizer_refuses_invalid_values(void **state) {
    (void)state;
    static const struct {
        double beta1, beta2, eps, decay, clip, average;
        const char *part;
    } cases[] = {
        {1, 0.9, 1e-8, 0, 0, 0, "betas 1"},
        {0.9, -1, 1e-8, 0, 0, 0, "and -1"},
        {0.9, 0.9, 0, 0, 0, 0, "eps 0"},
        {0.9, 0.9, NAN, 0, 0, 0, "eps"},
        {0.9, 0.9, 1e-8, -0.1, 0, 0, "decay of -"},
        {0.9, 0.9, 1e-8, 0, -1, 0, "norm of -1"},
        {0.9, 0.9, 1e-8, 0, NAN, 0, "norm of"},
        {0.9, 0.9, 1e-8, 0, 0, 1, "average of 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tr_optimizer cfg = {cases[i].beta1, cases[i].beta2, cases[i].eps,
                            cases[i].decay, cases[i].clip,  cases[i].average};
        tn_error err = {0};
        assert_int_equal(tr_optimizer_check(&cfg, &err), TN_EINVAL);
        if (!strstr(err.text, cases[i].part))
            fail_msg("expected '%s' in: %s", cases[i].part, err.text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_pytorch_in_double),
        cmocka_unit_test(equals_pytorch_in_float32),
        cmocka_unit_test(muon_equals_pytorchs),
        cmocka_unit_test(optimizer_refuses_invalid_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
