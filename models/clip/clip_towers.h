// SPDX-License-Identifier: Apache-2.0
// The towers of CLIP as parts, for clip.c and for code that splits a tower. All weights are in the
// loader's arena, and so are the arrays of blocks.
#pragma once

#include "models/clip/clip.h"
#include "nn/blocks/block.h"
#include "nn/conv.h"
#include "nn/embedding.h"

static inline void md_clip_see(const md_clip_tap *tap, const char *name, const tn_tensor *value) {
    if (tap) tap->see(tap->user, name, value);
}
// Calls tap with a numbered name such as "block.7".
void md_clip_tap_number(const md_clip_tap *tap, const char *what, int64_t i,
                        const tn_tensor *value);

// Loads `count` blocks "prefix.0", …
tn_status md_blocks_load(const nn_loader *load, const char *prefix, int64_t count,
                         const nn_block_config *cfg, nn_block **out);
// Runs blocks from … to-1 on x [N,L,C], in place.
tn_status md_blocks_run(nn_ctx *cx, const nn_block *block, int64_t from, int64_t to,
                        const md_clip_tap *tap, tn_tensor *x);
// A projection in either form: the bare matrix `name` [in,out] or "name.weight" [out,in].
tn_status md_projection_load(const nn_loader *load, const char *name, int64_t in, int64_t out,
                             nn_linear *linear);
// One token of each sequence after all `layers` blocks, at position (int32 [N], of which a tape
// keeps a reference; NULL: the first): x [N,L,C] -> y [N,C] from cx->step. The last block computes
// only that token, unless tap needs all. x is overwritten.
tn_status md_blocks_token(nn_ctx *cx, const nn_block *block, int64_t layers,
                          const tn_tensor *position, const md_clip_tap *tap, tn_tensor *x,
                          tn_tensor *y);

// ---- vision transformer (Dosovitskiy et al. 2021, with a norm before the blocks) ---------------

typedef struct md_vit {
    int64_t grid, width, layers;
    nn_conv patch;          // kernel and stride are the patch size, no bias
    nn_embedding class_row; // [1,C]
    nn_embedding position;  // [1+grid²,C]: the class token's, then row by row
    nn_layer_norm pre, post;
    nn_block *block;
    nn_linear projection; // [D,C]
} md_vit;

tn_status md_vit_load(const nn_loader *load, const md_clip_config *cfg, md_vit *vit);
// The whole tower: x [N,S,S,3] -> y [N,D], allocated by the caller, not normalised. keep: NULL, or
// int32 [N,K]: only these patches in [0,grid²) of each picture are used (Li et al., "Scaling
// Language-Image Pre-training via Masking", CVPR 2023).
tn_status md_vit_fwd(nn_ctx *cx, const md_vit *vit, const tn_tensor *x, const tn_tensor *keep,
                     const md_clip_tap *tap, tn_tensor *y);

// ---- ModifiedResNet (Radford et al. 2021: three-convolution stem, pooled strides, attention pool)

typedef struct md_bottleneck {
    nn_conv conv1, conv2, conv3; // 1x1, 3x3, 1x1, norms folded
    nn_conv shortcut;            // 1x1; w.data is NULL if the shortcut is x
    int pool;                    // average pooling instead of a stride: 1 or 2
} md_bottleneck;

typedef struct md_attention_pool {
    tn_tensor position; // [1+grid²,C]
    nn_linear query, key_value, projection;
    int heads;
} md_attention_pool;

typedef struct md_clip_resnet {
    nn_conv stem[3];
    int64_t blocks[4];
    md_bottleneck *stage[4];
    md_attention_pool pool;
} md_clip_resnet;

tn_status md_clip_resnet_load(const nn_loader *load, const md_clip_config *cfg,
                              md_clip_resnet *resnet);
// x [N,H,W,C] -> y [N,H/4,W/4,width], allocated by the caller: the stem with its pooling.
tn_status md_clip_resnet_stem(nn_ctx *cx, const md_clip_resnet *resnet, const tn_tensor *x,
                              const md_clip_tap *tap, tn_tensor *y);
// Stage 0…3: x -> y from cx->step.
tn_status md_clip_resnet_stage(nn_ctx *cx, const md_clip_resnet *resnet, int stage,
                               const tn_tensor *x, const md_clip_tap *tap, tn_tensor *y);
// x [N,grid,grid,C] -> y [N,D], allocated by the caller.
tn_status md_attention_pool_fwd(nn_ctx *cx, const md_attention_pool *pool, const tn_tensor *x,
                                tn_tensor *y);
// The whole tower: y [N,D], allocated by the caller, not normalised.
tn_status md_clip_resnet_fwd(nn_ctx *cx, const md_clip_resnet *resnet, const tn_tensor *x,
                             const md_clip_tap *tap, tn_tensor *y);

// ---- text --------------------------------------------------------------------------------------

typedef struct md_text_tower {
    int64_t width, layers;
    nn_embedding token, position; // [vocabulary,C], [context,C]
    nn_block *block;              // causal
    nn_layer_norm final;
    nn_linear projection; // [D,C]
} md_text_tower;

tn_status md_text_tower_load(const nn_loader *load, const md_clip_config *cfg,
                             md_text_tower *tower);
// ids int32 [N,L] -> y [N,D], allocated by the caller, not normalised, taken at token position[i]
// of each row (int32 [N]); later tokens have no effect. A tape keeps references to ids and
// position.
tn_status md_text_tower_fwd(nn_ctx *cx, const md_text_tower *tower, const tn_tensor *ids,
                            const tn_tensor *position, const md_clip_tap *tap, tn_tensor *y);
