// SPDX-License-Identifier: Apache-2.0
// The job of `lexmask refine` (CLIPSelf, Wu et al. 2024): teaches a CLIP to name regions of a whole
// scene as it names them cut out. Scenes are painted.
#pragma once

#include "train/jobs/job.h"

typedef struct tr_refine_job_options {
    tr_job_options job;      // batch: scenes of an update
    const char *clip;        // Hugging Face folder of a ViT, with its vocabulary
    const char *pool;        // things in the scenes: "base" names or "all"; NULL: "all"
    const char *dtype;       // of the model's file: "f32" or "f16"; NULL: "f32"
    const char *font, *list; // NotoColorEmoji.ttf and Unicode's emoji-test.txt; NULL: Debian's
    int64_t size;            // pixels a side of a scene
    int64_t window;  // patches a side that attend to each other, with CLIP's own positions; 0: all
    int64_t regions; // of each scene, that are taught
    int64_t val_pictures; // scenes of a measurement
    double things;        // share of the regions that are a thing's box, about
    double smallest;      // pixels a side of the smallest region
    double context;       // the teacher's crop, in longer sides of the region
    double which;         // weight of telling regions apart, beside the cosine
} tr_refine_job_options;

tr_refine_job_options tr_refine_defaults(void);

// Losses, in the order of tr_refine_term.
// Figures that a watcher is given, at the beginning of a new run too: how things of scenes that are
// not learned from are named, of all names: "dense" by regions of the student's map, "dense_novel"
// of the novel ones alone, "crops" by the student on crops; in this order. TN_ECANCELLED: stopped,
// all is saved. Others as tr_train_run.
tn_status tr_refine_run(const tr_refine_job_options *options, const tr_job_watcher *watcher,
                        tn_error *err);
