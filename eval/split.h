// SPDX-License-Identifier: Apache-2.0
// What papers on open vocabularies report besides COCO's figures: precision over novel, base and
// all names of a split, and recall without regard to names.
#pragma once

#include "eval/cocoeval.h"
#include "io/coco/coco_split.h"

typedef struct ev_split {
    size_t base, novel, images; // names, and pictures that hold an object of one of them
    // Over novel, base and all names; -1 where there is nothing to be found.
    double ap50[3], ap[3];
} ev_split;

// COCO's evaluation (as ev_coco_evaluate, options' own images and categories not used) of the
// split's names alone in the pictures that hold one of them, and its parts' figures.
// Release coco with ev_coco_deinit. TN_EFORMAT, TN_ENOMEM.
tn_status ev_split_evaluate(const io_coco *truth, const io_coco_object *results, size_t count,
                            const io_coco_split *split, const ev_coco_options *options,
                            tn_pool *pool, ev_coco *coco, ev_split *out, tn_error *err);

typedef struct ev_recall {
    double ar100, ar1000; // average recall of the best 100, of the best 1000 a picture, over ten
                          // IoUs
    double r50_100, r50_1000;    // recall at IoU 0.5
    double small, medium, large; // ar1000 by area
} ev_recall;

// Whether objects are found at all, whatever they are called: a broken path of boxes shows here at
// once. options' agnostic, lvis and limits are not used; split NULL: all categories.
// Results of the split's categories count, and those whose category the data set does not have:
// proposals.
tn_status ev_recall_evaluate(const io_coco *truth, const io_coco_object *results, size_t count,
                             const io_coco_split *split, const ev_coco_options *options,
                             tn_pool *pool, ev_recall *out, tn_error *err);
