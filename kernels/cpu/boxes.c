// SPDX-License-Identifier: Apache-2.0
// Sorting, selection, boxes, table rows: integer work and few bytes, one source for all levels.
#include "kernels/cpu/cpu.h"

#include <math.h>
#include <string.h>

#define DIGIT 11 // bits; three passes sort 32 bits
#define DIGITS (1 << DIGIT)

void kn_cpu_sort(uint64_t *keys, uint64_t *scratch, int64_t count) {
    uint64_t *from = keys, *to = scratch;
    for (int shift = 32; shift < 64; shift += DIGIT) {
        int64_t start[DIGITS] = {0}, sum = 0;
        for (int64_t i = 0; i < count; i++) start[from[i] >> shift & (DIGITS - 1)]++;
        for (int d = 0; d < DIGITS; d++) {
            int64_t n = start[d];
            start[d] = sum;
            sum += n;
        }
        for (int64_t i = 0; i < count; i++) to[start[from[i] >> shift & (DIGITS - 1)]++] = from[i];
        uint64_t *swap = from;
        from = to;
        to = swap;
    }
    memcpy(keys, from, (size_t)count * sizeof *keys); // an odd number of passes ends in scratch
}

// Values are counted by the leading bits of their rank; only candidates for the best k are gathered
// and sorted.
void kn_cpu_topk(kn_ctx *cx, const tn_tensor *x, tn_tensor *index) {
    int64_t count = x->dim[0], wanted = index->dim[0], below[DIGITS] = {0}, taken = 0, seen = 0;
    const float *value = tn_f32(x);
    for (int64_t i = 0; i < count; i++) below[kn_cpu_rank(value[i]) >> (32 - DIGIT)]++;
    uint32_t last = 0; // the digit that holds the k-th value
    while (seen + below[last] < wanted) seen += below[last++];
    int64_t candidates = seen + below[last];
    uint64_t *keys = kn_scratch(cx, 0, (size_t)candidates * sizeof *keys);
    uint64_t *scratch = kn_scratch(cx, 0, (size_t)candidates * sizeof *scratch);
    for (int64_t i = 0; i < count; i++) {
        uint32_t rank = kn_cpu_rank(value[i]);
        if (rank >> (32 - DIGIT) <= last) keys[taken++] = (uint64_t)rank << 32 | (uint64_t)i;
    }
    kn_cpu_sort(keys, scratch, taken);
    for (int64_t i = 0; i < wanted; i++) tn_i32(index)[i] = (int32_t)(uint32_t)keys[i];
    kn_scratch_reset(cx, 0);
}

typedef struct decode_job {
    const double *weights;
    double clip;
    const float *anchors, *deltas;
    float *y;
    int64_t types;
} decode_job;

// In double, so that all levels agree bit for bit.
static void decode_range(void *job, int64_t from, int64_t to, int worker) {
    const decode_job *d = job;
    for (int64_t i = from; i < to; i++) {
        const float *anchor = d->anchors + i / d->types * 4, *delta = d->deltas + i * 4;
        float *out = d->y + i * 4;
        double w = (double)anchor[2] - anchor[0], h = (double)anchor[3] - anchor[1];
        double dw = delta[2] / d->weights[2], dh = delta[3] / d->weights[3];
        double x = anchor[0] + w / 2 + delta[0] / d->weights[0] * w;
        double y = anchor[1] + h / 2 + delta[1] / d->weights[1] * h;
        double half_w = exp(dw > d->clip ? d->clip : dw) * w / 2;
        double half_h = exp(dh > d->clip ? d->clip : dh) * h / 2;
        out[0] = (float)(x - half_w);
        out[1] = (float)(y - half_h);
        out[2] = (float)(x + half_w);
        out[3] = (float)(y + half_h);
    }
    (void)worker;
}

void kn_cpu_box_decode_fwd(kn_ctx *cx, const double weights[4], double clip,
                           const tn_tensor *anchors, const tn_tensor *deltas, tn_tensor *y) {
    decode_job d = {weights, clip, tn_f32(anchors), tn_f32(deltas), tn_f32(y), 0};
    d.types = deltas->dim[1] / 4;
    kn_cpu_ranges(cx, deltas->dim[0] * d.types, 1024, decode_range, &d);
}

void kn_cpu_box_clip(kn_ctx *cx, double height, double width, tn_tensor *boxes) {
    (void)cx;
    float *edge = tn_f32(boxes), high[2] = {(float)width, (float)height};
    for (int64_t i = 0; i < tn_count(boxes); i++)
        edge[i] = edge[i] < 0 ? 0 : edge[i] > high[i % 2] ? high[i % 2] : edge[i];
}

typedef struct gather_job {
    const float *table;
    const int32_t *ids;
    float *y;
    size_t bytes; // per row
} gather_job;

static void gather_range(void *job, int64_t from, int64_t to, int worker) {
    const gather_job *g = job;
    for (int64_t i = from; i < to; i++)
        memcpy((char *)g->y + (size_t)i * g->bytes,
               (const char *)g->table + (size_t)g->ids[i] * g->bytes, g->bytes);
    (void)worker;
}

void kn_cpu_gather_rows_fwd(kn_ctx *cx, const tn_tensor *table, const tn_tensor *ids,
                            tn_tensor *y) {
    gather_job g = {tn_f32(table), tn_i32(ids), tn_f32(y), 0};
    g.bytes = (size_t)tn_last(table) * sizeof(float);
    kn_cpu_ranges(cx, ids->dim[0], (int64_t)(65536 / g.bytes) + 1, gather_range, &g);
}
