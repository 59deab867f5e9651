// SPDX-License-Identifier: Apache-2.0
// Sessions: memory and threads, and detection in a picture.
#include "api/internal.h"

#include <string.h>

static tn_status check(const lexmask_model *model, const lexmask_names *names,
                       const lexmask_session_options *o, tn_error *err) {
    if (o->mode == LEXMASK_MODE_CLOSED && model->fvlm)
        return tn_fail(err, TN_EINVAL,
                       "the closed mode needs a detector with classes of its own; this model is an "
                       "F-VLM");
    if (o->mode == LEXMASK_MODE_CROP && !model->clip)
        return tn_fail(err, TN_EINVAL, "the crop mode needs a model with a CLIP");
    if (o->mode == LEXMASK_MODE_CLOSED && names)
        return tn_fail(err, TN_EINVAL, "the closed mode does not use names");
    return api_session_used(o, api_kind(model->fvlm, o->mode), err);
}

static tn_status set_names(lexmask_session *session, const lexmask_names *names, tn_error *err) {
    if (!session || !names)
        return tn_fail(err, TN_EINVAL, "%s is NULL", session ? "names" : "session");
    if (session->options.mode != LEXMASK_MODE_CROP)
        return tn_fail(err, TN_EINVAL, "the closed mode does not use names");
    uint8_t *base = NULL;
    if (session->model->fvlm) TN_TRY(api_fvlm_base(session, names, &base, err));
    tn_free(session->base);
    session->base = base, session->names = names;
    return TN_OK;
}

lexmask_status lexmask_session_set_names(lexmask_session *session, const lexmask_names *names,
                                         lexmask_error *err) {
    tn_error failure = {0};
    return api_status(set_names(session, names, &failure), &failure, err);
}

static tn_status open_session(const lexmask_model *model, const lexmask_names *names,
                              const lexmask_session_options *given, lexmask_session **out,
                              tn_error *err) {
    lexmask_session_options options;
    if (!model || !out) return tn_fail(err, TN_EINVAL, "%s is NULL", model ? "session" : "model");
    TN_TRY(api_session_options(given, &options, err));
    TN_TRY(check(model, names, &options, err));
    lexmask_session *session = tn_alloc_zero(1, sizeof *session);
    if (!session) return tn_fail(err, TN_ENOMEM, "out of memory for a session");
    session->model = model, session->options = options;
    tn_status status = api_context(model, options.threads, &session->kn, err);
    if (status == TN_OK) status = tn_arena_init_large(&session->step, err);
    if (status == TN_OK && model->fvlm) status = api_fvlm_session(session, err);
    if (status == TN_OK && names) status = set_names(session, names, err);
    if (status == TN_OK)
        *out = session;
    else
        lexmask_session_free(session);
    return status;
}

lexmask_status lexmask_session_new(const lexmask_model *model, const lexmask_names *names,
                                   const lexmask_session_options *options,
                                   lexmask_session **session, lexmask_error *err) {
    tn_error failure = {0};
    return api_status(open_session(model, names, options, session, &failure), &failure, err);
}

void lexmask_session_free(lexmask_session *session) {
    if (!session) return;
    kn_close(session->kn);
    tn_arena_deinit(&session->step);
    md_fvlm_close(session->resized);
    tn_free(session->base);
    tn_free(session->novel);
    tn_free(session);
}

// Returning false cancels.
bool api_progress(void *user, double done) {
    const lexmask_session_options *o = &((const lexmask_session *)user)->options;
    return !o->progress || o->progress(o->progress_user, done) == 0;
}

static tn_status run_closed(lexmask_session *session, nn_ctx *cx, const tn_tensor *image,
                            lexmask_result **result) {
    nn_select_rules rules = md_mask_rcnn_rules(session->model->detector);
    md_found found;
    api_set_rules(&session->options, &rules);
    if (!api_progress(session, 0)) return tn_fail(cx->err, TN_ECANCELLED, "cancelled");
    TN_TRY(md_mask_rcnn_detect(cx, session->model->detector, image, &rules, &found));
    return api_result_new(session, image, &found, result, cx->err);
}

_Static_assert((int)LEXMASK_OBJECTNESS_RPN == (int)MD_OBJECTNESS_RPN &&
                   (int)LEXMASK_CROP_SHAPE_SQUARE == (int)MD_CROP_SQUARE,
               "numbers of enumerators differ");

md_crop_options api_crop_options(lexmask_session *session) {
    const lexmask_session_options *o = &session->options;
    md_crop_options options = md_crop_default_options();
    api_set_rules(o, &options.rules);
    options.crops.shape = (md_crop_shape)o->crop_shape, options.crops.context = o->crop_context;
    options.source = (md_objectness)o->objectness_of, options.objectness = o->objectness;
    if (o->proposals != LEXMASK_DEFAULT) options.proposals = o->proposals;
    options.crops.batch = o->clip_batch;
    options.crops.progress = api_progress, options.crops.user = session;
    return options;
}

static tn_status run_crop(lexmask_session *session, nn_ctx *cx, const tn_tensor *image,
                          lexmask_result **result) {
    md_crop_options options = api_crop_options(session);
    md_found found;
    TN_TRY(md_crop_detect(cx, session->model->detector, session->model->clip,
                          &session->names->vocabulary, image, &options, &found, NULL));
    return api_result_new(session, image, &found, result, cx->err);
}

// Always takes ownership of the picture.
static tn_status run(lexmask_session *session, tn_tensor *image, lexmask_result **result,
                     tn_error *err) {
    nn_ctx cx = {.kn = session->kn, .step = &session->step, .err = err};
    tn_status status = session->model->fvlm ? api_fvlm_run(session, &cx, image, result)
                       : session->options.mode == LEXMASK_MODE_CLOSED
                           ? run_closed(session, &cx, image, result)
                           : run_crop(session, &cx, image, result);
    tn_arena_reset(&session->step, 0);
    if (status != TN_OK) tn_free(image->data);
    return status;
}

static tn_status run_picture(lexmask_session *session, const lexmask_picture *picture,
                             lexmask_result **result, tn_error *err) {
    tn_tensor image;
    if (!session || !result)
        return tn_fail(err, TN_EINVAL, "%s is NULL", session ? "result" : "session");
    if (session->options.mode == LEXMASK_MODE_CROP && !session->names)
        return tn_fail(err, TN_EINVAL, "the session has no names");
    TN_TRY(api_picture_open(session, picture, &image, err));
    return api_picture_error(picture, run(session, &image, result, err), err);
}

lexmask_status lexmask_run(lexmask_session *session, const lexmask_picture *picture,
                           lexmask_result **result, lexmask_error *err) {
    tn_error failure = {0};
    return api_status(run_picture(session, picture, result, &failure), &failure, err);
}
