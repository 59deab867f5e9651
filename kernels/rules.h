// SPDX-License-Identifier: Apache-2.0
// Decisions that every backend must take alike to the last bit, because a difference of one
// rounding would change a result by far more than a rounding: which sample is nearest, which box
// comes first, whether one suppresses another, where a mask goes. Each is float32 arithmetic in the
// order of the library that defines it (PyTorch, torchvision), whatever the type of the data.
#pragma once

#include "tensor/tensor.h"

#include <math.h>

// The input sample of output sample `out`: floor(out*scale) with scale in float32 (PyTorch's
// nearest). scale 0 means in/outs.
static inline int64_t kn_nearest_index(int64_t out, int64_t in, int64_t outs, double scale) {
    if (in == outs && scale == 0) return out;
    float step = scale > 0 ? (float)scale : (float)in / (float)outs;
    int64_t at = (int64_t)floorf((float)out * step);
    return at < in ? at : in - 1;
}

// The centre of output sample o of a bilinear or bicubic resize without antialias, in input
// samples. PyTorch's compiled forms differ in where they round: bicubic, and bilinear to results of
// at most 128 rows and columns together, fuse product and difference; bilinear to larger ones
// rounds twice, which at sample 640 is 6e-5 of a sample. (Bilinear of three channels on a single
// thread, or of more than three that lie channels-last, fuses there too: PyTorch differs from
// itself.) A product of two floats is exact in double, so (float)(a*b + c) there is the fused form.
static inline bool kn_resize_fused(bool cubic, int64_t to_h, int64_t to_w) {
    return cubic || to_h + to_w <= 128;
}
static inline float kn_resize_centre(float step, int64_t o, bool fused) {
    float middle = (float)o + 0.5f;
    return fused ? (float)((double)step * (double)middle - 0.5) : step * middle - 0.5f;
}

// Which pass of an 8-bit resize comes first: Pillow 13's rule, on the sizes of the whole picture
// and of the whole result.
static inline bool kn_resize_u8_down_first(int64_t h, int64_t w, int64_t to_h, int64_t to_w) {
    return h > to_h && h - to_h > 2 * (w - to_w);
}

// The total order of kn_nms and kn_topk: value down, then index up; NaN last.
static inline bool kn_comes_before(float a, int64_t a_index, float b, int64_t b_index) {
    bool a_nan = isnan(a), b_nan = isnan(b);
    if (a_nan != b_nan) return b_nan;
    if (!a_nan && a != b) return a > b;
    return a_index < b_index;
}

// IoU of two boxes as torchvision's nms computes it; of two empty ones NaN, which is not above
// anything.
static inline float kn_iou(const float *a, const float *b) {
    float area_a = (a[2] - a[0]) * (a[3] - a[1]), area_b = (b[2] - b[0]) * (b[3] - b[1]);
    float left = a[0] > b[0] ? a[0] : b[0], top = a[1] > b[1] ? a[1] : b[1];
    float right = a[2] < b[2] ? a[2] : b[2], bottom = a[3] < b[3] ? a[3] : b[3];
    float w = right - left > 0 ? right - left : 0, h = bottom - top > 0 ? bottom - top : 0;
    float both = w * h;
    return both / (area_a + area_b - both);
}
static inline bool kn_iou_above(const float *a, const float *b, double threshold) {
    return (double)kn_iou(a, b) > threshold;
}

// How much of box a lies within box b.
static inline double kn_share_within(const float *a, const float *b) {
    double w = fmin((double)a[2], (double)b[2]) - fmax((double)a[0], (double)b[0]);
    double h = fmin((double)a[3], (double)b[3]) - fmax((double)a[1], (double)b[1]);
    double area = ((double)a[2] - (double)a[0]) * ((double)a[3] - (double)a[1]);
    return w > 0 && h > 0 ? w * h / area : 0;
}

// Where the mask of a box goes: the box of the padded [M+2,M+2] mask in whole pixels.
typedef struct kn_mask_place {
    int64_t x, y, w, h; // may lie outside the picture
} kn_mask_place;

// torchvision's expand_boxes and paste_mask_in_image for a mask of side m with a border of one.
// Coordinates beyond +-2^30, infinite or NaN give w = h = 0: nothing to paste.
static inline kn_mask_place kn_mask_place_of(const float *box, int64_t m) {
    float scale = (float)((double)(m + 2) / (double)m);
    float half_w = (box[2] - box[0]) * 0.5f * scale, half_h = (box[3] - box[1]) * 0.5f * scale;
    float centre_x = (box[2] + box[0]) * 0.5f, centre_y = (box[3] + box[1]) * 0.5f;
    float edge[4] = {centre_x - half_w, centre_y - half_h, centre_x + half_w, centre_y + half_h};
    for (int i = 0; i < 4; i++)
        if (!(fabsf(edge[i]) < 0x1p30f)) return (kn_mask_place){0};
    int64_t x = (int64_t)edge[0], y = (int64_t)edge[1]; // toward zero
    int64_t w = (int64_t)edge[2] - x + 1, h = (int64_t)edge[3] - y + 1;
    return (kn_mask_place){x, y, w < 1 ? 1 : w, h < 1 ? 1 : h};
}

// One axis of PyTorch's bilinear resize of a bordered mask: the sample before and the weights of it
// and of the next one. `small`: in the form for small results, which fuses in other places too.
typedef struct kn_mask_sample {
    int64_t at;
    float here, next;
} kn_mask_sample;

static inline bool kn_mask_small(kn_mask_place place) {
    return kn_resize_fused(false, place.h, place.w);
}
static inline kn_mask_sample kn_mask_sample_of(int64_t o, int64_t outs, int64_t m, bool small) {
    float at = kn_resize_centre((float)(m + 2) / (float)outs, o, small);
    if (at < 0) at = 0;
    float next = at - (float)(int64_t)at;
    return (kn_mask_sample){(int64_t)at, 1 - next, next};
}
static inline float kn_fused(float a, float b, float c) {
    return (float)((double)a * (double)b + (double)c);
}
// Between four neighbours: above and below point at the left one of each row.
static inline float kn_mask_between(const float *above, const float *below, kn_mask_sample row,
                                    kn_mask_sample column, bool small) {
    if (small) {
        float sum = kn_fused(row.here * column.here, above[0], row.here * column.next * above[1]);
        sum = kn_fused(row.next * column.here, below[0], sum);
        return kn_fused(row.next * column.next, below[1], sum);
    }
    float up = kn_fused(above[0], column.here, above[1] * column.next);
    float down = kn_fused(below[0], column.here, below[1] * column.next);
    return kn_fused(up, row.here, down * row.next);
}
