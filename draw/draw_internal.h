// SPDX-License-Identifier: Apache-2.0
// Internals that the files of drawing share.
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

// The visible part of a box, moved in by half a line width so that the whole line is visible. False
// if there is none.
bool io_canvas_box(const io_canvas *c, const float box[4], io_rectangle *out);

// Adds the outlines of a mask to the path: clockwise around the pixels that are set, holes the
// other way, with stairs smoothed over radius pixel sides. TN_ENOMEM.
tn_status io_trace_mask(const tn_tensor *mask, int radius, cairo_t *cairo, tn_error *err);

// Draws the plates of items in the given order; earlier items get the better positions. where and
// drawn, both [count] or both NULL, receive the positions. TN_ENOMEM.
tn_status io_draw_plates(const io_canvas *c, const io_draw_item *items, const size_t *order,
                         size_t count, io_rectangle *where, size_t *drawn, tn_error *err);
