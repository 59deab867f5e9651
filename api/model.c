// SPDX-License-Identifier: Apache-2.0
// Opening models: from a folder, from files, from names of pulled checkpoints.
#include "api/internal.h"
#include "io/published.h"
#include "models/fvlm/shipped.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *lexmask_version(void) {
    return LEXMASK_VERSION;
}

lexmask_status lexmask_level(char *text, size_t bytes, lexmask_error *err) {
    kn_ctx *kn;
    tn_error failure = {0};
    tn_status status = kn_open("cpu", NULL, 1, &kn, &failure);
    if (status != TN_OK) return api_status(status, &failure, err);
    snprintf(text, bytes, "%s", kn_level(kn));
    kn_close(kn);
    return LEXMASK_OK;
}

void lexmask_model_options_init(lexmask_model_options *options) {
    *options = (lexmask_model_options){.device = "cpu", .dtype = "f32", .bn_eps = -1};
}

static bool exists(const char *path) {
    return access(path, F_OK) == 0;
}

static tn_status join(char out[4096], const char *folder, const char *name, tn_error *err) {
    if (snprintf(out, 4096, "%s/%s", folder, name) < 4096) return TN_OK;
    return tn_fail(err, TN_EINVAL, "%s: the path is too long", folder);
}

typedef struct paths {
    char folder[4096], detector[4096], clip[4096], tokenizer[4096]; // empty: none
    bool fvlm;                                                      // the folder is one
} paths;

// A model folder holds detector.safetensors (or detector.pth) and clip/.
static tn_status find_in_folder(bool detector_only, paths *p, tn_error *err) {
    const char *folder = p->folder;
    if (!exists(folder)) return tn_fail(err, TN_EIO, "%s: no such model folder", folder);
    p->fvlm = md_fvlm_is(folder);
    if (p->fvlm) return TN_OK;
    TN_TRY(join(p->detector, folder, "detector.safetensors", err));
    if (!exists(p->detector)) TN_TRY(join(p->detector, folder, "detector.pth", err));
    if (!exists(p->detector))
        return tn_fail(err, TN_EIO,
                       "%s: not a model folder: expected detector.safetensors (or detector.pth) "
                       "and clip/ in it, or an F-VLM's config.json",
                       folder);
    if (!detector_only) TN_TRY(join(p->clip, folder, "clip", err));
    return TN_OK;
}

static tn_status find_files(const lexmask_model_options *options, paths *p, tn_error *err) {
    *p = (paths){0};
    if (options->folder &&
        (size_t)snprintf(p->folder, sizeof p->folder, "%s", options->folder) >= sizeof p->folder)
        return tn_fail(err, TN_EINVAL, "%s: the path is too long", options->folder);
    if (!options->folder && !options->detector && options->clip)
        return tn_fail(err, TN_EINVAL, "a CLIP was given, but no detector");
    if (!options->folder && !options->detector)
        TN_TRY(md_shipped_model(p->folder, sizeof p->folder, err));
    if (p->folder[0])
        TN_TRY(find_in_folder(options->detector_only, p, err));
    else
        TN_TRY(md_published_resolve(options->detector, p->detector, sizeof p->detector, err));
    if (!p->folder[0] && options->clip && !options->detector_only)
        TN_TRY(md_published_resolve(options->clip, p->clip, sizeof p->clip, err));
    if (!p->clip[0] || options->no_tokenizer) return TN_OK;
    return md_find_tokenizer(p->clip, options->tokenizer, p->tokenizer, sizeof p->tokenizer, err);
}

static tn_status check_options(const lexmask_model_options *options, tn_error *err) {
    if (options->dtype && strcmp(options->dtype, "f32") != 0)
        return tn_fail(err, TN_EINVAL, "dtype '%s': expected f32", options->dtype);
    if (options->size && (options->size < MD_FVLM_SIZE_LEAST || options->size > MD_FVLM_SIZE_MOST))
        return tn_fail(err, TN_EINVAL, "pictures of %d pixels: expected %d to %d", options->size,
                       MD_FVLM_SIZE_LEAST, MD_FVLM_SIZE_MOST);
    if (options->activation && strcmp(options->activation, "gelu") != 0 &&
        strcmp(options->activation, "quick_gelu") != 0)
        return tn_fail(err, TN_EINVAL, "activation '%s': expected gelu or quick_gelu",
                       options->activation);
    return TN_OK;
}

static tn_status open_tokenizer(const char *path, lexmask_model *model, tn_error *err) {
    TN_TRY(md_bpe_open(path, &model->bpe, err));
    const md_clip_config *config = md_clip_settings(model->clip);
    if (md_bpe_size(model->bpe) <= config->vocabulary) return TN_OK;
    return tn_fail(err, TN_EINVAL,
                   "%s: %lld tokens, but the CLIP in %s has %lld: this vocabulary belongs to "
                   "another model",
                   path, (long long)md_bpe_size(model->bpe), model->clip_path,
                   (long long)config->vocabulary);
}

static tn_status load_fvlm(const lexmask_model_options *options, const paths *p, kn_ctx *kn,
                           lexmask_model *model, tn_error *err) {
    char tokenizer[4096];
    md_fvlm_open_options wanted = {.folder = p->folder, .size = options->size};
    TN_TRY(md_fvlm_open(&wanted, kn, &model->fvlm, err));
    model->clip = md_fvlm_clip(model->fvlm);
    snprintf(model->clip_path, sizeof model->clip_path, "%s", md_fvlm_clip_path(model->fvlm));
    if (options->no_tokenizer) return TN_OK;
    const char *given =
        options->tokenizer ? options->tokenizer : md_fvlm_clip_tokenizer(model->fvlm);
    TN_TRY(md_find_tokenizer(model->clip_path, given, tokenizer, sizeof tokenizer, err));
    return open_tokenizer(tokenizer, model, err);
}

static void tell_prefix(const lexmask_model_options *options, const char *path,
                        const char *prefix) {
    char text[4352];
    if (!prefix[0] || !options->log) return;
    snprintf(text, sizeof text, "%s: the prefix %s was stripped from the names of its tensors",
             path, prefix);
    options->log(options->log_user, LEXMASK_LOG_DETAIL, text);
}

static tn_status load(const lexmask_model_options *options, const paths *p, kn_ctx *kn,
                      lexmask_model *model, tn_error *err) {
    if (p->fvlm) return load_fvlm(options, p, kn, model, err);
    if (options->size)
        return tn_fail(err, TN_EINVAL,
                       "a size of pictures is for an F-VLM; this is a Mask R-CNN, which "
                       "scales them itself");
    md_mask_rcnn_options detector_options = md_mask_rcnn_default_options();
    detector_options.bn_eps = options->bn_eps;
    TN_TRY(md_mask_rcnn_open(p->detector, &detector_options, kn, &model->detector, err));
    tell_prefix(options, p->detector, md_mask_rcnn_settings(model->detector)->prefix);
    if (options->log && !lexmask_model_has_masks(model))
        options->log(options->log_user, LEXMASK_LOG_NOTE,
                     "the detector is a Faster R-CNN, without a mask head: boxes alone, no masks");
    if (!p->clip[0]) return TN_OK;
    md_clip_options clip_options = {
        .heads = options->heads,
        .text_heads = options->text_heads,
        .activation = options->activation,
    };
    TN_TRY(md_clip_open(p->clip, &clip_options, kn, &model->own_clip, err));
    model->clip = model->own_clip;
    snprintf(model->clip_path, sizeof model->clip_path, "%s", p->clip);
    if (p->tokenizer[0]) TN_TRY(open_tokenizer(p->tokenizer, model, err));
    const md_clip_config *config = md_clip_settings(model->clip);
    tell_prefix(options, p->clip, config->prefix);
    if (config->assumed[0] && options->log)
        options->log(options->log_user, LEXMASK_LOG_WARNING, config->assumed);
    return TN_OK;
}

static tn_status open_model(const lexmask_model_options *options, lexmask_model **out,
                            tn_error *err) {
    paths p;
    kn_ctx *kn = NULL;
    TN_TRY(check_options(options, err));
    TN_TRY(find_files(options, &p, err));
    const char *device = options->device ? options->device : "cpu";
    TN_TRY(kn_open(device, NULL, options->threads, &kn, err));
    lexmask_model *model = tn_alloc_zero(1, sizeof *model);
    tn_status status = TN_OK;
    if (!model) {
        status = tn_fail(err, TN_ENOMEM, "out of memory for a model");
    } else {
        snprintf(model->device, sizeof model->device, "%s", device);
        snprintf(model->level, sizeof model->level, "%s", kn_level(kn));
        status = load(options, &p, kn, model, err);
    }
    kn_close(kn);
    if (status == TN_OK)
        *out = model;
    else
        lexmask_model_close(model);
    return status;
}

lexmask_status lexmask_model_open(const lexmask_model_options *options, lexmask_model **model,
                                  lexmask_error *err) {
    tn_error failure = {0};
    return api_status(open_model(options, model, &failure), &failure, err);
}

void lexmask_model_close(lexmask_model *model) {
    if (!model) return;
    md_mask_rcnn_close(model->detector);
    md_fvlm_close(model->fvlm);
    md_clip_close(model->own_clip);
    md_bpe_close(model->bpe);
    tn_free(model);
}

int lexmask_model_has_masks(const lexmask_model *model) {
    return model->fvlm || md_mask_rcnn_settings(model->detector)->mask_size > 0;
}

int lexmask_model_is_fvlm(const lexmask_model *model) {
    return model->fvlm != NULL;
}

size_t lexmask_model_class_count(const lexmask_model *model) {
    if (!model->detector) return 0;
    return (size_t)md_mask_rcnn_settings(model->detector)->classes;
}

const char *lexmask_model_class_at(const lexmask_model *model, size_t label) {
    if (!model->detector) return NULL;
    const md_mask_rcnn_config *config = md_mask_rcnn_settings(model->detector);
    return label < (size_t)config->classes ? config->category[label] : NULL;
}
