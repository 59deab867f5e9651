// SPDX-License-Identifier: Apache-2.0
// What `lexmask pretrain` is made of besides its options.
#pragma once

#include "models/text/bpe.h"
#include "tools/shared/options.h"
#include "tools/train/clip_run.h"
#include "train/clip_texts.h"
#include "train/order.h"
#include "train/world/crops.h"

// The options; what was not given is 0, NULL or negative.
typedef struct tool_pretrain_options {
    tool_clip_run run;
    const char *names, *templates, *tokenizer, *init, *font, *list, *optimizer;
    int64_t empty, refresh, size, patch, width, layers, heads, embed, text_width, text_layers,
        text_heads;
    int64_t context, vocabulary;
    double decay, half, easy;
} tool_pretrain_options;

// The whole run. TN_ECANCELLED after Ctrl-C: all is saved.
tn_status tool_pretrain_go(const tool_pretrain_options *options, tn_error *err);

// All that a run consists of.
typedef struct tool_pretrainer {
    const tool_pretrain_options *options;
    kn_ctx *kn;
    nn_params params;
    md_clip *clip;
    md_bpe *bpe;
    nn_tape *tape;
    tn_arena step;
    nn_buffer *bank; // [names+1,D]
    tr_glyphs *glyphs;
    tr_crop_maker crops;
    tool_list name; // which names
    char *name_text, *template_text;
    tool_list template_list;
    int32_t *glyph_of; // [names]
    tr_clip_texts texts;
    tr_order order;
    tr_clip task;
    tool_train_progress progress;
    int64_t updates; // made by this call
    tool_run_settings settings;
    tn_error *err;
} tool_pretrainer;

// Opens glyphs, names, vocabulary (which is made where there is none in the run's folder) and
// model. Errors go to t->err; closing is fine after a failure.
tn_status tool_pretrainer_open(tool_pretrainer *t);
void tool_pretrainer_close(tool_pretrainer *t);

// Texts of all names, and the background's, as they are now: rows [names+1,D]. TN_ENOMEM.
tn_status tool_pretrain_bank(tool_pretrainer *t, tn_tensor *rows);
// On a crop of each name, the same ones at every call: "top1" and "top5" of the names, "lost", the
// share that the background takes; and of crops without an object "empty", the share that it takes.
tn_status tool_pretrain_score(tool_pretrainer *t, tr_value *out, size_t *count);
