// SPDX-License-Identifier: Apache-2.0
// Rows picked from what a model found: of any type and rank, and seen by no tape (nn_gather_rows
// is).
#pragma once

#include "nn/nn.h"

// Rows of `from` that index (int32 [R]) names -> to, with R in the first dimension, from cx->step.
// TN_ENOMEM.
tn_status md_pick_rows(nn_ctx *cx, const tn_tensor *from, const tn_tensor *index, tn_tensor *to);
