// SPDX-License-Identifier: Apache-2.0
// `lexmask detect --stages`: what each part of an F-VLM would say of a picture by itself.
#pragma once

#include "lexmask.h"
#include "tools/shared/files.h"
#include "tools/shared/options.h"

typedef struct tool_stages {
    const char *folder;
    double lowest;              // score that is drawn
    const tool_paths *pictures; // what is read, and so never overwritten
} tool_stages;

// TN_EINVAL: the model is no F-VLM. The session that results come from has the option each_score.
tn_status tool_stages_open(tool_stages *stages, const char *folder, double lowest,
                           const lexmask_model *model, const tool_paths *pictures, tn_error *err);
// Of the result of picture number index STEM_proposals.png (the 100 best of the RPN),
// STEM_score1.png, STEM_score2.png and STEM_fused.png.
tn_status tool_stages_add(const tool_stages *stages, size_t index, const lexmask_result *result,
                          tn_error *err);
