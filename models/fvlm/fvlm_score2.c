// SPDX-License-Identifier: Apache-2.0
// Score 2: CLIP's similarity between a box and the names, computed in five ways.
#include "models/crop/crop_encode.h"
#include "models/fvlm/fvlm_parts.h"
#include "nn/pick.h"

#include <string.h>

static tn_status copy_rows(void *context, int64_t from, tn_tensor *features) {
    tn_tensor rows = tn_slice(context, from, features->dim[0]);
    memcpy(rows.data, features->data, tn_bytes(features));
    return TN_OK;
}

static tn_status by_crops(nn_ctx *cx, const md_fvlm *model, const md_fvlm_boxes *b, tn_tensor *y) {
    md_crops how = {.shape = MD_CROP_SQUARE,
                    .context = model->config.score2_context,
                    .batch = b->clip_batch,
                    .progress = b->progress,
                    .user = b->user};
    tn_tensor boxes;
    TN_TRY(nn_copy(cx, b->boxes, &boxes));
    md_frame_to_picture(b->frame, &boxes);
    return md_crops_encode(cx, model->clip, &how, b->image, &boxes, copy_rows, y);
}

static tn_status by_mode(nn_ctx *cx, const md_fvlm *model, const md_fvlm_features *features,
                         md_score2 mode, const md_fvlm_boxes *b, const tn_tensor *image,
                         tn_tensor *y) {
    switch (mode) {
    case MD_SCORE2_CROP:
        return by_crops(cx, model, b, y);
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
