// SPDX-License-Identifier: Apache-2.0
// CLIP's image tower over a whole scene, cut in two: stage 1 turns a picture of any size that the
// patch divides into maps of features; stage 2 turns what lies in a box into one embedding in
// CLIP's space. Both are frozen: nothing here has a gradient.
#pragma once

#include "models/clip/clip_towers.h"

// A ViT set up for scenes of one size. Read-only once made.
typedef struct md_scene {
    const md_vit *vit;
    int64_t rows, columns; // patches
    int64_t window;        // tokens a side that attend to each other; 0: all
    tn_tensor position; // [1+rows*columns,C]: CLIP's positions stretched over the scene, the class
                        // token's first. PyTorch's interpolate(bicubic, align_corners=False)
    tn_tensor sequence; // [1+L,C] positions of one sequence: `position`, or those of a window;
                        // data NULL: each window has its part of `position`
} md_scene;

// positions_of_window: each window has CLIP's positions stretched over it, and not its part of the
// scene's. window divides rows and columns. Positions come from arena. TN_ENOMEM.
tn_status md_scene_init(kn_ctx *kn, tn_arena *arena, const md_vit *vit, int64_t rows,
                        int64_t columns, int64_t window, bool positions_of_window, md_scene *out,
                        tn_error *err);

// What one pass is to give. Tensors are views of cx->step; data is NULL where it was not asked for.
typedef struct md_scene_maps {
    tn_tensor patches; // [N,rows,columns,C] patch embeddings, without positions
    tn_tensor tokens;  // [N,1+rows*columns,C] what the first block gets (no windows)
    tn_tensor map[4];  // [N,rows,columns,C] of each tap
    tn_tensor dense;   // [N,rows,columns,D] by the last block's value path, normed, projected, of
                       // unit length
} md_scene_maps;

typedef struct md_scene_wants {
    bool patches, tokens, dense;
    int taps;
    int64_t tap[4]; // ascending; -1: the embeddings with their positions; b: the output of block b,
                    // of the last block by the value path
} md_scene_wants;

// x [N,rows*P,columns*P,3] -> what is wanted, from cx->step. Blocks behind the last wanted one are
// not run. TN_ENOMEM.
tn_status md_scene_run(nn_ctx *cx, const md_scene *scene, const tn_tensor *x,
                       const md_scene_wants *wants, md_scene_maps *out);

// ---- stage 2: boxes in pixels of x, of the picture that image names (int32 [R]) -----------------
// Outputs are [R,D] of the caller, not normalised; memory does not grow with R.

// Regions of the patch embeddings, as large as CLIP's own grid, through the whole encoder. own:
// patches alone are pooled and get CLIP's own positions; else patches with the scene's positions.
tn_status md_scene_embed(nn_ctx *cx, const md_scene *scene, const tn_tensor *patches, bool own,
                         const tn_tensor *boxes, const tn_tensor *image, tn_tensor *y);
// Regions of the dense map, one place each.
tn_status md_scene_dense(nn_ctx *cx, const md_scene *scene, const tn_tensor *dense,
                         const tn_tensor *boxes, const tn_tensor *image, tn_tensor *y);
// A copy of the class token for each box goes through the blocks with the scene's tokens; it sees
// the scene's class token and the patches whose centres lie in the box (the nearest one where there
// is none), and nothing sees it. Boxes of one picture: tokens [1,1+L,C]. (Two layers of masks: Ding
// et al., "MaskCLIP", ICML 2023.)
tn_status md_scene_maskcls(nn_ctx *cx, const md_scene *scene, const tn_tensor *tokens,
                           const tn_tensor *boxes, tn_tensor *y);

// ---- learning: a ViT whose parameters are trained
// ------------------------------------------------

// The dense map as md_scene_run makes it, recorded: x [N,rows*P,columns*P,3] -> dense
// [N,rows,columns,D] from cx->step. Of the scene its sizes are used; positions are stretched anew,
// since they are learned. All pictures go through together. TN_ENOMEM.
tn_status md_scene_learn_dense(nn_ctx *cx, const md_scene *scene, const tn_tensor *x,
                               tn_tensor *dense);
// Regions of it, one place each, of unit length: boxes [R,4] in pixels of x, image int32 [R], both
// kept by the tape -> y [R,D] from cx->step.
tn_status md_scene_learn_regions(nn_ctx *cx, const md_scene *scene, const tn_tensor *dense,
                                 const tn_tensor *boxes, const tn_tensor *image, tn_tensor *y);

// Where the patch at (row, column) lies among the sequences of its picture: which one, and its
// place there (0 is the class token's).
void md_scene_locate(const md_scene *scene, int64_t row, int64_t column, int64_t *sequence,
                     int64_t *place);
int64_t md_scene_length(const md_scene *scene);    // tokens of a sequence
int64_t md_scene_sequences(const md_scene *scene); // of one picture

// ---- CLIP's ResNets ----------------------------------------------------------------------------

// x [N,H,W,3], 32 divides H and W -> map[0..3] of the four stages, strides 4, 8, 16, 32.
tn_status md_clip_resnet_maps(nn_ctx *cx, const md_clip_resnet *resnet, const tn_tensor *x,
                              tn_tensor map[4]);
// Regions of the last stage, as large as the attention pool's grid, through it. first: keys and
// values are projected before the regions are pooled, which is linear, so that the result is the
// same up to rounding and each place is projected once; else in the plain order, region by region.
tn_status md_attention_pool_regions(nn_ctx *cx, const md_attention_pool *pool, const tn_tensor *map,
                                    double stride, bool first, const tn_tensor *boxes,
                                    const tn_tensor *image, tn_tensor *y);

// The towers of a CLIP; NULL where it is of the other family.
const md_vit *md_clip_vit(const md_clip *clip);
const md_clip_resnet *md_clip_resnet_of(const md_clip *clip);
