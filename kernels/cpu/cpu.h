// SPDX-License-Identifier: Apache-2.0
// What the processor levels share: room for each worker, cutting of plain loops, and the operations
// that gain nothing from vectors, written once for all levels.
#pragma once

#include "kernels/table.h"

// `bytes` of scratch for each worker, as an array indexed by worker. Not to be called inside a
// task. kn_cpu_worker_scratch_end gives back everything that the operation took from the scratch.
void **kn_cpu_worker_scratch(kn_ctx *cx, size_t bytes);
void kn_cpu_worker_scratch_end(kn_ctx *cx);

// Runs `run` over [0,count) in pieces of about `piece`: each call gets a range [from,to).
typedef void (*kn_cpu_range)(void *job, int64_t from, int64_t to, int worker);
void kn_cpu_ranges(kn_ctx *cx, int64_t count, int64_t piece, kn_cpu_range run, void *job);

// kn_topk's order of values as whole numbers: smaller comes first, NaN last, -0 equal to 0.
static inline uint32_t kn_cpu_rank(float value) {
    union {
        float real;
        uint32_t bits;
    } u = {value + 0.0f};
    if (value != value) return UINT32_MAX;
    return u.bits >> 31 ? u.bits : ~u.bits & 0x7fffffffu;
}

// Sorts by the upper 32 bits, equal ones stay in order; room holds as many.
void kn_cpu_sort(uint64_t *keys, uint64_t *room, int64_t count);

// What one axis of a resize takes for each output: count[o] samples index[o*most + t], each times
// weight[o*most + t]. In the context's scratch. fused: kn_resize_fused of the whole result.
typedef struct kn_cpu_axis {
    int64_t most, first, end; // most samples of an output; range of samples that are read at all
    int32_t *count, *index;
    float *weight;
} kn_cpu_axis;
kn_cpu_axis kn_cpu_axis_of(kn_ctx *cx, const kn_resize *cfg, double scale, int64_t in, int64_t outs,
                           bool fused);
// The other way round: what each of the `in` inputs of an axis gives to which of its outputs.
kn_cpu_axis kn_cpu_axis_turned(kn_ctx *cx, const kn_cpu_axis *axis, int64_t in, int64_t outs);

// The same for Pillow's 8-bit resize: neighbouring samples from first[o], whole-number weights. Of
// `outs` outputs those from begin to begin+count-1; o counts from begin.
typedef struct kn_cpu_axis_u8 {
    int64_t most;
    int32_t *first, *count, *weight;
} kn_cpu_axis_u8;
kn_cpu_axis_u8 kn_cpu_axis_u8_of(kn_ctx *cx, kn_filter filter, double from, double to, int64_t in,
                                 int64_t outs, int64_t begin, int64_t count);
// False when the pass along an axis would copy: Pillow leaves it out.
bool kn_cpu_axis_u8_changes(int64_t in, int64_t outs, double from, double to);

// One axis of a region for RoIAlign: for bin b, count[b] samples index[b*most + t] with weights
// that hold the interpolation of all its samples, their number divided out.
typedef struct kn_cpu_bins {
    int64_t most;
    int32_t *count, *index;
    float *weight;
} kn_cpu_bins;
// from, to: the region's edges in the picture; extent: samples of the map along this axis. Fills
// out, whose arrays the caller made with kn_cpu_bins_most entries a bin.
int64_t kn_cpu_bins_most(const kn_roi_align *cfg, float from, float to, double scale, int64_t bins,
                         int64_t extent);
void kn_cpu_bins_fill(const kn_roi_align *cfg, float from, float to, double scale, int64_t bins,
                      int64_t extent, kn_cpu_bins *out);

// The operations that are written once for all levels: boxes.c, bytes.c.
#define KN_OP(result, name, parameters, arguments)
#define KN_OP_ONCE(result, name, parameters, arguments) result kn_cpu_##name parameters;
#include "kernels/ops.def"
