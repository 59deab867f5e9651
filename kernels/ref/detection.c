// SPDX-License-Identifier: Apache-2.0
// RoIAlign sample by sample, NMS over all pairs, boxes, selection by looking k times for the best,
// masks pixel by pixel.
#include "kernels/ref/ref.h"
#include "kernels/rules.h"

#include <string.h>

#define SOURCE "kernels/ref/roi_align.inc"
#include "kernels/ref/both_types.inc"

// The best that is not taken, in the total order; -1 when all are.
static int64_t best_left(const float *value, const bool *taken, int64_t count) {
    int64_t best = -1;
    for (int64_t i = 0; i < count; i++)
        if (!taken[i] && (best < 0 || kn_comes_before(value[i], i, value[best], best))) best = i;
    return best;
}

int64_t kn_ref_nms(kn_ctx *cx, double threshold, const tn_tensor *boxes, const tn_tensor *scores,
                   const tn_tensor *group, tn_tensor *keep) {
    int64_t count = boxes->dim[0], kept = 0, best;
    const float *box = tn_f32(boxes);
    bool *gone = kn_scratch(cx, 0, (size_t)count * sizeof *gone);
    memset(gone, 0, (size_t)count * sizeof *gone);
    while ((best = best_left(tn_f32(scores), gone, count)) >= 0) {
        tn_i32(keep)[kept++] = (int32_t)best;
        gone[best] = true;
        for (int64_t i = 0; i < count; i++) {
            bool meet = !group || tn_i32(group)[i] == tn_i32(group)[best];
            if (meet && kn_iou_above(box + 4 * best, box + 4 * i, threshold)) gone[i] = true;
        }
    }
    kn_scratch_reset(cx, 0);
    return kept;
}

void kn_ref_topk(kn_ctx *cx, const tn_tensor *x, tn_tensor *index) {
    int64_t count = x->dim[0];
    bool *taken = kn_scratch(cx, 0, (size_t)count * sizeof *taken);
    memset(taken, 0, (size_t)count * sizeof *taken);
    for (int64_t i = 0; i < index->dim[0]; i++) {
        int64_t best = best_left(tn_f32(x), taken, count);
        taken[best] = true;
        tn_i32(index)[i] = (int32_t)best;
    }
    kn_scratch_reset(cx, 0);
}

void kn_ref_box_decode_fwd(kn_ctx *cx, const double weights[4], double clip,
                           const tn_tensor *anchors, const tn_tensor *deltas, tn_tensor *y) {
    (void)cx;
    int64_t types = deltas->dim[1] / 4;
    for (int64_t i = 0; i < deltas->dim[0] * types; i++) {
        const float *anchor = tn_f32(anchors) + i / types * 4, *delta = tn_f32(deltas) + i * 4;
        float *out = tn_f32(y) + i * 4;
        double w = (double)anchor[2] - anchor[0], h = (double)anchor[3] - anchor[1];
        double dw = delta[2] / weights[2], dh = delta[3] / weights[3];
        double centre_x = anchor[0] + w / 2 + delta[0] / weights[0] * w;
        double centre_y = anchor[1] + h / 2 + delta[1] / weights[1] * h;
        double half_w = exp(dw > clip ? clip : dw) * w / 2,
               half_h = exp(dh > clip ? clip : dh) * h / 2;
        out[0] = (float)(centre_x - half_w);
        out[1] = (float)(centre_y - half_h);
        out[2] = (float)(centre_x + half_w);
        out[3] = (float)(centre_y + half_h);
    }
}

static float into(float value, float high) {
    return value < 0 ? 0 : value > high ? high : value;
}

void kn_ref_box_clip(kn_ctx *cx, double height, double width, tn_tensor *boxes) {
    (void)cx;
    for (int64_t i = 0; i < tn_count(boxes); i++) {
        float *edge = tn_f32(boxes) + i;
        *edge = into(*edge, (float)(i % 2 ? height : width));
    }
}

// Value at (row,column) of a mask of side m inside its border of zeros: the border is index 0.
static float bordered(const float *mask, int64_t m, int64_t row, int64_t column) {
    if (row < 1 || row > m || column < 1 || column > m) return 0;
    return mask[(row - 1) * m + column - 1];
}

// Beyond the last sample the border repeats, and it is zero, as bordered() says.
static float pasted(const float *mask, int64_t m, kn_mask_place place, int64_t i, int64_t j) {
    bool small = kn_mask_small(place);
    kn_mask_sample row = kn_mask_sample_of(i, place.h, m, small);
    kn_mask_sample column = kn_mask_sample_of(j, place.w, m, small);
    float above[2], below[2];
    for (int k = 0; k < 2; k++) {
        above[k] = bordered(mask, m, row.at, column.at + k);
        below[k] = bordered(mask, m, row.at + 1, column.at + k);
    }
    return kn_mask_between(above, below, row, column, small);
}

void kn_ref_mask_paste_fwd(kn_ctx *cx, double threshold, const tn_tensor *masks,
                           const tn_tensor *boxes, tn_tensor *y) {
    (void)cx;
    int64_t height = y->dim[1], width = y->dim[2], m = masks->dim[1];
    for (int64_t r = 0; r < y->dim[0]; r++) {
        kn_mask_place place = kn_mask_place_of(tn_f32(boxes) + 4 * r, m);
        const float *mask = tn_f32(masks) + r * m * m;
        for (int64_t row = 0; row < height; row++)
            for (int64_t column = 0; column < width; column++) {
                int64_t i = row - place.y, j = column - place.x;
                bool inside = i >= 0 && i < place.h && j >= 0 && j < place.w;
                tn_u8(y)[(r * height + row) * width + column] =
                    inside && pasted(mask, m, place, i, j) > (float)threshold;
            }
    }
}
