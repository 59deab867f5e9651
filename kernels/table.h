// SPDX-License-Identifier: Apache-2.0
// A backend's table: one function for each line of ops.def, with the arguments that the front has
// checked. A table is complete; kn_open refuses one with an empty slot. beta of a gradient is 0 or
// 1 here, a gradient that the front allows to be NULL may be NULL here too, and an input may be
// empty where an output is not.
#pragma once

#include "kernels/kernels.h"

struct kn_table {
    const char *name;
    bool float64; // computes float64 too, and never rounds to a smaller type
#define KN_OP(result, name, parameters, arguments) result(*name) parameters;
#include "kernels/ops.def"
};

// The name of the first operation that a table lacks, or NULL when it is complete.
const char *kn_table_lacks(const kn_table *table);

// For functions made from ops.def that wrap those of another table (a trace, a memory guard):
// KN_AROUND_##result makes the call, runs `after` and returns what the call returned.
// tests/test_context.c wraps every operation in this way.
#define KN_AROUND_void(call, after)                                                                \
    call;                                                                                          \
    after;
#define KN_AROUND_RESULT(type, call, after)                                                        \
    type result_of_call = call;                                                                    \
    after;                                                                                         \
    return result_of_call;
#define KN_AROUND_double(call, after) KN_AROUND_RESULT(double, call, after)
#define KN_AROUND_int64_t(call, after) KN_AROUND_RESULT(int64_t, call, after)
#define KN_AROUND_size_t(call, after) KN_AROUND_RESULT(size_t, call, after)

// The levels, lowest first. NULL where the build's processor family lacks one. open.c knows
// which of them this processor runs.
const kn_table *kn_ref_table(void);      // kernels/ref: the oracle, float32 and float64
const kn_table *kn_portable_table(void); // kernels/cpu, plain C
const kn_table *kn_avx2_table(void);     // AVX2 + FMA
const kn_table *kn_avx512_table(void);   // AVX-512 F, BW, VL, DQ

// How products round their operands: not at all; to bfloat16, kept as floats; to pairs of bfloat16,
// which the processor multiplies directly.
typedef enum kn_bf16_mode { KN_BF16_OFF, KN_BF16_ROUNDED, KN_BF16_PAIRS } kn_bf16_mode;

struct kn_ctx {
    const kn_table *table;
    kn_bf16_mode bf16;
    tn_pool *pool;
    tn_arena *scratch; // [workers]
};
