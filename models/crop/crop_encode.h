// SPDX-License-Identifier: Apache-2.0
// Crops boxes from a picture and encodes them with CLIP.
#pragma once

#include "models/clip/clip.h"

typedef enum md_crop_shape {
    MD_CROP_TIGHT,  // the box itself; CLIP's centre crop then cuts the ends off a long one
    MD_CROP_SQUARE, // a square around its centre, limited to the picture
} md_crop_shape;

typedef struct md_crops {
    md_crop_shape shape;
    double context; // side of the square relative to the longer side of the box (unused for tight)
    int64_t batch;  // crops encoded per batch; does not affect the result. 0: 64
    // Called before each batch with the fraction done; false cancels. May be NULL.
    bool (*progress)(void *user, double done);
    void *user;
} md_crops;

// The pixels of a box's crop: edges rounded half to even, clipped to the picture, at least one
// pixel per side. edges: left, top, right, bottom. A square is cut off at the picture's border,
// without padding.
void md_crop_edges(md_crop_shape shape, double context, const float box[4], int64_t height,
                   int64_t width, int64_t edges[4]);

// Receives the features of boxes [from, from+n): [n,D], not normalised; may overwrite them.
typedef tn_status (*md_crops_take)(void *context, int64_t from, tn_tensor *features);
// Passes the features of boxes [P,4] of image uint8 [H,W,3] to take, batch by batch. Memory does
// not grow with P; uses cx->step. TN_ECANCELLED, TN_ENOMEM, and errors of take.
tn_status md_crops_encode(nn_ctx *cx, const md_clip *clip, const md_crops *how,
                          const tn_tensor *image, const tn_tensor *boxes, md_crops_take take,
                          void *context);
