// SPDX-License-Identifier: Apache-2.0
#include "train/augment.h"

#include "train/dataset.h"

#include <math.h>

#define MAX_SIDE 16384 // pixels per side of the network's input

tr_augment tr_augment_default(int64_t size) {
    return (tr_augment){.fit = TR_FIT_JITTER,
                        .size = size,
                        .scale = {0.1, 2.0},
                        .flip = 0.5,
                        .longest = 2 * size,
                        .multiple = 32};
}

tn_status tr_augment_check(const tr_augment *how, tn_error *err) {
    if (how->size < 1 || how->size > MAX_SIDE)
        return tn_fail(err, TN_EINVAL, "pictures of %lld pixels a side, expected 1..%d",
                       (long long)how->size, MAX_SIDE);
    if (!(how->scale[0] > 0 && how->scale[0] <= how->scale[1] && how->scale[1] <= 16))
        return tn_fail(err, TN_EINVAL, "scale jitter of %g to %g, expected 0 < first <= last <= 16",
                       how->scale[0], how->scale[1]);
    if (!(how->flip >= 0 && how->flip <= 1))
        return tn_fail(err, TN_EINVAL, "a flip probability of %g, expected 0..1", how->flip);
    if (how->fit != TR_FIT_SHORT_EDGE) return TN_OK;
    if (how->longest < how->size || how->longest > MAX_SIDE)
        return tn_fail(err, TN_EINVAL, "a longest side of %lld pixels, expected %lld..%d",
                       (long long)how->longest, (long long)how->size, MAX_SIDE);
    if (how->multiple < 1 || how->multiple > MAX_SIDE)
        return tn_fail(err, TN_EINVAL, "padding to a multiple of %lld, expected 1..%d",
                       (long long)how->multiple, MAX_SIDE);
    return TN_OK;
}

static int64_t scaled(int64_t side, double factor) {
    int64_t n = (int64_t)nearbyint((double)side * factor); // rounds half to even, as Python does
    return n < 1 ? 1 : n;
}

static int64_t lesser(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static double factor_of(const tr_augment *how, double h, double w, double jitter) {
    double shorter = h < w ? h : w, longer = h < w ? w : h, size = (double)how->size;
    if (how->fit == TR_FIT_JITTER) return size * jitter / longer;
    if (how->fit == TR_FIT_SQUARE) return size / longer;
    return fmin(size / shorter, (double)how->longest / longer);
}

tr_frame tr_frame_draw(const tr_augment *how, int64_t height, int64_t width, tn_rng *rng) {
    TN_CHECK(height > 0 && width > 0, "picture of %lld x %lld", (long long)height,
             (long long)width);
    // All four are always drawn, so that one setting does not change the others' random numbers.
    double jitter = tn_rng_uniform(rng, how->scale[0], how->scale[1]);
    bool flip = tn_rng_unit(rng) < how->flip;
    double down = tn_rng_unit(rng), right = tn_rng_unit(rng);
    double factor = factor_of(how, (double)height, (double)width, jitter);
    tr_frame f = {.height = height, .width = width, .flip = flip};
    f.scaled_h = scaled(height, factor), f.scaled_w = scaled(width, factor);
    f.net_h = f.scaled_h, f.net_w = f.scaled_w;
    if (how->fit == TR_FIT_SHORT_EDGE) {
        f.pad_h = (f.net_h + how->multiple - 1) / how->multiple * how->multiple;
        f.pad_w = (f.net_w + how->multiple - 1) / how->multiple * how->multiple;
        return f;
    }
    f.net_h = lesser(f.scaled_h, how->size), f.net_w = lesser(f.scaled_w, how->size);
    f.top = (int64_t)nearbyint((double)(f.scaled_h - f.net_h) * down);
    f.left = (int64_t)nearbyint((double)(f.scaled_w - f.net_w) * right);
    f.pad_h = f.pad_w = how->size;
    return f;
}

// ---- boxes and masks --------------------------------------------------------------------------

static double move_x(const tr_frame *f, double x) {
    x = x * (double)f->scaled_w / (double)f->width;
    return (f->flip ? (double)f->scaled_w - x : x) - (double)f->left;
}

static double move_y(const tr_frame *f, double y) {
    return y * (double)f->scaled_h / (double)f->height - (double)f->top;
}

static void move_box(const tr_frame *f, const double box[4], double out[4]) {
    double a = move_x(f, box[0]), b = move_x(f, box[2]);
    out[0] = fmin(a, b), out[2] = fmax(a, b);
    out[1] = move_y(f, box[1]), out[3] = move_y(f, box[3]);
}

bool tr_frame_cuts(const tr_frame *frame, const double box[4]) {
    double b[4];
    move_box(frame, box, b);
    return b[0] < 0 || b[1] < 0 || b[2] > (double)frame->net_w || b[3] > (double)frame->net_h;
}

bool tr_frame_box(const tr_frame *frame, const double box[4], float out[4]) {
    double b[4];
    move_box(frame, box, b);
    for (int i = 0; i < 4; i++) {
        double max = (double)(i % 2 ? frame->net_h : frame->net_w);
        out[i] = (float)fmin(fmax(b[i], 0), max);
    }
    return out[2] > out[0] && out[3] > out[1];
}

static tn_status draw_polygon(const tr_frame *f, const io_coco_polygon *p, tn_arena *arena,
                              tn_arena *scratch, io_rle *out, tn_error *err) {
    double *xy = tn_arena_alloc(scratch, 2 * p->points * sizeof *xy);
    if (!xy) return tn_fail(err, TN_ENOMEM, "out of memory for a polygon");
    for (size_t i = 0; i < p->points; i++) {
        xy[2 * i] = move_x(f, p->xy[2 * i]);
        xy[2 * i + 1] = move_y(f, p->xy[2 * i + 1]);
    }
    return io_rle_from_polygon(xy, p->points, (uint32_t)f->net_h, (uint32_t)f->net_w, arena, out,
                               err);
}

static tn_status draw_polygons(const tr_frame *f, const io_coco_shape *shape, tn_arena *arena,
                               tn_arena *scratch, io_rle *out, tn_error *err) {
    io_rle *part = tn_arena_alloc(scratch, shape->count * sizeof *part);
    if (!part) return tn_fail(err, TN_ENOMEM, "out of memory for %zu polygons", shape->count);
    size_t n = 0;
    for (size_t i = 0; i < shape->count; i++)
        if (tr_polygon_usable(&shape->polygons[i]))
            TN_TRY(draw_polygon(f, &shape->polygons[i], scratch, scratch, &part[n++], err));
    TN_CHECK(n, "a segmentation without a usable polygon");
    return io_rle_merge(part, n, false, arena, out, err);
}

// Pixel of the picture under the centre of mask pixel i.
static int64_t source_of(int64_t i, int64_t from, int64_t to) {
    int64_t at = (2 * i + 1) * from / (2 * to);
    return at < from ? at : from - 1;
}

static tn_status sample_runs(const tr_frame *f, const io_coco_shape *shape, tn_arena *arena,
                             tn_arena *scratch, io_rle *out, tn_error *err) {
    if (shape->h != f->height || shape->w != f->width)
        return tn_fail(err, TN_EFORMAT, "run lengths of %u x %u, expected %lld x %lld", shape->h,
                       shape->w, (long long)f->height, (long long)f->width);
    io_rle rle;
    tn_tensor from, to;
    TN_TRY(io_rle_from_shape(shape, shape->h, shape->w, scratch, &rle, err));
    TN_TRY(tn_new(scratch, &from, TN_U8, TN_DIMS(f->height, f->width), err));
    TN_TRY(tn_new(scratch, &to, TN_U8, TN_DIMS(f->net_h, f->net_w), err));
    io_rle_decode(&rle, &from);
    for (int64_t y = 0; y < f->net_h; y++) {
        int64_t row = source_of(y + f->top, f->height, f->scaled_h);
        for (int64_t x = 0; x < f->net_w; x++) {
            int64_t column = source_of(x + f->left, f->width, f->scaled_w);
            if (f->flip) column = f->width - 1 - column;
            tn_u8(&to)[y * f->net_w + x] = tn_u8(&from)[row * f->width + column];
        }
    }
    return io_rle_encode(&to, arena, out, err);
}

tn_status tr_frame_mask(const tr_frame *frame, const io_coco_shape *shape, tn_arena *arena,
                        tn_arena *scratch, io_rle *out, tn_error *err) {
    TN_CHECK(shape->kind != IO_COCO_NONE, "no segmentation");
    size_t mark = tn_arena_mark(scratch);
    tn_status status = shape->kind == IO_COCO_POLYGONS
                           ? draw_polygons(frame, shape, arena, scratch, out, err)
                           : sample_runs(frame, shape, arena, scratch, out, err);
    tn_arena_reset(scratch, mark);
    return status;
}
