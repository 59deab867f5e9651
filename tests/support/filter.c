// SPDX-License-Identifier: Apache-2.0
// Runs one test of a program: LEXMASK_TEST='stem' build/tests/test_slow_learn; * and ? are
// wildcards.
#include "tests/support/test.h"

#include <stdlib.h>

__attribute__((constructor)) static void filter(void) {
    const char *pattern = getenv("LEXMASK_TEST");
    if (pattern) cmocka_set_test_filter(pattern);
}
