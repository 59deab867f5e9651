// SPDX-License-Identifier: Apache-2.0
// F-VLM's training step (Kuo et al. 2022): frozen features, then with a tape the pyramid, the RPN,
// the box head and the mask head, each with its losses over anchors and regions chosen by matching
// and sampling (Ren et al. 2015, He et al. 2017).
#pragma once

#include "models/detector/rpn.h"
#include "models/fvlm/fvlm.h"
#include "nn/params.h"
#include "train/cache.h"
#include "train/loader.h"
#include "train/losses.h"

#define TR_BATCH 64 // maximum pictures per batch

// Counts over an update's pictures, in a tr_measure.
typedef enum tr_fvlm_tally {
    TR_TALLY_REGIONS,   // sampled regions
    TR_TALLY_POSITIVES, // sampled regions that match an object
    TR_FVLM_TALLIES
} tr_fvlm_tally;
extern const char *const tr_fvlm_tally_name[TR_FVLM_TALLIES]; // "regions", "positives"

// The result of matching and sampling per picture.
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
    tr_cache *cache; // of frozen features; NULL: always computed
    tn_tensor text;  // [T(+1),D] unit rows in the parameters' type, the background's last
    int64_t names;   // T
    tr_loss_options losses;
    md_assignment anchors, regions;
    md_rpn_limits limits; // limits of the proposals to sample from
    uint64_t seed;
    char suspect[64]; // where a non-finite value was first found; "": nowhere
} tr_fvlm;

// Fills the settings that the model's configuration determines; the caller fills in the rest.
void tr_fvlm_configure(tr_fvlm *task, const md_fvlm *model, uint64_t seed);

// A step's intermediate results, for comparison with another implementation; valid until the step
// arena is reset.
typedef struct tr_fvlm_seen {
    md_fvlm_features features; // in the parameters' type
    tr_choices choices;
    const tn_tensor *relu; // [relus] outputs of all ReLUs, in order of execution
    int64_t relus;
} tr_fvlm_seen;

// Adds the batch's losses, each times share, to measure, and their gradients to the parameters.
// given: choices to use instead of sampling; NULL: samples with random numbers that depend on seed
// and position only. seen: NULL, or receives the intermediate results of the whole batch. If it is
// NULL and no batch norm needs the whole batch, pictures are processed one by one. TN_ENOMEM.
tn_status tr_fvlm_learn(tr_fvlm *task, const tr_batch *batch, const tr_choices *given, double share,
                        tr_measure *measure, tr_fvlm_seen *seen, tn_error *err);
