// SPDX-License-Identifier: Apache-2.0
// Internals of a CLIP, shared by clip.c (inference) and clip_train.c (training).
#pragma once

#include "models/clip/clip_towers.h"

struct md_clip {
    md_clip_config config;
    tn_arena image_arena, text_arena; // weights; frozen
    tn_arena parts;                   // arrays of modules; frozen
    md_vit vit;                       // one of these two is used
    md_clip_resnet resnet;
    md_text_tower text;
    nn_param *scale; // of a trained CLIP: the logarithm of its scale, a single number
};

// Loads the towers of clip->config. The loader gets clip's arenas, of `bytes` bytes each. With
// load->params also the scale. Errors as md_clip_open; the caller then closes clip.
tn_status md_clip_load(md_clip *clip, nn_loader *load, size_t bytes);
