// SPDX-License-Identifier: Apache-2.0
// Internals that the charts share: a white sheet, text, writing the file.
#pragma once

#include "draw/plot.h"

#include <cairo.h>

typedef struct io_sheet {
    cairo_surface_t *surface;
    cairo_t *cairo;
    double w, h; // pixels
} io_sheet;

tn_status io_sheet_open(io_sheet *sheet, int w, int h, tn_error *err); // TN_ENOMEM
// Writes a PNG atomically. TN_EIO, TN_ENOMEM when drawing failed.
tn_status io_sheet_write(io_sheet *sheet, const char *path, tn_error *err);
void io_sheet_close(io_sheet *sheet);

typedef struct io_letters {
    double size;   // of the em, pixels
    double across; // alignment on x: 0: left, 0.5: centred, 1: right
    double width;  // the text is shortened to this width; 0: never
    bool bold, up; // up: rotated to read from bottom to top
} io_letters;
// Draws text whose middle line goes through (x,y), in the current colour.
void io_sheet_text(const io_sheet *sheet, const char *text, double x, double y,
                   const io_letters *how);
