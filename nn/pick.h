// SPDX-License-Identifier: Apache-2.0
// Copies and selected rows of results; none of these is recorded by a tape.
#pragma once

#include "nn/nn.h"

// Copies the values to memory of cx->step. TN_ENOMEM.
tn_status nn_copy(nn_ctx *cx, const tn_tensor *from, tn_tensor *to);
// Rows index[i] (int32 [R]) of `from`, of any type and rank -> to, whose first dimension is R, from
// cx->step (nn_gather_rows is the recorded form). TN_ENOMEM.
tn_status nn_pick_rows(nn_ctx *cx, const tn_tensor *from, const tn_tensor *index, tn_tensor *to);
// The `count` largest of p[0..classes), in descending order, ties by ascending index: index and
// score; unused positions get -1 and 0.
void nn_top_scores(const float *p, int64_t classes, int count, int32_t *index, float *scores);
