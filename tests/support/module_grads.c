// SPDX-License-Identifier: Apache-2.0
#include "tests/support/module_grads.h"

#include "kernels/kernels.h"
#include "nn/real.h"
#include "tensor/rng.h"

#include <math.h>
#include <string.h>

#define STEP 1e-5

// One module with one type on one context, with its inputs.
typedef struct bench {
    const module_case *c;
    tn_error err;
    tn_arena weights, step, data;
    nn_params params;
    nn_tape *tape;
    nn_ctx cx;
    tn_dtype dtype;
    tn_tensor in[MODULE_INPUTS], out[MODULE_OUTPUTS];
    _Alignas(64) char module[MODULE_BYTES];
} bench;

static int checked;

int module_checked(void) {
    return checked;
}

static void check(const module_case *c, tn_status status, const tn_error *err) {
    if (status != TN_OK) fail_msg("%s: %s", c->what, err->text);
}

// Values that float32 represents exactly, so that both types start equal.
static void fill(tn_tensor *t, uint64_t stream, double low, double high) {
    tn_rng rng = tn_rng_new(7, stream);
    for (int64_t i = 0; i < tn_count(t); i++)
        nn_real_set(t, i, (double)(float)tn_rng_uniform(&rng, low, high));
}

static void open_bench(bench *b, const module_case *c, kn_ctx *kn, tn_dtype dtype) {
    b->c = c, b->dtype = dtype;
    memset(b->module, 0, sizeof b->module);
    check(c, tn_arena_init(&b->weights, (size_t)1 << 30, &b->err), &b->err);
    check(c, tn_arena_init(&b->step, (size_t)4 << 30, &b->err), &b->err);
    check(c, tn_arena_init(&b->data, (size_t)1 << 30, &b->err), &b->err);
    check(c, nn_params_init(&b->params, dtype, &b->err), &b->err);
    check(c, nn_tape_new(&b->tape, &b->err), &b->err);
    b->cx = (nn_ctx){.kn = kn, .step = &b->step, .err = &b->err};
    nn_loader load = {.kn = kn,
                      .arena = &b->weights,
                      .err = &b->err,
                      .dtype = dtype,
                      .params = &b->params,
                      .init = {NN_INIT_KAIMING_UNIFORM, 1},
                      .seed = 3,
                      .bias = true,
                      .norm = c->norm,
                      .groups = 2};
    if (c->load) check(c, c->load(&load, b->module), &b->err);
    for (int i = 0; i < b->params.count; i++) {
        // Moves norms and biases away from 1 and 0.
        tn_tensor *value = &b->params.param[i]->value;
        if (value->rank < 2) fill(value, 100 + (uint64_t)i, 0.5, 1.5);
        for (int64_t k = 0; k < tn_count(value); k++)
            nn_real_set(value, k, (double)(float)nn_real(value, k));
    }
    nn_params_changed(&b->params, kn);
    bool given = c->low != 0 || c->high != 0;
    for (int i = 0; i < c->inputs; i++) {
        check(c, tn_new(&b->data, &b->in[i], dtype, c->in[i].rank, c->in[i].dim, &b->err), &b->err);
        fill(&b->in[i], 200 + (uint64_t)i, given ? c->low : -1, given ? c->high : 1);
    }
}

static void close_bench(bench *b) {
    nn_tape_free(b->tape);
    nn_params_deinit(&b->params);
    tn_arena_deinit(&b->weights);
    tn_arena_deinit(&b->step);
    tn_arena_deinit(&b->data);
}

static void forward(bench *b, bool with_tape) {
    tn_arena_reset(&b->step, 0);
    nn_tape_reset(b->tape);
    b->cx.tape = with_tape ? b->tape : NULL;
    for (int i = 0; with_tape && i < b->c->inputs; i++) nn_tape_watch(&b->cx, &b->in[i]);
    check(b->c, b->c->forward(&b->cx, b->module, b->in, b->out), &b->err);
}

// The loss: the same random numbers for an output, whatever its type.
static double upstream(int output, int64_t i) {
    uint32_t block[4];
    tn_philox(11 + (uint64_t)output, (uint64_t)i, 0, block);
    return (double)(float)((double)block[0] / 4294967296.0 - 0.5);
}

static double loss_of(bench *b) {
    double sum = 0;
    forward(b, true);
    for (int o = 0; o < b->c->outputs; o++)
        for (int64_t i = 0; i < tn_count(&b->out[o]); i++)
            sum += upstream(o, i) * nn_real(&b->out[o], i);
    return sum;
}

static void backward(bench *b) {
    forward(b, true);
    nn_params_zero_grad(&b->params);
    for (int o = 0; o < b->c->outputs; o++) {
        tn_tensor dout;
        check(b->c, nn_tape_loss_grad(&b->cx, &b->out[o], &dout), &b->err);
        for (int64_t i = 0; i < tn_count(&dout); i++) nn_real_set(&dout, i, upstream(o, i));
    }
    check(b->c, nn_tape_backward(&b->cx), &b->err);
}

// The k-th of parameters and inputs, and its gradient; false if there is none.
static bool subject(bench *b, int k, const char **name, tn_tensor *value, tn_tensor *grad) {
    if (k < b->params.count) {
        const nn_param *param = b->params.param[k];
        *name = param->name, *value = param->value, *grad = param->grad;
        return true;
    }
    k -= b->params.count;
    if (k >= b->c->inputs) return false;
    *name = "input", *value = b->in[k];
    if (!nn_tape_watched_grad(&b->cx, &b->in[k], grad))
        fail_msg("%s: no gradient reached input %d", b->c->what, k);
    return true;
}

// ---- the checks -------------------------------------------------------------------------------

static double direction(int k, int64_t i) {
    uint32_t block[4];
    tn_philox(1000 + (uint64_t)k, (uint64_t)i, 0, block);
    return (double)block[0] / 4294967296.0 - 0.5;
}

// value + amount * direction, from the saved copy.
static void move(bench *b, int k, tn_tensor *value, const double *kept, double amount) {
    for (int64_t i = 0; i < tn_count(value); i++)
        nn_real_set(value, i, kept[i] + amount * direction(k, i));
    nn_params_changed(&b->params, b->cx.kn);
}

static void check_differences(bench *b) {
    const char *name;
    tn_tensor value, grad;
    backward(b);
    for (int k = 0; subject(b, k, &name, &value, &grad); k++) {
        double told = 0, *kept = tn_alloc((size_t)tn_count(&value) * sizeof *kept + 8);
        assert_non_null(kept);
        for (int64_t i = 0; i < tn_count(&value); i++) {
            kept[i] = nn_real(&value, i);
            told += nn_real(&grad, i) * direction(k, i);
        }
        move(b, k, &value, kept, STEP);
        double above = loss_of(b);
        move(b, k, &value, kept, -STEP);
        double found = (above - loss_of(b)) / (2 * STEP);
        move(b, k, &value, kept, 0);
        tn_free(kept);
        double error = fabs(told - found) / fmax(1, fabs(found));
        if (!(error <= 1e-8))
            fail_msg("%s: along '%s' the loss rises by %.12g, the gradient says %.12g", b->c->what,
                     name, found, told);
        checked++;
        backward(b); // inputs have the gradients of the last run
    }
}

static double relative(const tn_tensor *got, const tn_tensor *want) {
    double most = 0, largest = 0;
    for (int64_t i = 0; i < tn_count(want); i++) {
        double error = fabs(nn_real(got, i) - nn_real(want, i));
        if (!(error <= most)) most = error;
        largest = fmax(largest, fabs(nn_real(want, i)));
    }
    return largest > 0 ? most / largest : most;
}

static void compare(bench *got, bench *want, const char *level) {
    const char *name;
    tn_tensor value, grad, true_grad;
    double tolerance = got->c->tolerance > 0 ? got->c->tolerance : 2e-5;
    for (int o = 0; o < got->c->outputs; o++) {
        double error = relative(&got->out[o], &want->out[o]);
        if (!(error <= tolerance))
            fail_msg("%s at level %s: output %d is off by %g", got->c->what, level, o, error);
    }
    for (int k = 0; subject(want, k, &name, &value, &true_grad); k++) {
        subject(got, k, &name, &value, &grad);
        double error = relative(&grad, &true_grad);
        if (!(error <= tolerance))
            fail_msg("%s at level %s: the gradient of '%s' (%d) is off by %g", got->c->what, level,
                     name, k, error);
        checked++;
    }
}

static void expect_equal(bench *a, bench *b, const char *level, const char *when) {
    const char *name;
    tn_tensor value, one, other;
    for (int o = 0; o < a->c->outputs; o++)
        if (memcmp(a->out[o].data, b->out[o].data, tn_bytes(&a->out[o])) != 0)
            fail_msg("%s at level %s: output %d has other bits %s", a->c->what, level, o, when);
    for (int k = 0; subject(a, k, &name, &value, &one); k++) {
        subject(b, k, &name, &value, &other);
        if (memcmp(one.data, other.data, tn_bytes(&one)) != 0)
            fail_msg("%s at level %s: the gradient of '%s' has other bits %s", a->c->what, level,
                     name, when);
    }
}

// The outputs of a forward pass do not depend on recording. Only `ref` keeps double between a
// product and its activation, which a tape needs to be rounded separately.
static void check_inference(bench *b, const char *level) {
    tn_tensor kept[MODULE_OUTPUTS];
    size_t mark = tn_arena_mark(&b->data);
    forward(b, true);
    for (int o = 0; o < b->c->outputs; o++) {
        check(b->c, tn_new(&b->data, &kept[o], b->dtype, b->out[o].rank, b->out[o].dim, &b->err),
              &b->err);
        memcpy(kept[o].data, b->out[o].data, tn_bytes(&kept[o]));
    }
    forward(b, false);
    for (int o = 0; o < b->c->outputs; o++) {
        double error = relative(&b->out[o], &kept[o]);
        double tolerance = strcmp(level, "ref") == 0 ? 2e-7 : 0;
        if (!(error <= tolerance))
            fail_msg("%s at level %s: output %d differs without a tape by %g", b->c->what, level, o,
                     error);
    }
    tn_arena_reset(&b->data, mark);
    checked++;
}

void module_check(const module_case *c) {
    static bench truth, one, other;
    open_bench(&truth, c, levels_at(0)->cx[ONE_THREAD], TN_F64);
    check_differences(&truth);
    backward(&truth);
    for (int l = 0; l < levels_count(); l++) {
        const test_level *level = levels_at(l);
        open_bench(&one, c, level->cx[ONE_THREAD], TN_F32);
        backward(&one);
        compare(&one, &truth, level->name);
        for (int t = ONE_THREAD; t < LEVEL_THREADS; t++) {
            open_bench(&other, c, level->cx[t], TN_F32);
            backward(&other);
            expect_equal(&one, &other, level->name, t ? "with other threads" : "when run again");
            close_bench(&other);
        }
        if (!c->batch) check_inference(&one, level->name);
        close_bench(&one);
    }
    close_bench(&truth);
}
