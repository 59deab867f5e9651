// SPDX-License-Identifier: Apache-2.0
// A pyramid from CLIP's maps and the picture itself. A frozen ViT keeps of a patch what is needed
// to name it; the exact edge of an object inside the patch is only in the pixels (Chen et al.,
// "Vision transformer adapter for dense predictions", ICLR 2023: its spatial prior).
#include "models/fvlm/fvlm_parts.h"
#include "nn/ops.h"

#include <stdio.h>

#define FIRST_DEEP (MD_FVLM_MAPS - MD_FVLM_DEEP)

int md_fvlm_stem_convs(const md_fvlm_config *config) {
    double stride = 1;
    int convs = 0;
    for (; stride < config->pyramid_stride[MD_FVLM_MAPS - 1]; stride *= 2) convs++;
    bool fits = stride == config->pyramid_stride[MD_FVLM_MAPS - 1] && convs >= MD_FVLM_MAPS;
    return fits ? convs : 0;
}

static tn_status load_blocks(const nn_loader *load, const md_fvlm_config *config,
                             const int64_t *channels, md_fvlm_neck *out) {
    int each = (int)config->pyramid_blocks;
    char name[NN_NAME];
    for (int i = 0; i < MD_FVLM_DEEP * each; i++) {
        int64_t width = channels[FIRST_DEEP + i / each];
        for (int k = 0; k < 2; k++) {
            snprintf(name, sizeof name, "pyramid.block.%d.%d", i, k);
            TN_TRY(nn_conv_norm_load(load, name, MD_NORM_EPS, (int64_t[]){width, width, 3, 3},
                                     kn_conv_same(1, 1), KN_RELU, &out->block[i][k]));
        }
    }
    return TN_OK;
}

tn_status md_fvlm_stem_load(const nn_loader *load, const md_fvlm_config *config,
                            const int64_t *channels, md_fvlm_neck *out) {
    int64_t width = config->pyramid_channels, in = 3;
    char name[NN_NAME];
    for (int i = 0; i < md_fvlm_stem_convs(config); i++, in = width) {
        snprintf(name, sizeof name, "pyramid.stem.%d", i);
        TN_TRY(nn_conv_norm_load(load, name, MD_NORM_EPS, (int64_t[]){width, in, 3, 3},
                                 kn_conv_same(2, 1), KN_RELU, &out->stem[i]));
    }
    for (int i = 0; i < MD_FVLM_MAPS; i++) {
        snprintf(name, sizeof name, "pyramid.side.%d", i);
        TN_TRY(nn_conv_bias_load(load, name, (int64_t[]){channels[i], width, 1, 1},
                                 kn_conv_same(1, 0), KN_LINEAR, &out->side[i]));
    }
    TN_TRY(load_blocks(load, config, channels, out));
    return nn_deconv_load(load, "pyramid.fpn2.0", channels[0], channels[0], KN_LINEAR, &out->up2);
}

tn_status md_fvlm_halved(nn_ctx *cx, const tn_tensor *x, tn_tensor *y) {
    kn_pool2d half = {.kh = 2, .kw = 2, .stride_h = 2, .stride_w = 2};
    half.pad_bottom = (int)(x->dim[1] % 2), half.pad_right = (int)(x->dim[2] % 2);
    return nn_max_pool(cx, &half, x, y);
}

// Residual blocks (He et al. 2016): they connect the two ends of an object, which the tower's
// windows and a few convolutions on the picture do not.
static tn_status deepen(nn_ctx *cx, const md_fvlm *model, int map, tn_tensor *y) {
    int each = (int)model->config.pyramid_blocks;
    for (int i = map * each; i < (map + 1) * each; i++) {
        const nn_conv *conv = model->neck.block[i];
        tn_tensor hidden, sum;
        TN_TRY(nn_conv_fwd(cx, &conv[0], y, NULL, &hidden));
        TN_TRY(nn_conv_fwd(cx, &conv[1], &hidden, y, &sum));
        *y = sum;
    }
    return TN_OK;
}

tn_status md_fvlm_stem_fwd(nn_ctx *cx, const md_fvlm *model, const md_fvlm_features *features,
                           tn_tensor y[MD_FVLM_MAPS]) {
    const md_fvlm_neck *neck = &model->neck;
    const tn_tensor *map = features->map;
    int convs = md_fvlm_stem_convs(&model->config);
    tn_tensor of_clip[MD_FVLM_MAPS] = {[1] = map[1]}, seen[MD_FVLM_STEM], twice;
    TN_TRY(nn_deconv_fwd(cx, &neck->up2, &map[0], &of_clip[0]));
    TN_TRY(md_fvlm_halved(cx, &map[2], &of_clip[2]));
    TN_TRY(md_fvlm_halved(cx, &map[3], &twice));
    TN_TRY(md_fvlm_halved(cx, &twice, &of_clip[3]));
    for (int i = 0; i < convs; i++)
        TN_TRY(
            nn_conv_fwd(cx, &neck->stem[i], i ? &seen[i - 1] : &features->picture, NULL, &seen[i]));
    for (int i = 0; i < MD_FVLM_MAPS; i++)
        TN_TRY(
            nn_conv_fwd(cx, &neck->side[i], &seen[convs - MD_FVLM_MAPS + i], &of_clip[i], &y[i]));
    for (int i = 0; i < MD_FVLM_DEEP; i++) TN_TRY(deepen(cx, model, i, &y[FIRST_DEEP + i]));
    return TN_OK;
}
