// SPDX-License-Identifier: Apache-2.0
// What the commands that open a CLIP by itself share: options, opening, closing.
#pragma once

#include "models/clip/clip.h"
#include "models/text/bpe.h"
#include "tools/shared/context.h"

typedef struct tool_clip_choice {
    const char *clip, *tokenizer, *activation;
    int64_t heads, text_heads;
} tool_clip_choice;

extern tool_clip_choice tool_clip_chosen;            // of this run
extern const tool_option_group tool_clip_group;      // --clip
extern const tool_option_group tool_clip_more_group; // --tokenizer and what a file may not tell

typedef struct tool_clip {
    md_clip *clip;
    md_bpe *bpe; // NULL unless asked for
    kn_ctx *kn;
    tn_arena step;
    nn_ctx cx; // ready to run; its err is the one given
} tool_clip;

tn_status tool_clip_open(const tool_clip_choice *choice, bool with_tokenizer, tool_clip *out,
                         tn_error *err);
void tool_clip_close(tool_clip *open); // fine after a failed open
