// SPDX-License-Identifier: Apache-2.0
// What `lexmask eval` finds out and says: pycocotools' lines, those of the lvis package, base and
// novel names, recall, tables, JSON, curves.
#pragma once

#include "eval/lvis.h"
#include "eval/split.h"

typedef struct tool_eval_options {
    const char *type;                 // "bbox" or "segm"
    const char *split, *base, *novel; // a built-in split, or files of names; NULL: none
    const char *plots;                // folder for curves; NULL: none
    bool agnostic, lvis, recall, per_class, json;
} tool_eval_options;

// What options contradict each other; NULL when they do not.
const char *tool_eval_misuse(const tool_eval_options *options);

typedef struct tool_evaluation {
    const tool_eval_options *options;
    const io_coco *truth;
    ev_coco coco;
    double lvis[EV_LVIS_STATS]; // with options->lvis
    bool has_split;
    io_coco_split names;
    ev_split split;   // with has_split
    ev_recall recall; // with options->recall
    bool has_proposals;
    ev_recall proposals; // with has_proposals: of what the model looked at
} tool_evaluation;

// The split that the options name; *has says whether there is one. Release with
// io_coco_split_deinit.
tn_status tool_eval_split(const tool_eval_options *options, const io_coco *truth, bool *has,
                          io_coco_split *out, tn_error *err);

// Needs options, truth (read with tool_eval_want) and what tool_eval_split gave. Release with
// tool_evaluation_deinit, done or failed.
unsigned tool_eval_want(const tool_eval_options *options);
tn_status tool_evaluate(tool_evaluation *evaluation, const io_coco_object *results, size_t count,
                        tn_pool *pool, tn_error *err);
// Adds the recall of proposals.
tn_status tool_evaluate_proposals(tool_evaluation *evaluation, const io_coco_object *proposals,
                                  size_t count, tn_pool *pool, tn_error *err);
// Writes the curves and prints text or JSON to standard output.
tn_status tool_evaluation_show(const tool_evaluation *evaluation, tn_error *err);
void tool_evaluation_deinit(tool_evaluation *evaluation);

// Its parts. The lines, then tables by area and by class.
tn_status tool_eval_print_text(const tool_evaluation *evaluation, tn_error *err);
// {"stats":[…]}; besides "lvis", "split", "recall", "areas", "classes", as the options want them.
tn_status tool_eval_print_json(const tool_evaluation *evaluation, tn_error *err);
// Precision over recall as PNGs in the folder, which is made: precision_recall.png (the classes'
// mean at IoUs), areas.png, and one file a class that has objects; *written counts them.
tn_status tool_eval_plot(const char *folder, const io_coco *truth, const ev_coco *figures,
                         size_t *written, tn_error *err);
