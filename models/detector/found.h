// SPDX-License-Identifier: Apache-2.0
// What was found in one picture, by whichever model.
#pragma once

#include "tensor/tensor.h"

#define MD_BEST 5 // likeliest names kept of each object

// Best score first; memory of the step arena. A tensor that a model does not give has no data.
typedef struct md_found {
    int64_t count;               // R, may be 0
    int64_t height, width;       // of the picture
    tn_tensor boxes;             // [R,4] picture
    tn_tensor scores;            // [R] what they are chosen by
    tn_tensor labels;            // int32 [R]: index of the name, or the detector's own class
    tn_tensor masks;             // [R,M,M] probabilities inside the box; none without a mask head
    tn_tensor objectness;        // [R]; none: 1
    tn_tensor name_scores;       // [R] probability of the name; none: scores
    tn_tensor score1, score2;    // [R] an F-VLM's: the name's probability by each
    tn_tensor best, best_scores; // int32 [R,MD_BEST], [R,MD_BEST]: the likeliest names; -1: no more
    tn_tensor proposals;         // [P,4] picture: where objects may be, best first
} md_found;

// Its tensors, for tn_arena_keep.
#define MD_FOUND_TENSORS 11
void md_found_tensors(md_found *found, tn_tensor *out[MD_FOUND_TENSORS]);

// One mask at the size of the picture, so that no more than one is ever held: y uint8 [H,W] 0/1,
// probability > threshold (0.5 in torchvision's examples). masks [R,M,M], boxes [R,4] picture.
// On the host, without a context; several threads may. TN_ENOMEM.
tn_status md_mask_paste(double threshold, const tn_tensor *masks, const tn_tensor *boxes,
                        int64_t index, tn_tensor *y, tn_error *err);
