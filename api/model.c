// SPDX-License-Identifier: Apache-2.0
// Opens models: from a folder, from files, or by the name of a downloaded checkpoint.
#include "api/internal.h"
#include "io/published.h"
#include "models/fvlm/shipped.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *lexmask_version(void) {
    return LEXMASK_VERSION;
}

int lexmask_version_number(void) {
    return LEXMASK_VERSION_NUMBER;
}

const char *lexmask_status_name(lexmask_status status) {
    return tn_status_name((tn_status)status);
}

const char *const *lexmask_devices(void) {
    static const char *const devices[] = {"cpu", NULL};
    return devices;
}

const char *const *lexmask_dtypes(const char *device) {
    static const char *const dtypes[] = {"f32", "bf16", NULL};
    return device && kn_device_check(device, NULL) == TN_OK ? dtypes : NULL;
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

tn_status api_context(const lexmask_model *model, int threads, kn_ctx **out, tn_error *err) {
    kn_ctx *kn;
    const char *level = model->level[0] ? model->level : NULL;
    TN_TRY(kn_open(model->device, level, api_threads(threads), &kn, err));
    tn_status status =
        model->products == TN_F32 ? TN_OK : kn_set_products(kn, model->products, err);
    if (status == TN_OK)
        *out = kn;
    else
        kn_close(kn);
    return status;
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
    bool fvlm;                                                      // the folder is an F-VLM's
} paths;

// A model folder holds detector.safetensors (or detector.pth) and clip/.
static tn_status find_in_folder(bool use_clip, paths *p, tn_error *err) {
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
    if (use_clip) TN_TRY(join(p->clip, folder, "clip", err));
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
        TN_TRY(find_in_folder(options->use_clip, p, err));
    else
        TN_TRY(md_published_resolve(options->detector, p->detector, sizeof p->detector, err));
    if (!p->folder[0] && options->clip)
        TN_TRY(md_published_resolve(options->clip, p->clip, sizeof p->clip, err));
    if (!p->clip[0] || !options->use_tokenizer) return TN_OK;
    return md_find_tokenizer(p->clip, options->tokenizer, p->tokenizer, sizeof p->tokenizer, err);
}

static tn_status check_dtype(const lexmask_model_options *o, tn_dtype *products, tn_error *err) {
    char text[64] = "";
    *products = TN_F32;
    TN_TRY(kn_device_check(o->device, err));
    for (const char *const *t = lexmask_dtypes(o->device); *t; t++) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%s", used ? ", " : "", *t);
        if (strcmp(*t, o->dtype) != 0) continue;
        if (!strcmp(*t, "bf16")) *products = TN_BF16;
        return TN_OK;
    }
    return tn_fail(err, TN_EUNSUPPORTED, "dtype '%s' is not known: device %s offers %s", o->dtype,
                   o->device, text);
}

// Options that exclude each other for every model.
static tn_status check_options(const lexmask_model_options *o, tn_error *err) {
    if (o->folder && (o->detector || o->clip))
        return tn_fail(err, TN_EINVAL,
                       "model option folder stands for detector and clip: set one or the other");
    if (!o->use_clip && o->clip)
        return tn_fail(err, TN_EINVAL, "model option clip is set, and use_clip is 0");
    if (!o->use_tokenizer && o->tokenizer)
        return tn_fail(err, TN_EINVAL, "model option tokenizer is set, and use_tokenizer is 0");
    if (o->activation && strcmp(o->activation, "gelu") != 0 &&
        strcmp(o->activation, "quick_gelu") != 0)
        return tn_fail(err, TN_EINVAL, "activation '%s': expected gelu or quick_gelu",
                       o->activation);
    return TN_OK;
}

// Options that this kind of model does not use.
static tn_status check_used(const lexmask_model_options *o, const paths *p, tn_error *err) {
    const char *of_clip = o->heads != LEXMASK_DEFAULT        ? "heads"
                          : o->text_heads != LEXMASK_DEFAULT ? "text_heads"
                          : o->activation                    ? "activation"
                                                             : NULL;
    if (p->fvlm && !o->use_clip)
        return tn_fail(err, TN_EINVAL,
                       "model option use_clip is 0: an F-VLM has no classes of its own and cannot "
                       "be used without its CLIP");
    if (p->fvlm && (of_clip || o->bn_eps != LEXMASK_DEFAULT))
        return tn_fail(err, TN_EINVAL, "model option %s is not used by an F-VLM",
                       of_clip ? of_clip : "bn_eps");
    if (!p->fvlm && o->picture_size != LEXMASK_DEFAULT)
        return tn_fail(err, TN_EINVAL,
                       "model option picture_size is for an F-VLM; this is a Mask R-CNN, which "
                       "scales pictures itself");
    if (!p->fvlm && !p->clip[0] && (of_clip || o->tokenizer))
        return tn_fail(err, TN_EINVAL, "model option %s is not used without a CLIP",
                       of_clip ? of_clip : "tokenizer");
    return TN_OK;
}

static int64_t given_or(int value, int64_t automatic) {
    return value == LEXMASK_DEFAULT ? automatic : value;
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
    md_fvlm_open_options wanted = {.folder = p->folder, .size = given_or(options->picture_size, 0)};
    TN_TRY(md_fvlm_open(&wanted, kn, &model->fvlm, err));
    model->clip = md_fvlm_clip(model->fvlm);
    snprintf(model->clip_path, sizeof model->clip_path, "%s", md_fvlm_clip_path(model->fvlm));
    if (!options->use_tokenizer) return TN_OK;
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
    md_mask_rcnn_options detector_options = md_mask_rcnn_default_options();
    detector_options.bn_eps = options->bn_eps;
    TN_TRY(md_mask_rcnn_open(p->detector, &detector_options, kn, &model->detector, err));
    tell_prefix(options, p->detector, md_mask_rcnn_settings(model->detector)->prefix);
    if (options->log && !lexmask_model_has_masks(model))
        options->log(options->log_user, LEXMASK_LOG_NOTE,
                     "the detector is a Faster R-CNN, without a mask head: boxes only, no masks");
    if (!p->clip[0]) return TN_OK;
    md_clip_options clip_options = {
        .heads = given_or(options->heads, 0),
        .text_heads = given_or(options->text_heads, 0),
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

static tn_status load_with(const lexmask_model_options *options, const paths *p,
                           lexmask_model *model, tn_error *err) {
    kn_ctx *kn = NULL;
    TN_TRY(api_context(model, options->threads, &kn, err));
    snprintf(model->level, sizeof model->level, "%s", kn_level(kn));
    tn_status status = load(options, p, kn, model, err);
    kn_close(kn);
    return status;
}

static tn_status open_model(const lexmask_model_options *given, lexmask_model **out,
                            tn_error *err) {
    paths p;
    lexmask_model_options options;
    tn_dtype products;
    TN_TRY(api_model_options(given, &options, err));
    TN_TRY(check_options(&options, err));
    TN_TRY(check_dtype(&options, &products, err));
    TN_TRY(find_files(&options, &p, err));
    TN_TRY(check_used(&options, &p, err));
    lexmask_model *model = tn_alloc_zero(1, sizeof *model);
    if (!model) return tn_fail(err, TN_ENOMEM, "out of memory for a model");
    snprintf(model->device, sizeof model->device, "%s", options.device);
    model->products = products;
    tn_status status = load_with(&options, &p, model, err);
    if (status == TN_OK)
        *out = model;
    else
        lexmask_model_close(model);
    return status;
}

lexmask_status lexmask_model_open(const lexmask_model_options *options, lexmask_model **model,
                                  lexmask_error *err) {
    tn_error failure = {0};
    tn_status status = model ? open_model(options, model, &failure)
                             : tn_fail(&failure, TN_EINVAL, "model is NULL");
    return api_status(status, &failure, err);
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
    return model && (model->fvlm || md_mask_rcnn_settings(model->detector)->mask_size > 0);
}

int lexmask_model_is_fvlm(const lexmask_model *model) {
    return model && model->fvlm;
}

size_t lexmask_model_class_count(const lexmask_model *model) {
    if (!model || !model->detector) return 0;
    return (size_t)md_mask_rcnn_settings(model->detector)->classes;
}

const char *lexmask_model_class_at(const lexmask_model *model, size_t label) {
    if (label >= lexmask_model_class_count(model)) return NULL;
    return md_mask_rcnn_settings(model->detector)->category[label];
}
