// SPDX-License-Identifier: Apache-2.0
// COCO's run-length masks, as its API (maskApi, pycocotools.mask) defines them: column-major, the
// lengths of runs of 0, 1, 0, 1, … beginning with 0. Byte for byte equal to the API for valid
// input. Invalid input (lengths that do not sum to the picture's size, characters outside the
// alphabet, numbers that overflow) is an error here, where the API's result is undefined.
#pragma once

#include "tensor/tensor.h"

typedef struct io_rle {
    uint32_t h, w;
    size_t count;           // of runs, at least 1
    const uint32_t *counts; // sum to h*w; in the arena of the call that made them
} io_rle;

// All functions that make a mask allocate from the arena, use it as scratch, and leave only the
// result there. TN_ENOMEM if it is full.

// mask: uint8 or bool [H,W], any nonzero value is 1. H*W < 2^32.
tn_status io_rle_encode(const tn_tensor *mask, tn_arena *arena, io_rle *out, tn_error *err);
// Writes 0 and 1 into the caller's uint8 or bool [H,W].
void io_rle_decode(const io_rle *rle, tn_tensor *mask);

// The compressed text of results files: differences to the run before last, 5 bits per character,
// starting at '0'. text is zero-terminated; *length excludes the zero.
tn_status io_rle_to_text(const io_rle *rle, tn_arena *arena, char **text, size_t *length,
                         tn_error *err);
// TN_EFORMAT gives the character's position and what was expected.
tn_status io_rle_from_text(const char *text, size_t length, uint32_t h, uint32_t w, tn_arena *arena,
                           io_rle *out, tn_error *err);
// Plain run lengths ("uncompressed RLE"); TN_EFORMAT if they do not sum to h*w.
tn_status io_rle_from_counts(const uint32_t *counts, size_t count, uint32_t h, uint32_t w,
                             tn_arena *arena, io_rle *out, tn_error *err);
// A polygon of points (x,y), in pixels, closed implicitly; rasterised at five times the resolution.
// TN_EFORMAT if a coordinate is not finite or over 1e8.
tn_status io_rle_from_polygon(const double *xy, size_t points, uint32_t h, uint32_t w,
                              tn_arena *arena, io_rle *out, tn_error *err);
// The polygon of the box [x,y,width,height].
tn_status io_rle_from_box(const double box[4], uint32_t h, uint32_t w, tn_arena *arena, io_rle *out,
                          tn_error *err);
// Union or intersection of n >= 1 masks. TN_EINVAL if their sizes differ.
tn_status io_rle_merge(const io_rle *masks, size_t n, bool intersect, tn_arena *arena, io_rle *out,
                       tn_error *err);

uint32_t io_rle_area(const io_rle *rle);             // pixels
void io_rle_box(const io_rle *rle, uint32_t box[4]); // x, y, width, height; all 0 if empty

// Intersection over union of boxes [x,y,width,height] (no pixel is added), 0 if they only touch. If
// b is a crowd: intersection over the area of a.
double io_box_iou(const double a[4], const double b[4], bool crowd);
// The same for masks; -1 if their sizes differ.
double io_rle_iou(const io_rle *a, const io_rle *b, bool crowd);
