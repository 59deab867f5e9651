// SPDX-License-Identifier: Apache-2.0
// Bytes to floats through a table, and pasting of masks.
#include "kernels/cpu/cpu.h"
#include "kernels/mask_paste.h"
#include "kernels/rules.h"

#include <string.h>

typedef struct normalize_job {
    const float *value; // [C][256]
    const uint8_t *x;
    float *y;
    int64_t channels;
} normalize_job;

static void normalize_range(void *job, int64_t from, int64_t to, int worker) {
    const normalize_job *n = job;
    for (int64_t i = from; i < to; i++)
        for (int64_t c = 0; c < n->channels; c++)
            n->y[i * n->channels + c] = n->value[c * 256 + n->x[i * n->channels + c]];
    (void)worker;
}

// A byte has 256 values: each is normalised once, with torchvision's rounding.
void kn_cpu_normalize_u8_fwd(kn_ctx *cx, const float *mean, const float *std, const tn_tensor *x,
                             tn_tensor *y) {
    int64_t channels = tn_last(x);
    float *value = kn_scratch(cx, 0, (size_t)channels * 256 * sizeof *value);
    for (int64_t c = 0; c < channels; c++)
        for (int byte = 0; byte < 256; byte++) {
            float centred = (float)byte / 255.0f - mean[c];
            value[c * 256 + byte] = centred / std[c];
        }
    normalize_job n = {value, tn_u8(x), tn_f32(y), channels};
    kn_cpu_ranges(cx, tn_rows(x), 16384 / channels + 1, normalize_range, &n);
    kn_scratch_reset(cx, 0);
}

typedef struct paste_job {
    double threshold;
    const float *masks, *boxes;
    uint8_t *y;
    int64_t m, height, width;
    void **scratch;
} paste_job;

static void paste_task(void *job, int64_t r, int worker) {
    const paste_job *p = job;
    kn_mask_paste_one(p->threshold, p->masks + r * p->m * p->m, p->m, p->boxes + 4 * r, p->height,
                      p->width, p->scratch[worker], p->y + r * p->height * p->width);
}

void kn_cpu_mask_paste_fwd(kn_ctx *cx, double threshold, const tn_tensor *masks,
                           const tn_tensor *boxes, tn_tensor *y) {
    paste_job p = {.threshold = threshold, .masks = tn_f32(masks), .boxes = tn_f32(boxes)};
    p.y = tn_u8(y);
    p.m = masks->dim[1];
    p.height = y->dim[1];
    p.width = y->dim[2];
    p.scratch = kn_cpu_worker_scratch(cx, kn_mask_paste_bytes(p.m, p.width));
    tn_pool_run(kn_pool(cx), y->dim[0], paste_task, &p);
    kn_cpu_worker_scratch_end(cx);
}
