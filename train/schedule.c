// SPDX-License-Identifier: Apache-2.0
#include "train/schedule.h"

#include <math.h>

#define PI 3.14159265358979323846

double tr_schedule_rate(const tr_schedule *s, int64_t step) {
    if (step < s->warmup)
        return s->lr * (s->start + (1 - s->start) * (double)step / (double)s->warmup);
    if (step >= s->steps) return s->final;
    double turn = PI * (double)(step - s->warmup) / (double)(s->steps - s->warmup);
    return s->final + (s->lr - s->final) * (1 + cos(turn)) / 2;
}

tn_status tr_schedule_check(const tr_schedule *s, tn_error *err) {
    if (s->steps < 1)
        return tn_fail(err, TN_EINVAL, "%lld steps, expected at least 1", (long long)s->steps);
    if (s->warmup < 0 || s->warmup > s->steps)
        return tn_fail(err, TN_EINVAL, "%lld steps of warm-up, expected 0 to %lld (all steps)",
                       (long long)s->warmup, (long long)s->steps);
    if (!(s->lr > 0) || !isfinite(s->lr))
        return tn_fail(err, TN_EINVAL, "a learning rate of %g, expected a number above 0", s->lr);
    if (!(s->final >= 0) || !(s->final <= s->lr))
        return tn_fail(err, TN_EINVAL, "a last learning rate of %g, expected 0 to %g (the highest)",
                       s->final, s->lr);
    if (!(s->start > 0) || !(s->start <= 1))
        return tn_fail(err, TN_EINVAL,
                       "a warm-up from %g of the learning rate, expected above 0, "
                       "at most 1",
                       s->start);
    return TN_OK;
}
