// SPDX-License-Identifier: Apache-2.0
// Every level that this processor runs, at 1, 2 and 7 threads; and tensors with guard zones.
#pragma once

#include "kernels/kernels.h"

enum { ONE_THREAD, TWO_THREADS, SEVEN_THREADS, LEVEL_THREADS };

typedef struct test_level {
    const char *name;
    kn_ctx *cx[LEVEL_THREADS];
} test_level;

// Group fixtures for cmocka_run_group_tests: open every level (`ref` is always the first) and say
// which; close them.
int levels_setup(void **state);
int levels_teardown(void **state);
int levels_count(void);
const test_level *levels_at(int i);

// A tensor whose last byte lies right before a page that cannot be touched: reading or writing
// behind it crashes. What lies before it is a pattern. Filled with 0xff bytes: NaN.
tn_tensor guarded_new(tn_dtype dtype, int rank, const int64_t *dim);
tn_tensor guarded_copy(const tn_tensor *t);
tn_tensor guarded_convert(const tn_tensor *t, tn_dtype dtype);
// Axis i of the result is axis order[i] of t.
tn_tensor guarded_permute(const tn_tensor *t, const int *order);
// Uniform in [low, high), the same numbers for the same seed on any machine.
tn_tensor guarded_random(uint64_t seed, double low, double high, int rank, const int64_t *dim);
// Fails the test when a pattern was written over.
void guarded_check(void);
// Releases all guarded tensors, after guarded_check(). For the beginning of a test, too: one that
// failed before left its own.
void guarded_free(void);

// Memory for packed weights, empty after each guarded_free().
tn_arena *weight_arena(void);
