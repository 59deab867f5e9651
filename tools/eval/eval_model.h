// SPDX-License-Identifier: Apache-2.0
// Running a model over the pictures of a data set, for evaluation.
#pragma once

#include "io/coco/scores.h"
#include "tools/eval/data_model.h"
#include "tools/eval/eval_output.h"

typedef struct tool_eval_run {
    const io_coco *data;
    const io_coco_split *split; // only its names, in pictures that hold one of them; NULL: all
    const char *pictures;       // folder
    const char *results_out;    // COCO results are written here
    const char *scores_out;     // folder for both scores of every box; NULL: they are not kept
    bool masks;                 // they are compared, so the model must have them
    bool proposals;             // keep them
    io_coco_object *proposal;   // [proposal_count] what was looked at; category: the first one's
    size_t proposal_count, room;
    io_scores_writer scores;
    bool scores_open;
    size_t done, broken; // pictures; broken ones are told and count as without results
} tool_eval_run;

// TN_EIO before any work when a picture is not there. TN_EINVAL: a model without two scores to
// keep. TN_EUNSUPPORTED: a model without masks. TN_ECANCELLED: what is done is written. Release
// proposals with tool_eval_run_deinit, whatever it returned.
tn_status tool_eval_run_model(tool_eval_run *run, const tool_data_model *model, tn_error *err);
void tool_eval_run_deinit(tool_eval_run *run);
