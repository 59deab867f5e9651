// SPDX-License-Identifier: Apache-2.0
// From class logits and boxes to detections.
#include "models/detector/box_codec.h"
#include "models/detector/mask_rcnn_parts.h"

// Every class of every region is a candidate, except class 0, the background.
static int64_t list_candidates(const tn_tensor *probability, const tn_tensor *boxes,
                               float threshold, nn_candidate *list) {
    int64_t classes = probability->dim[1], n = 0;
    const float *p = tn_f32(probability), *box = tn_f32(boxes);
    for (int64_t i = 0; i < tn_count(probability); i++)
        if (i % classes && p[i] > threshold && md_box_has_sides(box + 4 * i, MD_BOX_SIDE))
            list[n++] = (nn_candidate){p[i], (int32_t)i, (int32_t)(i % classes)};
    return n;
}

tn_status md_select_detections(nn_ctx *cx, const nn_select_rules *rules, const tn_tensor *logits,
                               const tn_tensor *boxes, tn_tensor *out_boxes, tn_tensor *out_scores,
                               tn_tensor *out_labels) {
    size_t mark = tn_arena_mark(cx->step);
    int64_t regions = logits->dim[0], classes = logits->dim[1];
    tn_tensor probability, rows = tn_reshape(boxes, TN_DIMS(regions * classes, 4));
    nn_candidate *list;
    nn_selected best;
    TN_TRY(tn_new(cx->step, &probability, TN_F32, 2, logits->dim, cx->err));
    TN_TRY(nn_candidates_new(cx, regions, classes, &list));
    kn_softmax_fwd(cx->kn, 1, logits, &probability);
    int64_t n = list_candidates(&probability, boxes, (float)rules->score, list);
    TN_TRY(nn_select_rows(cx, rules, &rows, list, n, classes, &best));
    *out_boxes = best.boxes, *out_scores = best.scores, *out_labels = best.labels;
    tn_arena_keep(cx->step, mark, (tn_tensor *const[]){out_boxes, out_scores, out_labels}, 3);
    return TN_OK;
}
