// SPDX-License-Identifier: Apache-2.0
// Shared by the processor levels: scratch per worker, splitting of plain loops, and the operations
// that gain nothing from vectors, written once for all levels.
#pragma once

#include "kernels/table.h"

// `bytes` of scratch per worker, as an array indexed by worker. Must not be called inside a task.
// kn_cpu_worker_scratch_end frees all scratch taken by the operation.
void **kn_cpu_worker_scratch(kn_ctx *cx, size_t bytes);
void kn_cpu_worker_scratch_end(kn_ctx *cx);

// Runs `run` over [0,count) in chunks of about `chunk`: each call gets a range [from,to).
typedef void (*kn_cpu_range)(void *job, int64_t from, int64_t to, int worker);
void kn_cpu_ranges(kn_ctx *cx, int64_t count, int64_t chunk, kn_cpu_range run, void *job);

// Maps a value to an integer in kn_topk's order: smaller comes first, NaN last, -0 equals 0.
static inline uint32_t kn_cpu_rank(float value) {
    union {
        float real;
        uint32_t bits;
    } u = {value + 0.0f};
    if (value != value) return UINT32_MAX;
    return u.bits >> 31 ? u.bits : ~u.bits & 0x7fffffffu;
}

// Stable sort by the upper 32 bits; scratch holds count keys.
void kn_cpu_sort(uint64_t *keys, uint64_t *scratch, int64_t count);

// One axis of a resize, for each output: count[o] samples index[o*max_taps + t] with weights
// weight[o*max_taps + t]. In the context's scratch. fused: kn_resize_fused of the whole result.
typedef struct kn_cpu_axis {
    int64_t max_taps, first, end; // most samples of any output; range of samples read
    int32_t *count, *index;
    float *weight;
} kn_cpu_axis;
kn_cpu_axis kn_cpu_axis_of(kn_ctx *cx, const kn_resize *cfg, double scale, int64_t in, int64_t outs,
                           bool fused);
// The transpose: for each of the `in` inputs of an axis, the outputs it contributes to.
kn_cpu_axis kn_cpu_axis_transposed(kn_ctx *cx, const kn_cpu_axis *axis, int64_t in, int64_t outs);

// The same for Pillow's 8-bit resize: consecutive samples from first[o], integer weights. Covers
// outputs begin to begin+count-1 of `outs`; o counts from begin.
typedef struct kn_cpu_axis_u8 {
    int64_t max_taps;
    int32_t *first, *count, *weight;
} kn_cpu_axis_u8;
kn_cpu_axis_u8 kn_cpu_axis_u8_of(kn_ctx *cx, kn_filter filter, double from, double to, int64_t in,
                                 int64_t outs, int64_t begin, int64_t count);
// False when the pass along an axis would only copy: Pillow skips it.
bool kn_cpu_axis_u8_changes(int64_t in, int64_t outs, double from, double to);

// One axis of a region for RoIAlign: for bin b, count[b] samples index[b*max_taps + t]. The weights
// combine the interpolation of all samples of the bin and are divided by their number.
typedef struct kn_cpu_bins {
    int64_t max_taps;
    int32_t *count, *index;
    float *weight;
} kn_cpu_bins;
// from, to: the region's edges in the picture; extent: samples of the map along this axis. Fills
// out, whose arrays the caller allocates with kn_cpu_bins_max_taps entries per bin.
int64_t kn_cpu_bins_max_taps(const kn_roi_align *cfg, float from, float to, double scale,
                             int64_t bins, int64_t extent);
void kn_cpu_bins_fill(const kn_roi_align *cfg, float from, float to, double scale, int64_t bins,
                      int64_t extent, kn_cpu_bins *out);

// The operations written once for all levels: boxes.c, bytes.c.
#define KN_OP(result, name, parameters, arguments)
#define KN_OP_ONCE(result, name, parameters, arguments) result kn_cpu_##name parameters;
#include "kernels/ops.def"
