// SPDX-License-Identifier: Apache-2.0
// The training step of F-VLM (Kuo et al. 2022): frozen features, then with a tape the pyramid, the
// RPN, the box head and the mask head, each with its losses over anchors and regions that matching
// and sampling chose (Ren et al. 2015, He et al. 2017).
#pragma once

#include "models/detector/rpn.h"
#include "models/fvlm/fvlm.h"
#include "nn/params.h"
#include "train/cache.h"
#include "train/loader.h"
#include "train/losses.h"

#define TR_BATCH 64 // pictures that go through together at most

// What is counted of an update's pictures, in a tr_measure.
typedef enum tr_fvlm_tally {
    TR_TALLY_REGIONS,   // sampled regions
    TR_TALLY_POSITIVES, // those of them on an object
    TR_FVLM_TALLIES
} tr_fvlm_tally;
extern const char *const tr_fvlm_tally_name[TR_FVLM_TALLIES]; // "regions", "positives"

// What matching and sampling chose of each picture.
typedef struct tr_choices {
    md_rpn_targets anchors[TR_BATCH];
    md_roi_targets regions[TR_BATCH];
    tn_tensor masks[TR_BATCH]; // real [P,M,M]
} tr_choices;

typedef struct tr_fvlm {
    const md_fvlm *model; // opened with params
    kn_ctx *kn;
    nn_tape *tape;
    tn_arena *step;  // every step resets it
    tr_cache *cache; // of frozen features; NULL: they are computed
    tn_tensor text;  // [T(+1),D] unit rows in the parameters' type, the background's last
    int64_t names;   // T
    tr_loss_options losses;
    md_assignment anchors, regions;
    md_rpn_limits limits; // of the proposals that are sampled from
    uint64_t seed;
    char suspect[64]; // what was first seen not to be finite; "" for nothing
} tr_fvlm;

// The settings that the model's configuration tells; the rest is the caller's to fill in.
void tr_fvlm_configure(tr_fvlm *task, const md_fvlm *model, uint64_t seed);

// A step's intermediate results, for comparisons with another implementation; they live until the
// step arena is reset.
typedef struct tr_fvlm_seen {
    md_fvlm_features features; // in the parameters' type
    tr_choices choices;
    const tn_tensor *relu; // [relus] outputs of all ReLUs, in the order in which they were made
    int64_t relus;
} tr_fvlm_seen;

// Losses of the batch, each times share, are added to measure, and their gradients to the
// parameters. given: choices to be used in place of sampling; NULL samples, from random numbers
// that depend on seed and position alone. seen may be NULL: then the pictures need not go through
// together, and do so only under a batch norm. TN_ENOMEM.
tn_status tr_fvlm_learn(tr_fvlm *task, const tr_batch *batch, const tr_choices *given, double share,
                        tr_measure *measure, tr_fvlm_seen *seen, tn_error *err);
