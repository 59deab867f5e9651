// SPDX-License-Identifier: Apache-2.0
// The job of `lexmask pretrain`: a small CLIP from nothing, on crops of colour emoji.
#pragma once

#include "train/jobs/job.h"

typedef struct tr_pretrain_options {
    tr_job_options job; // batch: crops of an update
    // Names of emoji to learn; NULL: all that there are. The file that they were read from is named
    // in errors; NULL: they are not from a file.
    const char *const *names;
    size_t name_count;
    const char *names_file;
    // Sentences with {} for a name, the first is what the model will be asked with; NULL: 13 that
    // are built in. templates_file as names_file.
    const char *const *templates;
    size_t template_count;
    const char *templates_file;
    const char *tokenizer;   // folder of vocab.json and merges.txt; NULL: a vocabulary is made
    const char *init;        // a CLIP to begin with; NULL: random values
    const char *font, *list; // NotoColorEmoji.ttf and Unicode's emoji-test.txt; NULL: Debian's
    const char *optimizer;   // "adamw" or "muon"; NULL: "adamw"
    const char *dtype;       // of the model's file: "f32" or "f16"; NULL: "f32"
    int64_t empty;           // crops of a batch without an object
    int64_t
        refresh; // updates between two encodings of all names, for the bank; 0: there is no bank
    // The model (md_clip_config), context: tokens of a text at most.
    int64_t size, patch, width, layers, heads, embed, text_width, text_layers, text_heads, context;
    int64_t vocabulary; // symbols at most, of one that is made
    double decay;
    double half; // part of the run that looks at a random half of each crop's patches
    double easy; // part of the run until crops are at their hardest
} tr_pretrain_options;

tr_pretrain_options tr_pretrain_defaults(void);

// Losses, in the order of tr_clip_term.
// Figures that a watcher is given: of a crop of each name, the same ones every time, "top1" and
// "top5" of the names and "lost", the share that the background takes; and of crops without an
// object "empty", the share that it takes. They come in this order. TN_ECANCELLED: stopped, all is
// saved. Others as tr_train_run.
tn_status tr_pretrain_run(const tr_pretrain_options *options, const tr_job_watcher *watcher,
                          tn_error *err);
