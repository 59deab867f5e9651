// SPDX-License-Identifier: Apache-2.0
// Taps of a resize, computed once per axis.
#include "kernels/cpu/cpu.h"
#include "kernels/rules.h"

#include <string.h>

#define FRACTION 22

static double filter_weight(kn_filter filter, double a, double t) {
    t = fabs(t);
    if (filter == KN_BILINEAR) return t < 1 ? 1 - t : 0;
    if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
    return t < 2 ? a * (((t - 5) * t + 8) * t - 4) : 0;
}

static void plain_taps(const kn_resize *cfg, double a, float centre, int64_t in, int64_t o,
                       kn_cpu_axis *axis) {
    if (cfg->filter == KN_BILINEAR && centre < 0) centre = 0;
    int radius = cfg->filter == KN_BILINEAR ? 1 : 2;
    int64_t low = (int64_t)floorf(centre) - (radius - 1);
    axis->count[o] = 2 * radius;
    for (int64_t t = 0; t < 2 * radius; t++) {
        int64_t at = low + t;
        double distance = (double)(centre - (float)at);
        axis->weight[o * axis->max_taps + t] = (float)filter_weight(cfg->filter, a, distance);
        axis->index[o * axis->max_taps + t] = (int32_t)(at < 0 ? 0 : at >= in ? in - 1 : at);
    }
}

static void wide_taps(const kn_resize *cfg, double a, float step, int64_t in, int64_t o,
                      kn_cpu_axis *axis) {
    float widen = step > 1 ? step : 1;
    float support = (cfg->filter == KN_BILINEAR ? 1.0f : 2.0f) * widen;
    float centre = step * ((float)o + 0.5f);
    int64_t low = (int64_t)(centre - support + 0.5f), high = (int64_t)(centre + support + 0.5f);
    if (low < 0) low = 0;
    if (high > in) high = in;
    if (high < low) high = low;
    double total = 0;
    for (int64_t i = low; i < high; i++)
        total += filter_weight(cfg->filter, a, (double)(((float)i - centre + 0.5f) / widen));
    axis->count[o] = (int32_t)(high - low);
    for (int64_t i = low; i < high; i++) {
        double w = filter_weight(cfg->filter, a, (double)(((float)i - centre + 0.5f) / widen));
        axis->index[o * axis->max_taps + i - low] = (int32_t)i;
        axis->weight[o * axis->max_taps + i - low] = (float)(total != 0 ? w / total : w);
    }
}

static void set_range(kn_cpu_axis *axis, int64_t outs) {
    axis->first = INT64_MAX;
    axis->end = 0;
    for (int64_t o = 0; o < outs; o++)
        for (int64_t t = 0; t < axis->count[o]; t++) {
            int64_t at = axis->index[o * axis->max_taps + t];
            if (at < axis->first) axis->first = at;
            if (at >= axis->end) axis->end = at + 1;
        }
    if (axis->first > axis->end) axis->first = axis->end;
}

kn_cpu_axis kn_cpu_axis_of(kn_ctx *cx, const kn_resize *cfg, double scale, int64_t in, int64_t outs,
                           bool fused) {
    float step = scale > 0 ? (float)scale : (float)in / (float)outs;
    double a = cfg->cubic_a != 0 ? cfg->cubic_a : cfg->antialias ? -0.5 : -0.75;
    kn_cpu_axis axis = {.max_taps =
                            cfg->antialias ? (int64_t)ceil(4 * fmax((double)step, 1)) + 2 : 4};
    if (axis.max_taps > in + 4) axis.max_taps = in + 4;
    size_t entries = (size_t)(outs * axis.max_taps);
    axis.count = kn_scratch(cx, 0, (size_t)outs * sizeof *axis.count);
    axis.index = kn_scratch(cx, 0, entries * sizeof *axis.index);
    axis.weight = kn_scratch(cx, 0, entries * sizeof *axis.weight);
    for (int64_t o = 0; o < outs; o++) {
        if (cfg->filter == KN_NEAREST) {
            axis.count[o] = 1;
            axis.index[o * axis.max_taps] = (int32_t)kn_nearest_index(o, in, outs, scale);
            axis.weight[o * axis.max_taps] = 1;
        } else if (cfg->antialias) {
            wide_taps(cfg, a, step, in, o, &axis);
        } else {
            plain_taps(cfg, a, kn_resize_centre(step, o, fused), in, o, &axis);
        }
    }
    set_range(&axis, outs);
    return axis;
}

kn_cpu_axis kn_cpu_axis_transposed(kn_ctx *cx, const kn_cpu_axis *axis, int64_t in, int64_t outs) {
    kn_cpu_axis transposed = {.count = kn_scratch(cx, 0, (size_t)in * sizeof *transposed.count)};
    memset(transposed.count, 0, (size_t)in * sizeof *transposed.count);
    for (int64_t o = 0; o < outs; o++)
        for (int64_t t = 0; t < axis->count[o]; t++) {
            int32_t count = ++transposed.count[axis->index[o * axis->max_taps + t]];
            if (count > transposed.max_taps) transposed.max_taps = count;
        }
    size_t entries = (size_t)(in * transposed.max_taps);
    transposed.index = kn_scratch(cx, 0, entries * sizeof *transposed.index);
    transposed.weight = kn_scratch(cx, 0, entries * sizeof *transposed.weight);
    memset(transposed.count, 0, (size_t)in * sizeof *transposed.count);
    for (int64_t o = 0; o < outs; o++)
        for (int64_t t = 0; t < axis->count[o]; t++) {
            int64_t i = axis->index[o * axis->max_taps + t];
            int64_t at = i * transposed.max_taps + transposed.count[i]++;
            transposed.index[at] = (int32_t)o;
            transposed.weight[at] = axis->weight[o * axis->max_taps + t];
        }
    set_range(&transposed, in);
    return transposed;
}

bool kn_cpu_axis_u8_changes(int64_t in, int64_t outs, double from, double to) {
    return in != outs || (float)from != 0 || (float)to != (float)outs;
}

// Weights of samples [first, first+count) around a centre, computed in double, then rounded to
// integers.
static void whole_weights(kn_filter filter, double centre, double widen, int64_t first,
                          int64_t count, int32_t *weight) {
    double total = 0;
    for (int64_t i = 0; i < count; i++)
        total += filter_weight(filter, -0.5, ((double)(first + i) - centre + 0.5) * (1 / widen));
    for (int64_t i = 0; i < count; i++) {
        double w = filter_weight(filter, -0.5, ((double)(first + i) - centre + 0.5) * (1 / widen));
        if (total != 0) w /= total;
        w *= 1 << FRACTION;
        weight[i] = (int32_t)(w < 0 ? w - 0.5 : w + 0.5);
    }
}

// Pillow keeps the box, and the difference of its edges, in float32; everything else is double.
kn_cpu_axis_u8 kn_cpu_axis_u8_of(kn_ctx *cx, kn_filter filter, double from, double to, int64_t in,
                                 int64_t outs, int64_t begin, int64_t count) {
    double step = (double)((float)to - (float)from) / (double)outs;
    double widen = step > 1 ? step : 1, support = (filter == KN_BILINEAR ? 1 : 2) * widen;
    kn_cpu_axis_u8 axis = {.max_taps = (int64_t)ceil(2 * support) + 2};
    if (axis.max_taps > in) axis.max_taps = in;
    axis.first = kn_scratch(cx, 0, (size_t)count * sizeof *axis.first);
    axis.count = kn_scratch(cx, 0, (size_t)count * sizeof *axis.count);
    axis.weight = kn_scratch(cx, 0, (size_t)(count * axis.max_taps) * sizeof *axis.weight);
    for (int64_t o = 0; o < count; o++) {
        double centre = (float)from + ((double)(begin + o) + 0.5) * step;
        int64_t first = (int64_t)(centre - support + 0.5), end = (int64_t)(centre + support + 0.5);
        if (first < 0) first = 0;
        if (end > in) end = in;
        axis.first[o] = (int32_t)first;
        axis.count[o] = (int32_t)(end - first);
        whole_weights(filter, centre, widen, first, end - first, axis.weight + o * axis.max_taps);
    }
    return axis;
}
