// SPDX-License-Identifier: Apache-2.0
// COCO's run-length masks, as its API (maskApi, pycocotools.mask) defines them: down the columns,
// the lengths of runs of 0, 1, 0, 1, … beginning with 0. Equal to it byte for byte where its input
// makes sense; where not (lengths that do not add up to the picture, characters outside its
// alphabet, numbers that overflow) this is an error instead of its undefined result.
#pragma once

#include "tensor/tensor.h"

typedef struct io_rle {
    uint32_t h, w;
    size_t count;           // of runs, at least 1
    const uint32_t *counts; // add up to h*w; in the arena of the call that made them
} io_rle;

// All functions that make a mask take memory from the arena, use it as scratch behind the result,
// and leave just the result there. TN_ENOMEM when it is full.

// mask: uint8 or bool [H,W], any value but 0 is 1. H*W < 2^32.
tn_status io_rle_encode(const tn_tensor *mask, tn_arena *arena, io_rle *out, tn_error *err);
// Into uint8 or bool [H,W] of the caller: 0 and 1.
void io_rle_decode(const io_rle *rle, tn_tensor *mask);

// The compressed text of results files: differences to the run before last, 5 bits a character
// from '0' on. text has a 0 behind its end; *length leaves it out.
tn_status io_rle_to_text(const io_rle *rle, tn_arena *arena, char **text, size_t *length,
                         tn_error *err);
// TN_EFORMAT says at which character, and what was expected.
tn_status io_rle_from_text(const char *text, size_t length, uint32_t h, uint32_t w, tn_arena *arena,
                           io_rle *out, tn_error *err);
// Plain run lengths ("uncompressed RLE"); TN_EFORMAT when they do not add up to h*w.
tn_status io_rle_from_counts(const uint32_t *counts, size_t count, uint32_t h, uint32_t w,
                             tn_arena *arena, io_rle *out, tn_error *err);
// A polygon of points (x,y), in pixels, closed by itself; drawn on a raster five times as fine.
// TN_EFORMAT when a coordinate is not finite or over 1e8.
tn_status io_rle_from_polygon(const double *xy, size_t points, uint32_t h, uint32_t w,
                              tn_arena *arena, io_rle *out, tn_error *err);
// The polygon of the box [x,y,width,height].
tn_status io_rle_from_box(const double box[4], uint32_t h, uint32_t w, tn_arena *arena, io_rle *out,
                          tn_error *err);
// Union or intersection of n >= 1 masks. TN_EINVAL when their sizes differ.
tn_status io_rle_merge(const io_rle *masks, size_t n, bool intersect, tn_arena *arena, io_rle *out,
                       tn_error *err);

uint32_t io_rle_area(const io_rle *rle);             // pixels
void io_rle_box(const io_rle *rle, uint32_t box[4]); // x, y, width, height; all 0 when empty

// Intersection over union of boxes [x,y,width,height] (no pixel is added), 0 where they only touch.
// b a crowd: over the area of a instead.
double io_box_iou(const double a[4], const double b[4], bool crowd);
// The same of masks; -1 when their sizes differ.
double io_rle_iou(const io_rle *a, const io_rle *b, bool crowd);
