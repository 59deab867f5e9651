// SPDX-License-Identifier: Apache-2.0
// CLIP's embeddings of texts, pictures and crops.
#include "api/internal.h"
#include "models/crop/crop_encode.h"
#include "models/names/text_batch.h"

#include <math.h>
#include <string.h>

size_t lexmask_model_embedding_size(const lexmask_model *model) {
    return model && model->clip ? (size_t)md_clip_settings(model->clip)->embed_dim : 0;
}

static tn_status check(const lexmask_session *session, const float *out, tn_error *err) {
    if (!session || !out) return tn_fail(err, TN_EINVAL, "%s is NULL", session ? "out" : "session");
    if (session->model->clip) return TN_OK;
    return tn_fail(err, TN_EINVAL, "embeddings need a model with a CLIP");
}

// ---- texts -------------------------------------------------------------------------------------

static tn_status encode_texts(nn_ctx *cx, const lexmask_model *model, md_text_batch *batch,
                              const char *const *texts, size_t count, float *out) {
    int64_t width = md_clip_settings(model->clip)->embed_dim;
    for (size_t i = 0; i < count;) {
        float *to = out + i * (size_t)width;
        for (; i < count && batch->count < batch->capacity; i++)
            if (!texts[i])
                return tn_fail(cx->err, TN_EINVAL, "text %zu is NULL", i);
            else if (md_text_batch_add(batch, model->bpe, texts[i], cx->err) != TN_OK)
                return tn_fail_prefix(cx->err, "text %zu", i);
        tn_tensor y = tn_view(to, TN_F32, TN_DIMS(batch->count, width));
        TN_TRY(md_text_batch_encode(cx, model->clip, batch, &y));
    }
    return TN_OK;
}

static tn_status embed_texts(lexmask_session *session, const char *const *texts, size_t count,
                             float *out, tn_error *err) {
    md_text_batch batch;
    TN_TRY(check(session, out, err));
    if (!texts && count) return tn_fail(err, TN_EINVAL, "texts is NULL");
    if (!session->model->bpe)
        return tn_fail(err, TN_EINVAL, "the model was opened without a tokenizer");
    nn_ctx cx = {.kn = session->kn, .step = &session->step, .err = err};
    TN_TRY(md_text_batch_init(&batch, session->model->clip, MD_TEXTS_AT_ONCE, err));
    tn_status status = encode_texts(&cx, session->model, &batch, texts, count, out);
    md_text_batch_deinit(&batch);
    tn_arena_reset(&session->step, 0);
    return status;
}

lexmask_status lexmask_embed_texts(lexmask_session *session, const char *const *texts, size_t count,
                                   float *out, lexmask_error *err) {
    tn_error failure = {0};
    return api_status(embed_texts(session, texts, count, out, &failure), &failure, err);
}

// ---- pictures ----------------------------------------------------------------------------------

static tn_status encode_whole(nn_ctx *cx, const md_clip *clip, const tn_tensor *image, float *out) {
    const md_clip_config *c = md_clip_settings(clip);
    tn_tensor x, y = tn_view(out, TN_F32, TN_DIMS(1, c->embed_dim));
    TN_TRY(tn_new(cx->step, &x, TN_F32, TN_DIMS(1, c->image_size, c->image_size, 3), cx->err));
    tn_tensor one = tn_reshape(&x, TN_DIMS(c->image_size, c->image_size, 3));
    TN_TRY(md_clip_preprocess(cx, clip, image, NULL, &one));
    return md_clip_encode_images(cx, clip, &x, &y);
}

// Copies the features of crops [n,D], normalised to unit length.
static tn_status take(void *context, int64_t from, tn_tensor *features) {
    int64_t width = features->dim[1];
    float *to = (float *)context + from * width;
    for (int64_t i = 0; i < features->dim[0]; i++, to += width) {
        const float *x = tn_f32(features) + i * width;
        double square = 0;
        for (int64_t k = 0; k < width; k++) square += (double)x[k] * (double)x[k];
        for (int64_t k = 0; k < width; k++) to[k] = (float)((double)x[k] / sqrt(square));
    }
    return TN_OK;
}

// boxes NULL: the whole picture.
static tn_status embed(lexmask_session *session, const lexmask_picture *picture, const float *boxes,
                       size_t count, float *out, tn_error *err) {
    tn_tensor image;
    nn_ctx cx = {.kn = session->kn, .step = &session->step, .err = err};
    const md_clip *clip = session->model->clip;
    TN_TRY(api_picture_open(session, picture, &image, err));
    tn_status status;
    if (boxes) {
        md_crop_options options = api_crop_options(session);
        tn_tensor given =
            tn_view((void *)boxes, TN_F32, TN_DIMS((int64_t)count, 4)); // not modified
        status = md_crops_encode(&cx, clip, &options.crops, &image, &given, take, out);
    } else {
        status = encode_whole(&cx, clip, &image, out);
    }
    tn_arena_reset(&session->step, 0);
    tn_free(image.data);
    return api_picture_error(picture, status, err);
}

lexmask_status lexmask_embed_picture(lexmask_session *session, const lexmask_picture *picture,
                                     float *out, lexmask_error *err) {
    tn_error failure = {0};
    tn_status status = check(session, out, &failure);
    if (status == TN_OK) status = embed(session, picture, NULL, 0, out, &failure);
    return api_status(status, &failure, err);
}

lexmask_status lexmask_embed_boxes(lexmask_session *session, const lexmask_picture *picture,
                                   const float *boxes, size_t count, float *out,
                                   lexmask_error *err) {
    tn_error failure = {0};
    tn_status status = check(session, out, &failure);
    if (status == TN_OK) status = api_boxes_check(boxes, count, &failure);
    if (status == TN_OK && count) status = embed(session, picture, boxes, count, out, &failure);
    return api_status(status, &failure, err);
}
