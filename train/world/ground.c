// SPDX-License-Identifier: Apache-2.0
#include "train/world/ground.h"

#include <math.h>

#define PI 3.14159265f
#define GRID 12   // maximum number of blotches along a side
#define SPOTS 14  // of bokeh
#define PANELS 10 // rectangles

// The random parameters of a background; its pixels are functions of them and the position.
typedef struct plan {
    float colour[4][3];
    float p[8];          // 0..1
    float c, s;          // a direction
    uint32_t salt;       // of noise
    float width, height; // of the picture, in units
    int cells;
    float grid[GRID + 1][GRID + 1][3];
    float spot[SPOTS][4]; // x, y, radius, strength; of panels: left, top, right, bottom
} plan;
typedef void (*filler)(const plan *g, float x, float y, float out[3]);

static float clamp01(float x) {
    return x < 0 ? 0 : x > 1 ? 1 : x;
}
static float smooth(float t) {
    return t * t * (3 - 2 * t);
}
static void mix(const float a[3], const float b[3], float t, float out[3]) {
    for (int c = 0; c < 3; c++) out[c] = a[c] + (b[c] - a[c]) * t;
}
// Interpolates three colours.
static void ramp(const plan *g, float t, float out[3]) {
    t = clamp01(t) * 2;
    if (t < 1)
        mix(g->colour[0], g->colour[1], t, out);
    else
        mix(g->colour[1], g->colour[2], t - 1, out);
}

// ---- noise -------------------------------------------------------------------------------------

static float lattice(uint32_t salt, int x, int y) {
    uint32_t h = salt ^ (uint32_t)x * 0x9e3779b1u ^ (uint32_t)y * 0x85ebca77u;
    h = (h ^ h >> 15) * 0x2c1b3c6du;
    h = (h ^ h >> 12) * 0x297a2d39u;
    return (float)(h >> 8) * 0x1p-24f;
}

static float noise(uint32_t salt, float x, float y) {
    float fx = floorf(x), fy = floorf(y), tx = smooth(x - fx), ty = smooth(y - fy);
    int ix = (int)fx, iy = (int)fy;
    float a = lattice(salt, ix, iy), b = lattice(salt, ix + 1, iy);
    float c = lattice(salt, ix, iy + 1), d = lattice(salt, ix + 1, iy + 1);
    return (a + (b - a) * tx) * (1 - ty) + (c + (d - c) * tx) * ty;
}

static float fractal(uint32_t salt, float x, float y) { // 0..1, mean about 0.5
    return 0.5f * noise(salt, x, y) + 0.26f * noise(salt + 1, 2.1f * x, 2.1f * y) +
           0.15f * noise(salt + 2, 4.3f * x, 4.3f * y) +
           0.09f * noise(salt + 3, 8.9f * x, 8.9f * y);
}

// ---- fills -------------------------------------------------------------------------------------

static void plain(const plan *g, float x, float y, float out[3]) {
    (void)x, (void)y;
    mix(g->colour[0], g->colour[0], 0, out);
}

static void linear(const plan *g, float x, float y, float out[3]) {
    float span = fabsf(g->c) * g->width + fabsf(g->s) * g->height;
    float t = (g->c * (x - g->width / 2) + g->s * (y - g->height / 2)) / span + 0.5f;
    if (g->p[0] < 0.5f)
        mix(g->colour[0], g->colour[1], clamp01(t), out);
    else
        ramp(g, t, out);
}

static void radial(const plan *g, float x, float y, float out[3]) {
    float dx = x - g->p[0] * g->width, dy = y - g->p[1] * g->height;
    ramp(g, sqrtf(dx * dx + dy * dy) / ((0.4f + g->p[2]) * fmaxf(g->width, g->height)), out);
}

static void blotches(const plan *g, float x, float y, float out[3]) {
    float u = clamp01(x / g->width) * (float)g->cells, v = clamp01(y / g->height) * (float)g->cells;
    int i = u < (float)g->cells ? (int)u : g->cells - 1;
    int j = v < (float)g->cells ? (int)v : g->cells - 1;
    float upper[3], lower[3], t = smooth(u - (float)i);
    mix(g->grid[j][i], g->grid[j][i + 1], t, upper);
    mix(g->grid[j + 1][i], g->grid[j + 1][i + 1], t, lower);
    mix(upper, lower, smooth(v - (float)j), out);
}

static void clouds(const plan *g, float x, float y, float out[3]) {
    float size = 0.5f + 3 * g->p[0];
    ramp(g, (fractal(g->salt, x * size, y * size) - 0.5f) * (1 + 2 * g->p[1]) + 0.5f, out);
}

// Wood, water, cloth: noise that is stretched in one direction.
static void grain(const plan *g, float x, float y, float out[3]) {
    float u = (g->c * x + g->s * y) * (0.2f + 0.6f * g->p[0]);
    float v = (g->c * y - g->s * x) * (4 + 10 * g->p[1]);
    float bend = 2 * g->p[2] * noise(g->salt + 9, u * 2, v * 0.15f);
    ramp(g, (fractal(g->salt, u, v + 3 * bend) - 0.5f) * (1 + 1.5f * g->p[3]) + 0.5f, out);
}

static void landscape(const plan *g, float x, float y, float out[3]) {
    float line = g->height * (0.3f + 0.4f * g->p[0]);
    line += (fractal(g->salt, x * (0.4f + 2 * g->p[1]), 0) - 0.5f) * g->height * g->p[2] * 0.7f;
    if (y < line) {
        mix(g->colour[0], g->colour[1], clamp01(y / g->height * 1.5f), out);
        return;
    }
    float t = fractal(g->salt + 20, x * (1 + 4 * g->p[3]), y * (2 + 8 * g->p[4]));
    mix(g->colour[2], g->colour[3], clamp01((t - 0.5f) * (0.4f + 1.6f * g->p[5]) + 0.5f), out);
}

// Coordinates of patterns: rotated, `period` units per step.
static void pattern_coordinates(const plan *g, float x, float y, float *u, float *v) {
    float period = 0.12f + 0.8f * g->p[0] * g->p[0];
    *u = (g->c * x + g->s * y) / period, *v = (g->c * y - g->s * x) / period;
}
static float edge(const plan *g, float d) { // soft steps
    return clamp01(d * (6 + 30 * g->p[7]) + 0.5f);
}
static float cell(float u) { // distance from the middle of a step, 0..0.5
    return fabsf(u - floorf(u) - 0.5f);
}

static void stripes(const plan *g, float x, float y, float out[3]) {
    float u, v;
    pattern_coordinates(g, x, y, &u, &v);
    mix(g->colour[0], g->colour[1], edge(g, cell(u) - 0.1f - 0.3f * g->p[1]), out);
}

static void checks(const plan *g, float x, float y, float out[3]) {
    float u, v;
    pattern_coordinates(g, x, y, &u, &v);
    mix(g->colour[0], g->colour[1], edge(g, (cell(u) - 0.25f) * (cell(v) - 0.25f) * 4), out);
}

static void dots(const plan *g, float x, float y, float out[3]) {
    float u, v;
    pattern_coordinates(g, x, y, &u, &v);
    u *= 1.6f, v *= 1.6f; // small: large circles would look like emoji
    if (g->p[2] < 0.5f) u += 0.5f * fmodf(fabsf(floorf(v)), 2);
    float du = cell(u), dv = cell(v);
    mix(g->colour[0], g->colour[1], edge(g, 0.12f + 0.25f * g->p[1] - sqrtf(du * du + dv * dv)),
        out);
}

static void lines(const plan *g, float x, float y, float out[3]) {
    float u, v, thin = 0.5f - (0.02f + 0.08f * g->p[1]);
    pattern_coordinates(g, x, y, &u, &v);
    float on = g->p[2] < 0.5f ? cell(v) : fmaxf(cell(u), cell(v)); // ruled or squared paper
    mix(g->colour[0], g->colour[1], edge(g, on - thin) * 0.8f, out);
}

static void bricks(const plan *g, float x, float y, float out[3]) {
    float u, v, thin = 0.5f - (0.02f + 0.06f * g->p[1]);
    pattern_coordinates(g, x, y, &u, &v);
    u *= 0.45f;
    float row = floorf(v);
    u += 0.5f * fmodf(fabsf(row), 2);
    float shade = lattice(g->salt, (int)floorf(u), (int)row) * g->p[3];
    mix(g->colour[0], g->colour[2], shade, out);
    mix(out, g->colour[1], edge(g, fmaxf(cell(u) * 1.0f, cell(v)) - thin), out);
}

static void panels(const plan *g, float x, float y, float out[3]) {
    mix(g->colour[0], g->colour[0], 0, out);
    for (int i = 0; i < PANELS; i++) {
        const float *r = g->spot[i];
        if (x >= r[0] && y >= r[1] && x < r[2] && y < r[3])
            mix(g->grid[0][i], g->grid[1][i], clamp01((y - r[1]) / (r[3] - r[1])), out);
    }
}

static void bokeh(const plan *g, float x, float y, float out[3]) {
    linear(g, x, y, out);
    for (int i = 0; i < SPOTS; i++) {
        const float *s = g->spot[i];
        float dx = x - s[0], dy = y - s[1], d = sqrtf(dx * dx + dy * dy);
        float on = clamp01((s[2] - d) * (2 + 12 * g->p[6]) + 0.5f) * s[3];
        mix(out, g->grid[0][i % (GRID + 1)], on, out);
    }
}

static void waves(const plan *g, float x, float y, float out[3]) {
    float f = 2 + 8 * g->p[0];
    float t = sinf(f * (g->c * x + g->s * y) + 2 * sinf(f * 0.7f * (g->c * y - g->s * x)));
    float k = sinf(f * 0.6f * x + 6 * g->p[1]) * sinf(f * 0.6f * y + 6 * g->p[2]);
    ramp(g, 0.5f + 0.3f * t + 0.2f * k, out);
}

static const struct {
    filler fill;
    double weight;

} kinds[] = {
    {plain, 3}, {linear, 2},    {radial, 1},   {blotches, 2}, {clouds, 3},
    {grain, 2}, {landscape, 2}, {stripes, 1},  {checks, 1},   {dots, 1},
    {lines, 1}, {bricks, 1},    {panels, 1.5}, {bokeh, 1.5},  {waves, 1},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static filler kind_draw(tn_rng *rng) {
    double sum = 0;
    for (int i = 0; i < KINDS; i++) sum += kinds[i].weight;
    double at = tn_rng_uniform(rng, 0, sum);
    for (int i = 0; i + 1 < KINDS; i++)
        if ((at -= kinds[i].weight) < 0) return kinds[i].fill;
    return kinds[KINDS - 1].fill;
}

// The colours of a background: independent, or variations of the first.
static void colours_draw(plan *g, tn_rng *rng) {
    double spread = tn_rng_unit(rng) < 0.5 ? 1 : tn_rng_uniform(rng, 0.1, 0.6);
    for (int i = 0; i < 4; i++) {
        tr_colour_draw(rng, g->colour[i]);
        if (i) mix(g->colour[0], g->colour[i], (float)spread, g->colour[i]);
    }
    for (int i = 0; i <= GRID; i++)
        for (int j = 0; j <= GRID; j++) {
            float any[3];
            for (int c = 0; c < 3; c++) any[c] = (float)tn_rng_unit(rng);
            mix(g->colour[(i + j) % 3], any, (float)spread, g->grid[i][j]);
        }
}

static void spots_draw(plan *g, bool rectangles, tn_rng *rng) {
    for (int i = 0; i < SPOTS; i++) {
        float x = (float)tn_rng_unit(rng) * g->width, y = (float)tn_rng_unit(rng) * g->height;
        float a = (float)tn_rng_unit(rng), b = (float)tn_rng_unit(rng);
        if (rectangles) {
            float w = (0.1f + 0.5f * a) * g->width, h = (0.1f + 0.5f * b) * g->height;
            g->spot[i][0] = x - w / 2, g->spot[i][1] = y - h / 2;
            g->spot[i][2] = x + w / 2, g->spot[i][3] = y + h / 2;
        } else {
            g->spot[i][0] = x, g->spot[i][1] = y;
            g->spot[i][2] = 0.1f + 0.7f * a, g->spot[i][3] = 0.15f + 0.5f * b;
        }
    }
}

// Patterns are usually axis-aligned.
static void direction_draw(plan *g, tn_rng *rng) {
    double angle = tn_rng_uniform(rng, 0, 2 * (double)PI);
    if (tn_rng_unit(rng) < 0.4) angle = floor(angle / ((double)PI / 2)) * (double)PI / 2;
    g->c = (float)cos(angle), g->s = (float)sin(angle);
}

void tr_ground_paint(tr_canvas *canvas, double unit, tn_rng *rng) {
    plan g = {.width = (float)(canvas->w / unit), .height = (float)(canvas->h / unit)};
    filler fill = kind_draw(rng);
    for (int i = 0; i < 8; i++) g.p[i] = (float)tn_rng_unit(rng);
    g.salt = tn_rng_u32(rng);
    g.cells = 1 + (int)tn_rng_below(rng, GRID);
    direction_draw(&g, rng);
    colours_draw(&g, rng);
    spots_draw(&g, fill == panels, rng);
    float light[3] = {0, 0, 0}; // brighter to one side
    if (tn_rng_unit(rng) < 0.35)
        for (int i = 0; i < 2; i++) light[i] = (float)tn_rng_uniform(rng, -0.25, 0.25);
    float step = (float)(1 / unit);
    for (int y = 0; y < canvas->h; y++)
        for (int x = 0; x < canvas->w; x++) {
            float *to = canvas->rgb + 3 * ((size_t)y * canvas->w + x);
            float px = ((float)x + 0.5f) * step, py = ((float)y + 0.5f) * step;
            fill(&g, px, py, to);
            float add = light[0] * (px / g.width - 0.5f) + light[1] * (py / g.height - 0.5f);
            for (int c = 0; c < 3; c++) to[c] = clamp01(to[c] + add);
        }
}
