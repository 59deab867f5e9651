// SPDX-License-Identifier: Apache-2.0
// Draws detections on a picture: bold boxes, translucent masks with an outline, and plates with
// name and score. Uses cairo and pango, so names may be in any script that the machine has a font
// for. The same input gives the same bytes on the same machine.
#pragma once

#include "tensor/tensor.h"

typedef struct io_draw_item {
    float box[4];          // left, top, right, bottom in pixels; not finite: no box is drawn
    float score;           // shown after the name with two digits; NaN: not shown
    int colour;            // class index; any number: the palette repeats
    const char *name;      // UTF-8 (invalid bytes are replaced); NULL or "": score only
    const tn_tensor *mask; // uint8 or bool [H,W], any value but 0 is inside; NULL: none
    const char *tag;       // a short word after the score ("novel"), or NULL
} io_draw_item;

#define IO_DRAW_MAX_PLATES 300 // the best-scored items get a plate; more would hide the picture

// image: uint8 [H,W,3], at most 32767 pixels per side. out: the same shape, allocated by the
// caller; it may be the image itself. Line widths and letters scale with the picture. Plates lie
// inside the picture and overlap only if there is no free position; an item has no plate if even
// the smallest letters do not fit. TN_ENOMEM, TN_EUNSUPPORTED (too wide or too high).
tn_status io_draw_detections(const tn_tensor *image, const io_draw_item *items, size_t count,
                             tn_tensor *out, tn_error *err);

// The palette of distinct colours, as red, green, blue. index: any number.
void io_draw_colour(int index, uint8_t rgb[3]);
