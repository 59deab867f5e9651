// SPDX-License-Identifier: Apache-2.0
// Targets of the losses of one picture: torchvision's assign_targets_to_anchors,
// select_training_samples and project_masks_on_boxes. All boxes are float32 [R,4], x1 y1 x2 y2 in
// network coordinates; "real" is the given `dtype`, TN_F32 or TN_F64, also used for computing.
// Results come from arena; scratch in it is freed.
#pragma once

#include "io/coco/rle.h"
#include "models/detector/box_codec.h"
#include "models/detector/matcher.h"
#include "models/detector/sampler.h"

// The true boxes of one picture.
typedef struct md_truth {
    tn_tensor boxes;     // [G,4], G may be 0
    tn_tensor labels;    // int32 [G], 0..T-1
    const io_rle *masks; // [G], each of the size of the unpadded picture; NULL: no masks
} md_truth;

typedef struct md_assignment {
    md_matcher matcher;
    md_sampler sampler;
    double weights[4]; // for the box codec
} md_assignment;

md_assignment
md_rpn_assignment(void); // IoU 0.7 / 0.3 with low quality; 256, half positive; 1 1 1 1
md_assignment md_roi_assignment(void); // IoU 0.5 / 0.5; 512, a quarter positive; 10 10 5 5

// ---- region proposals -------------------------------------------------------------------------

// For all A anchors of a picture, level after level in the order of md_anchors_fill: the targets of
// one level are a slice (tn_slice). Anchors that are not chosen have weight 0.
typedef struct md_rpn_targets {
    md_choice choice;
    tn_tensor objectness, weight;   // real [A]: 1 for positives; 1 for chosen ones
    tn_tensor deltas, delta_weight; // real [A,4]: chosen positives, else 0; 1 for those
    tn_tensor match;                // int32 [A]: true box, MD_BELOW or MD_BETWEEN
} md_rpn_targets;

// anchors [A,4] of all levels. fed: NULL, or the choice to use instead of sampling with rng.
tn_status md_rpn_targets_make(tn_pool *pool, tn_arena *arena, const md_assignment *how,
                              const tn_tensor *anchors, const md_truth *truth, tn_rng *rng,
                              const md_choice *fed, tn_dtype dtype, md_rpn_targets *out,
                              tn_error *err);

// ---- regions ----------------------------------------------------------------------------------

typedef struct md_roi_targets {
    md_choice choice;              // into the proposals followed by the true boxes
    tn_tensor rois;                // [R,4] the chosen boxes
    tn_tensor label;               // int32 [R]: 0..T-1, or `background`
    tn_tensor match;               // int32 [R]: true box; 0 for background
    tn_tensor deltas, box_weight;  // real [R,4]: 0 for background; 1 for positives
    tn_tensor positive;            // int32 [P]: rows of the positives, ascending
    tn_tensor mask_rois, mask_box; // [P,4] and int32 [P]: rois and true boxes of the positives
} md_roi_targets;

// proposals [R',4]; the true boxes are appended to them. background: the label of negatives. fed,
// rng: as above; TN_CHECKs that a fed choice is within R'+G.
tn_status md_roi_targets_make(tn_pool *pool, tn_arena *arena, const md_assignment *how,
                              const tn_tensor *proposals, const md_truth *truth, int32_t background,
                              tn_rng *rng, const md_choice *fed, tn_dtype dtype,
                              md_roi_targets *out, tn_error *err);

// The masks of true boxes, sampled on an M x M grid over each roi: roi_align of the mask with
// adaptive sampling, not aligned, so values are between 0 and 1. masks [G] of equal size; rois
// [P,4]; box int32 [P]: index of the mask -> y real [P,M,M]. Each mask is decoded once: memory is
// one picture.
tn_status md_mask_targets(tn_arena *arena, const io_rle *masks, int64_t truths,
                          const tn_tensor *rois, const tn_tensor *box, int64_t size, tn_dtype dtype,
                          tn_tensor *y, tn_error *err);
