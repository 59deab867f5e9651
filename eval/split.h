// SPDX-License-Identifier: Apache-2.0
// Figures of open-vocabulary papers besides COCO's: precision over the novel, base and all names of
// a split, and recall that ignores names.
#pragma once

#include "eval/cocoeval.h"
#include "io/coco/coco_split.h"

typedef struct ev_split {
    size_t base, novel, images; // number of names, and of pictures with an object of one of them
    // Over novel, base and all names; -1 if there are no truths.
    double ap50[3], ap[3];
} ev_split;

// COCO's evaluation (as ev_coco_evaluate; images and categories in options are not used) of only
// the split's names, in the pictures with at least one of them, and the figures of its parts.
// Release coco with ev_coco_deinit. TN_EFORMAT, TN_ENOMEM.
tn_status ev_split_evaluate(const io_coco *truth, const io_coco_object *results, size_t count,
                            const io_coco_split *split, const ev_coco_options *options,
                            tn_pool *pool, ev_coco *coco, ev_split *out, tn_error *err);

typedef struct ev_recall {
    double ar100, ar1000;     // average recall of the best 100 and 1000 per picture, over ten IoUs
    double r50_100, r50_1000; // recall at IoU 0.5
    double small, medium, large; // ar1000 by area
} ev_recall;

// Whether objects are found at all, regardless of their names: shows broken boxes at once.
// agnostic, lvis and limits in options are not used; split NULL: all categories. Counts results of
// the split's categories, and results whose category the data set does not have: proposals.
tn_status ev_recall_evaluate(const io_coco *truth, const io_coco_object *results, size_t count,
                             const io_coco_split *split, const ev_coco_options *options,
                             tn_pool *pool, ev_recall *out, tn_error *err);
