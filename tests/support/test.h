// SPDX-License-Identifier: Apache-2.0
// Included by every test file: cmocka with its prerequisites, and comparisons.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tensor/tensor.h"

#define SHARED_DATA                                                                                \
    "../shared/data" // for developers and CI only; tests that need it skip if it is absent

// Prints the reason on a separate line, which tests/run.sh repeats, and leaves the test.
#define SKIP(...)                                                                                  \
    do {                                                                                           \
        printf("skipped: " __VA_ARGS__);                                                           \
        printf("\n");                                                                              \
        skip();                                                                                    \
    } while (0)

// max|a-b| / max|b| over count floats; NaN anywhere gives NaN, which fails `err <= tol`.
double test_relative_error(const float *a, const float *b, size_t count);
double test_max_difference(const float *a, const float *b, size_t count);
// True if both can be read and contain the same bytes.
bool test_same_file(const char *a, const char *b);

// Fails if !(error <= tolerance), so also for NaN, and prints the error.
#define ASSERT_WITHIN(error, tolerance)                                                            \
    do {                                                                                           \
        double error_ = (error), tolerance_ = (tolerance);                                         \
        if (!(error_ <= tolerance_))                                                               \
            fail_msg("%s = %g, expected at most %g", #error, error_, tolerance_);                  \
    } while (0)

// Fails with the text of err.
#define ASSERT_OK(call, err)                                                                       \
    do {                                                                                           \
        if ((call) != TN_OK) fail_msg("%s: %s", #call, (err).text);                                \
    } while (0)
