// SPDX-License-Identifier: Apache-2.0
// Names boxes given by the caller.
#include "api/internal.h"

#include <math.h>

tn_status api_boxes_check(const float *boxes, size_t count, tn_error *err) {
    if (count > INT32_MAX || (count && !boxes))
        return tn_fail(err, TN_EINVAL, "%zu boxes: too many, or boxes is NULL", count);
    for (size_t i = 0; i < 4 * count; i++)
        if (!isfinite(boxes[i]))
            return tn_fail(err, TN_EINVAL, "box %zu has a coordinate that is not finite", i / 4);
    return TN_OK;
}

static tn_status check(const lexmask_session *session, const float *boxes, size_t count,
                       tn_error *err) {
    if (!session) return tn_fail(err, TN_EINVAL, "session is NULL");
    if (session->options.mode != LEXMASK_MODE_CROP || !session->names)
        return tn_fail(err, TN_EINVAL, "boxes are named in crop mode, by a session with names");
    return api_boxes_check(boxes, count, err);
}

static tn_status name(lexmask_session *session, const tn_tensor *image, const float *boxes,
                      size_t count, int *labels, float *scores, tn_error *err) {
    nn_ctx cx = {.kn = session->kn, .step = &session->step, .err = err};
    md_crop_options options = api_crop_options(session);
    int64_t n = (int64_t)count;
    tn_tensor given = tn_view((void *)boxes, TN_F32, TN_DIMS(n, 4)); // not modified
    tn_tensor names = tn_view(labels, TN_I32, TN_DIMS(n));
    tn_tensor likely = tn_view(scores, TN_F32, TN_DIMS(n));
    if (session->model->fvlm) {
        tn_status named = api_fvlm_name(session, &cx, image, &given, labels, scores);
        tn_arena_reset(&session->step, 0);
        return named;
    }
    tn_status status = md_crop_name(&cx, session->model->clip, &session->names->vocabulary, image,
                                    &given, &options, &names, &likely);
    tn_arena_reset(&session->step, 0);
    return status;
}

_Static_assert(sizeof(int) == 4, "labels are int32");

static tn_status name_in(lexmask_session *session, const lexmask_picture *picture,
                         const float *boxes, size_t count, int *labels, float *scores,
                         tn_error *err) {
    tn_tensor image;
    TN_TRY(check(session, boxes, count, err));
    TN_TRY(api_picture_open(session, picture, &image, err));
    tn_status status = name(session, &image, boxes, count, labels, scores, err);
    tn_free(image.data);
    return api_picture_error(picture, status, err);
}

lexmask_status lexmask_name_boxes(lexmask_session *session, const lexmask_picture *picture,
                                  const float *boxes, size_t count, int *labels, float *scores,
                                  lexmask_error *err) {
    tn_error failure = {0};
    tn_status status = name_in(session, picture, boxes, count, labels, scores, &failure);
    return api_status(status, &failure, err);
}
