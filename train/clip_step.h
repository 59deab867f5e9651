// SPDX-License-Identifier: Apache-2.0
// CLIP's training step: both towers forward, the loss, and backward.
#pragma once

#include "models/clip/clip_train.h"
#include "train/clip_loss.h"
#include "train/losses.h"

// One batch. Texts are the batch's; each may occur several times.
typedef struct tr_clip_batch {
    tn_tensor pixels;        // float32 [N,S,S,3] in 0..1; is normalised in place
    tn_tensor keep;          // int32 [N,K] (md_vit_fwd); NULL data: all patches
    tn_tensor picture_names; // int32 [N]
    tn_tensor ids, place;    // int32 [M,L], [M]
    tn_tensor text_names;    // int32 [M]
} tr_clip_batch;

typedef struct tr_clip {
    const md_clip *model; // made with params
    kn_ctx *kn;
    nn_tape *tape;
    tn_arena *step;   // holds the batch, then the step's results
    tn_tensor bank;   // [T,D] unit rows; NULL data: none
    char suspect[64]; // where a non-finite value was first found; "": nowhere
} tr_clip;

// Adds the batch's losses, times share * N (share: 1 / pictures of the whole update), to
// measure->loss in the order of tr_clip_term, and their gradients to the parameters. TN_ENOMEM.
tn_status tr_clip_learn(tr_clip *task, const tr_clip_batch *batch, double share,
                        tr_measure *measure, tn_error *err);

// Draws K of `cells` patches for each of n pictures, uniformly: int32 [n,K] from arena. Picture i's
// choice depends on (seed, first + i) only. TN_ENOMEM.
tn_status tr_clip_keep(tn_arena *arena, uint64_t seed, int64_t first, int64_t n, int64_t cells,
                       int64_t kept, tn_tensor *keep, tn_error *err);
// Normalises pixels in 0..1 as the towers expect, in place.
void tr_clip_normalise(const tr_clip *task, const tn_tensor *x);
// Limits the scale to 100.
void tr_clip_limit_scale(const tr_clip *task);
