// SPDX-License-Identifier: Apache-2.0
// Nameless shapes as distances to their edge (negative inside), in units of half their square's
// side.
#include "train/world/canvas.h"

#include <math.h>

#define PI 3.141592653589793
#define CORNERS 7

tr_shape tr_shape_draw(tn_rng *rng) {
    tr_shape s = {.kind = (tr_shape_kind)tn_rng_below(rng, TR_SHAPE_KINDS), .opacity = 1};
    tr_colour_draw(rng, s.colour[0]);
    tr_colour_draw(rng, s.colour[1]);
    tr_colour_draw(rng, s.line);
    double blend = tn_rng_unit(rng) < 0.5 ? 0 : tn_rng_uniform(rng, 0, 0.7); // plain or shaded
    for (int c = 0; c < 3; c++)
        s.colour[1][c] = s.colour[0][c] + (s.colour[1][c] - s.colour[0][c]) * (float)blend;
    if (tn_rng_unit(rng) < 0.35) s.outline = tn_rng_uniform(rng, 1, 5);
    s.hollow = s.outline > 0 && tn_rng_unit(rng) < 0.3;
    if (tn_rng_unit(rng) < 0.2) s.opacity = tn_rng_uniform(rng, 0.3, 1);
    for (int i = 0; i < 12; i++) s.part[i] = tn_rng_unit(rng);
    return s;
}

static double box_distance(double u, double v, double wide, double high, double round) {
    double x = fabs(u) - wide + round, y = fabs(v) - high + round;
    return hypot(fmax(x, 0), fmax(y, 0)) + fmin(fmax(x, y), 0) - round;
}

// The radius in a direction: a few waves around a circle, or straight edges between corners.
static double wavy_radius(const double part[12], double angle) {
    double r = 0.68;
    for (int k = 0; k < 3; k++)
        r += (0.17 / (k + 1)) * (0.4 + part[k]) * sin((k + 2) * angle + 2 * PI * part[k + 3]);
    return fmin(r, 1);
}

static double splinter_radius(const double part[12], double angle) {
    double step = 2 * PI / CORNERS, turn = angle / step;
    int at = (int)floor(turn) % CORNERS;
    double t = (turn - floor(turn)) * step;
    double a = 0.35 + 0.65 * part[at], b = 0.35 + 0.65 * part[(at + 1) % CORNERS];
    return a * b * sin(step) / (a * sin(t) + b * sin(step - t)); // the line between two corners
}

static double distance(const tr_shape *s, double u, double v) {
    const double *p = s->part;
    double angle, thick, narrow = 0.2 + 0.4 * p[0];
    switch (s->kind) {
    case TR_SHAPE_ELLIPSE:
        return (hypot(u, v / narrow) - 1) * narrow;
    case TR_SHAPE_PLATE:
        return box_distance(u, v, 1, narrow, narrow * p[1] * 0.9);
    case TR_SHAPE_STROKE:
        thick = 0.03 + 0.1 * p[0];
        return hypot(fmax(fabs(u) - 1 + thick, 0), v) - thick;
    case TR_SHAPE_ARC:
        thick = 0.05 + 0.2 * p[0];
        angle = fabs(atan2(v, u)) / PI; // open on one side
        return angle > 0.35 + 0.45 * p[1] ? 1 : fabs(hypot(u, v) - 1 + thick) - thick;
    default:
        angle = atan2(v, u) + PI; // 0..2 pi
        return (hypot(u, v) -
                (s->kind == TR_SHAPE_BLOB ? wavy_radius(p, angle) : splinter_radius(p, angle))) *
               0.8;
    }
}

static float
covered(double pixels) { // coverage of a pixel whose centre is this far outside the edge
    return (float)(pixels > 0.5 ? 0 : pixels < -0.5 ? 1 : 0.5 - pixels);
}

static void shape_pixel(const tr_canvas *canvas, const tr_shape *s, size_t at, double d, double u,
                        uint16_t owner) {
    float fill = s->hollow ? 0 : covered(d);
    float line = s->outline > 0 ? covered(fabs(d) - s->outline / 2) : 0;
    float t = (float)(u < -1 ? 0 : u > 1 ? 1 : (u + 1) / 2), *to = canvas->rgb + 3 * at;
    for (int c = 0; c < 3; c++) {
        float ink = s->colour[0][c] + (s->colour[1][c] - s->colour[0][c]) * t;
        to[c] += (ink - to[c]) * fill * (float)s->opacity;
        to[c] += (s->line[c] - to[c]) * line * (float)s->opacity;
    }
    if (canvas->owner && fmaxf(fill, line) * (float)s->opacity > 0.5f) canvas->owner[at] = owner;
}

void tr_paint_shape(tr_canvas *canvas, const tr_shape *s, const tr_pose *pose, uint16_t owner) {
    const double *m = pose->m, det = m[0] * m[4] - m[1] * m[3], unit = sqrt(fabs(det));
    double rx = fabs(m[0]) + fabs(m[1]) + s->outline, ry = fabs(m[3]) + fabs(m[4]) + s->outline;
    double reach = 1.2 + (1 + s->outline) / unit;
    int x1 = (int)fmax(floor(fmin(m[2] - rx, canvas->w)), 0);
    int y1 = (int)fmax(floor(fmin(m[5] - ry, canvas->h)), 0);
    int x2 = (int)fmin(ceil(fmax(m[2] + rx, 0)), canvas->w);
    int y2 = (int)fmin(ceil(fmax(m[5] + ry, 0)), canvas->h);
    for (int y = y1; y < y2; y++)
        for (int x = x1; x < x2; x++) {
            double dx = x + 0.5 - m[2], dy = y + 0.5 - m[5];
            double u = (m[4] * dx - m[1] * dy) / det, v = (m[0] * dy - m[3] * dx) / det;
            if (u * u + v * v > reach * reach) continue; // no kind extends beyond the corners
            double d = distance(s, u, v) * unit;
            if (d < 0.5 + s->outline / 2)
                shape_pixel(canvas, s, (size_t)y * canvas->w + x, d, u, owner);
        }
}
