// SPDX-License-Identifier: Apache-2.0
// Geometry of a crop is in units of its object: the glyph's square spans -1..1. After CLIP's
// preprocessing a region is a square window: for a tight box the middle square of the shorter side,
// for a square box with context all of it.
#include "train/world/crops.h"

#include "train/world/wear.h"

#include <math.h>
#include <stdatomic.h>

#define TAU 6.283185307179586

typedef enum lack {
    WHOLE,
    BARE,
    PART,
    SMALL,
    BESIDE
} lack; // which part of its object a crop shows

typedef struct window {
    double x, y, half; // centre and half side, in units of the object
} window;

typedef struct crop {
    const tr_crop_maker *maker;
    tn_rng rng;
    double hard; // 1 - easy
    bool screen; // a screenshot: no lighting, no shadow
    tr_canvas canvas;
    window window;
} crop;

static bool chance(crop *c, double p) {
    return tn_rng_unit(&c->rng) < p;
}
static double between(crop *c, double a, double b) {
    return tn_rng_uniform(&c->rng, a, b);
}

static const tr_glyph *any_glyph(crop *c) {
    const tr_glyphs *g = c->maker->glyphs;
    return &g->glyph[tn_rng_below(&c->rng, g->count)];
}

// A glyph with a size at a position, in units of the object; the window is not applied yet.
static tr_pose pose_draw(crop *c, const tr_glyph *glyph, double x, double y, double size) {
    double max_angle = glyph->turns ? chance(c, 0.8) ? 0.3 : 0.75 : 0.12;
    double angle = between(c, -max_angle, max_angle) * (0.3 + 0.7 * c->hard);
    double stretch = exp(between(c, -0.14, 0.14) * c->hard);
    double shear = chance(c, 0.3) ? between(c, -0.12, 0.12) * c->hard : 0;
    bool mirror = chance(c, 0.5) && glyph->mirrors;
    return tr_pose_of(x, y, 2 * size, angle, stretch, shear, mirror);
}

static tr_look look_draw(crop *c) {
    tr_look look = {.opacity = 1, .gain = {1, 1, 1}, .sharpness = between(c, 0.75, 1.4)};
    if (c->screen) return look;
    if (chance(c, 0.3 * c->hard)) {
        double gain = between(c, 0.75, 1.05);
        for (int k = 0; k < 3; k++) look.gain[k] = (float)(gain * between(c, 0.96, 1.04));
        look.lift = (float)between(c, 0, 0.1);
    }
    if (chance(c, 0.06 * c->hard)) look.opacity = between(c, 0.75, 1);
    return look;
}

static void paint(crop *c, const tr_glyph *glyph, tr_pose pose) {
    tr_look look = look_draw(c);
    double scale = c->canvas.w / (2 * c->window.half), middle = c->canvas.w / 2.0;
    for (int i = 0; i < 6; i++) pose.m[i] *= scale;
    pose.m[2] += middle - c->window.x * scale, pose.m[5] += middle - c->window.y * scale;
    bool shadow = chance(c, 0.12) && !c->screen;
    double dx = between(c, -0.1, 0.1) * scale, dy = between(c, 0, 0.12) * scale;
    if (shadow) tr_paint_shadow(&c->canvas, glyph, &pose, dx, dy, between(c, 0.2, 0.7));
    tr_paint_glyph(&c->canvas, glyph, &pose, &look, 0);
}

// With probability p another glyph, near..far from the object's centre in units of both sizes.
static void neighbour(crop *c, double p, double small, double large, double near, double far) {
    bool there = chance(c, p);
    double size = exp(between(c, log(small), log(large))), angle = between(c, 0, TAU);
    double away = between(c, near, far) * (1 + size);
    const tr_glyph *glyph = any_glyph(c);
    tr_pose pose = pose_draw(c, glyph, away * cos(angle), away * sin(angle), size);
    if (there) paint(c, glyph, pose);
}

// Its box as a detector would give it: inaccurate, and cut at the border of the picture.
static void box_draw(crop *c, const double tight[4], double box[4]) {
    double max_error = (chance(c, 0.6) ? 0.1 : 0.03) * c->hard;
    for (int i = 0; i < 4; i++)
        box[i] = tight[i] + (tight[(i & 1) + 2] - tight[i & 1]) * between(c, -max_error, max_error);
}

static window window_draw(crop *c, const double tight[4]) {
    double box[4];
    box_draw(c, tight, box);
    bool square = chance(c, 0.6), at_edge = chance(c, 0.1 * c->hard);
    int side = (int)tn_rng_below(&c->rng, 4); // the border of the picture that cuts off the object
    double context = between(c, 0.98, 1.35), cut = between(c, -0.1, 0.35);
    double edge = side < 2 ? tight[side] + cut * (tight[side + 2] - tight[side])
                           : tight[side] - cut * (tight[side] - tight[side - 2]);
    if (at_edge) box[side] = edge;
    double w = box[2] - box[0], h = box[3] - box[1];
    double half = square ? fmax(w, h) * context / 2 : fmin(w, h) / 2;
    double x = (box[0] + box[2]) / 2, y = (box[1] + box[3]) / 2;
    if (square && at_edge) { // clipped to the picture, then the middle square of the rest
        double part[4] = {x - half, y - half, x + half, y + half};
        part[side] = side < 2 ? fmax(part[side], edge) : fmin(part[side], edge);
        half = fmin(part[2] - part[0], part[3] - part[1]) / 2;
        x = (part[0] + part[2]) / 2, y = (part[1] + part[3]) / 2;
    }
    return (window){x, y, half};
}

// Windows without an object: inside it, far too large, or beside it.
static window lacking(crop *c, lack how, const double tight[4]) {
    double w = tight[2] - tight[0], h = tight[3] - tight[1], angle = between(c, 0, TAU), away = 0;
    window v = {(tight[0] + tight[2]) / 2, (tight[1] + tight[3]) / 2, fmax(w, h) / 2};
    if (how == PART) {
        v.half = fmin(w, h) / 2 * between(c, 0.25, 0.5);
        away = between(c, 0, 0.35) * fmax(w, h);
    } else if (how == SMALL) {
        v.half *= between(c, 2, 3.5);
        away = between(c, 0, 0.6) * v.half;
    } else {
        double own = v.half;
        v.half *= between(c, 0.7, 1.4);
        away = between(c, 0.85, 1.05) * (v.half + own);
    }
    v.x += away * cos(angle), v.y += away * sin(angle);
    return v;
}

static void paint_behind(crop *c) {
    double unit = c->canvas.w / c->window.half; // pixels of the object's square
    tr_ground_paint(&c->canvas, unit, &c->rng);
    int shapes = chance(c, 0.35 * c->hard) ? 1 + (int)tn_rng_below(&c->rng, 3) : 0;
    tr_clutter_paint(&c->canvas, &c->maker->sheets, unit, shapes, 0.1 * c->hard, &c->rng);
    neighbour(c, 0.12 * c->hard, 2, 5, 0, 0.6); // a large one behind it
    neighbour(c, 0.45 * (0.4 + 0.6 * c->hard), 0.3, 1.5, 0.62, 0.95);
    neighbour(c, 0.3 * (0.4 + 0.6 * c->hard), 0.3, 1.5, 0.62, 0.95);
}

// ---- on a screen -------------------------------------------------------------------------------

// Text beside the object on the same line, sized relative to the emoji.
static void text_beside(crop *c, double scale, double left, double right, const float ink[3]) {
    const tr_sheets *sheets = &c->maker->sheets;
    int n = (int)tn_rng_below(&c->rng, TR_SHEETS);
    double middle = c->canvas.w / 2.0, letters = 2 / 1.2 * between(c, 0.85, 1.1) * scale;
    double line = letters * 1.4, y = middle - c->window.y * scale;
    int r[4] = {(int)(middle + (left - c->window.x) * scale), 0,
                (int)(middle + (right - c->window.x) * scale), c->canvas.h};
    bool others = chance(c, 0.4); // also the lines above and below
    if (!others) r[1] = (int)(y - line / 2), r[3] = (int)(y + line / 2);
    tr_paint_sheet(&c->canvas, &sheets->sheet[n], r, between(c, 0, TR_SHEET_SIDE),
                   between(c, 0, TR_SHEET_SIDE), letters / sheets->letters[n], 0, ink,
                   between(c, 0.6, 1), 0);
}

// A bubble, a button or the page itself, with text and other emoji on the line.
static void paint_screen_behind(crop *c) {
    float paper[3], ink[3];
    double scale = c->canvas.w / (2 * c->window.half), middle = c->canvas.w / 2.0;
    bool dark = chance(c, 0.4), coloured = chance(c, 0.3);
    tr_colour_draw(&c->rng, paper);
    double pull = coloured ? between(c, 0, 0.3) : between(c, 0.85, 1);
    for (int k = 0; k < 3; k++) paper[k] += ((dark ? 0.04f : 1) - paper[k]) * (float)pull;
    float grey = 0.3f * paper[0] + 0.6f * paper[1] + 0.1f * paper[2];
    for (int k = 0; k < 3; k++) ink[k] = grey > 0.5f ? 0.1f : 0.92f;
    for (int64_t i = 0; i < (int64_t)c->canvas.h * c->canvas.w; i++)
        for (int k = 0; k < 3; k++) c->canvas.rgb[3 * i + k] = paper[k];
    if (chance(c, 0.25)) { // the edge of a bubble, or a disc around it
        tr_shape plate = tr_shape_draw(&c->rng);
        plate.part[0] = 1, plate.hollow = false, plate.opacity = 1; // 0.6 times as high as wide
        plate.kind = chance(c, 0.5) ? TR_SHAPE_ELLIPSE : TR_SHAPE_PLATE;
        double side = 2 * scale * between(c, 1.3, 2.2);
        tr_pose pose = tr_pose_of(middle - c->window.x * scale, middle - c->window.y * scale, side,
                                  0, 1, 0, false);
        pose.m[4] /= 0.6; // a disc or a square
        tr_paint_shape(&c->canvas, &plate, &pose, 0);
    }
    for (int side = -1; side <= 1; side += 2) {
        double what = tn_rng_unit(&c->rng);
        const tr_glyph *glyph = any_glyph(c);
        if (what < 0.3)
            paint(c, glyph, tr_pose_of(side * between(c, 2, 2.2), 0, 2, 0, 1, 0, false));
        else if (what < 0.75)
            text_beside(c, scale, side < 0 ? -12 : 1.15, side < 0 ? -1.15 : 12, ink);
    }
}

// Clean, upright and often tiny.
static tr_wear screen_wear_draw(crop *c) {
    tr_wear w = {.contrast = 1, .saturation = 1, .tint = {1, 1, 1}, .resolution = 1};
    if (chance(c, 0.25 * c->hard)) w.quality = (int)between(c, 45, 96);
    if (chance(c, 0.75)) w.resolution = exp(between(c, log(16 + 26 * (1 - c->hard)), log(64))) / 64;
    w.soft = chance(c, 0.2);
    return w;
}

// ---- a crop ------------------------------------------------------------------------------------

static void paint_before(crop *c) {
    neighbour(c, 0.28 * c->hard, 0.3, 1, 0.72, 0.95);
    bool shape = chance(c, 0.06 * c->hard);
    double size = between(c, 0.3, 1.2), angle = between(c, 0, TAU);
    double scale = c->canvas.w / (2 * c->window.half), middle = c->canvas.w / 2.0;
    double x = (1.05 * (0.6 + size / 2) * cos(angle) - c->window.x) * scale + middle;
    double y = (1.05 * (0.6 + size / 2) * sin(angle) - c->window.y) * scale + middle;
    if (shape) tr_clutter_shape(&c->canvas, x, y, size * scale, &c->rng);
}

// Objects are small in many pictures: a third of the crops has reduced resolution.
static tr_wear wear_draw(crop *c) {
    tr_wear wear = tr_wear_draw(c->hard, &c->rng);
    double smallest = 16 + 26 * (1 - c->hard), side = exp(between(c, log(smallest), log(64)));
    if (chance(c, 0.33)) wear.resolution = fmin(side / 64, 1);
    return wear;
}

static void paint_crop(crop *c, int32_t name) {
    lack how = name >= 0 ? WHOLE : (lack)(BARE + tn_rng_below(&c->rng, 4));
    const tr_glyph *other = any_glyph(c);
    const tr_glyph *glyph = name >= 0 ? &c->maker->glyphs->glyph[name] : other;
    tr_pose pose = pose_draw(c, glyph, 0, 0, 1);
    double tight[4];
    if (c->screen) pose = tr_pose_of(0, 0, 2, 0, 1, 0, false);
    tr_pose_box(&pose, glyph, tight);
    c->window = how == WHOLE || how == BARE ? window_draw(c, tight) : lacking(c, how, tight);
    (c->screen ? paint_screen_behind : paint_behind)(c);
    if (how != BARE) paint(c, glyph, pose);
    if (!c->screen) paint_before(c);
}

static tn_status make_crop(crop *c, int32_t name, float *out, tn_error *err) {
    c->screen = chance(c, 0.15);
    paint_crop(c, name);
    tr_wear wear = c->screen ? screen_wear_draw(c) : wear_draw(c);
    uint8_t *bytes = (uint8_t *)out; // bytes first, then expanded to floats from the end
    TN_TRY(tr_wear_apply(&c->canvas, &wear, &c->rng, err));
    TN_TRY(tr_wear_bytes(&c->canvas, &wear, bytes, err));
    for (size_t i = 3 * (size_t)c->canvas.h * c->canvas.w; i-- > 0;) {
        float value = (float)bytes[i] / 255;
        out[i] = value;
    }
    return TN_OK;
}

typedef struct job {
    const tr_crop_maker *maker;
    uint64_t seed;
    int64_t first, side;
    const int32_t *names;
    double easy;
    float *pixels, *scratch; // [workers,S,S,3]
    atomic_flag failed;
    tn_status status;
    tn_error *err;
} job;

static void run(void *data, int64_t task, int worker) {
    job *j = data;
    size_t values = 3 * (size_t)(j->side * j->side);
    crop c = {.maker = j->maker,
              .rng = tn_rng_new(j->seed, (uint64_t)(j->first + task)),
              .hard = 1 - j->easy,
              .canvas = {(int)j->side, (int)j->side, j->scratch + values * (size_t)worker, NULL}};
    tn_error err = {0};
    tn_status status = make_crop(&c, j->names[task], j->pixels + values * (size_t)task, &err);
    if (status == TN_OK || atomic_flag_test_and_set(&j->failed)) return;
    j->status = status;
    if (j->err) *j->err = err;
}

tn_status tr_crops_make(const tr_crop_maker *maker, tn_pool *pool, uint64_t seed, int64_t first,
                        int64_t count, const int32_t *names, double easy, tn_tensor *pixels,
                        tn_error *err) {
    TN_CHECK(pixels->rank == 4 && pixels->dim[0] == count && pixels->dim[1] == pixels->dim[2] &&
                 pixels->dim[3] == 3,
             "expected [count,S,S,3]");
    for (int64_t i = 0; i < count; i++)
        TN_CHECK(names[i] >= -1 && names[i] < maker->glyphs->count, "name %d", names[i]);
    job j = {.maker = maker,
             .seed = seed,
             .first = first,
             .side = pixels->dim[1],
             .names = names,
             .easy = easy,
             .pixels = tn_f32(pixels),
             .failed = ATOMIC_FLAG_INIT,
             .err = err};
    size_t bytes = 3 * (size_t)(j.side * j.side) * sizeof(float);
    j.scratch = tn_alloc(bytes * (size_t)tn_pool_workers(pool));
    if (!j.scratch) return tn_fail(err, TN_ENOMEM, "out of memory for crops");
    tn_pool_run(pool, count, run, &j);
    tn_free(j.scratch);
    return j.status;
}

tn_status tr_crop_maker_open(const tr_glyphs *glyphs, tr_crop_maker *out, tn_error *err) {
    *out = (tr_crop_maker){.glyphs = glyphs};
    return tr_sheets_open(&out->sheets, err);
}

void tr_crop_maker_close(tr_crop_maker *maker) {
    tr_sheets_close(&maker->sheets);
    maker->glyphs = NULL;
}
