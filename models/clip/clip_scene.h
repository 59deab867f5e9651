// SPDX-License-Identifier: Apache-2.0
// CLIP's image tower over a whole scene, in two stages: stage 1 computes feature maps of a picture
// of any size that the patch size divides; stage 2 computes one embedding in CLIP's space per box.
// Except for the functions for training, nothing here has a gradient.
#pragma once

#include "models/clip/clip_towers.h"

// A ViT set up for scenes of one size. Read-only after initialisation.
typedef struct md_scene {
    const md_vit *vit;
    int64_t rows, columns; // patches
    int64_t window;        // tokens per side that attend to each other; 0: all
    tn_tensor
        position; // [1+rows*columns,C]: CLIP's positions interpolated to the scene's size, after
                  // the class token's; PyTorch's interpolate(bicubic, align_corners=False)
    tn_tensor sequence; // [1+L,C] positions of one sequence: `position`, or those of a window; data
                        // NULL: each window uses its part of `position`
} md_scene;

// positions_of_window: each window has CLIP's positions interpolated to its size, instead of its
// part of the scene's positions. window divides rows and columns. Positions are allocated from
// arena. TN_ENOMEM.
tn_status md_scene_init(kn_ctx *kn, tn_arena *arena, const md_vit *vit, int64_t rows,
                        int64_t columns, int64_t window, bool positions_of_window, md_scene *out,
                        tn_error *err);

// Results of one pass. Tensors are views of cx->step; data is NULL if not requested.
typedef struct md_scene_maps {
    tn_tensor patches; // [N,rows,columns,C] patch embeddings, without positions
    tn_tensor tokens;  // [N,1+rows*columns,C] input of the first block (no windows)
    tn_tensor map[4];  // [N,rows,columns,C] of each tap
    tn_tensor dense; // [N,rows,columns,D] by the last block's value path, normalised, projected, of
                     // unit length
} md_scene_maps;

typedef struct md_scene_wants {
    bool patches, tokens, dense;
    int taps;
    int64_t tap[4]; // ascending; -1: the embeddings with positions; b: the output of block b, of
                    // the last block by the value path
} md_scene_wants;

// x [N,rows*P,columns*P,3] -> the requested maps, from cx->step. Blocks after the last needed one
// are not run. TN_ENOMEM.
tn_status md_scene_run(nn_ctx *cx, const md_scene *scene, const tn_tensor *x,
                       const md_scene_wants *wants, md_scene_maps *out);

//
// ---- stage 2: boxes in pixels of x, of the picture given by image (int32 [R]) -----------------
// Outputs are [R,D], allocated by the caller, not normalised; memory does not grow with R.

// Pools regions of the patch embeddings to the size of CLIP's grid and runs the whole encoder on
// them. own: only patches are pooled, and CLIP's positions are added; otherwise patches with the
// scene's positions are pooled.
tn_status md_scene_embed(nn_ctx *cx, const md_scene *scene, const tn_tensor *patches, bool own,
                         const tn_tensor *boxes, const tn_tensor *image, tn_tensor *y);
// Pools regions of the dense map to one cell each.
tn_status md_scene_dense(nn_ctx *cx, const md_scene *scene, const tn_tensor *dense,
                         const tn_tensor *boxes, const tn_tensor *image, tn_tensor *y);
// For each box, a copy of the class token goes through the blocks together with the scene's tokens;
// it attends to the scene's class token and to the patches whose centres lie in the box (the
// nearest one if there is none), and no token attends to it. Boxes of one picture: tokens
// [1,1+L,C]. (Two layers of masks: Ding et al., "MaskCLIP", ICML 2023.)
tn_status md_scene_maskcls(nn_ctx *cx, const md_scene *scene, const tn_tensor *tokens,
                           const tn_tensor *boxes, tn_tensor *y);

// ---- training: a ViT whose parameters are trained ---------------------------------------------

// The dense map as in md_scene_run, but recorded: x [N,rows*P,columns*P,3] -> dense
// [N,rows,columns,D] from cx->step. Only the sizes of the scene are used; positions are
// interpolated in each step, because they are trained. All pictures are processed together.
// TN_ENOMEM.
tn_status md_scene_train_dense(nn_ctx *cx, const md_scene *scene, const tn_tensor *x,
                               tn_tensor *dense);
// Pools regions of it to one cell each, of unit length: boxes [R,4] in pixels of x, image int32
// [R]; the tape keeps references to both -> y [R,D] from cx->step.
tn_status md_scene_train_regions(nn_ctx *cx, const md_scene *scene, const tn_tensor *dense,
                                 const tn_tensor *boxes, const tn_tensor *image, tn_tensor *y);

// Finds the patch at (row, column) in the sequences of its picture: the sequence, and the position
// in it (0 is the class token).
void md_scene_locate(const md_scene *scene, int64_t row, int64_t column, int64_t *sequence,
                     int64_t *position);
int64_t md_scene_length(const md_scene *scene);    // tokens of a sequence
int64_t md_scene_sequences(const md_scene *scene); // of one picture

// ---- CLIP's ResNets ----------------------------------------------------------------------------

// x [N,H,W,3], H and W multiples of 32 -> map[0..3] of the four stages, strides 4, 8, 16, 32.
tn_status md_clip_resnet_maps(nn_ctx *cx, const md_clip_resnet *resnet, const tn_tensor *x,
                              tn_tensor map[4]);
// Pools regions of the last stage to the attention pool's grid and applies the pool. first: keys
// and values are projected before the regions are pooled. Projection is linear, so the result is
// the same up to rounding, and each cell is projected once. Otherwise each region is pooled, then
// projected.
tn_status md_attention_pool_regions(nn_ctx *cx, const md_attention_pool *pool, const tn_tensor *map,
                                    double stride, bool first, const tn_tensor *boxes,
                                    const tn_tensor *image, tn_tensor *y);

// The towers of a CLIP; NULL if it is of the other family.
const md_vit *md_clip_vit(const md_clip *clip);
const md_clip_resnet *md_clip_resnet_of(const md_clip *clip);
