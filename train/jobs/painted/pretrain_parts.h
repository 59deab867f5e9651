// SPDX-License-Identifier: Apache-2.0
// All that a pretraining consists of, and its parts.
#pragma once

#include "train/clip_step.h"
#include "train/clip_texts.h"
#include "train/jobs/painted/clip_job.h"
#include "train/jobs/painted/pretrain_job.h"
#include "train/order.h"
#include "train/world/crops.h"

typedef struct tr_pretrainer {
    tr_job job;
    const tr_pretrain_options *options;
    md_clip *clip;
    md_bpe *bpe;
    nn_buffer *bank; // [names+1,D]
    tr_glyphs *glyphs;
    tr_crop_maker crops;
    const char **name;       // [names] which names
    const char **sentence;   // [sentences] templates
    size_t names, sentences; // both > 0 once opened
    int32_t *glyph_of;       // [names]
    tr_clip_texts texts;
    tr_order order;
    tr_clip task;
} tr_pretrainer;

// Opens glyphs, names, vocabulary (which is made where there is none in the run's folder) and
// model. Errors go to t->job.err; closing is fine after a failure.
tn_status tr_pretrainer_open(tr_pretrainer *t);
void tr_pretrainer_close(tr_pretrainer *t);

// Texts of all names, and the background's, as they are now: rows [names+1,D]. TN_ENOMEM.
tn_status tr_pretrain_bank(tr_pretrainer *t, tn_tensor *rows);
// A job's validate, for a tr_pretrainer: the figures of tr_pretrain_run. *count 0: interrupted.
tn_status tr_pretrain_score(void *self, int64_t step, tr_value *out, size_t *count, tn_error *err);
