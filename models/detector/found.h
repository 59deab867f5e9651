// SPDX-License-Identifier: Apache-2.0
// The detections of one picture, of any model.
#pragma once

#include "tensor/tensor.h"

#define MD_BEST 5 // most likely names kept per object

// Best score first; in the step arena. A tensor that a model does not provide has NULL data.
typedef struct md_found {
    int64_t count;            // R, may be 0
    int64_t height, width;    // of the picture
    tn_tensor boxes;          // [R,4] picture
    tn_tensor scores;         // [R] used for selection
    tn_tensor labels;         // int32 [R]: index of the name, or the detector's class
    tn_tensor masks;          // [R,M,M] probabilities inside the box; NULL without a mask head
    tn_tensor objectness;     // [R]; NULL: 1
    tn_tensor name_scores;    // [R] probability of the name; NULL: scores
    tn_tensor score1, score2; // [R] F-VLM: probability of the name by each score
    tn_tensor best,
        best_scores;     // int32 [R,MD_BEST], [R,MD_BEST]: the most likely names, padded with -1
    tn_tensor proposals; // [P,4] picture: proposals, best first
} md_found;

// All its tensors, for tn_arena_keep.
#define MD_FOUND_TENSORS 11
void md_found_tensors(md_found *found, tn_tensor *out[MD_FOUND_TENSORS]);

// One mask at the size of the picture, so that only one is in memory at a time: y uint8 [H,W] 0/1,
// probability > threshold (0.5 in torchvision's examples). masks [R,M,M], boxes [R,4] picture. Runs
// on the host, without a context; thread-safe. TN_ENOMEM.
tn_status md_mask_paste(double threshold, const tn_tensor *masks, const tn_tensor *boxes,
                        int64_t index, tn_tensor *y, tn_error *err);
