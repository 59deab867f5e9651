// SPDX-License-Identifier: Apache-2.0
// Score 2: CLIP's own opinion of what lies in a box, in five ways.
#include "models/crop/crop.h"
#include "models/fvlm/fvlm_parts.h"

#include <math.h>
#include <string.h>

#define CROPS_AT_ONCE 64

// Pieces from … of the picture, cut out, preprocessed and encoded -> rows of y.
static tn_status crop_some(nn_ctx *cx, const md_fvlm *model, const md_fvlm_boxes *b, int64_t from,
                           int64_t count, tn_tensor *y) {
    int64_t side = md_clip_settings(model->clip)->image_size;
    size_t mark = tn_arena_mark(cx->step);
    tn_tensor x, boxes, given = tn_slice(b->boxes, from, count), out = tn_slice(y, from, count);
    TN_TRY(tn_new(cx->step, &x, TN_F32, TN_DIMS(count, side, side, 3), cx->err));
    TN_TRY(tn_new(cx->step, &boxes, TN_F32, 2, given.dim, cx->err));
    memcpy(boxes.data, given.data, tn_bytes(&given));
    md_frame_to_picture(b->frame, &boxes);
    for (int64_t i = 0; i < count; i++) {
        int64_t edges[4];
        tn_tensor row = tn_slice(&x, i, 1);
        row = tn_reshape(&row, TN_DIMS(side, side, 3));
        md_crop_edges(MD_CROP_SQUARE, model->config.score2_context, tn_f32(&boxes) + 4 * i,
                      b->image->dim[0], b->image->dim[1], edges);
        TN_TRY(md_clip_preprocess(cx, model->clip, b->image, edges, &row));
    }
    tn_status status = md_clip_image_features(cx, model->clip, &x, NULL, &out);
    tn_arena_reset(cx->step, mark);
    return status;
}

static tn_status crop_all(nn_ctx *cx, const md_fvlm *model, const md_fvlm_boxes *b, tn_tensor *y) {
    int64_t count = b->boxes->dim[0], batch = b->clip_batch > 0 ? b->clip_batch : CROPS_AT_ONCE;
    for (int64_t from = 0; from < count; from += batch) {
        if (b->go_on && !b->go_on(b->user, (double)from / (double)count))
            return tn_fail(cx->err, TN_ECANCELLED, "cancelled");
        TN_TRY(crop_some(cx, model, b, from, count - from < batch ? count - from : batch, y));
    }
    return TN_OK;
}

static tn_status by_mode(nn_ctx *cx, const md_fvlm *model, const md_fvlm_features *features,
                         md_score2 mode, const md_fvlm_boxes *b, const tn_tensor *image,
                         tn_tensor *y) {
    switch (mode) {
    case MD_SCORE2_CROP:
        return crop_all(cx, model, b, y);
    case MD_SCORE2_EMBED:
        return md_scene_embed(cx, &model->scene, &features->patches,
                              model->config.score2_positions == 1, b->boxes, image, y);
    case MD_SCORE2_DENSE:
        return md_scene_dense(cx, &model->scene, &features->dense, b->boxes, image, y);
    case MD_SCORE2_MASKCLS:
        return md_scene_maskcls(cx, &model->scene, &features->tokens, b->boxes, y);
    case MD_SCORE2_ATTNPOOL:
        return md_attention_pool_regions(cx, &model->resnet->pool, &features->map[3], 32, true,
                                         b->boxes, image, y);
    default:
        TN_CHECK(false, "score 2 by none");
        return TN_OK;
    }
}

tn_status md_fvlm_score2_embed(nn_ctx *cx, const md_fvlm *model, const md_fvlm_features *features,
                               md_score2 mode, const md_fvlm_boxes *b, tn_tensor *y) {
    size_t mark = tn_arena_mark(cx->step);
    tn_tensor image;
    TN_TRY(tn_new(cx->step, &image, TN_I32, TN_DIMS(b->boxes->dim[0]), cx->err));
    memset(image.data, 0, tn_bytes(&image));
    if (b->boxes->dim[0]) {
        TN_TRY(by_mode(cx, model, features, mode, b, &image, y));
        kn_l2_normalize_fwd(cx->kn, 1e-12, y, y);
    }
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}
