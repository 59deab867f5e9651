// SPDX-License-Identifier: Apache-2.0
// What the commands that open a CLIP by itself share: options, opening, closing.
#pragma once

#include "models/clip/clip.h"
#include "models/text/bpe.h"
#include "tools/shared/options.h"

typedef struct tool_clip_choice {
    const char *clip, *tokenizer, *activation;
    int64_t heads, text_heads, threads;
} tool_clip_choice;

// Rows of an option table, to be put into a command's own.
#define TOOL_CLIP_OPTIONS(choice)                                                                   \
    {"clip", TOOL_TEXT, "FILE|DIR",                                                                 \
     "OpenAI's .pt, a Hugging Face or OpenCLIP folder, or the name "                                \
     "of a pulled one",                                                                             \
     &(choice).clip},                                                                               \
        {"tokenizer", TOOL_TEXT, "FILE",                                                            \
         "its vocabulary; default: looked for in and beside the CLIP", &(choice).tokenizer},        \
        {"heads",                                                                                   \
         TOOL_INT,                                                                                  \
         "N",                                                                                       \
         "attention heads of the image tower, where the file does not tell",                        \
         &(choice).heads,                                                                           \
         1,                                                                                         \
         1024},                                                                                     \
        {"text-heads", TOOL_INT, "N", "the same of the text tower", &(choice).text_heads, 1, 1024}, \
        {"activation",                                                                              \
         TOOL_CHOICE,                                                                               \
         "KIND",                                                                                    \
         "gelu or quick_gelu, where the file does not tell",                                        \
         &(choice).activation,                                                                      \
         .choices = "gelu|quick_gelu"},                                                             \
    {                                                                                               \
        "threads", TOOL_INT, "N", "default: all processors", &(choice).threads, 1, 1024             \
    }

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
