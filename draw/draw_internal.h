// SPDX-License-Identifier: Apache-2.0
// What the files of drawing share.
#pragma once

#include "draw/draw.h"

#include <cairo.h>

typedef struct io_rectangle {
    double x, y, w, h;
} io_rectangle;

typedef struct io_canvas {
    cairo_t *cairo;
    double w, h;    // pixels
    double line;    // width of a box's line
    double letters; // height of the letters' em
} io_canvas;

void io_canvas_colour(const io_canvas *c, int index, double alpha);
void io_canvas_rounded(const io_canvas *c, io_rectangle r, double radius); // adds the path

// The part of a box that can be seen, moved in by half a line so that its line can be seen too.
// False when there is none.
bool io_canvas_box(const io_canvas *c, const float box[4], io_rectangle *out);

// Adds the outlines of a mask to the path: round the pixels that are set, clockwise, holes the
// other way, with the stairs smoothed over radius pixel sides. TN_ENOMEM.
tn_status io_trace_mask(const tn_tensor *mask, int radius, cairo_t *cairo, tn_error *err);

// Plates of items in the given order, the first having the first choice of place. where (of count)
// and drawn, both NULL or not, tell where they went. TN_ENOMEM.
tn_status io_draw_plates(const io_canvas *c, const io_draw_item *items, const size_t *order,
                         size_t count, io_rectangle *where, size_t *drawn, tn_error *err);
