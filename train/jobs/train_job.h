// SPDX-License-Identifier: Apache-2.0
// The job of `lexmask train`: trains the adapters of an F-VLM around a frozen CLIP, with validation
// by COCO's figures.
//
//     tr_train_options options = tr_train_defaults();
//     options.preset = "small", options.clip = "clip", options.job.out = "run";
//     options.data = "train.json", options.pictures = "pictures";
//     status = tr_train_run(&options, &watcher, &err);
#pragma once

#include "train/jobs/job.h"

// In `job`, steps 0, warmup, lr and clip_norm negative: the configuration's; batch 0: at most 2.
typedef struct tr_train_options {
    tr_job_options job;
    // One of the two, or none when a run goes on: a new model of that kind ("seed", "small",
    // "fvlm-rn50", "fvit-b16", "fvit-l14"), which needs a CLIP; or a model's folder, whose
    // configuration it begins with, and its adapters if it has any.
    const char *preset, *model;
    const char *clip;            // file or folder; with preset
    const char *tokenizer;       // CLIP's vocabulary; NULL: looked for in and beside the CLIP
    const char *data, *pictures; // COCO instance annotations, folder of their pictures
    const char *base;            // NULL: all classes; a file of names, or "coco-ovd"
    const char *val;             // annotations to validate on; NULL: no validation
    const char *val_pictures;    // folder of their pictures; NULL: that of `pictures`
    int64_t val_limit;           // the first pictures to validate on; 0: all
    int64_t patience;            // ends after so many validations without a better one; 0: never
    int64_t accumulate;       // batches of one update; 0: 1 with a batch, else the configuration's
    double epochs;            // instead of steps: rounds through the data; 0: not given
    int64_t regions;          // per picture, that the box and mask heads learn from
    const char *optimizer;    // "adamw" or "muon"; NULL: "adamw"
    double decay, background; // weight decay; weight of background regions; negative: as above
    const char *loss;         // of names: "softmax" or "cosine"; NULL: the configuration's
    const char *norm;         // with preset: "batch", "group" or "none"; NULL: the preset's
    const char *jitter;       // "A,B": range of the random scale; NULL: the configuration's
    bool flip, no_flip;       // pictures are mirrored at random, or not; else the configuration's
    int64_t size;             // pictures are size x size pixels; 0: the configuration's
    int64_t workers;          // threads that read pictures ahead
    const char *cache;        // folder for the frozen tower's features; NULL: none
    double cache_limit;       // GB
    const char *dtype;        // "f32" or "f64" (level ref alone); NULL: "f32"
    const char *dump;         // folder for what every update saw, chose and gave; NULL: none
} tr_train_options;

tr_train_options tr_train_defaults(void);

// With validation, OUT/best is the model of the best one, by mask AP (by box AP where there are no
// masks to compare), as OUT itself is that of the last checkpoint.
#define TR_TRAIN_BEST "best"

// The whole job. Figures that a watcher is given: "AP", "AP50", "mask_AP", "mask_AP50",
// "AP50_base", "AP50_novel", "rpn_AR@100", "rpn_AR@1000", "rpn_R50@1000", "box_AR@100",
// "box_AR@1000", "box_R50@100", those that exist. Losses and tallies as tr_loss and tr_fvlm_tally.
// TN_ECANCELLED: stopped, all is saved. TN_EINVAL: an option, or settings other than those of the
// run that is to go on. TN_EIO, TN_EFORMAT, TN_EUNSUPPORTED, TN_EDEVICE, TN_ENOMEM: the text names
// the file.
tn_status tr_train_run(const tr_train_options *options, const tr_job_watcher *watcher,
                       tn_error *err);

// ---- a run that goes on ------------------------------------------------------------------------

// RUN/run.json holds what a run was given that its config.json does not say. Texts that options
// which were read point to:
#define TR_TRAIN_RECALLED 16
typedef struct tr_train_recalled {
    char *text[TR_TRAIN_RECALLED];
    int count;
} tr_train_recalled;
bool tr_train_is_run(const char *folder); // holds a checkpoint and run.json
// Sets the options that it holds; `r` is all 0 before, and to be released in any case, after the
// options have been used. With resume set, tr_train_run needs nothing else to go on. TN_EIO,
// TN_EFORMAT, TN_ENOMEM.
tn_status tr_train_recall(const char *folder, tr_train_recalled *r, tr_train_options *options,
                          tn_error *err);
void tr_train_recalled_free(tr_train_recalled *r);
