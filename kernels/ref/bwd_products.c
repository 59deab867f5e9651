// SPDX-License-Identifier: Apache-2.0
// Gradients of the products: direct sums over all that an element met.
#include "kernels/ref/ref.h"

#include <math.h>

// Which output along an axis has its window's tap at `place` (stride times the output's index).
static bool output_at(int64_t place, int64_t stride, int64_t outs, int64_t *out) {
    *out = place / stride;
    return place >= 0 && place % stride == 0 && *out < outs;
}

#define SOURCE "kernels/ref/bwd_products.inc"
#include "kernels/ref/both_types.inc"
