// SPDX-License-Identifier: Apache-2.0
// Pools regions from a pyramid, each from the level that fits its size: torchvision's
// MultiScaleRoIAlign, equation 1 of the FPN paper.
//
// One difference: torchvision guesses the scales of the maps once, from the height of the first
// picture that a model sees, without its padding. If padding adds more than 41 % (a first picture
// of 33 to 45 or 65 to 67 rows after resizing, so one at least 19 times as wide as high), it
// guesses twice the scale, for all later pictures. Here the true scales are used.
#pragma once

#include "nn/nn.h"

typedef struct nn_roi_pool {
    int sampling_ratio;     // samples per bin along an axis; 0: as many as pixels
    double canonical_scale; // a region with this side (224) comes from …
    int canonical_level;    // … this level (4, of stride 16)
    int levels, finest;     // number of maps, and the level of the first (2: stride 4)
    bool aligned;           // subtracts half a pixel from coordinates; torchvision's: false
    const double *stride;   // of each map; NULL: 2^(finest+i)
} nn_roi_pool;

// floor(canonical_level + log2(sqrt(area)/canonical_scale) + 1e-6), clamped to the existing levels,
// as an index of the maps. Computed in single precision as in torchvision. boxes [R,4] -> level
// int32 [R].
void nn_roi_levels(const nn_roi_pool *pool, const tn_tensor *boxes, tn_tensor *level);

// maps: pool->levels of [N,h,w,C]; map i has 1/stride pixels per network pixel. rois [R,4] in
// network coordinates; image int32 [R], the picture of each region, or NULL: all from the first ->
// y [R,size,size,C] from cx->step. Under a tape, gradients are computed for the maps; rois and
// image must then not change.
tn_status nn_roi_pool_fwd(nn_ctx *cx, const nn_roi_pool *pool, const tn_tensor *maps,
                          const tn_tensor *rois, const tn_tensor *image, int64_t size,
                          tn_tensor *y);
