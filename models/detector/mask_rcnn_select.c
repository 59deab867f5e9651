// SPDX-License-Identifier: Apache-2.0
// From class logits and boxes to detections.
#include "models/detector/box_codec.h"
#include "models/detector/mask_rcnn_parts.h"

#include <string.h>

static bool wanted(const float *box, float score, float least) {
    return score > least && md_box_has_sides(box, MD_BOX_SIDE);
}

typedef struct found {
    tn_tensor boxes, scores, labels;
} found;

static tn_status new_found(nn_ctx *cx, int64_t count, found *out) {
    TN_TRY(tn_new(cx->step, &out->boxes, TN_F32, TN_DIMS(count, 4), cx->err));
    TN_TRY(tn_new(cx->step, &out->scores, TN_F32, TN_DIMS(count), cx->err));
    return tn_new(cx->step, &out->labels, TN_I32, TN_DIMS(count), cx->err);
}

// Every class of every region is a candidate of its own, region by region; background is none.
static tn_status collect(nn_ctx *cx, float least, const tn_tensor *probability,
                         const tn_tensor *boxes, found *out) {
    int64_t regions = probability->dim[0], classes = probability->dim[1], count = 0;
    const float *p = tn_f32(probability), *box = tn_f32(boxes);
    for (int64_t i = 0; i < regions * classes; i++)
        count += i % classes && wanted(box + 4 * i, p[i], least);
    TN_TRY(new_found(cx, count, out));
    for (int64_t i = 0, to = 0; i < regions * classes; i++) {
        if (i % classes == 0 || !wanted(box + 4 * i, p[i], least)) continue;
        memcpy(tn_f32(&out->boxes) + 4 * to, box + 4 * i, 4 * sizeof(float));
        tn_f32(&out->scores)[to] = p[i];
        tn_i32(&out->labels)[to++] = (int32_t)(i % classes);
    }
    return TN_OK;
}

tn_status md_select_detections(nn_ctx *cx, const md_thresholds *limits, const tn_tensor *logits,
                               const tn_tensor *boxes, tn_tensor *out_boxes, tn_tensor *out_scores,
                               tn_tensor *out_labels) {
    size_t mark = tn_arena_mark(cx->step);
    tn_tensor probability, keep;
    found all, best;
    TN_TRY(tn_new(cx->step, &probability, TN_F32, 2, logits->dim, cx->err));
    kn_softmax_fwd(cx->kn, 1, logits, &probability);
    TN_TRY(collect(cx, (float)limits->score, &probability, boxes, &all));
    TN_TRY(tn_new(cx->step, &keep, TN_I32, TN_DIMS(all.scores.dim[0]), cx->err));
    int64_t kept = kn_nms(cx->kn, limits->nms, &all.boxes, &all.scores, &all.labels, &keep);
    if (kept > limits->top) kept = limits->top;
    TN_TRY(new_found(cx, kept, &best));
    for (int64_t i = 0; i < kept; i++) {
        int32_t from = tn_i32(&keep)[i];
        memcpy(tn_f32(&best.boxes) + 4 * i, tn_f32(&all.boxes) + 4 * from, 4 * sizeof(float));
        tn_f32(&best.scores)[i] = tn_f32(&all.scores)[from];
        tn_i32(&best.labels)[i] = tn_i32(&all.labels)[from];
    }
    *out_boxes = best.boxes, *out_scores = best.scores, *out_labels = best.labels;
    tn_arena_keep(cx->step, mark, (tn_tensor *const[]){out_boxes, out_scores, out_labels}, 3);
    return TN_OK;
}
