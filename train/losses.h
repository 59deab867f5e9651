// SPDX-License-Identifier: Apache-2.0
// The five losses of F-VLM's training (Kuo et al. 2022, after Ren et al. 2015 and He et al. 2017)
// for one picture. Sums are divided by fixed counts, so that accumulating over pictures equals one
// large batch.
#pragma once

#include "models/detector/targets.h"
#include "nn/tape.h"
#include "train/measure.h"

typedef enum tr_loss {
    TR_LOSS_OBJECTNESS, // binary cross-entropy of the sampled anchors / anchors per picture
    TR_LOSS_PROPOSALS,  // smooth L1 of the positive anchors' deltas / anchors per picture
    TR_LOSS_CLASSES,    // cross-entropy over scaled cosines (or cosine loss) / regions per picture
    TR_LOSS_BOXES,      // smooth L1 of the foreground regions' deltas / regions per picture
    TR_LOSS_MASKS,      // binary cross-entropy of mask pixels, mean over the picture's positives
    TR_LOSSES
} tr_loss;
extern const char *const tr_loss_name[TR_LOSSES]; // "objectness", …

typedef struct tr_loss_options {
    int64_t anchors, regions;         // the fixed counts: 256, 512
    double proposal_delta, box_delta; // where smooth L1 becomes linear: 1/9
    bool cosine;              // the seed's loss: 1 - cosine of a foreground region and its name
    double background;        // weight of background regions in the cross-entropy
    double weight[TR_LOSSES]; // of each loss in the sum
} tr_loss_options;

tr_loss_options tr_loss_default(void);

// Each adds its terms, weighted and times share (1 / pictures of the whole update), to loss[], and
// starts the gradients of its inputs on cx->tape. Inputs are one picture's: slices of a batch's
// outputs. Targets have the inputs' type. TN_ENOMEM.

// logits [1,h,w,A] and deltas [1,h,w,4A] of each level.
tn_status tr_loss_rpn(nn_ctx *cx, const tr_loss_options *options, const md_rpn_targets *targets,
                      int levels, const tn_tensor *logits, const tn_tensor *deltas, double share,
                      double loss[TR_LOSSES]);
// deltas [R,4], class-agnostic.
tn_status tr_loss_boxes(nn_ctx *cx, const tr_loss_options *options, const md_roi_targets *targets,
                        const tn_tensor *deltas, double share, double loss[TR_LOSSES]);
// cosines [R,names+1], the background last, or [R,names] without one, which skips background
// regions; scale: factor of the cosines.
tn_status tr_loss_classes(nn_ctx *cx, const tr_loss_options *options, const md_roi_targets *targets,
                          int64_t names, const tn_tensor *cosines, double scale, double share,
                          double loss[TR_LOSSES]);
// embed [R,D], text [T or more,D]: the seed's loss, over foreground only.
tn_status tr_loss_cosine(nn_ctx *cx, const tr_loss_options *options, const md_roi_targets *targets,
                         int64_t names, const tn_tensor *embed, const tn_tensor *text, double share,
                         double loss[TR_LOSSES]);
// logits [P,M,M,1], target [P,M,M] 0..1.
tn_status tr_loss_masks(nn_ctx *cx, const tr_loss_options *options, const tn_tensor *target,
                        const tn_tensor *logits, double share, double loss[TR_LOSSES]);
