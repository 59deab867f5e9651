// SPDX-License-Identifier: Apache-2.0
// Built-in configurations. Settings of F-VLM: Kuo et al., "F-VLM: open-vocabulary object detection
// upon frozen vision and language models", ICLR 2023; of F-ViT: Wu et al., "CLIPSelf", ICLR 2024.
// Optimizer: AdamW for all.
#include "models/fvlm/fvlm_config.h"

#include <stdio.h>
#include <string.h>

// Settings shared by most of them: the reference settings of F-VLM.
static md_fvlm_config common(void) {
    md_fvlm_config c = {
        .clip_path = "clip",
        .tower_positions = 0,
        .pyramid_taps = 4,
        .pyramid_channels = 256,
        .pyramid_norm = MD_NORM_BATCH,
        .anchor_size = {32, 64, 128, 256, 512},
        .anchor_ratio = {0.5, 1, 2},
        .anchor_ratios = 3,
        .pyramid_stride = {4, 8, 16, 32},
        .rpn_convs = 2,
        .rpn_before = 2000,
        .rpn_after = 1000,
        .rpn_nms = 0.7,
        .box_convs = 4,
        .box_fcs = 1,
        .box_width = 1024,
        .box_size = 7,
        .box_context = 1,
        .box_rounds = 1,
        .mask_convs = 4,
        .mask_size = 14,
        .score1_scale = 100,
        .score2_scale = 100,
        .score2_top = 1000,
        .score2_nms = 1,
        .score2_positions = 1,
        .score2_context = 1.15,
        .background_text = "background",
        .prompts = 1,
        .fusion_alpha = 0.35,
        .fusion_beta = 0.65,
        .fusion_renormalise = true,
        .limits_score = 0.05,
        .limits_nms = 0.5,
        .limits_top = 100,
        .limits_soft = 1,
        .limits_inside = 1,
        .training_loss = MD_LOSS_SOFTMAX,
        .training_background = 0.9,
        .training_lr = 1e-4,
        .training_decay = 0.1,
        .training_clip = 1,
        .training_batch = 64,
        .training_steps = 5000,
        .training_warmup = 250,
        .training_jitter = {0.1, 2},
        .training_flip = true,
    };
    snprintf(c.prompt[0], sizeof c.prompt[0], "imagenet80");
    return c;
}

static void taps(md_fvlm_config *c, int64_t a, int64_t b, int64_t d, int64_t e) {
    const int64_t all[4] = {a, b, d, e};
    memcpy(c->pyramid_tap, all, sizeof all);
}

// The project's first design: ViT-B/32 at 224, taps at the embeddings, unscaled cosines, equal
// weights. Softmax without a temperature stays below any usual threshold, so there is none.
static md_fvlm_config seed(void) {
    md_fvlm_config c = common();
    c.picture_size = 224;
    c.pyramid_kind = MD_PYRAMID_SINGLE;
    c.pyramid_taps = 1, c.pyramid_tap[0] = -1;
    c.pyramid_norm = MD_NORM_NONE;
    c.rpn_convs = 1, c.rpn_before = 1000;
    c.box_convs = 0, c.box_fcs = 2;
    c.score1_scale = c.score2_scale = 1;
    c.score2_mode = MD_SCORE2_EMBED, c.score2_positions = 0;
    snprintf(c.background_text, sizeof c.background_text, "a random photo with no specific object");
    snprintf(c.prompt[0], sizeof c.prompt[0], "a photo of {}");
    c.fusion_alpha = c.fusion_beta = 0.5, c.fusion_renormalise = false;
    c.limits_score = 0;
    c.training_loss = MD_LOSS_COSINE;
    c.training_jitter[0] = c.training_jitter[1] = 1;
    return c;
}

static md_fvlm_config fvlm_rn50(void) {
    md_fvlm_config c = common();
    c.picture_size = 1024;
    c.pyramid_kind = MD_PYRAMID_RESNET;
    taps(&c, 0, 1, 2, 3);
    c.score2_mode = MD_SCORE2_ATTNPOOL;
    return c;
}

static md_fvlm_config fvit(void) {
    md_fvlm_config c = common();
    c.pyramid_kind = MD_PYRAMID_VIT4;
    c.box_fcs = 2;
    c.score1_scale = 50, c.score1_learned = true;
    c.score2_mode = MD_SCORE2_DENSE, c.score2_scale = 75;
    c.background_kind = MD_BACKGROUND_LEARNED, c.background_text[0] = 0;
    c.fusion_alpha = 0.1, c.fusion_beta = 0.8, c.fusion_renormalise = false;
    c.limits_score = 0.01, c.limits_nms = 0.4;
    c.training_background = 0.6;
    return c;
}

static md_fvlm_config fvit_b16(void) {
    md_fvlm_config c = fvit();
    c.picture_size = 640;
    taps(&c, 3, 5, 7, 11);
    return c;
}

static md_fvlm_config fvit_l14(void) {
    md_fvlm_config c = fvit();
    c.picture_size = 896;
    taps(&c, 6, 10, 14, 23);
    for (int i = 0; i < MD_FVLM_MAPS; i++) c.pyramid_stride[i] = 3.5 * (1 << i);
    for (int i = 0; i < MD_FVLM_LEVELS; i++) c.anchor_size[i] = 28 << i;
    return c;
}

// For a CLIP of 6 blocks with patches of 8 pixels, trained on pictures of 64: on a CPU.
static md_fvlm_config small(void) {
    md_fvlm_config c = fvit();
    c.picture_size = 384;
    c.tower_window = 8,
    c.tower_positions = 1;            // each window is as large as CLIP's training pictures: 64x64
    c.pyramid_kind = MD_PYRAMID_STEM; // for the edges of objects that are only two patches large
    taps(&c, 2, 3, 4, 5);
    for (int i = 0; i < MD_FVLM_LEVELS; i++) c.anchor_size[i] = 16 << i;
    c.pyramid_channels = 64, c.pyramid_norm = MD_NORM_GROUP;
    c.pyramid_blocks = 2; // a window of the tower is narrower than many objects
    c.rpn_convs = 1, c.rpn_before = 1000, c.rpn_after = 300;
    c.box_convs = 2, c.box_fcs = 1, c.box_width = 256;
    // A proposal often ends before the object does: context and a second round correct it.
    c.box_context = 1.5, c.box_rounds = 2;
    c.mask_convs = 2;
    c.score2_mode = MD_SCORE2_CROP, c.score2_top = 100, c.score2_nms = 0.6;
    snprintf(c.prompt[0], sizeof c.prompt[0], "a photo of {}");
    c.limits_score = 0.05, c.limits_nms = 0.6, c.limits_soft = 0.3, c.limits_inside = 0.8;
    c.fusion_alpha = 0.8; // score 1 localises objects long before it has learned a thousand names
    c.training_batch = 4, c.training_steps = 2000, c.training_warmup = 100, c.training_lr = 2e-3;
    c.training_jitter[0] = 0.7, c.training_jitter[1] = 1.7;
    c.training_flip = false;
    return c;
}

static const struct {
    const char *name;
    md_fvlm_config (*make)(void);
} presets[] = {{"seed", seed},
               {"fvlm-rn50", fvlm_rn50},
               {"fvit-b16", fvit_b16},
               {"fvit-l14", fvit_l14},
               {"small", small}};

const char *const md_fvlm_presets[] = {"seed", "fvlm-rn50", "fvit-b16", "fvit-l14", "small", NULL};

bool md_fvlm_preset(const char *name, md_fvlm_config *out) {
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++)
        if (!strcmp(presets[i].name, name)) {
            *out = presets[i].make();
            return true;
        }
    return false;
}
