// SPDX-License-Identifier: Apache-2.0
#include "tests/support/grads.h"

#include "tensor/rng.h"

#include <math.h>
#include <string.h>

static int checked;

int grad_checked(void) {
    return checked;
}

const char *grad_name(const char *op, int64_t a, int64_t b, int64_t c) {
    static char text[96];
    snprintf(text, sizeof text, "%s [%d,%d,%d]", op, (int)a, (int)b, (int)c);
    return text;
}

static bool wanted(const grad_case *c, int i) {
    return c->wants >> i & 1;
}

// ---- float64 -----------------------------------------------------------------------------------

static void widen(const grad_case *c, tn_tensor *in) {
    for (int i = 0; i < c->inputs; i++) {
        bool real = c->in[i].dtype == TN_F32 && !(c->keep >> i & 1);
        in[i] = real ? guarded_convert(&c->in[i], TN_F64) : c->in[i];
    }
}

static double dot(const tn_tensor *a, const tn_tensor *b) {
    double sum = 0;
    for (int64_t i = 0; i < tn_count(a); i++)
        sum += ((double *)a->data)[i] * ((double *)b->data)[i];
    return sum;
}

// <dy, f(in + step*v)> with v a direction for in[which].
static double value_at(const grad_case *c, const tn_tensor *in, int which, const tn_tensor *v,
                       double step, const tn_tensor *dy) {
    tn_tensor moved[GRAD_INPUTS], y = guarded_new(TN_F64, c->y.rank, c->y.dim);
    for (int i = 0; i < c->inputs; i++) moved[i] = in[i];
    moved[which] = guarded_copy(&in[which]);
    for (int64_t i = 0; i < tn_count(v); i++)
        ((double *)moved[which].data)[i] += step * ((double *)v->data)[i];
    c->fwd(levels_at(0)->cx[ONE_THREAD], moved, &y, c->cfg);
    return dot(&y, dy);
}

static void check_differences(const grad_case *c, const tn_tensor *in, const tn_tensor *y,
                              const tn_tensor *dy, const tn_tensor *d) {
    for (int i = 0; i < c->inputs; i++) {
        if (!wanted(c, i) || !tn_count(&d[i])) continue;
        tn_tensor v = guarded_random(77 + (uint64_t)i, -1, 1, d[i].rank, d[i].dim);
        v = guarded_convert(&v, TN_F64);
        // Five points: truncation error is of the order of step^4, rounding error of 1e-16/step.
        double step = 2e-4;
        double near = value_at(c, in, i, &v, step, dy) - value_at(c, in, i, &v, -step, dy);
        double far = value_at(c, in, i, &v, 2 * step, dy) - value_at(c, in, i, &v, -2 * step, dy);
        double difference = (8 * near - far) / (12 * step);
        double size = sqrt(dot(&d[i], &d[i]) * dot(&v, &v)) + 1e-3 * sqrt(dot(dy, dy) * dot(y, y));
        double error = fabs(dot(&d[i], &v) - difference);
        if (!(error <= 1e-8 * size))
            fail_msg("%s: gradient %d along a direction is %.12g, differences give %.12g", c->what,
                     i, dot(&d[i], &v), difference);
    }
}

// ---- levels ------------------------------------------------------------------------------------

static void compare(const grad_case *c, const char *level, int which, const tn_tensor *got,
                    const tn_tensor *oracle) {
    for (int64_t i = 0; i < tn_count(got); i++) {
        double want = ((double *)oracle->data)[i], error = fabs((double)tn_f32(got)[i] - want);
        double tolerance = c->absolute[which] + c->relative * fabs(want);
        if (!(error <= tolerance))
            fail_msg("%s at level %s: gradient %d, element %lld is %.9g, expected %.9g: off by %g, "
                     "tolerance %g",
                     c->what, level, which, (long long)i, (double)tn_f32(got)[i], want, error,
                     tolerance);
    }
}

static void expect_bits(const grad_case *c, const char *level, const char *when, int which,
                        const tn_tensor *got, const tn_tensor *first) {
    if (memcmp(got->data, first->data, tn_bytes(got)) != 0)
        fail_msg("%s at level %s: gradient %d has other bits %s", c->what, level, which, when);
}

// Gradients of the selected inputs; start: previous contents of the memory, NULL for NaN.
static void run(const grad_case *c, kn_ctx *cx, const tn_tensor *y, const tn_tensor *dy,
                unsigned chosen, const tn_tensor *start, tn_tensor *d) {
    tn_tensor *pointer[GRAD_INPUTS] = {NULL};
    for (int i = 0; i < c->inputs; i++) {
        if (!(c->wants >> i & chosen >> i & 1)) continue;
        d[i] = start ? guarded_copy(&start[i]) : guarded_new(TN_F32, c->in[i].rank, c->in[i].dim);
        pointer[i] = &d[i];
    }
    size_t mark = tn_arena_mark(weight_arena());
    c->bwd(cx, c->in, y, dy, start ? 1 : 0, pointer, c->cfg);
    tn_arena_reset(weight_arena(), mark);
}

// beta 1 adds: exactly if a single number is added; other sums may round differently, by no more
// than the tolerance and a rounding of the result.
static void check_added(const grad_case *c, const test_level *level, const tn_tensor *y,
                        const tn_tensor *dy, const tn_tensor *oracle) {
    tn_tensor start[GRAD_INPUTS], sum[GRAD_INPUTS], first[GRAD_INPUTS];
    for (int i = 0; i < c->inputs; i++)
        if (wanted(c, i))
            start[i] = guarded_random(900 + (uint64_t)i, -1, 1, c->in[i].rank, c->in[i].dim);
    for (int t = 0; t < LEVEL_THREADS; t++) {
        run(c, level->cx[t], y, dy, ~0u, start, t ? sum : first);
        for (int i = 0; i < c->inputs; i++) {
            if (!wanted(c, i)) continue;
            if (t) {
                expect_bits(c, level->name, "with other threads, beta 1", i, &sum[i], &first[i]);
                continue;
            }
            for (int64_t k = 0; k < tn_count(&first[i]); k++) {
                double old = tn_f32(&start[i])[k];
                double want = old + ((double *)oracle[i].data)[k];
                double error = fabs((double)tn_f32(&first[i])[k] - want);
                double room = c->absolute[i] + c->relative * (fabs(want - old)) +
                              EPS * 4 * (fabs(want) + fabs(old));
                if (!(error <= room))
                    fail_msg("%s at level %s: gradient %d with beta 1, element %lld is off by %g, "
                             "tolerance %g",
                             c->what, level->name, i, (long long)k, error, room);
            }
        }
    }
}

// <Ax,dy> = <x,A^T dy>, both computed in float64 from float32 results.
static void check_adjoint(const grad_case *c, const test_level *level, const tn_tensor *y,
                          const tn_tensor *dy, const tn_tensor *d) {
    double left = 0, right = 0, size = 0;
    for (int64_t i = 0; i < tn_count(y); i++) {
        double term = (double)tn_f32(y)[i] * (double)tn_f32(dy)[i];
        left += term;
        size += fabs(term);
    }
    for (int i = 0; i < c->inputs; i++)
        for (int64_t k = 0; wanted(c, i) && k < tn_count(&d[i]); k++) {
            double term = (double)tn_f32(&c->in[i])[k] * (double)tn_f32(&d[i])[k];
            right += term;
            size += fabs(term);
        }
    if (!(fabs(left - right) <= 32 * EPS * size))
        fail_msg("%s at level %s: <Ax,v> = %.9g, <x,A^T v> = %.9g", c->what, level->name, left,
                 right);
}

static void check_level(const grad_case *c, const test_level *level, const tn_tensor *dy,
                        const tn_tensor *oracle) {
    tn_tensor first[GRAD_INPUTS], d[GRAD_INPUTS], y = guarded_new(TN_F32, c->y.rank, c->y.dim);
    c->fwd(level->cx[ONE_THREAD], c->in, &y, c->cfg);
    for (int turn = 0; turn < 2 * LEVEL_THREADS; turn++) {
        run(c, level->cx[turn / 2], &y, dy, ~0u, NULL, turn ? d : first);
        for (int i = 0; i < c->inputs; i++) {
            if (!wanted(c, i)) continue;
            if (turn == 0)
                compare(c, level->name, i, &first[i], &oracle[i]);
            else
                expect_bits(c, level->name, turn % 2 ? "when run again" : "with other threads", i,
                            &d[i], &first[i]);
        }
    }
    for (int i = 0; i < c->inputs && (c->wants & (c->wants - 1)); i++) {
        if (!wanted(c, i)) continue;
        run(c, level->cx[TWO_THREADS], &y, dy, 1u << i, NULL, d);
        expect_bits(c, level->name, "without the other gradients", i, &d[i], &first[i]);
    }
    check_added(c, level, &y, dy, oracle);
    if (c->linear) check_adjoint(c, level, &y, dy, first);
    checked++;
}

void grad_check(const grad_case *c) {
    tn_tensor in[GRAD_INPUTS], d[GRAD_INPUTS], before[GRAD_INPUTS], *pointer[GRAD_INPUTS] = {NULL};
    tn_tensor dy = guarded_random(5, -1, 1, c->y.rank, c->y.dim), y;
    tn_tensor wide_dy = guarded_convert(&dy, TN_F64);
    kn_ctx *ref = levels_at(0)->cx[ONE_THREAD];
    widen(c, in);
    y = guarded_new(TN_F64, c->y.rank, c->y.dim);
    c->fwd(ref, in, &y, c->cfg);
    for (int i = 0; i < c->inputs; i++) {
        before[i] = guarded_copy(&c->in[i]);
        if (!wanted(c, i)) continue;
        d[i] = guarded_new(TN_F64, in[i].rank, in[i].dim);
        pointer[i] = &d[i];
    }
    c->bwd(ref, in, &y, &wide_dy, 0, pointer, c->cfg);
    check_differences(c, in, &y, &wide_dy, d);
    for (int l = 0; l < levels_count(); l++) check_level(c, levels_at(l), &dy, d);
    for (int i = 0; i < c->inputs; i++)
        if (memcmp(before[i].data, c->in[i].data, tn_bytes(&before[i])) != 0)
            fail_msg("%s: input %d was changed", c->what, i);
    guarded_check();
}
