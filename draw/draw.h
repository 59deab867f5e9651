// SPDX-License-Identifier: Apache-2.0
// A picture with what was found in it: bold boxes, translucent masks with an outline, and plates
// with name and score. Drawn with cairo and pango, so names may be in any script that the machine
// has a font for. The same input gives the same bytes on the same machine.
#pragma once

#include "tensor/tensor.h"

typedef struct io_draw_item {
    float box[4];          // left, top, right, bottom in pixels; not finite: no box is drawn
    float score;           // behind the name with two digits; NaN: none is written
    int colour;            // class index; any number, the palette repeats
    const char *name;      // UTF-8 (what is not is replaced); NULL or "": score alone
    const tn_tensor *mask; // uint8 or bool [H,W], any value but 0 is inside; NULL: none
    const char *tag;       // a short word set off behind the score ("novel"), or NULL
} io_draw_item;

#define IO_DRAW_PLATES 300 // the best-scored items get a plate; more would hide the picture

// image: uint8 [H,W,3], at most 32767 pixels a side. out: the same shape, the caller's memory, may
// be the image's own. Line widths and letters follow the picture's size. Plates lie inside the
// picture, and on each other only where there is no other place; where even the smallest letters
// do not fit, there is none. TN_ENOMEM, TN_EUNSUPPORTED (too wide or too high).
tn_status io_draw_detections(const tn_tensor *image, const io_draw_item *items, size_t count,
                             tn_tensor *out, tn_error *err);

// The palette: distinct colours, red green blue. index: any number.
void io_draw_colour(int index, uint8_t rgb[3]);
