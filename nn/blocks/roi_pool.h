// SPDX-License-Identifier: Apache-2.0
// Regions pooled from a pyramid, each from the level that suits its size: torchvision's
// MultiScaleRoIAlign, after equation 1 of the FPN paper.
//
// One difference: torchvision guesses the maps' scales, once, from the height of the first picture
// that a model sees, without its padding. Where padding adds more than 41 % (a first picture of 33
// to 45 or 65 to 67 rows after resizing, so one at least 19 times as wide as high) it guesses twice
// the scale, for all pictures to come. Here the scales are what they are.
#pragma once

#include "nn/nn.h"

typedef struct nn_roi_pool {
    int sampling_ratio;     // samples a bin along an axis; 0: as many as pixels
    double canonical_scale; // a region of this side (224) comes from…
    int canonical_level;    // …this level (4, of stride 16)
    int levels, finest;     // maps given, and the level of the first (2: stride 4)
    bool aligned;           // half a pixel is taken off coordinates; torchvision's: false
    const double *stride;   // of each map; NULL: 2^(finest+i)
} nn_roi_pool;

// floor(canonical_level + log2(sqrt(area)/canonical_scale) + 1e-6), cut to the levels there are, as
// an index of the maps. In single precision as there. boxes [R,4] -> level int32 [R].
void nn_roi_levels(const nn_roi_pool *pool, const tn_tensor *boxes, tn_tensor *level);

// maps: pool->levels of [N,h,w,C]; map i has 1/stride pixels a network pixel. rois [R,4] in
// network coordinates; image int32 [R], which picture, or NULL for all from the first ->
// y [R,size,size,C] from cx->step. Under a tape gradients go to the maps; rois and image must then
// stay as they are.
tn_status nn_roi_pool_fwd(nn_ctx *cx, const nn_roi_pool *pool, const tn_tensor *maps,
                          const tn_tensor *rois, const tn_tensor *image, int64_t size,
                          tn_tensor *y);
