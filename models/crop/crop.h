// SPDX-License-Identifier: Apache-2.0
// Open-vocabulary detection without training: a Mask R-CNN proposes regions, CLIP names the crop of
// each, and the detector's heads refine box and mask.
//
// A proposal gets the most likely of all names and the background, by softmax over the scaled
// cosines; it is dropped if the background is most likely. If the detector's heads are
// class-specific, its own best foreground class decides which box and mask are used.
#pragma once

#include "models/crop/crop_encode.h"
#include "models/detector/mask_rcnn.h"
#include "models/names/vocabulary.h"

// Where the objectness score comes from.
typedef enum md_objectness {
    MD_OBJECTNESS_AUTO, // the head's if it is class-agnostic, else the RPN's
    MD_OBJECTNESS_HEAD, // the box head's, 1 - background: tells parts of objects from whole ones
    MD_OBJECTNESS_RPN,  // the RPN's: not specific to the classes that the head was trained on
} md_objectness;

typedef struct md_crop_options {
    int64_t proposals;      // the best N; 0: all of the detector's
    md_crops crops;         // how proposals are cropped and encoded, and the cancel callback
    double objectness;      // weight w of the proposal's objectness o against the probability p of
                            // its name: the score is p^(1-w) o^w. 0: the probability only
    md_objectness source;   // which objectness to use
    nn_select_rules rules;  // selects the result from the named proposals
    double logit_scale;     // factor of the cosines; 0: the CLIP's own
    const tn_tensor *boxes; // proposals given by the caller, [P,4] picture coordinates, instead of
                            // the detector's; their RPN objectness is 1. NULL: the detector's
} md_crop_options;
// Square crops with context 1.15, objectness 0.5, score 0.05, nms 0.5, top 100.
md_crop_options md_crop_default_options(void);

// The name of every proposal, selected or not: for reports and comparisons.
typedef struct md_crop_named {
    tn_tensor labels; // int32 [P]: its name; -1: background
    tn_tensor scores; // [P] probability of that name or of the background
} md_crop_named;

// image: uint8 [H,W,3] RGB. The three models are shared and read-only; detector and clip must be
// packed for cx->kn's backend. options and named may be NULL. TN_ECANCELLED if the callback
// cancels; TN_ENOMEM.
tn_status md_crop_detect(nn_ctx *cx, const md_mask_rcnn *detector, const md_clip *clip,
                         const md_vocabulary *vocabulary, const tn_tensor *image,
                         const md_crop_options *options, md_found *out, md_crop_named *named);

// Names given boxes: boxes [P,4] picture -> names int32 [P] (-1: background) and scores [P], its
// probability; both allocated by the caller. Uses crops and logit_scale of the options; NULL: the
// defaults.
tn_status md_crop_name(nn_ctx *cx, const md_clip *clip, const md_vocabulary *vocabulary,
                       const tn_tensor *image, const tn_tensor *boxes,
                       const md_crop_options *options, tn_tensor *names, tn_tensor *scores);
