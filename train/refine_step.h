// SPDX-License-Identifier: Apache-2.0
// CLIPSelf (Wu et al., "CLIPSelf: Vision Transformer Distills Itself for Open-Vocabulary Dense
// Prediction", ICLR 2024): a CLIP image tower learns to embed a region of its dense map as the
// original tower embeds the region's crop. Needs no labels.
//
// The cosine loss alone soon stalls: the rows of a small CLIP have a large common component, and
// their mean is close to each of them. So a second term tells regions apart: the softmax of the
// student's row against the batch's teacher rows should match that of the teacher's own row. The
// common component cancels in it.
#pragma once

#include "models/clip/clip_scene.h"
#include "train/losses.h"
#include "train/world/scenes.h"

typedef struct tr_refine_batch {
    tn_tensor pixels;       // float32 [N,S,S,3], normalised for the tower
    tn_tensor boxes, image; // [R,4] in those pixels; int32 [R], which picture
    tn_tensor target;       // [R,D] unit rows: the teacher's embeddings
} tr_refine_batch;

typedef enum tr_refine_term {
    TR_REFINE_COSINE, // mean over regions of 1 - cosine
    TR_REFINE_WHICH,  // mean KL divergence of the two softmaxes over the batch's regions
    TR_REFINE_TERMS
} tr_refine_term;
extern const char *const tr_refine_term_name[TR_REFINE_TERMS]; // "cosine", "which"

typedef struct tr_refine_options {
    double weight[TR_REFINE_TERMS];
    double scale; // of the cosines in the softmax
} tr_refine_options;

// Adds the terms, weighted and times share * N, to measure->loss[] and their gradients to the
// parameters of the scene's tower. Uses cx->tape, which is reset first. TN_ENOMEM.
tn_status tr_refine_learn(nn_ctx *cx, const md_scene *scene, const tr_refine_options *options,
                          const tr_refine_batch *batch, double share, tr_measure *measure);

// Draws `count` regions of a scene. With probability `things`: the box of an object in it, moved
// and scaled by up to an eighth. Otherwise: a box at a random position, with a side from `smallest`
// pixels of the picture to its shorter side, log-uniform, and an aspect ratio of up to 2. boxes
// float32 [count,4], inside the picture, at least one pixel per side.
void tr_refine_boxes(const tr_scene *scene, double things, double smallest, int64_t count,
                     tn_rng *rng, float *boxes);
