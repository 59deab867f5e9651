// SPDX-License-Identifier: Apache-2.0
// `lexmask detect --stages`: what each part of an F-VLM would say of a picture by itself.
#pragma once

#include "lexmask.h"
#include "tools/shared/files.h"
#include "tools/shared/options.h"

typedef struct tool_stages {
    const char *folder;
    const tool_paths *pictures; // what is read, and so never overwritten
    int64_t max_pixels;
    lexmask_session *score1, *score2; // each score alone
} tool_stages;

// how: what the whole is run with. TN_EINVAL: the model is no F-VLM. Closing is fine after a
// failure, and on one that is all 0.
tn_status tool_stages_open(tool_stages *stages, const char *folder, const lexmask_model *model,
                           const lexmask_names *names, const lexmask_session_options *how,
                           const tool_paths *pictures, tn_error *err);
// Of picture number index STEM_proposals.png (the 100 best of the RPN), STEM_score1.png,
// STEM_score2.png and, of result, STEM_fused.png. TN_ECANCELLED.
tn_status tool_stages_add(tool_stages *stages, size_t index, const lexmask_result *result,
                          tn_error *err);
void tool_stages_close(tool_stages *stages);
