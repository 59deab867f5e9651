// SPDX-License-Identifier: Apache-2.0
// One mask at the size of a picture, on the host and without a context: for the processor's
// kn_mask_paste_fwd, and for results, which outlive the context that they were found with.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Bytes of scratch for a mask of side m in a picture of that width.
size_t kn_mask_paste_bytes(int64_t m, int64_t width);
// As kn_mask_paste_fwd (kernels/kernels.h): mask [m,m] probabilities, box x1 y1 x2 y2 -> y
// [height,width], 1 where the probability is over the threshold, else 0. scratch: 64-byte aligned.
void kn_mask_paste_one(double threshold, const float *mask, int64_t m, const float box[4],
                       int64_t height, int64_t width, void *scratch, uint8_t *y);
