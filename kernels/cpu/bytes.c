// SPDX-License-Identifier: Apache-2.0
// Bytes to floats through a table, and masks into pictures.
#include "kernels/cpu/cpu.h"
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

// A byte has 256 values: each is normalised once, with the roundings of torchvision.
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
    float threshold; // compared in float32, as PyTorch compares a tensor with a number
    const float *masks, *boxes;
    uint8_t *y;
    int64_t m, height, width, room_floats;
    void **room;
} paste_job;

// The mask in its border of zeros; one row and column more, as the last ones are interpolated with.
static void paste_border(const paste_job *p, const float *mask, float *to) {
    int64_t side = p->m + 3;
    memset(to, 0, (size_t)(side * side) * sizeof *to);
    for (int64_t i = 0; i < p->m; i++)
        memcpy(to + (i + 1) * side + 1, mask + i * p->m, (size_t)p->m * sizeof *to);
}

static void paste_task(void *job, int64_t r, int worker) {
    const paste_job *p = job;
    uint8_t *picture = p->y + r * p->height * p->width;
    memset(picture, 0, (size_t)(p->height * p->width));
    kn_mask_place place = kn_mask_place_of(p->boxes + 4 * r, p->m);
    int64_t x0 = place.x > 0 ? place.x : 0, y0 = place.y > 0 ? place.y : 0;
    int64_t x1 = place.x + place.w < p->width ? place.x + place.w : p->width;
    int64_t y1 = place.y + place.h < p->height ? place.y + place.h : p->height;
    float *mask = p->room[worker];
    kn_mask_sample *column = (kn_mask_sample *)(mask + p->room_floats);
    int64_t side = p->m + 3;
    bool small = kn_mask_small(place);
    paste_border(p, p->masks + r * p->m * p->m, mask);
    for (int64_t x = x0; x < x1; x++)
        column[x] = kn_mask_sample_of(x - place.x, place.w, p->m, small);
    for (int64_t y = y0; y < y1; y++) {
        kn_mask_sample row = kn_mask_sample_of(y - place.y, place.h, p->m, small);
        const float *above = mask + row.at * side;
        for (int64_t x = x0; x < x1; x++) {
            const float *left = above + column[x].at;
            float value = kn_mask_between(left, left + side, row, column[x], small);
            picture[y * p->width + x] = value > p->threshold;
        }
    }
}

void kn_cpu_mask_paste_fwd(kn_ctx *cx, double threshold, const tn_tensor *masks,
                           const tn_tensor *boxes, tn_tensor *y) {
    paste_job p = {.threshold = (float)threshold, .masks = tn_f32(masks), .boxes = tn_f32(boxes)};
    p.y = tn_u8(y);
    p.m = masks->dim[1];
    p.height = y->dim[1];
    p.width = y->dim[2];
    p.room_floats = ((p.m + 3) * (p.m + 3) + 15) / 16 * 16;
    p.room = kn_cpu_worker_scratch(cx, (size_t)p.room_floats * sizeof(float) +
                                           (size_t)p.width * sizeof(kn_mask_sample));
    tn_pool_run(kn_pool(cx), y->dim[0], paste_task, &p);
    kn_cpu_worker_scratch_end(cx);
}
