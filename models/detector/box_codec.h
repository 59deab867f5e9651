// SPDX-License-Identifier: Apache-2.0
// Boxes as differences to other boxes: what regression learns. torchvision's BoxCoder (Girshick et
// al., "Rich feature hierarchies", 2014, appendix C). The way back is kn_box_decode_fwd.
#pragma once

#include "tensor/tensor.h"

extern const double md_rpn_weights[4]; // 1, 1, 1, 1: what anchors' deltas are multiplied with
extern const double md_roi_weights[4]; // 10, 10, 5, 5: and those of regions

// from, to: x1 y1 x2 y2. delta = weights * (centre difference / size of from, log of the quotient
// of sizes), in the type's own precision. Sizes of both are over 0, or the result is not finite.
void md_box_encode_f32(const double weights[4], const float from[4], const float to[4],
                       float delta[4]);
void md_box_encode_f64(const double weights[4], const float from[4], const float to[4],
                       double delta[4]);
// from, to float32 [R,4] -> deltas [R,4], float32 or float64, computed in its type.
void md_box_encode(const double weights[4], const tn_tensor *from, const tn_tensor *to,
                   tn_tensor *deltas);
