// SPDX-License-Identifier: Apache-2.0
// CLIPSelf (Wu et al., "CLIPSelf: Vision Transformer Distills Itself for Open-Vocabulary Dense
// Prediction", ICLR 2024): a CLIP's image tower is taught to say of a region of its dense map what
// the same tower, as it was, says of the region cut out. No labels.
//
// Cosines alone have a floor that is soon reached and hard to leave: the rows of a small CLIP have
// much in common, and the mean of all is near to each. So a second term asks which region is
// which: the softmax of the student's row against the teacher's rows of the batch is to be that of
// the teacher's own row. What is common cancels in it.
#pragma once

#include "models/clip/clip_scene.h"
#include "train/losses.h"
#include "train/world/scenes.h"

typedef struct tr_refine_batch {
    tn_tensor pixels;       // float32 [N,S,S,3], as the tower is given them
    tn_tensor boxes, image; // [R,4] in those pixels; int32 [R], which picture
    tn_tensor target;       // [R,D] unit rows: what the teacher says of each
} tr_refine_batch;

typedef enum tr_refine_term {
    TR_REFINE_COSINE, // mean over regions of 1 - cosine
    TR_REFINE_WHICH,  // mean of the divergence of the two softmaxes over the batch's regions
    TR_REFINE_TERMS
} tr_refine_term;
extern const char *const tr_refine_term_name[TR_REFINE_TERMS]; // "cosine", "which"

typedef struct tr_refine_options {
    double weight[TR_REFINE_TERMS];
    double scale; // from cosines to the softmax
} tr_refine_options;

// Terms, weighted and times share * N, are added to measure->loss[] and their gradients to the
// parameters of the scene's tower. Under cx->tape, which is reset first. TN_ENOMEM.
tn_status tr_refine_learn(nn_ctx *cx, const md_scene *scene, const tr_refine_options *options,
                          const tr_refine_batch *batch, double share, tr_measure *measure);

// count regions of a scene: each with probability `things` the box of a thing in it, moved and
// scaled by up to an eighth, else one of any place and of a side from smallest pixels (of the
// picture) to its shorter side, all scales equally likely, up to twice as long as wide. boxes
// float32 [count,4], inside the picture, at least a pixel a side.
void tr_refine_boxes(const tr_scene *scene, double things, double smallest, int64_t count,
                     tn_rng *rng, float *boxes);
