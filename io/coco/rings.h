// SPDX-License-Identifier: Apache-2.0
// A mask as polygons along the edges of its pixels, holes apart.
#pragma once

#include "tensor/tensor.h"

// Ring r is the points first[r] … first[r+1]-1. Points are corners of pixels, at turns alone. Outer
// rings run clockwise (y points down), holes anticlockwise. Pixels that touch at a corner alone are
// in different outer rings. The even-odd rule over all rings gives the mask.
typedef struct io_rings {
    size_t count, points;
    size_t *first;  // [count+1]
    int32_t *point; // [points][2]: x, y
    int *outer;     // [count] -1: an outer ring; else the outer ring that this is a hole in
} io_rings;

// mask: uint8 [H,W], 0 or not. Memory from tn_alloc. TN_ENOMEM.
tn_status io_rings_trace(const tn_tensor *mask, io_rings *out, tn_error *err);
void io_rings_deinit(io_rings *rings); // fine on one that is all 0
