// SPDX-License-Identifier: Apache-2.0
// Learning rate schedule: a linear warm-up, then half a cosine. Equal to PyTorch's SequentialLR of
// LinearLR(start_factor, end_factor=1, total_iters=warmup) and
// CosineAnnealingLR(T_max=steps-warmup, eta_min) with the milestone at warmup, in closed form: the
// rate depends on the step only, so it has no state to save.
#pragma once

#include "tensor/status.h"

typedef struct tr_schedule {
    double lr, final;      // the maximum rate, after the warm-up; the rate at the end
    double start;          // the warm-up begins at start * lr; in (0,1]
    int64_t warmup, steps; // 0 <= warmup <= steps, steps >= 1
} tr_schedule;

// The rate of the update with this number, from 0. From `steps` on it is `final`.
double tr_schedule_rate(const tr_schedule *schedule, int64_t step);
// TN_EINVAL names the invalid value.
tn_status tr_schedule_check(const tr_schedule *schedule, tn_error *err);
