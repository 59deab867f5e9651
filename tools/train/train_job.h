// SPDX-License-Identifier: Apache-2.0
// What `lexmask train` is made of besides its options.
#pragma once

#include "io/coco/coco_split.h"
#include "io/sha256.h"
#include "models/fvlm/fvlm.h"
#include "models/names/vocabulary.h"
#include "models/text/bpe.h"
#include "tools/train/run_settings.h"
#include "train/fvlm_step.h"
#include "train/loop.h"

// The options; what was not given is 0, NULL or negative.
typedef struct tool_train_options {
    const char *model, *preset, *clip, *tokenizer, *data, *pictures, *base, *out, *dump;
    const char *val, *val_pictures, *loss, *jitter, *dtype, *cache, *norm, *optimizer, *matmul;
    int64_t batch, accumulate, steps, warmup, workers, threads, seed, size;
    int64_t save_every, val_every, val_limit, stop_after, regions;
    double epochs, lr, decay, clip_norm, average, background, cache_limit;
    bool resume, no_flip;
    bool own; // model is the run itself, which goes on: its weights are those of the checkpoint
} tool_train_options;

// The whole run. TN_ECANCELLED after Ctrl-C: all is saved.
tn_status tool_train_go(const tool_train_options *options, tn_error *err);

// The line of progress.
typedef struct tool_train_progress {
    bool terminal, open; // open: the line has no end yet
    double shown;
} tool_train_progress;
tool_train_progress tool_train_progress_start(void);
void tool_train_line(tool_train_progress *progress, const tr_update *update);
// The same for a training with other losses, which `losses` tells; to be shown only when it is due.
bool tool_train_due(const tool_train_progress *progress, const tr_update *update);
void tool_train_show(tool_train_progress *progress, const tr_update *update, const char *losses);
void tool_train_break(tool_train_progress *progress); // before anything else is printed

// The exit code of a run that ended like this; says what there is to say. A run that --stop-after
// stopped has done what was asked.
int tool_run_ended(tn_status status, const tn_error *err);

// FOLDER/step-000000.safetensors: features, choices, losses (in the order of tr_loss), values,
// gradients and buffers of one step, from 0. TN_EIO, TN_ENOMEM.
tn_status tool_train_dump(const char *folder, int64_t step, const tr_fvlm *task,
                          const nn_params *params, int64_t pictures, const tr_fvlm_seen *seen,
                          const double loss[TR_LOSSES], tn_error *err);

// vocab.json, merges.txt and, where they are, the files beside them, from one folder into another.
// TN_EIO, TN_ENOMEM.
tn_status tool_copy_vocabulary(const char *from_folder, const char *to_folder, tn_error *err);

// Names as a model's text: the configuration's prompts, and its background where that is a text.
tn_status tool_train_text(nn_ctx *cx, const md_fvlm *model, const md_bpe *bpe,
                          const char *const *names, int64_t count, md_vocabulary *out,
                          tn_error *err);

// Validation while training: COCO's AP of boxes and masks, that of base and novel names where
// there is a split, and the recall of the RPN and of the box head, whatever the names.
typedef struct tool_validation {
    const md_fvlm *model;
    kn_ctx *kn;
    tn_arena *step; // free to be reset
    const char *file, *pictures;
    io_coco *truth;
    io_coco_split split;
    bool has_split;
    md_vocabulary text; // of all categories
    int64_t limit;      // pictures; 0: all
    bool (*stop)(void); // asked between pictures
} tool_validation;

// split: NULL, "coco-ovd" or a file of base names. The other fields are set by the caller before.
tn_status tool_validation_open(tool_validation *v, const md_bpe *bpe, const char *split,
                               tn_error *err);
void tool_validation_close(tool_validation *v);
// Fills the figures: "AP", "AP50", "mask_AP", "mask_AP50", "AP50_base", "AP50_novel",
// "rpn_AR@100", "rpn_AR@1000", "rpn_R50@1000", "box_AR@100", "box_AR@1000", "box_R50@100".
// Says in plain words when recall tells that boxes are broken. TN_ECANCELLED.
tn_status tool_validation_run(tool_validation *v, int64_t step, tr_value *out, size_t *count,
                              tn_error *err);
// TN_EIO: the folder is not that of the pictures; names folder, option and a file that was looked
// for.
tn_status tool_validation_find_pictures(const tool_validation *v, tn_error *err);
tn_status tool_train_find_pictures(const tr_dataset *data, const char *annotations, tn_error *err);
extern const char *const tool_validation_charts[];
extern const size_t tool_validation_chart_count;

// All that a run consists of.
typedef struct tool_trainer {
    const tool_train_options *options;
    md_fvlm_config config; // with the flags applied
    int64_t batch, accumulate;
    kn_ctx *kn;
    nn_params params;
    md_fvlm *model;
    md_bpe *bpe;
    tn_arena step;
    tr_dataset *data;
    tr_loader *loader;
    char **left_out; // [left_outs] texts about pictures, of which [told] have been told
    size_t left_outs, told;
    int64_t position; // of the loader's next batch
    int64_t updates;  // made by this call
    md_vocabulary vocabulary;
    tr_fvlm task;
    tool_validation validation;
    tool_train_progress progress;
    uint8_t frozen[2][IO_SHA256]; // CLIP's towers when the run began
    tool_run_settings settings;
    tn_error *err;
} tool_trainer;

// --cache. TN_EINVAL where pictures are augmented at random.
tn_status tool_train_open_cache(tool_trainer *t);
void tool_train_watch_cache(tool_trainer *t);      // says what went wrong with a file
void tool_train_tell_cache(const tool_trainer *t); // how often it served

// RUN/run.json: what a run was told that its config.json does not say. TN_EIO, TN_ENOMEM.
tn_status tool_train_remember(const tool_trainer *t);
// Texts that options which were read point to.
#define TOOL_TRAIN_RECALLED 16
typedef struct tool_train_recalled {
    char *text[TOOL_TRAIN_RECALLED];
    int count;
} tool_train_recalled;
bool tool_train_is_run(const char *folder); // holds a checkpoint and run.json
// Sets the options that it holds; r is zero, and to be freed in any case. TN_EIO, TN_EFORMAT,
// TN_ENOMEM.
tn_status tool_train_recall(const char *folder, tool_train_recalled *r, tool_train_options *o,
                            tn_error *err);
void tool_train_recalled_free(tool_train_recalled *r);

// Reads the configuration, applies the flags and opens everything; errors go to t->err. Closing is
// fine after a failure.
tn_status tool_trainer_open(tool_trainer *t);
void tool_trainer_close(tool_trainer *t);
bool tool_trainer_in_double(const tool_trainer *t);
// SHA-256 of the frozen towers as they are in memory.
tn_status tool_trainer_hash(tool_trainer *t, uint8_t out[2][IO_SHA256]);
