// SPDX-License-Identifier: Apache-2.0
#include "models/crop/crop_encode.h"

#include <math.h>

#define AT_ONCE 64

static double within(double value, double low, double high) {
    return value < low ? low : value > high ? high : value;
}

void md_crop_edges(md_crop_shape shape, double context, const float box[4], int64_t height,
                   int64_t width, int64_t edges[4]) {
    double edge[4] = {box[0], box[1], box[2], box[3]};
    const double limit[2] = {(double)width, (double)height};
    if (shape == MD_CROP_SQUARE) {
        double x = (edge[0] + edge[2]) / 2, y = (edge[1] + edge[3]) / 2;
        double half = context * fmax(edge[2] - edge[0], edge[3] - edge[1]) / 2;
        edge[0] = x - half, edge[1] = y - half, edge[2] = x + half, edge[3] = y + half;
    }
    for (int axis = 0; axis < 2; axis++) {
        double low = within(rint(edge[axis]), 0, limit[axis] - 1);
        double high = within(rint(edge[axis + 2]), low + 1, limit[axis]);
        edges[axis] = (int64_t)low, edges[axis + 2] = (int64_t)high;
    }
}

static tn_status encode_some(nn_ctx *cx, const md_clip *clip, const md_crops *how,
                             const tn_tensor *image, const tn_tensor *boxes, tn_tensor *features) {
    const md_clip_config *config = md_clip_settings(clip);
    int64_t side = config->image_size, count = boxes->dim[0];
    tn_tensor x;
    TN_TRY(tn_new(cx->step, features, TN_F32, TN_DIMS(count, config->embed_dim), cx->err));
    TN_TRY(tn_new(cx->step, &x, TN_F32, TN_DIMS(count, side, side, 3), cx->err));
    for (int64_t i = 0; i < count; i++) {
        int64_t edges[4];
        tn_tensor row = tn_slice(&x, i, 1);
        row = tn_reshape(&row, TN_DIMS(side, side, 3));
        md_crop_edges(how->shape, how->context, tn_f32(boxes) + 4 * i, image->dim[0], image->dim[1],
                      edges);
        TN_TRY(md_clip_preprocess(cx, clip, image, edges, &row));
    }
    return md_clip_image_features(cx, clip, &x, NULL, features);
}

tn_status md_crops_encode(nn_ctx *cx, const md_clip *clip, const md_crops *how,
                          const tn_tensor *image, const tn_tensor *boxes, md_crops_take take,
                          void *context) {
    int64_t count = boxes->dim[0], batch = how->batch > 0 ? how->batch : AT_ONCE;
    for (int64_t from = 0; from < count; from += batch) {
        size_t mark = tn_arena_mark(cx->step);
        tn_tensor features,
            some = tn_slice(boxes, from, count - from < batch ? count - from : batch);
        if (how->progress && !how->progress(how->user, (double)from / (double)count))
            return tn_fail(cx->err, TN_ECANCELLED, "cancelled");
        TN_TRY(encode_some(cx, clip, how, image, &some, &features));
        TN_TRY(take(context, from, &features));
        tn_arena_reset(cx->step, mark);
    }
    return TN_OK;
}
