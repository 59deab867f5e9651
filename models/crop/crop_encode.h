// SPDX-License-Identifier: Apache-2.0
// Boxes cut out of a picture and encoded by CLIP.
#pragma once

#include "models/clip/clip.h"

typedef enum md_crop_shape {
    MD_CROP_TIGHT,  // the box itself; CLIP's centre crop then cuts the ends off a long one
    MD_CROP_SQUARE, // a square around its centre, which keeps them where the picture goes on
} md_crop_shape;

typedef struct md_crops {
    md_crop_shape shape;
    double context; // side of the square in longer sides of the box (tight: not used)
    int64_t batch;  // crops encoded at a time; does not change the result. 0: 64
    // Called before each batch with the share that is done; false cancels. NULL: never.
    bool (*go_on)(void *user, double done);
    void *user;
} md_crops;

// The pixels that are cut out for a box of the picture: edges rounded half to even, clipped to the
// picture, at least one pixel a side. edges: left, top, right, bottom. A square that leaves the
// picture is cut off at its border, nothing is filled in.
void md_crop_edges(md_crop_shape shape, double context, const float box[4], int64_t height,
                   int64_t width, int64_t edges[4]);

// Gets the features of boxes [from, from+n): [n,D], not normalised, which may be overwritten.
typedef tn_status (*md_crops_take)(void *context, int64_t from, tn_tensor *features);
// image uint8 [H,W,3], boxes [P,4] of it -> take, a batch after the other. Memory does not grow
// with P; uses cx->step. TN_ECANCELLED, TN_ENOMEM, and what take returns.
tn_status md_crops_encode(nn_ctx *cx, const md_clip *clip, const md_crops *how,
                          const tn_tensor *image, const tn_tensor *boxes, md_crops_take take,
                          void *context);
