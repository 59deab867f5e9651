// SPDX-License-Identifier: Apache-2.0
// Names from a list, a text or a file, embedded once.
#include "api/internal.h"
#include "models/fvlm/fvlm_text.h"
#include "models/names/known_names.h"

#include <stdio.h>
#include <string.h>

static tn_status parse(const lexmask_names_options *options, md_names *out, tn_error *err) {
    int ways = (options->names != NULL) + (options->text != NULL) + (options->file != NULL);
    if (ways != 1)
        return tn_fail(err, TN_EINVAL,
                       "give names as an array, a text or a file, not several of them");
    if (options->text) return md_names_parse(options->text, out, err);
    if (options->file) return md_names_read(options->file, out, err);
    return md_names_from_array(options->names, options->count, out, err);
}

static void pass_note(void *user, const char *text) {
    const lexmask_names_options *options = user;
    if (options->log) options->log(options->log_user, LEXMASK_LOG_WARNING, text);
}

static tn_status embed(const lexmask_model *model, const lexmask_names_options *options,
                       const md_names *names, md_vocabulary *out, tn_error *err) {
    const md_clip_config *clip = md_clip_settings(model->clip);
    if (options->embeddings)
        return md_vocabulary_read(options->embeddings, names->classes, clip->embed_dim, out, err);
    if (!model->bpe)
        return tn_fail(err, TN_EINVAL,
                       "the model was opened without a tokenizer: names need ready embeddings");
    static const char *const plain[] = {"a photo of {}"};
    bool given = options->prompt_count > 0;
    md_templates templates = {0};
    TN_TRY(md_templates_init(given ? options->prompts : plain,
                             given ? (int64_t)options->prompt_count : 1, &templates, err));
    const char *background = options->background;
    if (!background && !model->fvlm) background = "a random photo with no specific object";
    const char *none = model->fvlm && background ? "" : NULL; // NULL: the F-VLM's own
    md_vocabulary_options wanted = {
        .background = background && strcmp(background, "none") ? background : none,
        .cache_folder = options->use_cache ? NULL : "",
        .note = pass_note,
        .user = (void *)options,
        .progress = options->progress,
        .progress_user = options->progress_user,
    };
    nn_ctx cx = {.err = err};
    tn_arena step = {0};
    tn_status status =
        kn_open(model->device, model->level, api_threads(options->threads), &cx.kn, err);
    if (status == TN_OK) status = tn_arena_init_large(&step, err);
    cx.step = &step;
    if (status == TN_OK && model->fvlm)
        status = md_fvlm_vocabulary(&cx, model->fvlm, model->bpe, names, given ? &templates : NULL,
                                    &wanted, out, err);
    else if (status == TN_OK)
        status =
            md_vocabulary_make(&cx, model->clip, model->bpe, names, &templates, &wanted, out, err);
    tn_arena_deinit(&step);
    kn_close(cx.kn);
    md_templates_deinit(&templates);
    return status;
}

// Adds the names that the model was trained on; they compete with the requested ones.
static tn_status add_others(const lexmask_model *model, const lexmask_names_options *options,
                            lexmask_names *names, tn_error *err) {
    static const md_names none = {0};
    const md_names *known = model->fvlm ? md_fvlm_contrast(model->fvlm) : NULL;
    bool compete = known && options->contrast && !options->embeddings;
    if (known) TN_TRY(api_names_hint(model, options, &names->parsed, err));
    return md_names_join(&names->parsed, compete ? known : &none, &names->all, err);
}

static tn_status check_used(const lexmask_model *model, const lexmask_names_options *o,
                            tn_error *err) {
    if (!o->contrast && !model->fvlm)
        return tn_fail(err, TN_EINVAL, "names option contrast is used by an F-VLM only");
    const char *unused = !o->embeddings                                   ? NULL
                         : o->prompt_count                                ? "prompts"
                         : o->background && strcmp(o->background, "none") ? "background"
                         : !o->contrast                                   ? "contrast"
                                                                          : NULL;
    if (!unused) return TN_OK;
    return tn_fail(err, TN_EINVAL, "names option %s is not used with ready embeddings", unused);
}

static tn_status make(const lexmask_model *model, const lexmask_names_options *given,
                      lexmask_names **out, tn_error *err) {
    lexmask_names_options taken;
    const lexmask_names_options *options = &taken;
    if (!model || !out) return tn_fail(err, TN_EINVAL, "%s is NULL", model ? "names" : "model");
    TN_TRY(api_names_options(given, &taken, err));
    TN_TRY(check_used(model, options, err));
    if (!model->clip)
        return tn_fail(err, TN_EINVAL,
                       "the model has no CLIP and cannot use names: only the "
                       "closed mode can be used");
    lexmask_names *names = tn_alloc_zero(1, sizeof *names);
    if (!names) return tn_fail(err, TN_ENOMEM, "out of memory for names");
    names->no_background = options->background && !strcmp(options->background, "none");
    tn_status status = parse(options, &names->parsed, err);
    if (status == TN_OK) status = add_others(model, options, names, err);
    if (status == TN_OK) status = embed(model, options, &names->all, &names->vocabulary, err);
    names->vocabulary.others = names->all.classes - names->parsed.classes;
    if (status == TN_OK)
        *out = names;
    else
        lexmask_names_free(names);
    return status;
}

lexmask_status lexmask_names_new(const lexmask_model *model, const lexmask_names_options *options,
                                 lexmask_names **names, lexmask_error *err) {
    tn_error failure = {0};
    return api_status(make(model, options, names, &failure), &failure, err);
}

void lexmask_names_free(lexmask_names *names) {
    if (!names) return;
    md_vocabulary_deinit(&names->vocabulary);
    md_names_deinit(&names->parsed);
    md_names_deinit(&names->all);
    tn_free(names);
}

size_t lexmask_names_count(const lexmask_names *names) {
    return names ? (size_t)names->parsed.classes : 0;
}

const char *lexmask_names_at(const lexmask_names *names, size_t i) {
    return i < lexmask_names_count(names) ? names->parsed.label[i] : NULL;
}
