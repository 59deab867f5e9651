// SPDX-License-Identifier: Apache-2.0
// Detection: checks the arguments, then calls the table's function.
#include "kernels/check.h"

static void check_boxes(const char *op, const char *name, const tn_tensor *boxes) {
    kn_check_type(op, name, boxes, TN_F32);
    kn_check_shape(op, name, boxes, TN_DIMS(-1, 4));
}

void kn_check_ids(const char *op, const char *name, const tn_tensor *index, int64_t regions,
                  int64_t below) {
    kn_check_vector(op, name, index, TN_I32, regions);
    const int32_t *value = index->data;
    for (int64_t i = 0; i < regions; i++)
        TN_CHECK(value[i] >= 0 && value[i] < below, "%s: %s[%lld] = %d, expected 0 to %lld", op,
                 name, (long long)i, (int)value[i], (long long)below - 1);
}

void kn_check_roi_align(const kn_ctx *cx, const char *op, const kn_roi_align *cfg,
                        const tn_tensor *rois, const tn_tensor *image, const tn_tensor *map,
                        const tn_tensor *y) {
    tn_dtype dtype = kn_check_real(cx, op, "y", y);
    kn_check_rank(op, "y", y, 4);
    check_boxes(op, "rois", rois);
    TN_CHECK(cfg->levels >= 1 && cfg->level && cfg->scale && cfg->sampling_ratio >= 0,
             "%s: %d levels, sampling ratio %d", op, cfg->levels, cfg->sampling_ratio);
    for (int i = 0; i < cfg->levels; i++) {
        const tn_tensor *x = &cfg->level[i];
        kn_check_type(op, "level", x, dtype);
        TN_CHECK(x->rank == 4 && x->dim[0] == cfg->level[0].dim[0] && x->dim[3] == y->dim[3],
                 "%s: level %d is %s, level 0 %s, y %s: expected equal N and C", op, i, KN_SHAPE(x),
                 KN_SHAPE(&cfg->level[0]), KN_SHAPE(y));
        TN_CHECK(cfg->scale[i] > 0, "%s: scale[%d] = %g", op, i, cfg->scale[i]);
        kn_check_apart(op, "level", x, y);
    }
    int64_t regions = rois->dim[0];
    TN_CHECK(y->dim[0] == regions, "%s: rois %s, y %s", op, KN_SHAPE(rois), KN_SHAPE(y));
    kn_check_ids(op, "image", image, regions, cfg->level[0].dim[0]);
    TN_CHECK(map || cfg->levels == 1, "%s: %d levels and no map", op, cfg->levels);
    if (map) kn_check_ids(op, "map", map, regions, cfg->levels);
}

void kn_roi_align_fwd(kn_ctx *cx, const kn_roi_align *cfg, const tn_tensor *rois,
                      const tn_tensor *image, const tn_tensor *map, tn_tensor *y) {
    kn_check_roi_align(cx, __func__, cfg, rois, image, map, y);
    if (tn_count(y)) cx->table->roi_align_fwd(cx, cfg, rois, image, map, y);
}

int64_t kn_nms(kn_ctx *cx, double threshold, const tn_tensor *boxes, const tn_tensor *scores,
               const tn_tensor *group, tn_tensor *keep) {
    check_boxes(__func__, "boxes", boxes);
    int64_t regions = boxes->dim[0];
    TN_CHECK(regions <= INT32_MAX, "%s: %lld boxes", __func__, (long long)regions);
    kn_check_vector(__func__, "scores", scores, TN_F32, regions);
    if (group) kn_check_vector(__func__, "group", group, TN_I32, regions);
    kn_check_vector(__func__, "keep", keep, TN_I32, regions);
    return regions ? cx->table->nms(cx, threshold, boxes, scores, group, keep) : 0;
}

void kn_box_decode_fwd(kn_ctx *cx, const double weights[4], double clip, const tn_tensor *anchors,
                       const tn_tensor *deltas, tn_tensor *y) {
    check_boxes(__func__, "anchors", anchors);
    kn_check_type(__func__, "deltas", deltas, TN_F32);
    kn_check_type(__func__, "y", y, TN_F32);
    kn_check_same(__func__, "deltas", deltas, "y", y);
    TN_CHECK(deltas->rank == 2 && deltas->dim[0] == anchors->dim[0] && deltas->dim[1] % 4 == 0,
             "%s: anchors %s, deltas %s: expected [R,4], [R,T*4]", __func__, KN_SHAPE(anchors),
             KN_SHAPE(deltas));
    TN_CHECK(weights[0] > 0 && weights[1] > 0 && weights[2] > 0 && weights[3] > 0,
             "%s: weights %g,%g,%g,%g", __func__, weights[0], weights[1], weights[2], weights[3]);
    kn_check_apart(__func__, "anchors", anchors, y);
    kn_check_apart(__func__, "deltas", deltas, y);
    if (tn_count(y)) cx->table->box_decode_fwd(cx, weights, clip, anchors, deltas, y);
}

void kn_box_clip(kn_ctx *cx, double height, double width, tn_tensor *boxes) {
    kn_check_type(__func__, "boxes", boxes, TN_F32);
    TN_CHECK(boxes->rank >= 1 && tn_last(boxes) % 4 == 0 && height >= 0 && width >= 0,
             "%s: boxes %s into %g x %g", __func__, KN_SHAPE(boxes), height, width);
    if (tn_count(boxes)) cx->table->box_clip(cx, height, width, boxes);
}

void kn_topk(kn_ctx *cx, const tn_tensor *x, tn_tensor *index) {
    kn_check_type(__func__, "x", x, TN_F32);
    kn_check_type(__func__, "index", index, TN_I32);
    TN_CHECK(x->rank == 1 && index->rank == 1 && index->dim[0] <= x->dim[0] &&
                 x->dim[0] <= INT32_MAX,
             "%s: x %s, index %s: expected [n], [k], k at most n", __func__, KN_SHAPE(x),
             KN_SHAPE(index));
    if (tn_count(index)) cx->table->topk(cx, x, index);
}

void kn_mask_paste_fwd(kn_ctx *cx, double threshold, const tn_tensor *masks, const tn_tensor *boxes,
                       tn_tensor *y) {
    kn_check_type(__func__, "masks", masks, TN_F32);
    check_boxes(__func__, "boxes", boxes);
    kn_check_type(__func__, "y", y, TN_U8);
    TN_CHECK(masks->rank == 3 && y->rank == 3 && masks->dim[0] == boxes->dim[0] &&
                 y->dim[0] == boxes->dim[0] && masks->dim[1] == masks->dim[2] &&
                 (masks->dim[1] >= 1 || masks->dim[0] == 0),
             "%s: masks %s, boxes %s, y %s: expected [R,M,M], [R,4], [R,H,W]", __func__,
             KN_SHAPE(masks), KN_SHAPE(boxes), KN_SHAPE(y));
    kn_check_apart(__func__, "masks", masks, y);
    if (tn_count(y)) cx->table->mask_paste_fwd(cx, threshold, masks, boxes, y);
}
