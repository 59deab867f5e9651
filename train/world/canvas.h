// SPDX-License-Identifier: Apache-2.0
// Painting with float colours, for synthetic pictures: glyphs, nameless shapes and text, each
// through an affine map, with soft edges. Functions draw random numbers only if they take a tn_rng.
#pragma once

#include "tensor/rng.h"
#include "train/world/glyphs.h"

// Colours are 0..1. owner gives the object that each pixel belongs to (scenes make masks from it);
// it is set where an object is opaque.
typedef struct tr_canvas {
    int h, w;
    float *rgb;      // [h,w,3]; NULL for glyphs: only owners are set
    uint16_t *owner; // [h,w], or NULL
} tr_canvas;

// From an object's square, -1..1 along both axes, to pixels: x = m[0] u + m[1] v + m[2], y = m[3] u
// + m[4] v + m[5].
typedef struct tr_pose {
    double m[6];
} tr_pose;

// side: pixels of the square; angle: radians, clockwise; stretch: width / height; shear: of the
// upper edge against the lower, in half sides.
tr_pose tr_pose_of(double x, double y, double side, double angle, double stretch, double shear,
                   bool mirror);
// The tight box of a glyph painted with this pose: x1 y1 x2 y2.
void tr_pose_box(const tr_pose *pose, const tr_glyph *glyph, double box[4]);

typedef struct tr_look {
    double opacity;
    float gain[3], lift; // colour * gain + lift
    double sharpness;    // 1: full; lower: uses a coarser level
} tr_look;

// owner: written to canvas->owner where the glyph covers more than half of a pixel.
void tr_paint_glyph(tr_canvas *canvas, const tr_glyph *glyph, const tr_pose *pose,
                    const tr_look *look, uint16_t owner);
// Only its shadow: soft, offset by (dx, dy) pixels, darker by strength 0..1.
void tr_paint_shadow(tr_canvas *canvas, const tr_glyph *glyph, const tr_pose *pose, double dx,
                     double dy, double strength);

// Nameless shapes: none is a disc, a square, a diamond, a triangle, a star or a heart, because
// those are emoji.
typedef enum tr_shape_kind {
    TR_SHAPE_BLOB,
    TR_SHAPE_ELLIPSE,  // longer than wide
    TR_SHAPE_PLATE,    // a rectangle with round corners, longer than wide
    TR_SHAPE_SPLINTER, // an irregular polygon
    TR_SHAPE_STROKE,   // a line with round ends
    TR_SHAPE_ARC,
    TR_SHAPE_KINDS
} tr_shape_kind;
typedef struct tr_shape {
    tr_shape_kind kind;
    float colour[2][3]; // gradient from one side to the other
    float line[3];
    double outline; // width of the line around it, pixels; 0: none
    bool hollow;    // only the outline
    double opacity;
    double part[12]; // parameters of the kind
} tr_shape;
tr_shape tr_shape_draw(tn_rng *rng); // random kind, colours and form
// Sets owner where the shape covers more than half of a pixel.
void tr_paint_shape(tr_canvas *canvas, const tr_shape *shape, const tr_pose *pose, uint16_t owner);

// A coverage map that repeats in both directions, such as a sheet of text: uint8 [side,side], side
// a power of two. Painted over the whole canvas, or over a rectangle x1 y1 x2 y2; scale: canvas
// pixels per sheet pixel.
typedef struct tr_sheet {
    int side;
    const uint8_t *cover;
} tr_sheet;
void tr_paint_sheet(tr_canvas *canvas, const tr_sheet *sheet, const int rectangle[4], double x,
                    double y, double scale, double angle, const float colour[3], double opacity,
                    uint16_t owner);

void tr_colour_draw(tn_rng *rng, float colour[3]); // any colour, saturated ones less often
