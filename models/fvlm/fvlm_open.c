// SPDX-License-Identifier: Apache-2.0
// Opens a model: configuration, CLIP and adapters, and checks that they match.
#include "io/json.h"
#include "io/sha256.h"
#include "models/fvlm/fvlm_parts.h"
#include "models/fvlm/fvlm_schema.h"
#include "nn/params.h"

#include <stdio.h>
#include <unistd.h>

static tn_status join(char out[4096], const char *folder, const char *name, tn_error *err) {
    bool absolute = name[0] == '/';
    int length =
        absolute ? snprintf(out, 4096, "%s", name) : snprintf(out, 4096, "%s/%s", folder, name);
    if (length < 4096) return TN_OK;
    return tn_fail(err, TN_EINVAL, "%s: the path is too long", folder);
}

bool md_fvlm_is(const char *folder) {
    char path[4096];
    io_json root;
    const char *format = NULL;
    tn_error ignored;
    if (join(path, folder, "config.json", &ignored) != TN_OK) return false;
    if (io_json_read(path, (size_t)4 << 20, &root, &ignored) != TN_OK)
        return access(path, F_OK) == 0;
    bool is = io_json_is(&root, IO_JSON_OBJECT) &&
              io_json_maybe_string(&root, "format", &format, &ignored) == TN_OK && format &&
              !strcmp(format, MD_FVLM_FORMAT);
    io_json_close(&root);
    return is;
}

tn_status md_fvlm_clip_hash(const char *clip, char out[65], tn_error *err) {
    io_weights *file;
    char path[4096];
    uint8_t digest[IO_SHA256];
    TN_TRY(io_weights_open(clip, &file, err));
    snprintf(path, sizeof path, "%s", io_weights_path(file));
    io_weights_close(file);
    TN_TRY(io_sha256_file(path, digest, err));
    io_sha256_text(digest, out);
    return TN_OK;
}

// ---- checks of the configuration against the CLIP ----------------------------------------------

static const char *check_vit(const md_fvlm_config *c, const md_clip_config *clip,
                             const char **key) {
    *key = "pyramid.kind";
    if (c->pyramid_kind == MD_PYRAMID_RESNET) return "resnet, but the CLIP is a ViT";
    *key = "picture.size";
    if (c->picture_size % clip->patch) return "is not a multiple of the CLIP's patch";
    int64_t side = c->picture_size / clip->patch;
    *key = "tower.window";
    if (c->tower_window && side % c->tower_window) return "does not divide the patches per side";
    *key = "pyramid.taps";
    if (c->pyramid_tap[c->pyramid_taps - 1] >= clip->layers) return "the CLIP has no such block";
    *key = "pyramid.strides";
    bool stem = c->pyramid_kind == MD_PYRAMID_STEM;
    double first =
        (double)clip->patch / (stem ? 2 : 4); // each other stride is twice the previous one
    if (c->pyramid_kind != MD_PYRAMID_SINGLE && c->pyramid_stride[0] != first)
        return stem ? "expected 0.5, 1, 2 and 4 times the CLIP's patch"
                    : "expected 0.25, 0.5, 1 and 2 times the CLIP's patch";
    *key = "pyramid.norm";
    int64_t normed = c->pyramid_kind == MD_PYRAMID_SIMPLE ? clip->width / 2 : clip->width;
    if (c->pyramid_norm == MD_NORM_GROUP && normed % MD_NORM_GROUPS &&
        c->pyramid_kind != MD_PYRAMID_SINGLE)
        return "group, but the CLIP's width is not a multiple of 32";
    *key = "pyramid.kind";
    if (c->pyramid_kind == MD_PYRAMID_SIMPLE && clip->width % 4)
        return "simple, but the CLIP's width is not a multiple of 4";
    return NULL;
}

static const char *check_resnet(const md_fvlm_config *c, const char **key) {
    *key = "pyramid.kind";
    if (c->pyramid_kind != MD_PYRAMID_RESNET) return "is for a ViT, but the CLIP is a ResNet";
    *key = "pyramid.strides";
    return c->pyramid_stride[0] != 4 ? "expected 4, 8, 16, 32: a ResNet's" : NULL;
}

static tn_status check_clip(const md_fvlm *model, const char *name, tn_error *err) {
    const md_clip_config *clip = md_clip_settings(model->clip);
    const char *key, *wrong = clip->family == MD_CLIP_VIT ? check_vit(&model->config, clip, &key)
                                                          : check_resnet(&model->config, &key);
    if (!wrong) return TN_OK;
    return tn_fail(err, TN_EFORMAT, "%s: %s: %s (%s)", name, key, wrong, clip->name);
}

tn_status md_fvlm_mode_check(const md_fvlm *model, md_score2 mode, tn_error *err) {
    bool of_vit = mode == MD_SCORE2_EMBED || mode == MD_SCORE2_DENSE || mode == MD_SCORE2_MASKCLS;
    if (model->resnet && of_vit)
        return tn_fail(err, TN_EINVAL,
                       "score 2 by %s needs a ViT; this model has a ResNet (none, crop, attnpool)",
                       md_fvlm_score2_name(mode));
    if (!model->resnet && mode == MD_SCORE2_ATTNPOOL)
        return tn_fail(err, TN_EINVAL,
                       "score 2 by attnpool needs a ResNet; this model has a ViT (none, crop, "
                       "embed, dense, maskcls)");
    if (mode == MD_SCORE2_MASKCLS && model->config.tower_window)
        return tn_fail(err, TN_EINVAL, "score 2 by maskcls needs a tower without windows");
    return TN_OK;
}

int64_t md_fvlm_size_unit(const md_fvlm *model) {
    const md_fvlm_config *c = &model->config;
    if (c->pyramid_kind == MD_PYRAMID_RESNET) return 32; // the stride of its last stage
    return md_clip_settings(model->clip)->patch * (c->tower_window ? c->tower_window : 1);
}

// Of a size that was asked for.
static tn_status check_size(const md_fvlm *model, int64_t size, tn_error *err) {
    int64_t unit = md_fvlm_size_unit(model), below = size / unit * unit;
    if (below == size) return TN_OK;
    if (!below)
        return tn_fail(err, TN_EINVAL,
                       "pictures of %lld pixels: the smallest size that works is %lld",
                       (long long)size, (long long)unit);
    return tn_fail(err, TN_EINVAL,
                   "pictures of %lld pixels: expected a multiple of %lld, such as %lld or %lld",
                   (long long)size, (long long)unit, (long long)below, (long long)(below + unit));
}

// ---- parts -------------------------------------------------------------------------------------

static void set_up_levels(md_fvlm *model) {
    const md_fvlm_config *c = &model->config;
    md_anchors *anchors = &model->anchors;
    anchors->levels = MD_FVLM_LEVELS;
    for (int l = 0; l < MD_FVLM_LEVELS; l++) {
        double stride = l < MD_FVLM_MAPS ? c->pyramid_stride[l] : 2 * c->pyramid_stride[l - 1];
        anchors->level[l].stride = stride;
        anchors->level[l].sizes = 1;
        anchors->level[l].size[0] = (float)c->anchor_size[l];
        anchors->level[l].ratios = c->anchor_ratios;
        for (int r = 0; r < c->anchor_ratios; r++)
            anchors->level[l].ratio[r] = (float)c->anchor_ratio[r];
        model->stride[l] = stride;
    }
    // A region is pooled from the level on which it spans 14 to 28 positions: the FPN paper's rule,
    // with 56 pixels at stride 4.
    model->pool = (nn_roi_pool){.sampling_ratio = 2,
                                .aligned = true,
                                .stride = model->stride,
                                .canonical_scale = 14 * c->pyramid_stride[0],
                                .levels = MD_FVLM_MAPS};
}

// Address space for the packed adapters and positions.
static size_t weights_capacity(const md_fvlm_config *c, const md_clip_config *clip) {
    size_t wide = (size_t)c->pyramid_channels + 64, deep = (size_t)(32 * clip->width) + 64;
    size_t fc = (size_t)c->box_width + 64, side = (size_t)c->picture_size / (size_t)clip->patch + 1;
    size_t convs = (size_t)(c->rpn_convs + c->box_convs + c->mask_convs + MD_FVLM_STEM + 10);
    size_t numbers = convs * wide * wide * 9 + 8 * wide * deep + 16 * deep * deep +
                     fc * wide * (size_t)(c->box_size * c->box_size) + 4 * fc * fc +
                     fc * ((size_t)clip->embed_dim + 128) + 2 * side * side * deep;
    return 2 * sizeof(float) * numbers + ((size_t)16 << 20);
}

static tn_status load_adapters(md_fvlm *model, const nn_loader *load) {
    const md_clip_config *clip = md_clip_settings(model->clip);
    int64_t channels[MD_FVLM_MAPS];
    for (int i = 0; i < MD_FVLM_MAPS; i++)
        channels[i] = model->resnet ? (clip->width * 4) << i : clip->width;
    TN_TRY(md_fvlm_neck_load(load, &model->config, channels, &model->neck));
    TN_TRY(md_fvlm_rpn_load(load, &model->config, &model->rpn));
    return md_fvlm_heads_load(load, &model->config, clip->embed_dim, &model->head);
}

static tn_status set_up_tower(md_fvlm *model, kn_ctx *kn, tn_error *err) {
    const md_clip_config *clip = md_clip_settings(model->clip);
    model->resnet = md_clip_resnet_of(model->clip);
    if (model->resnet) return TN_OK;
    int64_t side = model->config.picture_size / clip->patch;
    return md_scene_init(kn, &model->weights, md_clip_vit(model->clip), side, side,
                         model->config.tower_window, model->config.tower_positions, &model->scene,
                         err);
}

// ---- opening -----------------------------------------------------------------------------------

static tn_status open_clip(md_fvlm *model, const md_fvlm_open_options *options, kn_ctx *kn,
                           tn_error *err) {
    static const char *const activations[] = {NULL, "gelu", "quick_gelu", "gelu_tanh"};
    md_fvlm_config *c = &model->config;
    char hash[65];
    if (options->folder)
        TN_TRY(join(model->clip_path, options->folder, c->clip_path, err));
    else
        TN_TRY(join(model->clip_path, ".", options->clip, err));
    if (c->clip_tokenizer[0])
        TN_TRY(join(model->tokenizer, options->folder ? options->folder : ".", c->clip_tokenizer,
                    err));
    if (options->folder && access(model->clip_path, F_OK) != 0)
        return tn_fail(
            err, TN_EIO,
            "%s: no such CLIP; %s/config.json says that it is there (clip.path). To get a "
            "model that can be moved, its CLIP within, put it back and run `lexmask "
            "convert %s FOLDER`",
            model->clip_path, options->folder, options->folder);
    if (!options->folder || !options->trust_hash) {
        TN_TRY(md_fvlm_clip_hash(model->clip_path, hash, err));
        if (options->folder && strcmp(hash, c->clip_sha256) != 0)
            return tn_fail(err, TN_EFORMAT,
                           "%s: not the CLIP that the adapters were trained on: its SHA-256 is "
                           "%.16s..., %s/config.json: clip.sha256 says %.16s...",
                           model->clip_path, hash, options->folder, c->clip_sha256);
        memcpy(c->clip_sha256, hash, sizeof hash);
    }
    md_clip_options given = {c->clip_heads, c->clip_text_heads, activations[c->clip_activation]};
    return md_clip_open(model->clip_path, &given, kn, &model->clip, err);
}

static tn_status open_adapters(md_fvlm *model, const md_fvlm_open_options *options, kn_ctx *kn,
                               tn_error *err) {
    char path[4096];
    io_weights *file = NULL;
    if (options->folder) {
        TN_TRY(join(path, options->folder, "adapters.safetensors", err));
        TN_TRY(io_weights_open(path, &file, err));
    }
    static const nn_norm_kind norms[] = {NN_NORM_NONE, NN_NORM_BATCH, NN_NORM_GROUP};
    nn_loader load = {.file = file,
                      .kn = kn,
                      .arena = &model->weights,
                      .parts = &model->weights,
                      .err = err,
                      .params = options->params,
                      .init = {NN_INIT_KAIMING_UNIFORM, 1},
                      .seed = options->seed,
                      .bias = true,
                      .norm = norms[model->config.pyramid_norm],
                      .groups = MD_NORM_GROUPS};
    TN_CHECK(file || options->params, "a new model is for training");
    tn_status status = file ? md_fvlm_names_check(file, &model->config, err) : TN_OK;
    if (status == TN_OK) status = load_adapters(model, &load);
    for (size_t i = 0; file && status == TN_OK && i < io_weights_count(file); i++) {
        const io_tensor *t = io_weights_at(file, i);
        size_t count = 0;
        if (tn_count_checked(t->rank, t->dim, &count)) model->adapters += (int64_t)count;
    }
    if (options->params) model->adapters = nn_params_elements(options->params);
    io_weights_close(file);
    return status;
}

static tn_status open_contrast(md_fvlm *model, const char *folder, tn_error *err) {
    char path[4096];
    if (!folder || !model->config.contrast[0]) return TN_OK;
    TN_TRY(join(path, folder, model->config.contrast, err));
    tn_status status = md_names_read(path, &model->contrast, err);
    if (status != TN_OK) tn_fail_prefix(err, "%s/config.json: contrast", folder);
    return status == TN_EINVAL ? TN_EFORMAT : status;
}

static tn_status open_model(md_fvlm *model, const md_fvlm_open_options *options, kn_ctx *kn,
                            tn_error *err) {
    char name[4096];
    TN_CHECK((options->folder != NULL) != (options->config != NULL), "a folder or a configuration");
    if (options->folder) {
        TN_TRY(join(name, options->folder, "config.json", err));
        TN_TRY(md_fvlm_config_read(name, &model->config, err));
    } else {
        snprintf(name, sizeof name, "configuration");
        TN_TRY(md_fvlm_config_copy(options->config, &model->config, err));
        TN_TRY(md_fvlm_config_check(&model->config, name, err));
    }
    if (options->size) {
        model->config.picture_size = options->size;
        snprintf(name, sizeof name, "pictures of %lld pixels", (long long)options->size);
    }
    TN_TRY(open_contrast(model, options->folder, err));
    TN_TRY(open_clip(model, options, kn, err));
    if (options->size) TN_TRY(check_size(model, options->size, err));
    TN_TRY(check_clip(model, name, err));
    TN_TRY(tn_arena_init(&model->weights,
                         weights_capacity(&model->config, md_clip_settings(model->clip)), err));
    set_up_levels(model);
    TN_TRY(set_up_tower(model, kn, err));
    TN_TRY(open_adapters(model, options, kn, err));
    return tn_arena_freeze(&model->weights, err);
}

tn_status md_fvlm_open(const md_fvlm_open_options *options, kn_ctx *kn, md_fvlm **out,
                       tn_error *err) {
    *out = NULL;
    md_fvlm *model = tn_alloc_zero(1, sizeof *model);
    if (!model) return tn_fail(err, TN_ENOMEM, "out of memory for a model");
    tn_status status = open_model(model, options, kn, err);
    if (status == TN_OK)
        *out = model;
    else
        md_fvlm_close(model);
    return status;
}

// ---- another size ------------------------------------------------------------------------------

static tn_status set_up_size(md_fvlm *model, int64_t size, kn_ctx *kn, tn_error *err) {
    TN_TRY(check_size(model, size, err));
    model->config.picture_size = size;
    TN_TRY(check_clip(model, "another size", err));
    TN_TRY(tn_arena_init(&model->weights,
                         weights_capacity(&model->config, md_clip_settings(model->clip)), err));
    set_up_levels(model);
    TN_TRY(set_up_tower(model, kn, err));
    return tn_arena_freeze(&model->weights, err);
}

tn_status md_fvlm_resize(const md_fvlm *of, int64_t size, kn_ctx *kn, md_fvlm **out,
                         tn_error *err) {
    md_fvlm *model = tn_alloc(sizeof *model);
    if (!model) return tn_fail(err, TN_ENOMEM, "out of memory for a model");
    *model = *of;
    model->of = of, model->weights = (tn_arena){0};
    tn_status status = set_up_size(model, size, kn, err);
    if (status == TN_OK)
        *out = model;
    else
        md_fvlm_close(model);
    return status;
}

int64_t md_fvlm_size_for(const md_fvlm *model, int64_t longer, int64_t limit) {
    const md_fvlm_config *c = &model->config;
    bool linear = c->tower_window || c->pyramid_kind == MD_PYRAMID_RESNET;
    if (!linear || (double)longer <= MD_FVLM_SHRUNK * (double)c->picture_size)
        return c->picture_size;
    int64_t unit = md_fvlm_size_unit(model);
    if (c->tower_window % 2) unit *= 2; // the coarsest map has a place for two patches
    int64_t size = (longer + unit - 1) / unit * unit;
    if (size > limit) size = limit / unit * unit;
    return size > c->picture_size ? size : c->picture_size;
}

void md_fvlm_close(md_fvlm *model) {
    if (!model) return;
    if (model->of) {
        tn_arena_deinit(&model->weights);
        tn_free(model);
        return;
    }
    md_clip_close(model->clip);
    md_names_deinit(&model->contrast);
    tn_arena_deinit(&model->weights);
    md_fvlm_config_deinit(&model->config);
    tn_free(model);
}

const md_fvlm_config *md_fvlm_settings(const md_fvlm *model) {
    return &model->config;
}

const md_clip *md_fvlm_clip(const md_fvlm *model) {
    return model->clip;
}

const md_names *md_fvlm_contrast(const md_fvlm *model) {
    return model->contrast.classes ? &model->contrast : NULL;
}

const char *md_fvlm_clip_path(const md_fvlm *model) {
    return model->clip_path;
}

const char *md_fvlm_clip_tokenizer(const md_fvlm *model) {
    return model->tokenizer[0] ? model->tokenizer : NULL;
}

const md_anchors *md_fvlm_anchors(const md_fvlm *model) {
    return &model->anchors;
}

int64_t md_fvlm_adapter_count(const md_fvlm *model) {
    return model->adapters;
}
