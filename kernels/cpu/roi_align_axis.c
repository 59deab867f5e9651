// SPDX-License-Identifier: Apache-2.0
// RoIAlign's samples along one axis. The samples of a bin form a grid and each is interpolated
// linearly along both axes, so the mean over the bin is a sum over rows times a sum over columns of
// the map. Each axis is computed separately, and a row shared by several samples appears once.
#include "kernels/cpu/cpu.h"

#include <math.h>

typedef struct side {
    float start, bin;
    int64_t samples;
} side;

// In float32, like torchvision's kernel.
static side side_of(const kn_roi_align *cfg, float from, float to, double scale, int64_t bins) {
    float offset = cfg->aligned ? 0.5f : 0;
    float start = from * (float)scale - offset, end = to * (float)scale - offset;
    float size = end - start;
    if (!cfg->aligned && size < 1) size = 1;
    side s = {start, size / (float)bins, cfg->sampling_ratio};
    if (!cfg->sampling_ratio) {
        double wanted = ceil((double)s.bin);
        s.samples = wanted > 0 && wanted < 0x1p30 ? (int64_t)wanted : 0;
    }
    return s;
}

int64_t kn_cpu_bins_max_taps(const kn_roi_align *cfg, float from, float to, double scale,
                             int64_t bins, int64_t extent) {
    int64_t samples = side_of(cfg, from, to, scale, bins).samples;
    return samples < extent ? 2 * samples : 2 * extent;
}

// Samples come in ascending order (descending where the region is inverted), so a row seen before
// is one of the last two.
static void add_tap(int32_t *index, float *weight, int32_t *count, int64_t at, float w) {
    for (int back = 1; back <= 2 && back <= *count; back++) {
        if (index[*count - back] == at) {
            weight[*count - back] += w;
            return;
        }
    }
    index[*count] = (int32_t)at;
    weight[*count] = w;
    ++*count;
}

static void add_sample(float at, float share, int64_t extent, int32_t *index, float *weight,
                       int32_t *count) {
    if (!(at >= -1 && at <= (float)extent) || !extent) return;
    if (at < 0) at = 0;
    if (at > (float)(extent - 1)) at = (float)(extent - 1);
    int64_t low = (int64_t)at;
    float part = at - (float)low;
    add_tap(index, weight, count, low, (1 - part) * share);
    if (part > 0 && low + 1 < extent) add_tap(index, weight, count, low + 1, part * share);
}

void kn_cpu_bins_fill(const kn_roi_align *cfg, float from, float to, double scale, int64_t bins,
                      int64_t extent, kn_cpu_bins *out) {
    side s = side_of(cfg, from, to, scale, bins);
    float share = s.samples ? 1 / (float)s.samples : 0;
    for (int64_t b = 0; b < bins; b++) {
        out->count[b] = 0;
        for (int64_t i = 0; i < s.samples; i++) {
            float at = s.start + (float)b * s.bin + ((float)i + 0.5f) * s.bin / (float)s.samples;
            add_sample(at, share, extent, out->index + b * out->max_taps,
                       out->weight + b * out->max_taps, &out->count[b]);
        }
    }
}
