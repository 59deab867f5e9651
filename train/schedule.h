// SPDX-License-Identifier: Apache-2.0
// The learning rate over the steps of a run: a linear warm-up, then half a cosine. Equal to
// PyTorch's SequentialLR of LinearLR(start_factor, end_factor=1, total_iters=warmup) and
// CosineAnnealingLR(T_max=steps-warmup, eta_min) with the milestone at warmup, in closed form: a
// rate depends on the step alone, so a run that goes on needs no state of it.
#pragma once

#include "tensor/status.h"

typedef struct tr_schedule {
    double lr, least;      // the highest rate, after the warm-up, and the one at the very end
    double start;          // the warm-up begins at start * lr; in (0,1]
    int64_t warmup, steps; // 0 <= warmup <= steps, steps >= 1
} tr_schedule;

// The rate of the update with this number, 0 for the first. From `steps` on it is `least`.
double tr_schedule_rate(const tr_schedule *schedule, int64_t step);
// TN_EINVAL names the value that cannot be.
tn_status tr_schedule_check(const tr_schedule *schedule, tn_error *err);
