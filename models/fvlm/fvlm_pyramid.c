// SPDX-License-Identifier: Apache-2.0
// Stages 1 and 2: from the picture to CLIP's maps, and from them to the pyramid.
#include "models/fvlm/fvlm_parts.h"
#include "nn/ops.h"

#include <stdio.h>
#include <string.h>

// ---- stage 1 -----------------------------------------------------------------------------------

tn_status md_fvlm_frozen(nn_ctx *cx, const md_fvlm *model, const tn_tensor *x, md_score2 mode,
                         md_fvlm_features *out) {
    const md_fvlm_config *c = &model->config;
    nn_ctx plain = {
        .kn = cx->kn, .step = cx->step, .err = cx->err}; // frozen: never recorded on a tape
    *out = (md_fvlm_features){.picture = *x};
    if (model->resnet) return md_clip_resnet_maps(&plain, model->resnet, x, out->map);
    md_scene_wants wants = {.patches = mode == MD_SCORE2_EMBED,
                            .tokens = mode == MD_SCORE2_MASKCLS,
                            .dense = mode == MD_SCORE2_DENSE,
                            .taps = c->pyramid_taps};
    memcpy(wants.tap, c->pyramid_tap, sizeof wants.tap);
    md_scene_maps maps;
    TN_TRY(md_scene_run(&plain, &model->scene, x, &wants, &maps));
    memcpy(out->map, maps.map, sizeof maps.map);
    out->patches = maps.patches, out->tokens = maps.tokens, out->dense = maps.dense;
    return TN_OK;
}

// ---- stage 2 -----------------------------------------------------------------------------------

// "prefix.i", a size x size convolution with its norm.
static tn_status unit_load(const nn_loader *load, const char *prefix, int i, int64_t in,
                           int64_t out, int size, kn_act act, nn_conv *conv) {
    char name[NN_NAME];
    snprintf(name, sizeof name, "%s.%d", prefix, i);
    return nn_conv_norm_load(load, name, MD_NORM_EPS, (int64_t[]){out, in, size, size},
                             kn_conv_same(1, size / 2), act, conv);
}

// The norm between the two upsampling steps, with its activation.
static tn_status load_between(const nn_loader *load, md_norm norm, int64_t channels,
                              nn_norm *between) {
    *between = (nn_norm){.kind = NN_NORM_NONE, .act = KN_GELU};
    if (norm == MD_NORM_NONE) return TN_OK;
    return nn_norm_load(load, "pyramid.fpn1.1", channels, MD_NORM_EPS, KN_GELU, between);
}

static tn_status load_ups(const nn_loader *load, md_norm norm, int64_t channels, bool halve,
                          md_fvlm_neck *neck) {
    int64_t half = halve ? channels / 2 : channels, quarter = halve ? channels / 4 : channels;
    TN_TRY(nn_deconv_load(load, "pyramid.fpn1.0", channels, half, KN_LINEAR, &neck->up1a));
    TN_TRY(load_between(load, norm, half, &neck->between));
    TN_TRY(nn_deconv_load(load, "pyramid.fpn1.3", half, quarter, KN_LINEAR, &neck->up1b));
    return nn_deconv_load(load, "pyramid.fpn2.0", channels, half, KN_LINEAR, &neck->up2);
}

// ViTDet's: each level independently.
static tn_status load_simple(const nn_loader *load, const md_fvlm_config *config, int64_t channels,
                             md_fvlm_neck *neck) {
    const int64_t in[MD_FVLM_MAPS] = {channels / 4, channels / 2, channels, channels};
    TN_TRY(load_ups(load, config->pyramid_norm, channels, true, neck));
    for (int i = 0; i < MD_FVLM_MAPS; i++) {
        int64_t width = config->pyramid_channels;
        TN_TRY(
            unit_load(load, "pyramid.lateral", i, in[i], width, 1, KN_LINEAR, &neck->lateral[i]));
        TN_TRY(unit_load(load, "pyramid.output", i, width, width, 3, KN_LINEAR, &neck->output[i]));
    }
    return TN_OK;
}

static tn_status load_fpn(const nn_loader *load, const md_fvlm_config *config, const int64_t *in,
                          md_fvlm_neck *neck) {
    int64_t channels = load->file ? -1 : config->pyramid_channels;
    TN_TRY(nn_fpn_load(load, "fpn", MD_FVLM_MAPS, in, channels, MD_NORM_EPS, &neck->fpn));
    if (neck->fpn.channels == config->pyramid_channels) return TN_OK;
    return tn_fail(load->err, TN_EFORMAT, "%s: the pyramid has %lld channels, expected %lld",
                   io_weights_path(load->file), (long long)neck->fpn.channels,
                   (long long)config->pyramid_channels);
}

tn_status md_fvlm_neck_load(const nn_loader *load, const md_fvlm_config *config,
                            const int64_t *channels, md_fvlm_neck *out) {
    int64_t width = config->pyramid_channels;
    *out = (md_fvlm_neck){0};
    switch (config->pyramid_kind) {
    case MD_PYRAMID_SIMPLE:
        return load_simple(load, config, channels[0], out);
    case MD_PYRAMID_VIT4:
        TN_TRY(load_ups(load, config->pyramid_norm, channels[0], false, out));
        break;
    case MD_PYRAMID_STEM:
        TN_TRY(md_fvlm_stem_load(load, config, channels, out));
        break;
    case MD_PYRAMID_SINGLE:
        for (int i = 0; i < MD_FVLM_MAPS; i++)
            TN_TRY(unit_load(load, "pyramid.adapter", i, channels[0], width, 1, KN_RELU,
                             &out->adapter[i]));
        return load_fpn(load, config, (int64_t[]){width, width, width, width}, out);
    default:
        break;
    }
    return load_fpn(load, config, channels, out);
}

// One ViT map at four, two, one and half times its size.
static tn_status four_sizes(nn_ctx *cx, const md_fvlm_neck *neck, const tn_tensor *const map[4],
                            tn_tensor y[4]) {
    tn_tensor twice, normed;
    TN_TRY(nn_deconv_fwd(cx, &neck->up1a, map[0], &twice));
    if (neck->between.kind == NN_NORM_NONE)
        TN_TRY(nn_act(cx, neck->between.act, &twice, &normed));
    else
        TN_TRY(nn_norm_fwd(cx, &neck->between, &twice, &normed));
    TN_TRY(nn_deconv_fwd(cx, &neck->up1b, &normed, &y[0]));
    TN_TRY(nn_deconv_fwd(cx, &neck->up2, map[1], &y[1]));
    y[2] = *map[2];
    return md_fvlm_halved(cx, map[3], &y[3]);
}

// The fifth level is every second row and column of the fourth.
static tn_status fifth(nn_ctx *cx, tn_tensor *level) {
    static const kn_pool2d every = {1, 1, 2, 2, 0, 0, 0, 0, false};
    return nn_max_pool(cx, &every, &level[MD_FVLM_MAPS - 1], &level[MD_FVLM_MAPS]);
}

static tn_status simple_fwd(nn_ctx *cx, const md_fvlm_neck *neck, const tn_tensor *map,
                            tn_tensor *level) {
    const tn_tensor *const same[MD_FVLM_MAPS] = {map, map, map, map};
    tn_tensor size[MD_FVLM_MAPS], lateral;
    TN_TRY(four_sizes(cx, neck, same, size));
    for (int i = 0; i < MD_FVLM_MAPS; i++) {
        TN_TRY(nn_conv_fwd(cx, &neck->lateral[i], &size[i], NULL, &lateral));
        TN_TRY(nn_conv_fwd(cx, &neck->output[i], &lateral, NULL, &level[i]));
    }
    return fifth(cx, level);
}

// The map resampled to the level's stride, then through the adapter.
static tn_status resampled(nn_ctx *cx, const md_fvlm *model, const tn_tensor *map, int i,
                           tn_tensor *y) {
    int64_t side = (int64_t)((double)model->config.picture_size / model->config.pyramid_stride[i]);
    tn_tensor sized;
    TN_TRY(nn_resize(cx, &(kn_resize){.filter = KN_BILINEAR}, side, side, map, &sized));
    return nn_conv_fwd(cx, &model->neck.adapter[i], &sized, NULL, y);
}

tn_status md_fvlm_pyramid(nn_ctx *cx, const md_fvlm *model, const md_fvlm_features *features,
                          tn_tensor *level) {
    const md_fvlm_neck *neck = &model->neck;
    const tn_tensor *map = features->map;
    tn_tensor in[MD_FVLM_MAPS];
    switch (model->config.pyramid_kind) {
    case MD_PYRAMID_SIMPLE:
        return simple_fwd(cx, neck, &map[0], level);
    case MD_PYRAMID_VIT4: {
        const tn_tensor *const each[MD_FVLM_MAPS] = {&map[0], &map[1], &map[2], &map[3]};
        TN_TRY(four_sizes(cx, neck, each, in));
        break;
    }
    case MD_PYRAMID_STEM:
        TN_TRY(md_fvlm_stem_fwd(cx, model, features, in));
        break;
    case MD_PYRAMID_SINGLE:
        for (int i = 0; i < MD_FVLM_MAPS; i++) TN_TRY(resampled(cx, model, &map[0], i, &in[i]));
        break;
    default:
        memcpy(in, map, sizeof in);
        break;
    }
    return nn_fpn_fwd(cx, &neck->fpn, in, level);
}
