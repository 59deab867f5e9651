// SPDX-License-Identifier: Apache-2.0
#include "io/coco/rings.h"

#include "tensor/alloc.h"

#include <limits.h>
#include <string.h>

typedef struct tracer {
    const uint8_t *mask;
    int64_t height, width;
    uint8_t *top; // [H,W] 1: the upper edge of this pixel is on a ring that was traced
    int *left;    // [H,W] the ring that the left edge of this pixel is on, plus 1
    size_t outer_room, first_room, point_room;
    io_rings *out;
} tracer;

static bool inside(const tracer *t, int64_t x, int64_t y) {
    return x >= 0 && y >= 0 && x < t->width && y < t->height && t->mask[y * t->width + x];
}

// Makes room for one more element of `size` bytes.
static bool grow(void **array, size_t count, size_t *room, size_t size) {
    if (count < *room) return true;
    size_t more = *room ? 2 * *room : 64;
    void *grown = tn_realloc(*array, *room * size, more * size);
    if (!grown) return false;
    *array = grown, *room = more;
    return true;
}

static bool add_point(tracer *t, int64_t x, int64_t y) {
    io_rings *o = t->out;
    if (!grow((void **)&o->point, o->points, &t->point_room, 2 * sizeof *o->point)) return false;
    o->point[2 * o->points] = (int32_t)x, o->point[2 * o->points + 1] = (int32_t)y;
    o->points++;
    return true;
}

// Directions are east, south, west, north; the mask is at the right hand. The pixels ahead of a
// corner, at the right and at the left hand, by direction:
static const int step[4][2] = {{1, 0}, {0, 1}, {-1, 0}, {0, -1}};
static const int right_of[4][2] = {{0, 0}, {-1, 0}, {-1, -1}, {0, -1}};

// Follows the ring that begins with the upper edge of pixel x, y. Turning right where it can keeps
// pixels that touch at a corner apart.
static bool follow(tracer *t, int64_t x0, int64_t y0, int ring) {
    int64_t x = x0, y = y0;
    int direction = 0, before = 3; // at the first corner a ring comes from below or from above
    do {
        if (direction != before && !add_point(t, x, y)) return false;
        if (direction == 0) t->top[y * t->width + x] = 1;
        if (direction == 3) t->left[(y - 1) * t->width + x] = ring + 1;
        x += step[direction][0], y += step[direction][1];
        before = direction;
        const int *right = right_of[direction], *left = right_of[(direction + 3) % 4];
        if (!inside(t, x + right[0], y + right[1]))
            direction = (direction + 1) % 4;
        else if (inside(t, x + left[0], y + left[1]))
            direction = (direction + 3) % 4;
    } while (x != x0 || y != y0 || direction != 0);
    return true;
}

static bool add_ring(tracer *t, int64_t x, int64_t y) {
    io_rings *o = t->out;
    if (!grow((void **)&o->outer, o->count, &t->outer_room, sizeof *o->outer) ||
        !grow((void **)&o->first, o->count + 1, &t->first_room, sizeof *o->first))
        return false;
    o->first[o->count] = o->points;
    o->outer[o->count] = -1;
    if (!follow(t, x, y, (int)o->count)) return false;
    o->first[++o->count] = o->points;
    return true;
}

// Whether a ring runs anticlockwise, by twice its signed area; *x, *y: its first corner by rows.
static bool is_hole(const io_rings *o, size_t ring, int64_t *x, int64_t *y) {
    int64_t area = 0;
    const int32_t *last = o->point + 2 * (o->first[ring + 1] - 1);
    *y = INT64_MAX;
    for (size_t k = o->first[ring]; k < o->first[ring + 1]; k++) {
        const int32_t *p = o->point + 2 * k;
        area += (int64_t)last[0] * p[1] - (int64_t)p[0] * last[1];
        if (p[1] < *y || (p[1] == *y && p[0] < *x)) *x = p[0], *y = p[1];
        last = p;
    }
    return area < 0;
}

// At the left of a hole's first corner is the mask. The ring at the left end of that run is the
// outer one, or a hole whose first corner comes earlier, so that this ends.
static int outer_of(const tracer *t, size_t ring) {
    int64_t x, y;
    if (!is_hole(t->out, ring, &x, &y)) return -1;
    for (;;) {
        while (inside(t, x - 1, y)) x--;
        int at = t->left[y * t->width + x] - 1;
        if (!is_hole(t->out, (size_t)at, &x, &y)) return at;
    }
}

static bool trace(tracer *t) {
    for (int64_t y = 0; y < t->height; y++)
        for (int64_t x = 0; x < t->width; x++)
            if (inside(t, x, y) && !inside(t, x, y - 1) && !t->top[y * t->width + x] &&
                (t->out->count == INT_MAX - 1 || !add_ring(t, x, y)))
                return false;
    for (size_t r = 0; r < t->out->count; r++) t->out->outer[r] = outer_of(t, r);
    return true;
}

tn_status io_rings_trace(const tn_tensor *mask, io_rings *out, tn_error *err) {
    TN_CHECK(mask->dtype == TN_U8 && mask->rank == 2, "a mask is uint8 [H,W]");
    size_t pixels = (size_t)tn_count(mask);
    *out = (io_rings){0};
    tracer t = {.mask = tn_u8(mask),
                .height = mask->dim[0],
                .width = mask->dim[1],
                .top = tn_alloc_zero(pixels + 1, 1),
                .left = tn_alloc_zero(pixels + 1, sizeof(int)),
                .out = out};
    bool done = t.top && t.left && trace(&t);
    tn_free(t.top);
    tn_free(t.left);
    if (done) return TN_OK;
    io_rings_deinit(out);
    return tn_fail(err, TN_ENOMEM, "out of memory for the polygons of a mask");
}

void io_rings_deinit(io_rings *rings) {
    tn_free(rings->first);
    tn_free(rings->point);
    tn_free(rings->outer);
    *rings = (io_rings){0};
}
