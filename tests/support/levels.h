// SPDX-License-Identifier: Apache-2.0
// Contexts for every level that this processor supports, with 1, 2 and 7 threads; and tensors with
// guard zones.
#pragma once

#include "kernels/kernels.h"

enum { ONE_THREAD, TWO_THREADS, SEVEN_THREADS, LEVEL_THREADS };

typedef struct test_level {
    const char *name;
    kn_ctx *cx[LEVEL_THREADS];
} test_level;

// Group fixtures for cmocka_run_group_tests: open every level (`ref` is always the first) and print
// them; close them.
int levels_setup(void **state);
int levels_teardown(void **state);
int levels_count(void);
const test_level *levels_at(int i);

// A tensor that ends right before an inaccessible page: reading or writing past it crashes. Before
// it lies a pattern. Filled with 0xff bytes: NaN.
tn_tensor guarded_new(tn_dtype dtype, int rank, const int64_t *dim);
tn_tensor guarded_copy(const tn_tensor *t);
tn_tensor guarded_convert(const tn_tensor *t, tn_dtype dtype);
// Axis i of the result is axis order[i] of t.
tn_tensor guarded_permute(const tn_tensor *t, const int *order);
// Uniform in [low, high); a seed gives the same numbers on any machine.
tn_tensor guarded_random(uint64_t seed, double low, double high, int rank, const int64_t *dim);
// Fails the test if a pattern was overwritten.
void guarded_check(void);
// Calls guarded_check() and releases all guarded tensors. Also for the start of a test: an earlier
// failed test may have left some.
void guarded_free(void);

// Memory for packed weights, emptied by guarded_free().
tn_arena *weight_arena(void);
