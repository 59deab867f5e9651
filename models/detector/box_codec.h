// SPDX-License-Identifier: Apache-2.0
// Boxes as deltas to other boxes: the regression targets. torchvision's BoxCoder (Girshick et al.,
// "Rich feature hierarchies", 2014, appendix C). kn_box_decode_fwd is the inverse.
#pragma once

#include "tensor/tensor.h"

extern const double md_rpn_weights[4]; // 1, 1, 1, 1: for anchors
extern const double md_roi_weights[4]; // 10, 10, 5, 5: for regions
#define MD_BOX_CLIP 4.135166556742356  // log(1000/16): maximum delta of a size
#define MD_BOX_SIDE 1e-2f              // pixels: a refined box with a smaller side is dropped
#define MD_REGIONS_AT_ONCE                                                                         \
    512 // processed per batch, so that memory does not grow with the number of boxes

static inline bool md_box_has_sides(const float *box, float side) {
    return box[2] - box[0] >= side && box[3] - box[1] >= side;
}

// from, to: x1 y1 x2 y2. delta = weights * (centre difference / size of from, log of the ratio of
// sizes), in the type's precision. Sizes of both must be over 0, or the result is not finite.
void md_box_encode_f32(const double weights[4], const float from[4], const float to[4],
                       float delta[4]);
void md_box_encode_f64(const double weights[4], const float from[4], const float to[4],
                       double delta[4]);
// from, to float32 [R,4] -> deltas [R,4], float32 or float64, computed in that type.
void md_box_encode(const double weights[4], const tn_tensor *from, const tn_tensor *to,
                   tn_tensor *deltas);
