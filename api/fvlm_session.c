// SPDX-License-Identifier: Apache-2.0
// Sessions of an F-VLM.
#include "api/internal.h"

#include <stdio.h>
#include <string.h>

// base[t]: whether alpha or beta applies to a name.
static tn_status read_novel(const lexmask_session *session, const lexmask_names *wanted,
                            uint8_t *base, tn_error *err) {
    const md_names *names = &wanted->all;
    md_names novel;
    int64_t novel_count = 0;
    TN_TRY(md_names_read(session->novel, &novel, err));
    for (int64_t t = 0; t < names->classes; t++) {
        base[t] = 1;
        for (int64_t i = 0; i < novel.classes && base[t]; i++)
            base[t] = strcmp(names->label[t], novel.label[i]) != 0;
        novel_count += !base[t] && t < wanted->parsed.classes;
    }
    md_names_deinit(&novel);
    if (novel_count == 0 && session->options.log) {
        char text[512];
        snprintf(
            text, sizeof text,
            "%.400s: none of its names is among those requested; alpha is used for all of them",
            session->novel);
        session->options.log(session->options.log_user, LEXMASK_LOG_WARNING, text);
    }
    return TN_OK;
}

tn_status api_fvlm_session(lexmask_session *session, tn_error *err) {
    const lexmask_session_options *o = &session->options;
    const md_fvlm *model = session->model->fvlm;
    const md_fvlm_config *config = md_fvlm_settings(model);
    session->score2 = config->score2_mode;
    if (o->score2 && !md_fvlm_score2(o->score2, &session->score2))
        return tn_fail(err, TN_EINVAL,
                       "score 2 by '%s': expected none, crop, embed, dense, maskcls or attnpool",
                       o->score2);
    session->parted = o->novel || config->base_names;
    if (o->novel && !(session->novel = tn_strdup(o->novel)))
        return tn_fail(err, TN_ENOMEM, "out of memory for a session");
    return md_fvlm_mode_check(model, session->score2, err);
}

tn_status api_fvlm_base(const lexmask_session *session, const lexmask_names *names, uint8_t **base,
                        tn_error *err) {
    tn_status status = TN_OK;
    *base = tn_alloc_zero((size_t)names->all.classes, 1);
    if (!*base) return tn_fail(err, TN_ENOMEM, "out of memory for a session");
    if (session->novel)
        status = read_novel(session, names, *base, err);
    else
        md_fvlm_base_flags(md_fvlm_settings(session->model->fvlm), &names->all, *base);
    if (status != TN_OK) tn_free(*base);
    return status;
}

static md_fvlm_options options_of(lexmask_session *session) {
    const lexmask_session_options *o = &session->options;
    md_fvlm_options options = md_fvlm_default_options(session->model->fvlm);
    options.mode = session->score2;
    if (o->alpha != LEXMASK_DEFAULT) options.alpha = o->alpha;
    if (o->beta != LEXMASK_DEFAULT) options.beta = o->beta;
    api_set_rules(o, &options.rules);
    options.agnostic = o->agnostic, options.each_score = o->each_score;
    options.base = session->base, options.no_background = session->names->no_background;
    if (o->proposals != LEXMASK_DEFAULT) options.proposals = o->proposals;
    options.clip_batch = o->clip_batch;
    options.progress = api_progress, options.user = session;
    return options;
}

// The first such picture is worth a note.
static void tell_shrunk(lexmask_session *session, int64_t size, int64_t h, int64_t w) {
    const lexmask_session_options *o = &session->options;
    char text[256];
    md_frame frame = md_fvlm_frame_of(size, h, w);
    if (!o->log || (double)(h > w ? h : w) <= MD_FVLM_SHRUNK * (double)size) return;
    snprintf(text, sizeof text,
             "a picture of %lld x %lld pixels is seen at %lld x %lld: small things may be missed",
             (long long)w, (long long)h, (long long)frame.net_width, (long long)frame.net_height);
    o->log(o->log_user, session->shrunk ? LEXMASK_LOG_DETAIL : LEXMASK_LOG_NOTE, text);
    session->shrunk = true;
}

// The model at the size that suits the picture. One other size than its own is kept: pictures of
// one source mostly have one size.
static tn_status model_for(lexmask_session *session, const tn_tensor *image, const md_fvlm **out,
                           tn_error *err) {
    int64_t h = image->dim[0], w = image->dim[1], limit = session->options.max_size;
    const md_fvlm *own = session->model->fvlm;
    *out = own;
    if (limit == LEXMASK_DEFAULT) return TN_OK;
    int64_t size = md_fvlm_size_for(own, h > w ? h : w, limit);
    tell_shrunk(session, size, h, w);
    if (size == md_fvlm_settings(own)->picture_size) return TN_OK;
    if (session->resized && md_fvlm_settings(session->resized)->picture_size != size) {
        md_fvlm_close(session->resized);
        session->resized = NULL;
    }
    if (!session->resized) TN_TRY(md_fvlm_resize(own, size, session->kn, &session->resized, err));
    *out = session->resized;
    return TN_OK;
}

static tn_status keep_scores(const lexmask_session *session, const md_fvlm *model,
                             const md_fvlm_options *options, const md_found *found,
                             const md_fvlm_scored *scored, lexmask_result *result, tn_error *err) {
    const md_fvlm_config *config = md_fvlm_settings(model);
    md_frame frame = md_fvlm_frame(config, found->height, found->width);
    int64_t names = session->names->vocabulary.classes;
    lexmask_scores how = {.size = sizeof how,
                          .background = scored->score1.dim[1] > names,
                          .renormalise = config->fusion_renormalise,
                          .alpha = options->alpha,
                          .beta = options->beta,
                          .power = config->fusion_objectness,
                          .score = options->rules.score,
                          .nms = options->rules.nms,
                          .soft = options->rules.soft,
                          .inside = options->rules.inside,
                          .top = (int)options->rules.top};
    return api_result_scores(session, &frame, scored, &how, result, err);
}

tn_status api_fvlm_run(lexmask_session *session, nn_ctx *cx, const tn_tensor *image,
                       lexmask_result **result) {
    md_fvlm_options options = options_of(session);
    const md_fvlm *model;
    md_found found;
    md_fvlm_scored scored;
    const lexmask_session_options *o = &session->options;
    tn_status status = TN_OK;
    if (!api_progress(session, 0)) return tn_fail(cx->err, TN_ECANCELLED, "cancelled");
    TN_TRY(model_for(session, image, &model, cx->err));
    TN_TRY(md_fvlm_detect(cx, model, &session->names->vocabulary, image, &options, &found,
                          o->keep_scores || o->each_score ? &scored : NULL));
    TN_TRY(api_result_new(session, image, &found, result, cx->err));
    if (o->keep_scores)
        status = keep_scores(session, model, &options, &found, &scored, *result, cx->err);
    if (status == TN_OK && o->each_score)
        status = api_result_alone(session, scored.alone, *result, cx->err);
    if (status != TN_OK) {
        (*result)->image = (tn_tensor){0}; // remains the caller's
        lexmask_result_free(*result);
    }
    return status;
}

tn_status api_fvlm_name(lexmask_session *session, nn_ctx *cx, const tn_tensor *image,
                        const tn_tensor *boxes, int *labels, float *scores) {
    int64_t names = session->names->parsed.classes;
    md_fvlm_options options = options_of(session);
    md_found found;
    md_fvlm_scored scored;
    options.boxes = boxes, options.rules.top = 1, options.each_score = false;
    if (!boxes->dim[0]) return TN_OK;
    TN_TRY(md_fvlm_detect(cx, session->model->fvlm, &session->names->vocabulary, image, &options,
                          &found, &scored));
    int64_t columns = scored.fused.dim[1];
    for (int64_t i = 0; i < boxes->dim[0]; i++) {
        const float *p = tn_f32(&scored.fused) + i * columns;
        int64_t best = 0;
        for (int64_t t = 1; t < columns; t++)
            if (p[t] > p[best]) best = t;
        labels[i] = best < names ? (int)best : -1;
        scores[i] = p[best];
    }
    return TN_OK;
}
