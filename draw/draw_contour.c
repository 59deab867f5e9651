// SPDX-License-Identifier: Apache-2.0
// Turns a mask of pixels into smooth outlines: follows the sides between set and unset pixels with
// the set ones on the right, then replaces each corner by a mean of its neighbours.
#include "draw/draw_internal.h"

#include <string.h>

typedef struct point {
    int32_t x, y;
} point;

typedef struct tracer {
    const uint8_t *mask;
    int64_t h, w;
    uint8_t *seen; // the pixel's upper side was followed
    point *corners;
    size_t count, capacity;
    tn_error *err;
} tracer;

static bool inside(const tracer *t, int64_t x, int64_t y) {
    return x >= 0 && y >= 0 && x < t->w && y < t->h && t->mask[y * t->w + x];
}

static tn_status add(tracer *t, int64_t x, int64_t y) {
    if (t->count == t->capacity) {
        size_t capacity = t->capacity ? 2 * t->capacity : 1024;
        point *more =
            tn_realloc(t->corners, t->capacity * sizeof *t->corners, capacity * sizeof *t->corners);
        if (!more) return tn_fail(t->err, TN_ENOMEM, "out of memory for the outline of a mask");
        t->corners = more;
        t->capacity = capacity;
    }
    t->corners[t->count++] = (point){(int32_t)x, (int32_t)y};
    return TN_OK;
}

// Follows one outline from the upper left corner of pixel (x0,y0), eastward. Set pixels that touch
// only at a corner count as connected.
static tn_status follow(tracer *t, int64_t x0, int64_t y0) {
    static const int8_t step[4][2] = {{1, 0}, {0, 1}, {-1, 0}, {0, -1}}; // east south west north
    // Offsets of the pixels ahead on the left and on the right, seen from a corner along a
    // direction.
    static const int8_t left[4][2] = {{0, -1}, {0, 0}, {-1, 0}, {-1, -1}};
    static const int8_t right[4][2] = {{0, 0}, {-1, 0}, {-1, -1}, {0, -1}};
    int64_t x = x0, y = y0;
    int way = 0;
    t->count = 0;
    do {
        TN_TRY(add(t, x, y));
        if (way == 0) t->seen[y * t->w + x] = 1;
        x += step[way][0];
        y += step[way][1];
        if (inside(t, x + left[way][0], y + left[way][1]))
            way = (way + 3) % 4;
        else if (!inside(t, x + right[way][0], y + right[way][1]))
            way = (way + 1) % 4;
    } while (x != x0 || y != y0 || way != 0);
    return TN_OK;
}

// Corner i of the outline as the mean of the corners up to radius away, near ones weighted more.
static void smooth(const tracer *t, size_t i, int radius, double *x, double *y) {
    double sum = 0;
    *x = *y = 0;
    for (int d = -radius; d <= radius; d++) {
        size_t j = (i + t->count + (size_t)(d + radius) - (size_t)radius) % t->count;
        double weight = radius + 1 - (d < 0 ? -d : d);
        *x += weight * t->corners[j].x;
        *y += weight * t->corners[j].y;
        sum += weight;
    }
    *x /= sum;
    *y /= sum;
}

static void to_path(const tracer *t, int radius, cairo_t *cairo) {
    if ((size_t)radius > t->count / 8)
        radius = (int)(t->count / 8); // small objects keep their shape
    for (size_t i = 0; i < t->count; i++) {
        double x, y;
        smooth(t, i, radius, &x, &y);
        if (i == 0)
            cairo_move_to(cairo, x, y);
        else
            cairo_line_to(cairo, x, y);
    }
    cairo_close_path(cairo);
}

static tn_status trace(tracer *t, int radius, cairo_t *cairo) {
    for (int64_t y = 0; y < t->h; y++) {
        const uint8_t *row = t->mask + y * t->w;
        for (int64_t x = 0; x < t->w; x++) {
            uint64_t eight;
            if (x + 8 <= t->w && (memcpy(&eight, row + x, 8), eight == 0)) {
                x += 7;
                continue;
            }
            if (!row[x] || inside(t, x, y - 1) || t->seen[y * t->w + x]) continue;
            TN_TRY(follow(t, x, y));
            to_path(t, radius, cairo);
        }
    }
    return TN_OK;
}

tn_status io_trace_mask(const tn_tensor *mask, int radius, cairo_t *cairo, tn_error *err) {
    tracer t = {.mask = tn_u8(mask), .h = mask->dim[0], .w = mask->dim[1], .err = err};
    t.seen = tn_alloc_zero((size_t)(t.h * t.w), 1);
    tn_status status = t.seen
                           ? trace(&t, radius, cairo)
                           : tn_fail(err, TN_ENOMEM, "out of memory for a mask of %lldx%lld pixels",
                                     (long long)t.w, (long long)t.h);
    tn_free(t.seen);
    tn_free(t.corners);
    return status;
}
