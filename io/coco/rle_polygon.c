// SPDX-License-Identifier: Apache-2.0
// Polygons to run-length masks by the rule of COCO's API: corners are rounded to a raster of five
// times the resolution, edges are walked on it point by point, and wherever a walk crosses the
// middle of a pixel column, the column's value flips from that height on. The API visits every
// point; here each edge jumps directly to the columns that it crosses, with the same arithmetic at
// those points.
#include "io/coco/rle.h"
#include "io/coco/rle_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FINE 5       // raster points per pixel
#define MIDDLE 2     // a column flips between its points MIDDLE and MIDDLE + 1
#define FARTHEST 1e8 // pixels; times FINE this still fits an int

// Flips of all columns: column, height.
typedef struct flips {
    uint32_t h, w;
    uint32_t *column, *row;
    size_t count, capacity;
} flips;

typedef struct edge {
    int64_t x0, y0;      // the end with the smaller coordinate along the longer side
    int64_t dx, dy;      // lengths of the sides
    double slope;        // along the shorter side, for a step along the longer
    bool wide, reversed; // wide: the longer side is x; reversed: walked from the other end
} edge;

static edge edge_of(int64_t xs, int64_t ys, int64_t xe, int64_t ye) {
    edge e = {xs, ys, llabs(xe - xs), llabs(ye - ys), 0, false, false};
    e.wide = e.dx >= e.dy;
    e.reversed = e.wide ? xs > xe : ys > ye;
    int64_t shorter = e.wide ? ye - ys : xe - xs;
    if (e.reversed) e.x0 = xe, e.y0 = ye, shorter = -shorter;
    int64_t longer = e.wide ? e.dx : e.dy;
    if (longer) e.slope = (double)shorter / (double)(int)longer;
    return e;
}

// The shorter side's coordinate after t steps; rounds as a C cast does, toward 0.
static int64_t across(const edge *e, int64_t t) {
    double from = (double)(e->wide ? e->y0 : e->x0);
    return (int64_t)(from + e->slope * (double)t + .5);
}

// The height from which a column flips if a walk crosses it at fine heights ya and yb.
static uint32_t height_of(int64_t ya, int64_t yb, uint32_t h) {
    double y = (double)(ya < yb ? ya : yb);
    y = (y + .5) / FINE - .5;
    if (y < 0) y = 0;
    if (y > h) y = h;
    return (uint32_t)ceil(y);
}

static void flip(flips *f, int64_t column, int64_t ya, int64_t yb) {
    f->column[f->count] = (uint32_t)column;
    f->row[f->count++] = height_of(ya, yb, f->h);
}

static int64_t floor_div(int64_t a, int64_t b) {
    return a >= 0 ? a / b : -((-a + b - 1) / b);
}

// The columns between fine x coordinates low and high (crossed from MIDDLE on).
static void columns_between(const flips *f, int64_t low, int64_t high, int64_t *first,
                            int64_t *last) {
    *first = floor_div(low - MIDDLE + FINE - 1, FINE);
    *last = floor_div(high - 1 - MIDDLE, FINE);
    if (*first < 0) *first = 0;
    if (*last > (int64_t)f->w - 1) *last = (int64_t)f->w - 1;
}

static void walk_wide(flips *f, const edge *e) {
    int64_t first, last;
    columns_between(f, e->x0, e->x0 + e->dx, &first, &last);
    for (int64_t c = first; c <= last; c++) {
        int64_t t = FINE * c + MIDDLE - e->x0;
        flip(f, c, across(e, t), across(e, t + 1));
    }
}

// The step t in 1..dy after which x has crossed the border between two fine columns: the first one
// with across(t) >= x (rising) or < x (falling). across is monotonic, so a guess is corrected by
// stepping.
static int64_t step_past(const edge *e, int64_t x) {
    bool rising = e->slope > 0;
    double guess = ((double)x - .5 - (double)e->x0) / e->slope;
    int64_t t = guess < 1 ? 1 : guess > (double)e->dy ? e->dy : (int64_t)guess;
    while (t > 1 && (across(e, t - 1) >= x) == rising) t--;
    while (t < e->dy && (across(e, t) >= x) != rising) t++;
    return t;
}

static void walk_high(flips *f, const edge *e) {
    int64_t from = across(e, 0), to = across(e, e->dy), first, last;
    columns_between(f, from < to ? from : to, from < to ? to : from, &first, &last);
    for (int64_t c = first; c <= last; c++) {
        int64_t t = step_past(e, FINE * c + MIDDLE + 1);
        flip(f, c, e->y0 + t - 1, e->y0 + t);
    }
}

static int64_t fine(double coordinate) { // rounds as a C cast does
    return (int64_t)(FINE * coordinate + .5);
}

static edge edge_at(const double *xy, size_t i, size_t points) {
    size_t j = i + 1 < points ? i + 1 : 0;
    return edge_of(fine(xy[2 * i]), fine(xy[2 * i + 1]), fine(xy[2 * j]), fine(xy[2 * j + 1]));
}

static size_t max_flips(const double *xy, size_t points, uint32_t w) {
    size_t sum = 0;
    for (size_t i = 0; i < points; i++) {
        edge e = edge_at(xy, i, points);
        uint64_t columns = (uint64_t)(e.wide ? e.dx : llabs(across(&e, e.dy) - across(&e, 0)));
        sum += columns / FINE + 1 < w ? columns / FINE + 1 : w;
    }
    return sum;
}

static void walk(flips *f, const double *xy, size_t points) {
    for (size_t i = 0; i < points; i++) {
        edge e = edge_at(xy, i, points);
        if (e.wide)
            walk_wide(f, &e);
        else
            walk_high(f, &e);
    }
    TN_CHECK(f->count <= f->capacity, "%zu flips in space for %zu", f->count, f->capacity);
}

// Sorts positions: counting sort by column, then insertion sort within each column.
static void sort_flips(const flips *f, uint32_t *next_of, uint32_t *sorted) {
    memset(next_of, 0, ((size_t)f->w + 1) * sizeof *next_of);
    for (size_t i = 0; i < f->count; i++) next_of[f->column[i] + 1]++;
    for (uint32_t c = 0; c < f->w; c++) next_of[c + 1] += next_of[c];
    for (size_t i = 0; i < f->count; i++)
        sorted[next_of[f->column[i]]++] = f->column[i] * f->h + f->row[i];
    for (size_t i = 1; i < f->count; i++) {
        uint32_t value = sorted[i];
        size_t at = i;
        for (; at > 0 && sorted[at - 1] > value; at--) sorted[at] = sorted[at - 1];
        sorted[at] = value;
    }
}

// Positions to lengths; two flips at one position cancel.
static size_t to_counts(const uint32_t *sorted, size_t n, uint32_t end, uint32_t *counts) {
    size_t runs = 0;
    uint32_t before = 0;
    for (size_t i = 0; i < n; i++) {
        if (runs > 0 && sorted[i] == before) {
            before -= counts[--runs]; // the run that ended here continues
        } else {
            counts[runs++] = sorted[i] - before;
            before = sorted[i];
        }
    }
    if (runs == 0 || before < end) counts[runs++] = end - before;
    return runs;
}

static tn_status check_points(const double *xy, size_t points, tn_error *err) {
    for (size_t i = 0; i < 2 * points; i++)
        if (!(fabs(xy[i]) <= FARTHEST))
            return tn_fail(err, TN_EFORMAT,
                           "polygon: coordinate %zu is %g, expected an absolute value up to %g", i,
                           xy[i], FARTHEST);
    return TN_OK;
}

tn_status io_rle_from_polygon(const double *xy, size_t points, uint32_t h, uint32_t w,
                              tn_arena *arena, io_rle *out, tn_error *err) {
    if ((uint64_t)h * w >= UINT32_MAX)
        return tn_fail(err, TN_EFORMAT, "a mask of %u rows and %u columns, expected under 2^32", h,
                       w);
    TN_TRY(check_points(xy, points, err));
    size_t start = tn_arena_mark(arena), capacity = max_flips(xy, points, w);
    uint32_t *counts = tn_arena_alloc(arena, (capacity + 1) * sizeof *counts);
    uint32_t *scratch = tn_arena_alloc(arena, (3 * capacity + w + 1) * sizeof *scratch);
    if (!counts || !scratch) {
        tn_arena_reset(arena, start);
        return tn_fail(err, TN_ENOMEM, "out of memory for a polygon of %zu points", points);
    }
    flips f = {h, w, scratch, scratch + capacity, 0, capacity};
    walk(&f, xy, points);
    sort_flips(&f, scratch + 3 * capacity, scratch + 2 * capacity);
    size_t runs = to_counts(scratch + 2 * capacity, f.count, h * w, counts);
    io_arena_keep(arena, counts, runs * sizeof *counts);
    *out = (io_rle){h, w, runs, counts};
    return TN_OK;
}

tn_status io_rle_from_box(const double box[4], uint32_t h, uint32_t w, tn_arena *arena, io_rle *out,
                          tn_error *err) {
    double left = box[0], top = box[1], right = left + box[2], foot = top + box[3];
    return io_rle_from_polygon((double[]){left, top, left, foot, right, foot, right, top}, 4, h, w,
                               arena, out, err);
}
