// SPDX-License-Identifier: Apache-2.0
// From a picture to the network's input in training: resize by a random factor, mirror, crop, pad;
// boxes and masks are transformed alike. Large-scale jitter (Ghiasi et al., "Simple copy-paste",
// CVPR 2021) as in detectron2's ResizeScale and FixedSizeCrop.
#pragma once

#include "io/coco/coco_rle.h"
#include "tensor/rng.h"

typedef enum tr_fit {
    TR_FIT_JITTER,     // random factor, crop of at most size x size, padded to it
    TR_FIT_SQUARE,     // the longer side is size, padded to size x size, as in inference
    TR_FIT_SHORT_EDGE, // the shorter side is size, the longer at most `longest`; padded to
                       // `multiple`
} tr_fit;

typedef struct tr_augment {
    tr_fit fit;
    int64_t size;
    double scale[2]; // TR_FIT_JITTER: the longer side becomes uniform(scale[0], scale[1]) * size
    double flip;     // probability
    int64_t longest, multiple; // TR_FIT_SHORT_EDGE
} tr_augment;

tr_augment tr_augment_default(int64_t size); // jitter 0.1..2.0, flip 0.5
// TN_EINVAL names the invalid value.
tn_status tr_augment_check(const tr_augment *how, tn_error *err);

// The transform drawn for one picture.
typedef struct tr_frame {
    int64_t height, width;      // of the picture
    int64_t scaled_h, scaled_w; // resized to
    bool flip;                  // then mirrored
    int64_t top, left;          // then cropped, from this corner
    int64_t net_h, net_w;       // size of the crop; it is at the top left of the input
    int64_t pad_h, pad_w;       // size of the padded input
} tr_frame;

// Draws a factor, a flip and two offsets, in this order, for every fit.
tr_frame tr_frame_draw(const tr_augment *how, int64_t height, int64_t width, tn_rng *rng);

// Maps x1 y1 x2 y2 from the picture to the input, clipped at the crop. False if it lies outside.
bool tr_frame_box(const tr_frame *frame, const double box[4], float out[4]);
// Whether the crop cuts the box.
bool tr_frame_cuts(const tr_frame *frame, const double box[4]);
// The mask of a segmentation (usable: see train/dataset.h) over net_h x net_w. Polygons are
// transformed, then drawn; run lengths are sampled at pixel centres. From arena; scratch is used
// and freed. TN_EFORMAT, TN_ENOMEM.
tn_status tr_frame_mask(const tr_frame *frame, const io_coco_shape *shape, tn_arena *arena,
                        tn_arena *scratch, io_rle *out, tn_error *err);
