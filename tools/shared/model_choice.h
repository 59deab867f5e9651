// SPDX-License-Identifier: Apache-2.0
// What the commands that run a model share: the options that choose it and say how it looks, and
// opening it. Through the public C API, so that every kind of model that it opens works here too.
#pragma once

#include "lexmask.h"
#include "tools/shared/api_calls.h"
#include "tools/shared/clip_options.h"
#include "tools/shared/model_kinds.h"

typedef struct tool_model_choice {
    const char *model, *detector, *mode;
    tool_list prompts;
    const char *background, *embeddings, *names_style;
    const char *crop_shape, *objectness_of, *score2;
    int64_t proposals, clip_batch, top, size, max_megapixels;
    double bn_eps;
    lexmask_session_options
        session; // options whose value is the session's are rows that point here
    bool no_cache, no_contrast;
    // Not options of the tables below: a command sets them.
    int (*progress)(void *user, double done); // within a picture; NULL: Ctrl-C cancels, no more
    const char *novel; // F-VLM: a file of names that beta is for; not used by others
    bool keep_scores, agnostic, each_score; // F-VLM
    int64_t max_size; // F-VLM: of larger pictures than the model's own size; 0: always its own
} tool_model_choice;

extern tool_model_choice tool_chosen; // of this run; its CLIP is tool_clip_chosen

// Tables of options, in this order in a command's list, with tool_clip_group behind the first.
extern const tool_option_group tool_model_group; // which model
extern const tool_option_group tool_names_group; // how names become embeddings
extern const tool_option_group tool_look_group;  // how it looks at boxes
extern const tool_option_group tool_find_group;  // how it finds objects, unless boxes are given

void tool_model_defaults(void); // of tool_chosen
void tool_model_free(void);
// A model was named; false: the one that comes with the program.
bool tool_model_given(void);
// --names-style lvis.
bool tool_names_of_lvis(void);
bool tool_model_closed(const tool_model_choice *choice);
// For commands that run without a model: an option of the tables above that was given all the same,
// as a message; NULL: none.
const char *tool_model_unused(void);
// What is missing or contradicts itself; NULL when nothing does. No model at all is the one that
// comes with the program.
const char *tool_model_misuse(void);

typedef struct tool_model {
    lexmask_model *model;
    lexmask_names *names; // NULL in closed mode
    lexmask_session *session;
} tool_model;

// Opens the chosen model. TN_EINVAL also for an option that it does not use.
tn_status tool_model_open(tool_model *out, tn_error *err);
// What to look for; wanted says it in one of the API's ways, the rest comes from the options. Not
// in closed mode.
tn_status tool_model_names(tool_model *model, lexmask_names_options wanted, tn_error *err);
// With the options as chosen; Ctrl-C cancels its runs.
tn_status tool_model_session(tool_model *model, tn_error *err);
void tool_model_close(tool_model *model); // fine on one that is all 0
