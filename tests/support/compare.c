// SPDX-License-Identifier: Apache-2.0
#include "tests/support/test.h"

#include "io/file.h"

#include <math.h>
#include <string.h>

// fmax ignores NaN; a comparison of results must not.
static double larger(double a, double b) {
    return isnan(a) || isnan(b) ? NAN : a > b ? a : b;
}

double test_max_difference(const float *a, const float *b, size_t count) {
    double worst = 0;
    for (size_t i = 0; i < count; i++) worst = larger(worst, fabs((double)a[i] - (double)b[i]));
    return worst;
}

double test_relative_error(const float *a, const float *b, size_t count) {
    double scale = 0;
    for (size_t i = 0; i < count; i++) scale = larger(scale, fabs((double)b[i]));
    double difference = test_max_difference(a, b, count);
    return scale > 0 ? difference / scale : difference;
}

bool test_same_file(const char *a, const char *b) {
    tn_error err = {0};
    io_map x, y;
    ASSERT_OK(io_map_open(a, &x, &err), err);
    ASSERT_OK(io_map_open(b, &y, &err), err);
    bool same = x.count == y.count && !memcmp(x.bytes, y.bytes, x.count);
    io_map_close(&x);
    io_map_close(&y);
    return same;
}
