// SPDX-License-Identifier: Apache-2.0
// The learning rate: equal to PyTorch's schedulers, step by step.
#include "train/schedule.h"

#include "tests/support/test.h"

#include <math.h>
#include <string.h>

// Printed by PyTorch 2: SGD with lr, SequentialLR([LinearLR(start_factor, total_iters=warmup),
// CosineAnnealingLR(steps - warmup, eta_min=final)], [warmup]), get_last_lr before each step.
static const struct {
    tr_schedule s;
    int64_t step;
    double rate;
} published[] = {
#include "tests/golden/schedule.inc"
};

static void equals_pytorch(void **state) {
    (void)state;
    size_t count = sizeof published / sizeof *published;
    assert_true(count > 50);
    for (size_t i = 0; i < count; i++) {
        double rate = tr_schedule_rate(&published[i].s, published[i].step);
        ASSERT_WITHIN(fabs(rate - published[i].rate), 1e-14 * published[i].s.lr);
    }
}

static void schedule_ends_at_the_final_rate(void **state) {
    (void)state;
    const tr_schedule s = {.lr = 1, .final = 0.25, .start = 0.5, .warmup = 3, .steps = 10};
    assert_true(tr_schedule_rate(&s, 0) == 0.5);
    assert_true(tr_schedule_rate(&s, 3) == 1);
    assert_true(tr_schedule_rate(&s, 10) == 0.25);
    assert_true(tr_schedule_rate(&s, 1000) == 0.25);
    for (int64_t t = 4; t < 10; t++)
        assert_true(tr_schedule_rate(&s, t) < tr_schedule_rate(&s, t - 1));
    const tr_schedule all = {.lr = 1, .start = 0.001, .warmup = 5, .steps = 5};
    assert_true(tr_schedule_rate(&all, 4) < 1 && tr_schedule_rate(&all, 5) == 0);
}

static void schedule_refuses_invalid_values(void **state) {
    (void)state;
    static const struct {
        tr_schedule s;
        const char *part;
    } cases[] = {
        {{.lr = 1, .start = 1, .steps = 0}, "0 steps"},
        {{.lr = 1, .start = 1, .steps = -4}, "-4 steps"},
        {{.lr = 1, .start = 1, .steps = 2, .warmup = 3}, "3 steps of warm-up"},
        {{.lr = 1, .start = 1, .steps = 2, .warmup = -1}, "-1 steps of warm-up"},
        {{.lr = 0, .start = 1, .steps = 2}, "learning rate of 0"},
        {{.lr = NAN, .start = 1, .steps = 2}, "learning rate of"},
        {{.lr = INFINITY, .start = 1, .steps = 2}, "learning rate of inf"},
        {{.lr = 1, .final = 2, .start = 1, .steps = 2}, "last learning rate of 2"},
        {{.lr = 1, .final = -1, .start = 1, .steps = 2}, "last learning rate of -1"},
        {{.lr = 1, .start = 0, .steps = 2}, "from 0"},
        {{.lr = 1, .start = 1.5, .steps = 2}, "from 1.5"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tn_error err = {0};
        assert_int_equal(tr_schedule_check(&cases[i].s, &err), TN_EINVAL);
        if (!strstr(err.text, cases[i].part))
            fail_msg("expected '%s' in: %s", cases[i].part, err.text);
    }
    tn_error err = {0};
    const tr_schedule good = {.lr = 1e-4, .start = 1e-3, .warmup = 2, .steps = 2};
    ASSERT_OK(tr_schedule_check(&good, &err), err);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_pytorch),
        cmocka_unit_test(schedule_ends_at_the_final_rate),
        cmocka_unit_test(schedule_refuses_invalid_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
