// SPDX-License-Identifier: Apache-2.0
// What is picked from what a model found.
#pragma once

#include "nn/nn.h"

// The same values in memory of cx->step; seen by no tape. TN_ENOMEM.
tn_status nn_copy_of(nn_ctx *cx, const tn_tensor *from, tn_tensor *to);
// Rows of `from`, of any type and rank, that index (int32 [R]) names -> to, with R in the first
// dimension, from cx->step; seen by no tape (nn_gather_rows is). TN_ENOMEM.
tn_status nn_pick_rows(nn_ctx *cx, const tn_tensor *from, const tn_tensor *index, tn_tensor *to);
// The `most` largest of p[0..classes), larger first, earlier first among equals: index and score;
// where there are fewer, -1 and 0.
void nn_pick_best(const float *p, int64_t classes, int most, int32_t *index, float *scores);
