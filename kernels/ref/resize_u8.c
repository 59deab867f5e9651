// SPDX-License-Identifier: Apache-2.0
// Pillow's Image.resize for 8-bit pictures (src/libImaging/Resample.c of Pillow 13), to the last
// bit: weights in double, made whole numbers of 22 fractional bits; the first pass is rounded to 8
// bits before the second one begins; a pass that would change nothing is left out.
#include "kernels/ref/ref.h"
#include "kernels/rules.h"

#include <math.h>
#include <string.h>

#define FRACTION_BITS 22 // 32 bits less 8 for the pixel and 2 for the overshoot of the filter

static double filter_at(kn_filter filter, double t) {
    t = fabs(t);
    if (filter == KN_BILINEAR) return t < 1 ? 1 - t : 0;
    const double a = -0.5;
    if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
    return t < 2 ? (((t - 5) * t + 8) * t - 4) * a : 0;
}

// The samples [first, first+count) of an axis that output `out` takes, and their weights.
typedef struct taps {
    int64_t first, count;
    int32_t *weight;
} taps;

// from, to: the box along this axis; Pillow keeps it, and their difference, in float32.
static taps taps_of(kn_ctx *cx, kn_filter filter, float from, float to, int64_t in, int64_t outs,
                    int64_t out) {
    double step = (double)(to - from) / (double)outs;
    double widen = step > 1 ? step : 1;
    double support = (filter == KN_BILINEAR ? 1 : 2) * widen;
    double centre = from + ((double)out + 0.5) * step;
    int64_t first = (int64_t)(centre - support + 0.5), end = (int64_t)(centre + support + 0.5);
    if (first < 0) first = 0;
    if (end > in) end = in;
    taps result = {first, end - first, kn_scratch(cx, 0, (size_t)(end - first) * sizeof(int32_t))};
    double total = 0;
    for (int64_t i = first; i < end; i++)
        total += filter_at(filter, ((double)i - centre + 0.5) * (1 / widen));
    for (int64_t i = first; i < end; i++) {
        double weight = filter_at(filter, ((double)i - centre + 0.5) * (1 / widen));
        if (total != 0) weight /= total;
        weight *= 1 << FRACTION_BITS;
        result.weight[i - first] = (int32_t)(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
    return result;
}

// One output byte: samples are `stride` bytes apart.
static uint8_t weighted(const uint8_t *sample, int64_t stride, const taps *t) {
    int64_t sum = 1 << (FRACTION_BITS - 1);
    for (int64_t i = 0; i < t->count; i++) sum += (int64_t)sample[i * stride] * t->weight[i];
    sum >>= FRACTION_BITS;
    return sum < 0 ? 0 : sum > 255 ? 255 : (uint8_t)sum;
}

// y begins at column `left` of a result that is `width` wide.
static void horizontal(kn_ctx *cx, const kn_resize_u8 *cfg, const tn_tensor *x,
                       const tn_tensor *y) {
    int64_t channels = x->dim[2];
    for (int64_t ox = 0; ox < y->dim[1]; ox++) {
        taps t = taps_of(cx, cfg->filter, (float)cfg->box[0], (float)cfg->box[2], x->dim[1],
                         cfg->width, cfg->left + ox);
        for (int64_t row = 0; row < y->dim[0]; row++)
            for (int64_t c = 0; c < channels; c++)
                tn_u8(y)[(row * y->dim[1] + ox) * channels + c] =
                    weighted(tn_u8(x) + (row * x->dim[1] + t.first) * channels + c, channels, &t);
    }
}

static void vertical(kn_ctx *cx, const kn_resize_u8 *cfg, const tn_tensor *x, const tn_tensor *y) {
    int64_t row = x->dim[1] * x->dim[2];
    for (int64_t oy = 0; oy < y->dim[0]; oy++) {
        taps t = taps_of(cx, cfg->filter, (float)cfg->box[1], (float)cfg->box[3], x->dim[0],
                         cfg->height, cfg->top + oy);
        for (int64_t i = 0; i < row; i++)
            tn_u8(y)[oy * row + i] = weighted(tn_u8(x) + t.first * row + i, row, &t);
    }
}

// A pass that would change nothing takes its part of the picture as it is.
static void cut(const tn_tensor *x, int64_t top, int64_t left, const tn_tensor *y) {
    int64_t channels = x->dim[2], row = y->dim[1] * channels;
    for (int64_t i = 0; i < y->dim[0]; i++)
        memcpy(tn_u8(y) + i * row, tn_u8(x) + ((top + i) * x->dim[1] + left) * channels,
               (size_t)row);
}

static bool changes(int64_t in, int64_t out, double from, double to) {
    return in != out || (float)from != 0 || (float)to != (float)out;
}

static void across(kn_ctx *cx, const kn_resize_u8 *cfg, const tn_tensor *x, const tn_tensor *y) {
    if (changes(x->dim[1], cfg->width, cfg->box[0], cfg->box[2]))
        horizontal(cx, cfg, x, y);
    else
        cut(x, 0, cfg->left, y);
}

static void down(kn_ctx *cx, const kn_resize_u8 *cfg, const tn_tensor *x, const tn_tensor *y) {
    if (changes(x->dim[0], cfg->height, cfg->box[1], cfg->box[3]))
        vertical(cx, cfg, x, y);
    else
        cut(x, cfg->top, 0, y);
}

void kn_ref_resize_u8_fwd(kn_ctx *cx, const kn_resize_u8 *cfg, const tn_tensor *x, tn_tensor *y) {
    // The first pass makes all that there is along the other axis, also what nobody reads.
    bool down_first = kn_resize_u8_down_first(x->dim[0], x->dim[1], cfg->height, cfg->width);
    tn_tensor middle = down_first ? tn_view(NULL, TN_U8, TN_DIMS(y->dim[0], x->dim[1], x->dim[2]))
                                  : tn_view(NULL, TN_U8, TN_DIMS(x->dim[0], y->dim[1], x->dim[2]));
    middle.data = kn_scratch(cx, 0, tn_bytes(&middle));
    if (down_first) {
        down(cx, cfg, x, &middle);
        across(cx, cfg, &middle, y);
    } else {
        across(cx, cfg, x, &middle);
        down(cx, cfg, &middle, y);
    }
    kn_scratch_reset(cx, 0);
}
