// SPDX-License-Identifier: Apache-2.0
#include "tests/support/ops.h"

#include "tensor/rng.h"

#include <math.h>
#include <string.h>

static int checked;

int op_checked(void) {
    return checked;
}

tn_tensor op_shape(tn_dtype dtype, int rank, const int64_t *dim) {
    return tn_view(NULL, dtype, rank, dim);
}

double op_sum_tolerance(int64_t terms, double a, double b) {
    return EPS * (2 + (double)terms / 2) * a * b;
}

int64_t op_pick(uint64_t seed, uint64_t place, int64_t n) {
    uint32_t out[4];
    tn_philox(seed, place, 0, out);
    return (int64_t)(out[0] % (uint64_t)n);
}

static void run(const op_case *c, kn_ctx *cx, const tn_tensor *in, tn_tensor *out) {
    size_t mark = tn_arena_mark(weight_arena());
    c->run(cx, in, out, c->cfg);
    tn_arena_reset(weight_arena(), mark);
}

static tn_tensor oracle_of(const op_case *c) {
    bool wide = c->out.dtype == TN_F32 && !c->single;
    tn_tensor in[OP_INPUTS], out;
    for (int i = 0; i < c->inputs; i++) {
        bool widen = wide && c->in[i].dtype == TN_F32 && !(c->keep >> i & 1);
        in[i] = widen ? guarded_convert(&c->in[i], TN_F64) : c->in[i];
    }
    out = guarded_new(wide ? TN_F64 : c->out.dtype, c->out.rank, c->out.dim);
    run(c, levels_at(0)->cx[ONE_THREAD], in, &out);
    return out.dtype == TN_F32 ? guarded_convert(&out, TN_F64) : out;
}

// Fails the test at the first element that is off by more than the tolerance.
static void compare(const op_case *c, const char *level, const tn_tensor *got,
                    const tn_tensor *oracle) {
    if (got->dtype != TN_F32) {
        if (memcmp(got->data, oracle->data, tn_bytes(got)) != 0)
            fail_msg("%s at level %s: differs from ref, expected to be equal", c->what, level);
        return;
    }
    const double *want = oracle->data;
    for (int64_t i = 0; i < tn_count(got); i++) {
        double error = fabs((double)tn_f32(got)[i] - want[i]);
        double tolerance = c->absolute + c->relative * fabs(want[i]);
        if (!(error <= tolerance))
            fail_msg("%s at level %s: element %lld is %.9g, expected %.9g: off by %g, tolerance %g",
                     c->what, level, (long long)i, (double)tn_f32(got)[i], want[i], error,
                     tolerance);
    }
}

static void expect_bits(const op_case *c, const char *level, const char *when, const tn_tensor *got,
                        const tn_tensor *first) {
    if (memcmp(got->data, first->data, tn_bytes(got)) != 0)
        fail_msg("%s at level %s: other bits %s", c->what, level, when);
}

// The output is one of the inputs.
static void check_in_place(const op_case *c, const test_level *level, const tn_tensor *first) {
    tn_tensor in[OP_INPUTS];
    for (int i = 0; i < c->inputs; i++) in[i] = c->in[i];
    tn_tensor both = guarded_copy(&in[c->alias - 1]);
    in[c->alias - 1] = both;
    run(c, level->cx[TWO_THREADS], in, &both);
    expect_bits(c, level->name, "in place", &both, first);
}

void op_check(const op_case *c) {
    tn_tensor oracle = oracle_of(c), before[OP_INPUTS], first = {0};
    for (int i = 0; i < c->inputs; i++) before[i] = guarded_copy(&c->in[i]);
    for (int l = 0; l < levels_count(); l++) {
        const test_level *level = levels_at(l);
        for (int turn = 0; turn < 2 * LEVEL_THREADS; turn++) {
            tn_tensor out = guarded_new(c->out.dtype, c->out.rank, c->out.dim);
            run(c, level->cx[turn / 2], c->in, &out);
            if (turn == 0) {
                first = out;
                compare(c, level->name, &out, &oracle);
            } else {
                expect_bits(c, level->name, turn % 2 ? "when run again" : "with other threads",
                            &out, &first);
            }
        }
        if (c->alias) check_in_place(c, level, &first);
        checked++;
    }
    for (int i = 0; i < c->inputs; i++)
        if (memcmp(before[i].data, c->in[i].data, tn_bytes(&before[i])) != 0)
            fail_msg("%s: input %d was changed", c->what, i);
    guarded_check();
}
