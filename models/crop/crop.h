// SPDX-License-Identifier: Apache-2.0
// The crop way of finding named things, without training: a Mask R-CNN proposes regions, each is
// cut out of the picture and named by CLIP, the detector's heads refine box and mask.
//
// A proposal takes the best of all names and the background, by softmax over the scaled cosines;
// one that the background takes is dropped. Where the detector's heads are class-specific, its own
// best foreground class decides which box and which mask.
#pragma once

#include "models/crop/crop_encode.h"
#include "models/detector/mask_rcnn.h"
#include "models/names/vocabulary.h"

// Where the objectness score comes from.
typedef enum md_objectness {
    MD_OBJECTNESS_AUTO, // the head's where it is class-agnostic, else the RPN's
    MD_OBJECTNESS_HEAD, // the box head's, 1 - background: knows parts of objects from whole ones
    MD_OBJECTNESS_RPN,  // the proposal's own: not tied to classes that the head was trained on
} md_objectness;

typedef struct md_crop_options {
    int64_t proposals;      // the best N; 0: all that the detector keeps
    md_crops crops;         // how proposals are cut out and encoded, and who may cancel
    double objectness;      // weight w of the proposal's objectness o beside the probability p of
                            // its name: the score is p^(1-w) o^w. 0: the probability alone
    md_objectness source;   // which objectness
    nn_select_rules rules;  // which of the named proposals are the result
    double logit_scale;     // what cosines are multiplied with; 0: the CLIP's own
    const tn_tensor *boxes; // proposals given by the caller, [P,4] picture coordinates, in place of
                            // the detector's; 1 is their RPN's objectness. NULL: the
                            // detector's
} md_crop_options;
// Square with context 1.15, objectness 0.5, score 0.05, nms 0.5, top 100.
md_crop_options md_crop_default_options(void);

// What became of every proposal, whether it was chosen or not: for reports and comparisons.
typedef struct md_crop_named {
    tn_tensor labels; // int32 [P]: its name; -1: the background's
    tn_tensor scores; // [P] probability of what it was named
} md_crop_named;

// image: uint8 [H,W,3] RGB. The three models are shared and read-only; detector and clip are of
// cx->kn's backend. options and named may be NULL. TN_ECANCELLED when go_on said so; TN_ENOMEM.
tn_status md_crop_detect(nn_ctx *cx, const md_mask_rcnn *detector, const md_clip *clip,
                         const md_vocabulary *vocabulary, const tn_tensor *image,
                         const md_crop_options *options, md_found *out, md_crop_named *named);

// Names boxes that are given: boxes [P,4] of the picture -> names int32 [P] (-1: the background's)
// and scores [P], the probability of what it was named; both of the caller. Of the options crops
// and logit_scale are used; NULL: the defaults.
tn_status md_crop_name(nn_ctx *cx, const md_clip *clip, const md_vocabulary *vocabulary,
                       const tn_tensor *image, const tn_tensor *boxes,
                       const md_crop_options *options, tn_tensor *names, tn_tensor *scores);
