// SPDX-License-Identifier: Apache-2.0
#include "models/clip/clip_config.h"

#include "io/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

tn_status md_clip_activation(const char *name, kn_act *out) {
    static const struct {
        const char *name;
        kn_act act;
    } known[] = {
        {"quick_gelu", KN_QUICK_GELU},
        {"quickgelu", KN_QUICK_GELU},
        {"gelu", KN_GELU},
        {"gelu_python", KN_GELU},
        {"gelu_tanh", KN_GELU_TANH},
        {"gelu_new", KN_GELU_TANH},
        {"gelu_pytorch_tanh", KN_GELU_TANH},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, name) == 0) {
            *out = known[i].act;
            return TN_OK;
        }
    return TN_EINVAL;
}

// A size that the configuration repeats must be the tensors'.
static tn_status same(const io_json *object, const char *key, int64_t size, tn_error *err) {
    int64_t said = size;
    TN_TRY(io_json_maybe_int(object, key, 1, INT32_MAX, &said, err));
    if (said == size) return TN_OK;
    io_json member;
    TN_TRY(io_json_get(object, key, IO_JSON_INTEGER, &member, err));
    return io_json_fail(&member, err, "%lld, but the tensors say %lld", (long long)said,
                        (long long)size);
}

static tn_status activation(const io_json *object, const char *key, const char *otherwise,
                            kn_act *out, tn_error *err) {
    const char *name = otherwise;
    TN_TRY(io_json_maybe_string(object, key, &name, err));
    if (md_clip_activation(name, out) == TN_OK) return TN_OK;
    io_json member;
    TN_TRY(io_json_get(object, key, IO_JSON_STRING, &member, err));
    return io_json_fail(&member, err, "'%s' is not a kind of GELU that is known here", name);
}

// Three numbers for the channels.
static tn_status channels(const io_json *object, const char *key, float out[3], tn_error *err) {
    io_json list, item;
    if (!io_json_has(object, key)) return TN_OK;
    TN_TRY(io_json_get(object, key, IO_JSON_ARRAY, &list, err));
    if (io_json_count(&list) != 3) return io_json_fail(&list, err, "expected three numbers");
    for (size_t i = 0; i < 3; i++) {
        double value;
        TN_TRY(io_json_at(&list, i, IO_JSON_NUMBER, &item, err));
        TN_TRY(io_json_as_number(&item, &value, err));
        out[i] = (float)value;
        if (!isfinite(out[i])) return io_json_fail(&item, err, "not a finite number");
    }
    return TN_OK;
}

// ---- Hugging Face ------------------------------------------------------------------------------

static tn_status huggingface_model(const io_json *top, md_clip_config *c, tn_error *err) {
    io_json vision, text;
    if (!io_json_has(top, "vision_config") || !io_json_has(top, "text_config"))
        return io_json_fail(top, err, "neither vision_config nor text_config: not a CLIP's");
    TN_TRY(io_json_get(top, "vision_config", IO_JSON_OBJECT, &vision, err));
    TN_TRY(io_json_get(top, "text_config", IO_JSON_OBJECT, &text, err));
    TN_TRY(same(&vision, "hidden_size", c->width, err));
    TN_TRY(same(&vision, "num_hidden_layers", c->layers, err));
    TN_TRY(same(&vision, "patch_size", c->patch, err));
    TN_TRY(same(&vision, "image_size", c->image_size, err));
    TN_TRY(same(&text, "hidden_size", c->text_width, err));
    TN_TRY(same(&text, "num_hidden_layers", c->text_layers, err));
    TN_TRY(same(&text, "max_position_embeddings", c->context, err));
    TN_TRY(same(&text, "vocab_size", c->vocabulary, err));
    TN_TRY(same(top, "projection_dim", c->embed_dim, err));
    // Hugging Face leaves out what equals its defaults, those of ViT-B/32.
    c->heads = 12, c->text_heads = 8;
    TN_TRY(io_json_maybe_int(&vision, "num_attention_heads", 1, 4096, &c->heads, err));
    TN_TRY(io_json_maybe_int(&text, "num_attention_heads", 1, 4096, &c->text_heads, err));
    TN_TRY(activation(&vision, "hidden_act", "quick_gelu", &c->activation, err));
    TN_TRY(activation(&text, "hidden_act", "quick_gelu", &c->text_activation, err));
    double text_eps = c->norm_eps;
    TN_TRY(io_json_maybe_number(&vision, "layer_norm_eps", &c->norm_eps, err));
    TN_TRY(io_json_maybe_number(&text, "layer_norm_eps", &text_eps, err));
    if (!(c->norm_eps > 0 && c->norm_eps < 1) || text_eps != c->norm_eps)
        return io_json_fail(&vision, err, "layer_norm_eps of %g (vision) and %g (text)",
                            c->norm_eps, text_eps);
    return TN_OK;
}

static tn_status unsupported(const io_json *value, const char *text, tn_error *err) {
    io_json_fail(value, err, "%s", text);
    if (err) err->status = TN_EUNSUPPORTED;
    return TN_EUNSUPPORTED;
}

// A size is a number, or an object that gives the shorter side, or height and width (*both: the
// picture gets these sides, whatever its shape).
static tn_status square(const io_json *object, const char *key, int64_t *out, bool *both,
                        tn_error *err) {
    io_json size;
    *both = false;
    if (!io_json_has(object, key)) return TN_OK;
    TN_TRY(io_json_get(object, key, IO_JSON_ANY, &size, err));
    if (!io_json_is(&size, IO_JSON_OBJECT)) return io_json_as_int(&size, 1, 65536, out, err);
    if (io_json_has(&size, "longest_edge"))
        return unsupported(&size, "longest_edge is not supported", err);
    if (io_json_has(&size, "shortest_edge"))
        return io_json_int(&size, "shortest_edge", 1, 65536, out, err);
    int64_t height;
    TN_TRY(io_json_int(&size, "height", 1, 65536, &height, err));
    TN_TRY(io_json_int(&size, "width", 1, 65536, out, err));
    *both = true;
    return *out == height ? TN_OK : io_json_fail(&size, err, "expected a square");
}

static tn_status resampling(const io_json *top, kn_filter *out, tn_error *err) {
    static const char *const names[] = {"nearest", "Lanczos", "bilinear",
                                        "bicubic", "box",     "Hamming"}; // PIL's numbers
    int64_t filter = 3;
    TN_TRY(io_json_maybe_int(top, "resample", 0, 5, &filter, err));
    *out = filter == 2 ? KN_BILINEAR : KN_BICUBIC;
    if (filter == 2 || filter == 3) return TN_OK;
    return io_json_fail(top, err, "resample is %lld (%s), expected 2 (bilinear) or 3 (bicubic)",
                        (long long)filter, names[filter]);
}

// Bytes become numbers in 0..1, then mean and std are applied, unless do_normalize is false.
static tn_status rescaling(const io_json *top, md_clip_config *c, tn_error *err) {
    bool rescale = true, normalize = true;
    double factor = 1.0 / 255;
    TN_TRY(channels(top, "image_mean", c->mean, err));
    TN_TRY(channels(top, "image_std", c->std, err));
    TN_TRY(io_json_maybe_bool(top, "do_rescale", &rescale, err));
    TN_TRY(io_json_maybe_bool(top, "do_normalize", &normalize, err));
    TN_TRY(io_json_maybe_number(top, "rescale_factor", &factor, err));
    if (!rescale || fabs(factor * 255 - 1) > 1e-6)
        return unsupported(top, "expected do_rescale true and rescale_factor 1/255", err);
    for (int i = 0; i < 3 && !normalize; i++) c->mean[i] = 0, c->std[i] = 1;
    return TN_OK;
}

// As transformers' CLIPImageProcessor: `size`, then a centre crop of `crop_size`.
static tn_status huggingface_pictures(const io_json *top, md_clip_config *c, tn_error *err) {
    bool resize = true, crop = true, both;
    int64_t crop_size = c->image_size;
    TN_TRY(rescaling(top, c, err));
    TN_TRY(resampling(top, &c->interpolation, err));
    TN_TRY(io_json_maybe_bool(top, "do_resize", &resize, err));
    TN_TRY(io_json_maybe_bool(top, "do_center_crop", &crop, err));
    TN_TRY(square(top, "crop_size", &crop_size, &both, err));
    TN_TRY(square(top, "size", &c->resize, &c->resize_square, err));
    if (!resize)
        return unsupported(top, "do_resize is false: pictures are always resized here", err);
    if (!crop && !(c->resize_square && c->resize == c->image_size))
        return unsupported(top,
                           "do_center_crop is false, and size is not the height and width that "
                           "the tensors take",
                           err);
    if (crop && crop_size != c->image_size)
        return io_json_fail(top, err, "crop_size is %lld, but the tensors say %lld",
                            (long long)crop_size, (long long)c->image_size);
    return TN_OK;
}

// ---- OpenCLIP ----------------------------------------------------------------------------------

// Switches of towers that are built otherwise than CLIP's: absent, null and false are fine.
static tn_status without(const io_json *object, const char *const *key, tn_error *err) {
    for (; *key; key++) {
        io_json member;
        bool on = true;
        if (!io_json_has(object, *key)) continue;
        TN_TRY(io_json_get(object, *key, IO_JSON_ANY, &member, err));
        if (io_json_is(&member, IO_JSON_BOOL)) TN_TRY(io_json_bool(object, *key, &on, err));
        if (on) return unsupported(&member, "towers with this are not read here", err);
    }
    return TN_OK;
}

static tn_status only(const io_json *object, const char *key, const char *value, tn_error *err) {
    io_json member;
    const char *said = value;
    TN_TRY(io_json_maybe_string(object, key, &said, err));
    if (strcmp(said, value) == 0) return TN_OK;
    TN_TRY(io_json_get(object, key, IO_JSON_STRING, &member, err));
    return unsupported(&member, "towers with this are not read here", err);
}

static tn_status openclip_vision(const io_json *vision, md_clip_config *c, tn_error *err) {
    int64_t head_width = 64;
    TN_TRY(io_json_maybe_int(vision, "head_width", 1, 65536, &head_width, err));
    TN_TRY(same(vision, "width", c->width, err));
    TN_TRY(same(vision, "image_size", c->image_size, err));
    int64_t channels = c->width;
    if (c->family == MD_CLIP_VIT) {
        TN_TRY(same(vision, "layers", c->layers, err));
        TN_TRY(same(vision, "patch_size", c->patch, err));
    } else {
        channels = c->width * 32;
    }
    if (channels % head_width)
        return io_json_fail(vision, err, "heads of %lld do not divide the width of %lld",
                            (long long)head_width, (long long)channels);
    c->heads = channels / head_width;
    static const char *const foreign[] = {"timm_model_name",
                                          "attentional_pool",
                                          "no_ln_pre",
                                          "ls_init_value",
                                          "act_kwargs",
                                          "norm_kwargs",
                                          "qk_norm",
                                          "scale_heads",
                                          "scale_attn",
                                          "scale_fc",
                                          "scale_attn_inner",
                                          "scaled_cosine_attn",
                                          NULL};
    TN_TRY(without(vision, foreign, err));
    return only(vision, "pool_type", "tok", err);
}

static tn_status openclip_text(const io_json *text, md_clip_config *c, tn_error *err) {
    static const char *const foreign[] = {"hf_model_name",
                                          "no_causal_mask",
                                          "embed_cls",
                                          "ls_init_value",
                                          "act_kwargs",
                                          "norm_kwargs",
                                          "qk_norm",
                                          "scale_heads",
                                          "scale_attn",
                                          "scale_attn_inner",
                                          "scale_fc",
                                          "scaled_cosine_attn",
                                          NULL};
    TN_TRY(without(text, foreign, err));
    TN_TRY(only(text, "pool_type", "argmax", err));
    TN_TRY(only(text, "proj_type", "linear", err));
    TN_TRY(same(text, "width", c->text_width, err));
    TN_TRY(same(text, "layers", c->text_layers, err));
    TN_TRY(same(text, "context_length", c->context, err));
    TN_TRY(same(text, "vocab_size", c->vocabulary, err));
    c->text_heads = 8; // OpenCLIP's default
    return io_json_maybe_int(text, "heads", 1, 4096, &c->text_heads, err);
}

static tn_status openclip_pictures(const io_json *top, md_clip_config *c, tn_error *err) {
    io_json pictures;
    if (!io_json_has(top, "preprocess_cfg")) return TN_OK;
    TN_TRY(io_json_get(top, "preprocess_cfg", IO_JSON_OBJECT, &pictures, err));
    TN_TRY(channels(&pictures, "mean", c->mean, err));
    TN_TRY(channels(&pictures, "std", c->std, err));
    const char *filter = "bicubic", *mode = "shortest";
    TN_TRY(io_json_maybe_string(&pictures, "interpolation", &filter, err));
    TN_TRY(io_json_maybe_string(&pictures, "resize_mode", &mode, err));
    bool bilinear = strcmp(filter, "bilinear") == 0;
    if ((!bilinear && strcmp(filter, "bicubic") != 0) || strcmp(mode, "shortest") != 0) {
        return unsupported(&pictures,
                           "expected interpolation bicubic or bilinear, resize_mode shortest", err);
    }
    c->interpolation = bilinear ? KN_BILINEAR : KN_BICUBIC;
    return TN_OK;
}

static tn_status openclip(const io_json *top, md_clip_config *c, tn_error *err) {
    io_json model, vision, text;
    TN_TRY(io_json_get(top, "model_cfg", IO_JSON_OBJECT, &model, err));
    TN_TRY(io_json_get(&model, "vision_cfg", IO_JSON_OBJECT, &vision, err));
    TN_TRY(io_json_get(&model, "text_cfg", IO_JSON_OBJECT, &text, err));
    TN_TRY(same(&model, "embed_dim", c->embed_dim, err));
    TN_TRY(openclip_vision(&vision, c, err));
    TN_TRY(openclip_text(&text, c, err));
    bool quick = false;
    TN_TRY(io_json_maybe_bool(&model, "quick_gelu", &quick, err));
    c->activation = c->text_activation = quick ? KN_QUICK_GELU : KN_GELU;
    return openclip_pictures(top, c, err);
}

// ---- all together ------------------------------------------------------------------------------

static tn_status read_one(const char *folder, const char *name,
                          tn_status (*take)(const io_json *, md_clip_config *, tn_error *),
                          md_clip_config *c, tn_error *err) {
    char path[4096];
    io_json document;
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return tn_fail(err, TN_EINVAL, "%.200s...: the path is too long", folder);
    if (access(path, F_OK) != 0) return TN_OK;
    TN_TRY(io_json_read(path, 16 << 20, &document, err));
    tn_status status = io_json_expect(&document, IO_JSON_OBJECT, err);
    if (status == TN_OK) status = take(&document, c, err);
    io_json_close(&document);
    return status;
}

tn_status md_clip_read_config(const char *folder, const md_clip_form *form, md_clip_config *c,
                              tn_error *err) {
    bool huggingface = strcmp(form->config, "config.json") == 0;
    TN_TRY(read_one(folder, form->config, huggingface ? huggingface_model : openclip, c, err));
    if (!huggingface) return TN_OK;
    c->crop_floor = true;
    return read_one(folder, "preprocessor_config.json", huggingface_pictures, c, err);
}

static void folder_of(const char *path, char *out, size_t bytes) {
    struct stat st;
    snprintf(out, bytes, "%s", path);
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) return;
    char *slash = strrchr(out, '/');
    if (!slash)
        snprintf(out, bytes, ".");
    else
        slash[slash == out] = 0; // "/file" lies in "/"
}

static tn_status complete(const io_weights *file, const md_clip_config *c, tn_error *err) {
    const char *path = io_weights_path(file);
    if (!c->heads || !c->text_heads)
        return tn_fail(err, TN_EINVAL,
                       "%s: %s is no published shape and has no configuration: say how many %s "
                       "heads with %s",
                       path, c->name, c->heads ? "text" : "attention",
                       c->heads ? "--text-heads" : "--heads");
    if (!md_clip_is_set(c->activation) || !md_clip_is_set(c->text_activation))
        return tn_fail(err, TN_EINVAL,
                       "%s: %s is no published shape and has no configuration: say the kind of "
                       "GELU with --activation gelu|quick_gelu",
                       path, c->name);
    int64_t width = c->family == MD_CLIP_VIT ? c->width : c->width * 32;
    if (width % c->heads || c->text_width % c->text_heads)
        return tn_fail(err, TN_EINVAL,
                       "%s: %lld heads of %lld channels (text: %lld of %lld) do not come out even",
                       path, (long long)c->heads, (long long)width, (long long)c->text_heads,
                       (long long)c->text_width);
    for (int i = 0; i < 3; i++)
        if (c->std[i] == 0)
            return tn_fail(err, TN_EFORMAT, "%s: the standard deviation of channel %d is 0", path,
                           i);
    if (c->resize < c->image_size)
        return tn_fail(err, TN_EUNSUPPORTED, "%s: pictures of %lld cut out of %lld", path,
                       (long long)c->image_size, (long long)c->resize);
    return TN_OK;
}

tn_status md_clip_configure(const io_weights *file, const md_clip_form *form, const char *path,
                            const md_clip_options *options, md_clip_config *out, tn_error *err) {
    char folder[4096];
    *out = (md_clip_config){.form = form->label,
                            .activation = MD_CLIP_UNSET,
                            .text_activation = MD_CLIP_UNSET,
                            .norm_eps = 1e-5,
                            .mean = {0.48145466f, 0.4578275f, 0.40821073f},
                            .std = {0.26862954f, 0.26130258f, 0.27577711f},
                            .interpolation = KN_BICUBIC};
    TN_TRY(md_clip_sizes(file, form, out, err));
    folder_of(path, folder, sizeof folder);
    TN_TRY(md_clip_read_config(folder, form, out, err));
    bool configured = md_clip_is_set(out->activation);
    if (configured && strcmp(form->label, "OpenAI") == 0) out->form = "OpenCLIP";
    if (options && (options->heads < 0 || options->text_heads < 0 || options->heads > INT16_MAX ||
                    options->text_heads > INT16_MAX))
        return tn_fail(err, TN_EINVAL, "%lld and %lld heads: expected 1 or more",
                       (long long)options->heads, (long long)options->text_heads);
    if (options && options->heads) out->heads = options->heads;
    if (options && options->text_heads) out->text_heads = options->text_heads;
    if (options && options->activation) {
        if (md_clip_activation(options->activation, &out->activation) != TN_OK)
            return tn_fail(err, TN_EINVAL,
                           "'%s' is not a kind of GELU: expected gelu, quick_gelu or gelu_tanh",
                           options->activation);
        out->text_activation = out->activation;
    }
    // OpenAI's own files say so by what lies beside the weights in the archive.
    bool from_openai = io_weights_find(file, "input_resolution") || io_weights_scripted(file);
    md_clip_published(from_openai, out);
    return complete(file, out, err);
}
