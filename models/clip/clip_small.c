// SPDX-License-Identifier: Apache-2.0
#include "models/clip/clip_train.h"

md_clip_config md_clip_small(void) {
    return (md_clip_config){.family = MD_CLIP_VIT,
                            .image_size = 64,
                            .patch = 8,
                            .grid = 8,
                            .width = 128,
                            .layers = 6,
                            .heads = 4,
                            .embed_dim = 128,
                            .text_width = 128,
                            .text_layers = 3,
                            .text_heads = 4,
                            .vocabulary = 2048,
                            .context = 32,
                            .activation = KN_GELU,
                            .text_activation = KN_GELU,
                            .norm_eps = 1e-5,
                            .mean = {0.48145466f, 0.4578275f, 0.40821073f},
                            .std = {0.26862954f, 0.26130258f, 0.27577711f},
                            .resize = 64,
                            .interpolation = KN_BICUBIC};
}
