// SPDX-License-Identifier: Apache-2.0
#include "models/fvlm/fvlm_text.h"

#include <string.h>

tn_status md_fvlm_vocabulary(nn_ctx *cx, const md_fvlm *model, const md_bpe *bpe,
                             const md_names *names, const md_templates *templates,
                             const md_vocabulary_options *options, md_vocabulary *out,
                             tn_error *err) {
    const md_fvlm_config *c = md_fvlm_settings(model);
    md_vocabulary_options wanted = options ? *options : (md_vocabulary_options){0};
    md_templates own = {0};
    const char *prompt[MD_FVLM_PROMPTS];
    if (c->background_kind != MD_BACKGROUND_TEXT)
        wanted.background = NULL;
    else if (!wanted.background)
        wanted.background = c->background_text;
    else if (!*wanted.background)
        wanted.background = NULL;
    if (!templates) {
        for (int i = 0; i < c->prompts; i++) prompt[i] = c->prompt[i];
        TN_TRY(md_templates_init(prompt, c->prompts, &own, err));
    }
    tn_status status = md_vocabulary_make(cx, md_fvlm_clip(model), bpe, names,
                                          templates ? templates : &own, &wanted, out, err);
    md_templates_deinit(&own);
    return status;
}

static tn_status copy_rows(nn_ctx *cx, const md_vocabulary *v, tn_tensor *text) {
    int64_t d = v->embedding.dim[1], next = 0;
    TN_TRY(tn_new(cx->step, text, TN_F32, TN_DIMS(md_vocabulary_columns(v), d), cx->err));
    for (int64_t i = 0; i < v->rows; i++)
        if (v->class_of[i] == next) // ascending, so this is the first of each class
            memcpy(tn_f32(text) + next++ * d, tn_f32(&v->embedding) + i * d,
                   (size_t)d * sizeof(float));
    return TN_OK;
}

tn_status md_fvlm_text(nn_ctx *cx, const md_fvlm *model, const md_bpe *bpe, const char *const *name,
                       int64_t count, tn_tensor *text) {
    md_names names;
    md_vocabulary vocabulary = {0};
    md_vocabulary_options options = {.cache_folder = ""};
    TN_TRY(md_names_from_array(name, (size_t)count, &names, cx->err));
    tn_status status =
        md_fvlm_vocabulary(cx, model, bpe, &names, NULL, &options, &vocabulary, cx->err);
    if (status == TN_OK) status = copy_rows(cx, &vocabulary, text);
    md_vocabulary_deinit(&vocabulary);
    md_names_deinit(&names);
    return status;
}
