// SPDX-License-Identifier: Apache-2.0
#include "train/world/ground.h"

#include <math.h>

void tr_clutter_shape(tr_canvas *canvas, double x, double y, double size, tn_rng *rng) {
    tr_shape shape = tr_shape_draw(rng);
    double angle = tn_rng_uniform(rng, 0, 6.2831853), stretch = tn_rng_uniform(rng, 0.7, 1.4);
    shape.outline *= fmin(size / 60, 2);
    tr_pose pose = tr_pose_of(x, y, size, angle, stretch, 0, false);
    tr_paint_shape(canvas, &shape, &pose, 0);
}

// A colour that is readable on the canvas.
static void ink_draw(const tr_canvas *canvas, const int r[4], tn_rng *rng, float ink[3]) {
    int x = (r[0] + r[2]) / 2, y = (r[1] + r[3]) / 2;
    x = x < 0 ? 0 : x >= canvas->w ? canvas->w - 1 : x;
    y = y < 0 ? 0 : y >= canvas->h ? canvas->h - 1 : y;
    const float *behind = canvas->rgb + 3 * ((size_t)y * canvas->w + x);
    float grey = 0.3f * behind[0] + 0.6f * behind[1] + 0.1f * behind[2];
    tr_colour_draw(rng, ink);
    double pull = tn_rng_uniform(rng, 0.3, 1); // towards black or white
    for (int c = 0; c < 3; c++) ink[c] += ((grey > 0.5f ? 0.0f : 1.0f) - ink[c]) * (float)pull;
}

// A few lines of text in a rectangle, sometimes on a plate.
static void text_block(tr_canvas *canvas, const tr_sheets *sheets, double unit, tn_rng *rng) {
    int n = (int)tn_rng_below(rng, TR_SHEETS), lines = 1 + (int)tn_rng_below(rng, 5);
    double letters = unit * tn_rng_uniform(rng, 0.12, 0.45);
    double wide = letters * tn_rng_uniform(rng, 4, 25), high = letters * 1.35 * lines;
    double x = tn_rng_uniform(rng, -0.3, 0.9) * canvas->w, y = tn_rng_unit(rng) * canvas->h;
    bool everywhere = tn_rng_unit(rng) < 0.3; // a whole page
    int r[4] = {(int)x, (int)y, (int)(x + wide), (int)(y + high)};
    if (everywhere) r[0] = r[1] = 0, r[2] = canvas->w, r[3] = canvas->h;
    double angle = tn_rng_unit(rng) < 0.75 ? 0 : tn_rng_uniform(rng, -0.4, 0.4);
    float ink[3];
    if (!everywhere && tn_rng_unit(rng) < 0.3) {
        tr_shape plate = tr_shape_draw(rng);
        plate.kind = TR_SHAPE_PLATE, plate.hollow = false, plate.opacity = 1;
        double narrow = 0.2 + 0.4 * plate.part[0], long_side = wide * 1.1;
        tr_pose pose =
            tr_pose_of((r[0] + r[2]) / 2.0, (r[1] + r[3]) / 2.0, long_side, 0, 1, 0, false);
        pose.m[4] = (high * 0.6 + 2) / narrow; // as high as the text
        tr_paint_shape(canvas, &plate, &pose, 0);
    }
    ink_draw(canvas, r, rng, ink);
    double sx = tn_rng_uniform(rng, 0, TR_SHEET_SIDE), sy = tn_rng_uniform(rng, 0, TR_SHEET_SIDE);
    tr_paint_sheet(canvas, &sheets->sheet[n], r, sx, sy, letters / sheets->letters[n], angle, ink,
                   tn_rng_uniform(rng, 0.5, 1), 0);
}

void tr_clutter_paint(tr_canvas *canvas, const tr_sheets *sheets, double unit, int shapes,
                      double text, tn_rng *rng) {
    for (int i = 0; i < shapes; i++) {
        double size = unit * exp(tn_rng_uniform(rng, log(0.2), log(2.5)));
        double x = tn_rng_uniform(rng, -0.1, 1.1) * canvas->w;
        double y = tn_rng_uniform(rng, -0.1, 1.1) * canvas->h;
        tr_clutter_shape(canvas, x, y, size, rng);
    }
    for (int i = 0; i < 3; i++)
        if (tn_rng_unit(rng) < text) text_block(canvas, sheets, unit, rng);
}
