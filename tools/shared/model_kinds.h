// SPDX-License-Identifier: Apache-2.0
// The kinds of a run of a model, and which of them uses an option: `used_by` in the tables. An
// option that the chosen kind does not use is an error that says so.
#pragma once

#include "tools/shared/options.h"

enum {
    TOOL_CROP = 1,                      // Mask R-CNN with CLIP
    TOOL_CLOSED = 2,                    // Mask R-CNN with its own classes
    TOOL_FVLM = 4,                      // any F-VLM
    TOOL_FVLM_SCORE2 = 8,               // one with a score 2
    TOOL_FVLM_CROPS = 16,               // one whose score 2 is of crops
    TOOL_NAMED = TOOL_CROP | TOOL_FVLM, // all that name things by a CLIP
};

struct tool_model_choice;

// What the options choose, as bits, from the model's configuration alone, before any weight is
// read. 0: that cannot be told yet (no such folder, a broken file): opening it will say why.
unsigned tool_model_kinds(const struct tool_model_choice *choice);
// TN_EINVAL, naming the option and what it is for, when one was given that the choice does not use.
tn_status tool_model_check(const struct tool_model_choice *choice, tn_error *err);
