// SPDX-License-Identifier: Apache-2.0
// Validation while a detector is trained: COCO's AP of boxes and masks, that of base and novel
// names where there is a split, and the recall of the RPN and of the box head, whatever the names.
#pragma once

#include "io/coco/coco_split.h"
#include "models/fvlm/fvlm.h"
#include "models/names/vocabulary.h"
#include "models/text/bpe.h"
#include "train/jobs/job_run.h"

typedef struct tr_validation {
    // Set by the caller before it is opened. The job's step arena is free to be reset.
    tr_job *job;
    const md_fvlm *model;
    const char *file, *pictures;
    int64_t limit; // pictures; 0: all
    // Opened.
    io_coco *truth;
    io_coco_split split;
    bool has_split;
    bool has_masks;     // of all objects: else masks are not compared
    md_vocabulary text; // of all categories
} tr_validation;

// Reads all that a validation will need, but the pictures, and checks it. split: NULL, "coco-ovd"
// or a file of base names. TN_EIO: the folder is not that of the pictures. TN_EFORMAT: also an
// annotation that cannot be validated on. TN_ENOMEM, TN_ECANCELLED.
tn_status tr_validation_open(tr_validation *v, const md_bpe *bpe, const char *split, tn_error *err);
size_t tr_validation_pictures(const tr_validation *v); // how many are looked at
void tr_validation_close(tr_validation *v);            // fine on one that is all 0
// Fills the figures that exist. Notes in plain words when recall tells that boxes are broken.
// TN_ECANCELLED.
tn_status tr_validation_run(tr_validation *v, int64_t step, tr_value *out, size_t *count,
                            tn_error *err);

extern const char *const tr_validation_charts[]; // the figures that are charted
extern const size_t tr_validation_chart_count;
extern const char *const tr_validation_best_of[]; // mask_AP, or AP without masks; ends with NULL
