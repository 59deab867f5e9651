// SPDX-License-Identifier: Apache-2.0
// The reference backend: textbook loops, one source for float32 and float64, sums in double,
// written for clarity and deliberately unlike fast code. It is the oracle of every other backend
// and is never tuned. An operation on real tensors is FN(name) in a .inc file (both_types.inc);
// table.c chooses between the two. The others are kn_ref_NAME in a .c file.
#pragma once

#include "kernels/table.h"

// y = act(x) in double.
double kn_ref_act(kn_act act, double x);
// Whether token i of picture n may look at token j.
bool kn_ref_attends(const kn_attention *cfg, int64_t n, int64_t i, int64_t j);

#define KN_OP(result, name, parameters, arguments) result kn_ref_##name parameters;
#define KN_OP_REAL(result, name, type_of, parameters, arguments)                                   \
    result kn_ref_##name parameters;                                                               \
    result kn_ref_##name##_f32 parameters;                                                         \
    result kn_ref_##name##_f64 parameters;
#include "kernels/ops.def"
