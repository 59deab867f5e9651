// SPDX-License-Identifier: Apache-2.0
// Scenes: objects of all sizes on all kinds of background, scattered, in rows or in a heap.
#include "train/world/scene_paint.h"

#include <math.h>
#include <string.h>

#define TRIES 10
#define UNIT 90 // pixels: about the size of an object
#define AREA (320.0 * 320.0)

typedef enum layout { SCATTER, ROWS, HEAP } layout;

typedef struct candidate { // a candidate position of an object
    double x, y, size;
} candidate;

static bool chance(tr_painting *p, double share) {
    return tn_rng_unit(&p->rng) < share;
}
static double between(tr_painting *p, double a, double b) {
    return tn_rng_uniform(&p->rng, a, b);
}

// Aspect ratios of common pictures: from square to twice as wide as high, or upright.
static void size_draw(tr_painting *p, int *height, int *width) {
    double area = exp(between(p, log(224 * 224), log(512 * 512)));
    double ratio = chance(p, 0.3) ? 1 : exp(between(p, log(0.55), log(1.9)));
    *width = (int)(sqrt(area * ratio) / 2 + 0.5) * 2, *height = (int)(sqrt(area / ratio) / 2) * 2;
    if (p->options->width) *width = (int)p->options->width;
    if (p->options->height) *height = (int)p->options->height;
}

static tr_pose pose_draw(tr_painting *p, const tr_glyph *glyph, candidate at) {
    double max_angle = glyph->turns ? chance(p, 0.8) ? 0.3 : 0.75 : 0.12;
    double angle = chance(p, 0.25) ? 0 : between(p, -max_angle, max_angle);
    double stretch = chance(p, 0.4) ? exp(between(p, -0.14, 0.14)) : 1;
    double shear = chance(p, 0.2) ? between(p, -0.12, 0.12) : 0;
    bool mirror = chance(p, 0.5) && glyph->mirrors;
    return tr_pose_of(at.x, at.y, at.size, angle, stretch, shear, mirror);
}

static tr_look look_draw(tr_painting *p) {
    tr_look look = {.opacity = 1, .gain = {1, 1, 1}, .sharpness = between(p, 0.8, 1.4)};
    if (chance(p, 0.3)) {
        double gain = between(p, 0.75, 1.05);
        for (int c = 0; c < 3; c++) look.gain[c] = (float)(gain * between(p, 0.96, 1.04));
        look.lift = (float)between(p, 0, 0.1);
    }
    if (chance(p, 0.05)) look.opacity = between(p, 0.75, 1);
    return look;
}

// Number of pixels that a glyph would cover: taken[0] in all, taken[i] of object i-1.
static void count_taken(tr_painting *p, const tr_glyph *glyph, const tr_pose *pose,
                        uint16_t *scratch, int64_t taken[TR_SCENE_MAX_OBJECTS + 1]) {
    const tr_look look = {.sharpness = 1};
    size_t pixels = (size_t)p->canvas.h * (size_t)p->canvas.w;
    memset(scratch, 0, pixels * sizeof *scratch);
    memset(taken, 0, (TR_SCENE_MAX_OBJECTS + 1) * sizeof *taken);
    tr_canvas trial = {p->canvas.h, p->canvas.w, NULL, scratch};
    tr_paint_glyph(&trial, glyph, pose, &look, 1);
    for (size_t i = 0; i < pixels; i++) {
        if (!scratch[i]) continue;
        taken[0]++;
        if (p->canvas.owner[i]) taken[p->canvas.owner[i]]++;
    }
}

// Whether enough of it is inside the picture, and enough of all other objects stays visible.
static bool fits(const tr_painting *p, const int64_t taken[TR_SCENE_MAX_OBJECTS + 1],
                 const int64_t seen[TR_SCENE_MAX_OBJECTS + 1], double whole, double keep) {
    if (taken[0] < 60 || (double)taken[0] < 0.5 * whole) return false;
    for (int i = 0; i < p->count; i++)
        if (taken[i + 1] && (double)(seen[i + 1] - taken[i + 1]) < keep * p->whole[i]) return false;
    return true;
}

static double solid_area(const tr_glyph *glyph, const tr_pose *pose) {
    const double *m = pose->m;
    return 4 * fabs(m[0] * m[4] - m[1] * m[3]) * (double)glyph->solid;
}

typedef struct crowd { // state while objects are placed
    layout layout;
    double heap_x, heap_y, heap_size;
    int columns, rows;
    double cell, repeat; // fraction of repeated objects
    uint16_t *scratch;
    int64_t seen[TR_SCENE_MAX_OBJECTS + 1];
} crowd;

static candidate candidate_draw(tr_painting *p, const crowd *c, int n) {
    const tr_scene_options *o = p->options;
    double w = p->canvas.w, h = p->canvas.h;
    double largest = fmax(fmin(o->max_side, 0.8 * fmin(w, h)), o->min_side);
    candidate at = {.size = exp(between(p, log(o->min_side), log(largest)))};
    double margin = 0.15 * at.size; // some are cut by the border
    at.x = between(p, margin, w - margin), at.y = between(p, margin, h - margin);
    if (c->layout == ROWS) {
        double loose = 0.06 * c->cell;
        at.size = c->cell * between(p, 0.62, 0.82);
        at.x = (n % c->columns + 0.5) * w / c->columns + between(p, -loose, loose);
        at.y = (n / c->columns + 0.5) * h / c->rows + between(p, -loose, loose);
    } else if (c->layout == HEAP) {
        at.size = fmax(fmin(c->heap_size * exp(between(p, -0.5, 0.3)), largest), o->min_side);
        at.x = c->heap_x + c->heap_size * tn_rng_normal(&p->rng);
        at.y = c->heap_y + c->heap_size * tn_rng_normal(&p->rng);
    }
    return at;
}

static void place_thing(tr_painting *p, crowd *c, int n) {
    int64_t taken[TR_SCENE_MAX_OBJECTS + 1];
    for (int i = 0; i < TRIES; i++) {
        int32_t name = tr_painting_name(p);
        if (p->count && chance(p, c->repeat)) name = p->name[tn_rng_below(&p->rng, p->count)];
        const tr_glyph *glyph = &p->maker->glyphs->glyph[name];
        candidate at = candidate_draw(p, c, n);
        tr_pose pose = pose_draw(p, glyph, at);
        tr_look look = look_draw(p);
        double keep = chance(p, 0.1) ? 0.15 : 0.45; // a few are almost hidden
        count_taken(p, glyph, &pose, c->scratch, taken);
        if (!fits(p, taken, c->seen, solid_area(glyph, &pose), keep)) continue;
        if (chance(p, 0.15)) {
            double reach = 0.08 * at.size;
            tr_paint_shadow(&p->canvas, glyph, &pose, between(p, -reach, reach),
                            between(p, 0, reach), between(p, 0.2, 0.7));
        }
        for (int k = 0; k < p->count; k++) c->seen[k + 1] -= taken[k + 1];
        tr_painting_add(p, name, &pose, &look);
        c->seen[p->count] = taken[0];
        return;
    }
}

static int crowd_draw(tr_painting *p, crowd *c) {
    const tr_scene_options *o = p->options;
    double w = p->canvas.w, h = p->canvas.h, t = tn_rng_unit(&p->rng);
    c->layout = t < 0.78 ? SCATTER : t < 0.88 ? ROWS : HEAP;
    c->repeat = chance(p, 0.2) ? between(p, 0.2, 0.8) : 0;
    c->heap_x = between(p, 0.25, 0.75) * w, c->heap_y = between(p, 0.25, 0.75) * h;
    c->heap_size = fmax(between(p, 0.15, 0.3) * fmin(w, h), o->min_side);
    double cell = exp(between(p, log(1.4 * o->min_side),
                              log(fmax(fmin(o->max_side, 0.4 * fmin(w, h)), 1.5 * o->min_side))));
    c->columns = (int)fmin(fmax(w / cell, 1), 10), c->rows = (int)fmin(fmax(h / cell, 1), 8);
    c->cell = fmin(w / c->columns, h / c->rows);
    int64_t count = o->min_objects + tn_rng_below(&p->rng, o->max_objects - o->min_objects + 1);
    double more = fmin(w * h / AREA, 2.5); // a large picture holds more
    if (more > 1) count = (int64_t)((double)count * more);
    if (c->layout == ROWS) count = (int64_t)c->columns * c->rows;
    return (int)(count < TR_SCENE_MAX_OBJECTS ? count : TR_SCENE_MAX_OBJECTS);
}

static void wear_draw(tr_painting *p) {
    p->wear = tr_wear_draw(0.8, &p->rng);
    p->wear.resolution = fmax(p->wear.resolution, 0.5); // the smallest objects are small enough
    p->wear.blur = fmin(p->wear.blur, 1);
}

tn_status tr_paint_scene(tr_painting *p, tn_error *err) {
    int height, width;
    crowd c = {0};
    size_draw(p, &height, &width);
    TN_TRY(tr_painting_begin(p, height, width, err));
    size_t pixels = (size_t)height * (size_t)width;
    c.scratch = tn_arena_alloc(p->arena, pixels * sizeof *c.scratch);
    if (!c.scratch) return tn_fail(err, TN_ENOMEM, "out of memory for a picture");
    p->min_visible = 0.15;
    double area = fmin((double)pixels / AREA, 3);
    tr_ground_paint(&p->canvas, UNIT, &p->rng);
    int shapes = chance(p, 0.6) ? (int)(between(p, 0, 9) * fmax(area, 0.5)) : 0;
    tr_clutter_paint(&p->canvas, &p->maker->sheets, UNIT, shapes, 0.16, &p->rng);
    int count = crowd_draw(p, &c);
    for (int i = 0; i < count; i++) place_thing(p, &c, i);
    if (chance(p, 0.25)) { // something in front of the objects
        for (int i = 1 + (int)tn_rng_below(&p->rng, 2); i; i--)
            tr_clutter_shape(&p->canvas, between(p, 0, width), between(p, 0, height),
                             between(p, 15, 70), &p->rng);
    }
    wear_draw(p);
    return TN_OK;
}
