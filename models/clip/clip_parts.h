// SPDX-License-Identifier: Apache-2.0
// Inside a CLIP: what clip.c opens and clip_train.c trains.
#pragma once

#include "models/clip/clip_towers.h"

struct md_clip {
    md_clip_config config;
    tn_arena image_arena, text_arena; // weights; frozen
    tn_arena parts;                   // arrays of modules; frozen
    md_vit vit;                       // one of these two
    md_clip_resnet resnet;
    md_text_tower text;
    nn_param *scale; // of a CLIP that is trained: the logarithm of its scale, a single number
};

// The towers of clip->config by the loader, which gets clip's arenas, of `room` bytes each. With
// load->params: the scale too. Errors as md_clip_open; the caller closes clip then.
tn_status md_clip_load(md_clip *clip, nn_loader *load, size_t room);
