// SPDX-License-Identifier: Apache-2.0
#include "tests/test.h"

#include <math.h>

// fmax drops a NaN; a comparison of results must not.
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
