// SPDX-License-Identifier: Apache-2.0
#include "models/detector/box_codec.h"
#include "models/detector/mask_rcnn_parts.h"

tn_status md_mask_rcnn_features(nn_ctx *cx, const md_mask_rcnn *model, const tn_tensor *image,
                                md_features *out) {
    const md_mask_rcnn_config *config = &model->config;
    TN_CHECK(image->rank == 3 && image->dim[2] == 3, "a picture is uint8 [H,W,3]");
    size_t mark = tn_arena_mark(cx->step);
    tn_tensor input, stage[MD_RESNET_STAGES], *level[MD_LEVELS];
    out->frame = md_frame_of(image->dim[0], image->dim[1], config->min_size, config->max_size);
    out->levels = model->fpn.levels + 1;
    for (int i = 0; i < out->levels; i++) level[i] = &out->level[i];
    TN_TRY(md_frame_input(cx, &out->frame, config->image_mean, config->image_std, image, &input));
    TN_TRY(md_resnet_fwd(cx, &model->body, &input, stage));
    TN_TRY(nn_fpn_fwd(cx, &model->fpn, stage, out->level));
    tn_arena_keep(cx->step, mark, level, out->levels);
    return TN_OK;
}

tn_status md_mask_rcnn_propose(nn_ctx *cx, const md_mask_rcnn *model, const md_features *features,
                               int64_t top, tn_tensor *boxes, tn_tensor *scores) {
    const md_mask_rcnn_config *config = &model->config;
    md_rpn_limits limits = {.before = config->rpn_pre_nms_top_n,
                            .after = top > 0 ? top : config->rpn_post_nms_top_n,
                            .nms = config->rpn_nms_thresh,
                            .score = config->rpn_score_thresh};
    return md_rpn_propose(cx, &model->rpn, &config->anchors, &limits, &features->frame,
                          features->level, boxes, scores);
}

static tn_status boxes_of_some(nn_ctx *cx, const md_mask_rcnn *model, const md_features *features,
                               const tn_tensor *regions, tn_tensor *logits, tn_tensor *boxes) {
    size_t mark = tn_arena_mark(cx->step);
    tn_tensor pooled, deltas;
    TN_TRY(nn_roi_pool_fwd(cx, &model->pool, features->level, regions, NULL, model->box.size,
                           &pooled));
    TN_TRY(tn_new(cx->step, &deltas, TN_F32, TN_DIMS(regions->dim[0], 4 * model->box.classes),
                  cx->err));
    TN_TRY(md_box_head_fwd(cx, &model->box, &pooled, logits, &deltas));
    kn_box_decode_fwd(cx->kn, md_roi_weights, MD_BOX_CLIP, regions, &deltas, boxes);
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}

tn_status md_mask_rcnn_boxes(nn_ctx *cx, const md_mask_rcnn *model, const md_features *features,
                             const tn_tensor *regions, tn_tensor *logits, tn_tensor *boxes) {
    int64_t count = regions->dim[0], classes = model->box.classes;
    TN_TRY(tn_new(cx->step, logits, TN_F32, TN_DIMS(count, classes), cx->err));
    TN_TRY(tn_new(cx->step, boxes, TN_F32, TN_DIMS(count, 4 * classes), cx->err));
    for (int64_t from = 0; from < count; from += MD_REGIONS_AT_ONCE) {
        int64_t n = count - from < MD_REGIONS_AT_ONCE ? count - from : MD_REGIONS_AT_ONCE;
        tn_tensor some = tn_slice(regions, from, n), some_logits = tn_slice(logits, from, n),
                  some_boxes = tn_slice(boxes, from, n);
        TN_TRY(boxes_of_some(cx, model, features, &some, &some_logits, &some_boxes));
    }
    tn_tensor rows = tn_reshape(boxes, TN_DIMS(count * classes, 4));
    kn_box_clip(cx->kn, (double)features->frame.net_height, (double)features->frame.net_width,
                &rows);
    *boxes = tn_reshape(boxes, TN_DIMS(count, classes, 4));
    return TN_OK;
}

tn_status md_mask_rcnn_masks(nn_ctx *cx, const md_mask_rcnn *model, const md_features *features,
                             const tn_tensor *regions, const tn_tensor *labels, tn_tensor *masks) {
    int64_t count = regions->dim[0], side = model->config.mask_size;
    *masks = (tn_tensor){0};
    if (side == 0) return TN_OK;                    // a Faster R-CNN
    const int64_t at_once = MD_REGIONS_AT_ONCE / 4; // a region has four times the bins here
    TN_TRY(tn_new(cx->step, masks, TN_F32, TN_DIMS(count, side, side), cx->err));
    for (int64_t from = 0; from < count; from += at_once) {
        int64_t n = count - from < at_once ? count - from : at_once;
        size_t mark = tn_arena_mark(cx->step);
        tn_tensor some = tn_slice(regions, from, n), some_labels = tn_slice(labels, from, n),
                  some_masks = tn_slice(masks, from, n), pooled;
        TN_TRY(
            nn_roi_pool_fwd(cx, &model->pool, features->level, &some, NULL, MD_MASK_ROI, &pooled));
        TN_TRY(md_mask_head_fwd(cx, &model->mask, &pooled, &some_labels, &some_masks));
        tn_arena_reset(cx->step, mark);
    }
    return TN_OK;
}

nn_select_rules md_mask_rcnn_rules(const md_mask_rcnn *model) {
    const md_mask_rcnn_config *c = &model->config;
    return nn_select_hard(c->box_score_thresh, c->box_nms_thresh, c->box_detections_per_img);
}

tn_status md_mask_rcnn_detect(nn_ctx *cx, const md_mask_rcnn *model, const tn_tensor *image,
                              const nn_select_rules *rules, md_found *out) {
    nn_select_rules own = md_mask_rcnn_rules(model);
    md_features features;
    tn_tensor regions, scores, logits, boxes;
    size_t mark = tn_arena_mark(cx->step);
    *out = (md_found){.height = image->dim[0], .width = image->dim[1]};
    TN_TRY(md_mask_rcnn_features(cx, model, image, &features));
    TN_TRY(md_mask_rcnn_propose(cx, model, &features, 0, &regions, &scores));
    TN_TRY(md_mask_rcnn_boxes(cx, model, &features, &regions, &logits, &boxes));
    TN_TRY(md_select_detections(cx, rules ? rules : &own, &logits, &boxes, &out->boxes,
                                &out->scores, &out->labels));
    TN_TRY(md_mask_rcnn_masks(cx, model, &features, &out->boxes, &out->labels, &out->masks));
    tn_tensor *kept[MD_FOUND_TENSORS];
    md_found_tensors(out, kept);
    tn_arena_keep(cx->step, mark, kept, MD_FOUND_TENSORS);
    md_frame_to_picture(&features.frame, &out->boxes);
    out->count = out->boxes.dim[0];
    return TN_OK;
}
