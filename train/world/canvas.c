// SPDX-License-Identifier: Apache-2.0
#include "train/world/canvas.h"

#include <math.h>

tr_pose tr_pose_of(double x, double y, double side, double angle, double stretch, double shear,
                   bool mirror) {
    double wide = side / 2 * sqrt(stretch), high = side / 2 / sqrt(stretch);
    double c = cos(angle), s = sin(angle), flip = mirror ? -1 : 1;
    // Mirrored, sheared, scaled, rotated, moved.
    double a = wide * flip, b = -wide * shear, d = high;
    return (tr_pose){{c * a, c * b - s * d, x, s * a, s * b + c * d, y}};
}

void tr_pose_box(const tr_pose *pose, const tr_glyph *glyph, double box[4]) {
    const double *m = pose->m, half = 1.0 / TR_GLYPH_SIDE; // half a pixel around a point
    double rx = half * (fabs(m[0]) + fabs(m[1])), ry = half * (fabs(m[3]) + fabs(m[4]));
    box[0] = box[1] = INFINITY, box[2] = box[3] = -INFINITY;
    for (int i = 0; i < TR_GLYPH_HULL; i++) {
        double u = glyph->hull[i][0], v = glyph->hull[i][1];
        double x = m[0] * u + m[1] * v + m[2], y = m[3] * u + m[4] * v + m[5];
        box[0] = fmin(box[0], x - rx), box[2] = fmax(box[2], x + rx);
        box[1] = fmin(box[1], y - ry), box[3] = fmax(box[3], y + ry);
    }
}

// State for a walk over the pixels of a square of side x side texels under a pose.
typedef struct walk {
    int x1, y1, x2, y2; // pixels that it may touch
    double to_texel[6]; // pixel index -> texels, whose centres are integers
} walk;

static walk walk_of(const tr_canvas *canvas, const tr_pose *pose, int side) {
    const double *m = pose->m, det = m[0] * m[4] - m[1] * m[3], k = side / 2.0 / det;
    double rx = fabs(m[0]) + fabs(m[1]) + 1, ry = fabs(m[3]) + fabs(m[4]) + 1;
    walk w = {.x1 = (int)fmax(floor(fmin(m[2] - rx, canvas->w)), 0),
              .y1 = (int)fmax(floor(fmin(m[5] - ry, canvas->h)), 0),
              .x2 = (int)fmin(ceil(fmax(m[2] + rx, 0)), canvas->w),
              .y2 = (int)fmin(ceil(fmax(m[5] + ry, 0)), canvas->h)};
    double *t = w.to_texel, dx = 0.5 - m[2], dy = 0.5 - m[5], middle = (side - 1) / 2.0;
    t[0] = k * m[4], t[1] = -k * m[1], t[3] = -k * m[3], t[4] = k * m[0];
    t[2] = t[0] * dx + t[1] * dy + middle, t[5] = t[3] * dx + t[4] * dy + middle;
    return w;
}
static inline float texel_x(const walk *w, int x, int y) {
    return (float)(w->to_texel[0] * x + w->to_texel[1] * y + w->to_texel[2]);
}
static inline float texel_y(const walk *w, int x, int y) {
    return (float)(w->to_texel[3] * x + w->to_texel[4] * y + w->to_texel[5]);
}

// The smallest level with at least about one texel per canvas pixel.
static int level_for(const tr_pose *pose, double sharpness) {
    const double *m = pose->m;
    double side = 2 * sqrt(fabs(m[0] * m[4] - m[1] * m[3])) * sharpness;
    int level = 0;
    while (level + 1 < TR_GLYPH_LEVELS && (TR_GLYPH_SIDE >> (level + 1)) >= side * 0.9) level++;
    return level;
}

// Bilinear, transparent outside. False if the result is transparent.
static bool sample(const uint8_t *pixels, int side, float x, float y, float out[4]) {
    if (!(x > -1 && y > -1 && x < (float)side && y < (float)side)) return false;
    int x0 = (int)(x + 1) - 1, y0 = (int)(y + 1) - 1; // floor, for values above -1
    static const uint8_t nothing[4];
    const uint8_t *at = pixels + 4 * ((ptrdiff_t)y0 * side + x0);
    bool left = x0 >= 0, right = x0 + 1 < side, top = y0 >= 0, below = y0 + 1 < side;
    const uint8_t *a = left && top ? at : nothing, *b = right && top ? at + 4 : nothing;
    const uint8_t *c = left && below ? at + 4 * side : nothing;
    const uint8_t *d = right && below ? at + 4 * side + 4 : nothing;
    if (!(a[3] | b[3] | c[3] | d[3])) return false;
    float fx = x - (float)x0, fy = y - (float)y0, gx = 1 - fx, gy = (1 - fy) / 255, hy = fy / 255;
    for (int k = 0; k < 4; k++)
        out[k] =
            ((float)a[k] * gx + (float)b[k] * fx) * gy + ((float)c[k] * gx + (float)d[k] * fx) * hy;
    return true;
}

void tr_paint_glyph(tr_canvas *canvas, const tr_glyph *glyph, const tr_pose *pose,
                    const tr_look *look, uint16_t owner) {
    int level = level_for(pose, look->sharpness), side = TR_GLYPH_SIDE >> level;
    const uint8_t *pixels = glyph->level[level];
    walk w = walk_of(canvas, pose, side);
    float opacity = (float)look->opacity;
    for (int y = w.y1; y < w.y2; y++)
        for (int x = w.x1; x < w.x2; x++) {
            float texel[4];
            if (!sample(pixels, side, texel_x(&w, x, y), texel_y(&w, x, y), texel)) continue;
            size_t at = (size_t)y * canvas->w + x;
            if (canvas->owner && texel[3] > 0.5f) canvas->owner[at] = owner;
            if (!canvas->rgb) continue;
            float *to = canvas->rgb + 3 * at, alpha = texel[3] * opacity;
            for (int c = 0; c < 3; c++)
                to[c] = to[c] * (1 - alpha) +
                        (texel[c] * look->gain[c] + look->lift * texel[3]) * opacity;
        }
}

void tr_paint_shadow(tr_canvas *canvas, const tr_glyph *glyph, const tr_pose *pose, double dx,
                     double dy, double strength) {
    int side = TR_GLYPH_SIDE >> (TR_GLYPH_LEVELS - 1);
    tr_pose away = *pose;
    away.m[2] += dx, away.m[5] += dy;
    const uint8_t *pixels = glyph->level[TR_GLYPH_LEVELS - 1];
    walk w = walk_of(canvas, &away, side);
    for (int y = w.y1; y < w.y2; y++)
        for (int x = w.x1; x < w.x2; x++) {
            float texel[4];
            if (!sample(pixels, side, texel_x(&w, x, y), texel_y(&w, x, y), texel)) continue;
            float keep = 1 - texel[3] * (float)strength;
            float *to = canvas->rgb + 3 * ((size_t)y * canvas->w + x);
            for (int c = 0; c < 3; c++) to[c] *= keep;
        }
}

void tr_paint_sheet(tr_canvas *canvas, const tr_sheet *sheet, const int rectangle[4], double x,
                    double y, double scale, double angle, const float colour[3], double opacity,
                    uint16_t owner) {
    int x1 = 0, y1 = 0, x2 = canvas->w, y2 = canvas->h, mask = sheet->side - 1;
    if (rectangle) {
        x1 = rectangle[0] > 0 ? rectangle[0] : 0, y1 = rectangle[1] > 0 ? rectangle[1] : 0;
        x2 = rectangle[2] < x2 ? rectangle[2] : x2, y2 = rectangle[3] < y2 ? rectangle[3] : y2;
    }
    double c = cos(angle) / scale, s = sin(angle) / scale;
    for (int row = y1; row < y2; row++)
        for (int column = x1; column < x2; column++) {
            double u = c * column + s * row + x, v = c * row - s * column + y;
            double u0 = floor(u), v0 = floor(v);
            float fu = (float)(u - u0), fv = (float)(v - v0);
            int left = (int)u0 & mask, top = (int)v0 & mask;
            int right = (left + 1) & mask, below = (top + 1) & mask;
            const uint8_t *upper = sheet->cover + (size_t)top * sheet->side;
            const uint8_t *lower = sheet->cover + (size_t)below * sheet->side;
            float ink = ((float)upper[left] * (1 - fu) + (float)upper[right] * fu) * (1 - fv) +
                        ((float)lower[left] * (1 - fu) + (float)lower[right] * fu) * fv;
            if (ink <= 0) continue;
            float alpha = ink / 255 * (float)opacity;
            float *to = canvas->rgb + 3 * ((size_t)row * canvas->w + column);
            for (int k = 0; k < 3; k++) to[k] += (colour[k] - to[k]) * alpha;
            if (canvas->owner && alpha > 0.5f)
                canvas->owner[(size_t)row * canvas->w + column] = owner;
        }
}

// Random hue, saturation and value: grey, pastel and saturated colours, dark and light.
void tr_colour_draw(tn_rng *rng, float colour[3]) {
    double hue = tn_rng_uniform(rng, 0, 6), saturation = tn_rng_unit(rng);
    double value = 1 - pow(tn_rng_unit(rng), 1.6);
    saturation = tn_rng_unit(rng) < 0.2 ? saturation * 0.1 : saturation * sqrt(saturation);
    for (int c = 0; c < 3; c++) {
        double away = fabs(fmod(hue + 2 * c, 6) - 3) - 1; // -1..2
        double full = fmin(fmax(away, 0), 1);
        colour[c] = (float)(value * (1 - saturation * (1 - full)));
    }
}
