// SPDX-License-Identifier: Apache-2.0
// All that a training of a detector consists of, and its parts.
#pragma once

#include "io/sha256.h"
#include "train/fvlm_step.h"
#include "train/jobs/train_job.h"
#include "train/jobs/validation.h"

typedef struct tr_trainer {
    tr_job job;
    const tr_train_options *options;
    const char *model_folder; // that it begins with; NULL: a new model
    bool own;                 // it is the run's own: weights are those of the checkpoint
    md_fvlm_config config;    // with the options applied
    int64_t batch, accumulate;
    md_fvlm *model;
    md_bpe *bpe;
    tr_dataset *data;
    tr_loader *loader;
    char **left_out; // [left_outs] texts about pictures, of which [told] have been told
    size_t left_outs, told;
    int64_t position; // of the loader's next batch
    md_vocabulary vocabulary;
    tr_fvlm task;
    tr_validation validation;
    uint8_t frozen[2][IO_SHA256]; // CLIP's towers when the run began
} tr_trainer;

// Reads the configuration, applies the options and opens everything; errors go to t->job.err.
// Closing is fine after a failure.
tn_status tr_trainer_open(tr_trainer *t);
void tr_trainer_close(tr_trainer *t);
bool tr_trainer_in_double(const tr_trainer *t);
// SHA-256 of the frozen towers as they are in memory.
tn_status tr_trainer_hash(tr_trainer *t, uint8_t out[2][IO_SHA256]);

// TN_EINVAL: an option that is missing, unknown, out of bounds or contradicts another one.
tn_status tr_train_check(const tr_train_options *options, tn_error *err);

// RUN/run.json. TN_EIO, TN_ENOMEM.
tn_status tr_train_remember(const tr_trainer *t);

// --cache. TN_EINVAL where pictures are augmented at random.
tn_status tr_train_open_cache(tr_trainer *t);
void tr_train_note_cache_trouble(const tr_trainer *t); // with a file, since the last call
void tr_train_note_cache_counts(const tr_trainer *t);  // how often it served

// FOLDER/step-000000.safetensors: features, choices, losses (in the order of tr_loss), values,
// gradients and buffers of one step, from 0. TN_EIO, TN_ENOMEM.
tn_status tr_train_dump(const char *folder, int64_t step, const tr_fvlm *task,
                        const nn_params *params, int64_t pictures, const tr_fvlm_seen *seen,
                        const double loss[TR_LOSSES], tn_error *err);

// Names as a model's text: the configuration's prompts, and its background where that is a text.
tn_status tr_train_text(tr_job *job, const md_fvlm *model, const md_bpe *bpe,
                        const char *const *names, int64_t count, md_vocabulary *out, tn_error *err);

// What was put right while annotations were read.
void tr_note_annotations(const tr_job *job, const char *file, const io_coco *coco);

// Shows picture `number` (from 0) of a validation to the watcher, with what is annotated and what
// was found from a score of 0.25 on. Uses the job's step arena behind its mark.
tn_status tr_validation_show(tr_validation *v, int64_t step, size_t number,
                             const tn_tensor *picture, const md_found *found, tn_error *err);

// TN_EIO: the folder is not that of the pictures; names folder, option and a file that was looked
// for. limit: of the first pictures; 0: all.
tn_status tr_train_find_pictures(const tr_dataset *data, const char *annotations, tn_error *err);
tn_status tr_validation_find_pictures(const tr_validation *v, tn_error *err);
