// SPDX-License-Identifier: Apache-2.0
// Masks of true boxes sampled in regions.
#include "models/detector/targets.h"

#include <math.h>
#include <string.h>

// A mask in column order, like run lengths: decoding is one memset per run.
typedef struct columns {
    uint8_t *at; // [w][h]
    int64_t h, w;
} columns;

static void decode(const io_rle *rle, columns *out) {
    uint8_t *to = out->at;
    for (size_t i = 0; i < rle->count; i++) {
        memset(to, (int)(i & 1), rle->counts[i]);
        to += rle->counts[i];
    }
}

// The two neighbours of a sample and their weights; torchvision's bilinear_interpolate. False if
// the sample is more than a pixel outside: it counts as 0.
typedef struct axis {
    int64_t low, high;
    double there;
} axis;

static bool set_axis(double at, int64_t size, axis *out) {
    if (at < -1 || at > (double)size) return false;
    if (at < 0) at = 0;
    out->low = (int64_t)at, out->high = out->low + 1;
    if (out->low >= size - 1) out->low = out->high = size - 1, at = (double)out->low;
    out->there = at - (double)out->low;
    return true;
}

typedef struct span { // an axis of a roi: its start, the width of a bin, samples per bin
    double start, bin;
    int64_t grid;
} span;

// Coordinates are rounded to float32 as in torchvision; not for double.
static double rounded(double x, bool single) {
    return single ? (double)(float)x : x;
}

static span span_of(float from, float to, int64_t size, bool single) {
    double length = rounded((double)to - (double)from, single);
    if (length < 1) length = 1;
    span s = {from, rounded(length / (double)size, single), 0};
    s.grid = (int64_t)ceil(s.bin);
    return s;
}

static double sample_at(const span *s, int64_t bin, int64_t i, bool single) {
    double base = rounded(s->start + rounded((double)bin * s->bin, single), single);
    double step = rounded(rounded(((double)i + 0.5) * s->bin, single) / (double)s->grid, single);
    return rounded(base + step, single);
}

static double bin_value(const columns *m, const span *sx, const span *sy, int64_t bx, int64_t by,
                        bool single) {
    double sum = 0;
    for (int64_t i = 0; i < sy->grid; i++) {
        axis y, x;
        if (!set_axis(sample_at(sy, by, i, single), m->h, &y)) continue;
        for (int64_t k = 0; k < sx->grid; k++) {
            if (!set_axis(sample_at(sx, bx, k, single), m->w, &x)) continue;
            const uint8_t *left = m->at + x.low * m->h, *right = m->at + x.high * m->h;
            double top = left[y.low] * (1 - x.there) + right[y.low] * x.there;
            double bottom = left[y.high] * (1 - x.there) + right[y.high] * x.there;
            sum += top * (1 - y.there) + bottom * y.there;
        }
    }
    return sum / (double)(sx->grid * sy->grid);
}

static void see(const columns *mask, const float *roi, int64_t size, tn_tensor *y, int64_t row) {
    bool single = y->dtype == TN_F32;
    span sx = span_of(roi[0], roi[2], size, single), sy = span_of(roi[1], roi[3], size, single);
    for (int64_t by = 0; by < size; by++)
        for (int64_t bx = 0; bx < size; bx++) {
            double value = bin_value(mask, &sx, &sy, bx, by, single);
            int64_t at = (row * size + by) * size + bx;
            if (single)
                ((float *)y->data)[at] = (float)value;
            else
                ((double *)y->data)[at] = value;
        }
}

tn_status md_mask_targets(tn_arena *arena, const io_rle *masks, int64_t truths,
                          const tn_tensor *rois, const tn_tensor *box, int64_t size, tn_dtype dtype,
                          tn_tensor *y, tn_error *err) {
    int64_t count = rois->dim[0];
    TN_CHECK(tn_has_shape(rois, 2, (int64_t[]){count, 4}) && tn_has_shape(box, 1, &count) &&
                 size >= 1 && (dtype == TN_F32 || dtype == TN_F64),
             "%lld rois, masks of %lld in %s", (long long)count, (long long)size,
             tn_dtype_name(dtype));
    TN_TRY(tn_new(arena, y, dtype, TN_DIMS(count, size, size), err));
    if (!count) return TN_OK;
    size_t mark = tn_arena_mark(arena);
    columns mask = {NULL, masks->h, masks->w};
    mask.at = tn_arena_alloc(arena, (size_t)mask.h * (size_t)mask.w + 1);
    if (!mask.at)
        return tn_fail(err, TN_ENOMEM, "out of memory for a mask of %lld x %lld", (long long)mask.h,
                       (long long)mask.w);
    for (int64_t g = 0; g < truths; g++) {
        bool decoded = false;
        for (int64_t r = 0; r < count; r++) {
            int32_t at = tn_i32(box)[r];
            TN_CHECK(at >= 0 && at < truths, "mask %d of %lld", at, (long long)truths);
            if (at != g) continue;
            TN_CHECK(masks[g].h == masks->h && masks[g].w == masks->w, "masks of unequal size");
            if (!decoded) decode(&masks[g], &mask);
            decoded = true;
            see(&mask, tn_f32(rois) + 4 * r, size, y, r);
        }
    }
    tn_arena_reset(arena, mark);
    return TN_OK;
}
