// SPDX-License-Identifier: Apache-2.0
// What the commands that run a model over a data set share: options, opening, closing. Through the
// public C API, so that every kind of model that it opens works here too.
#pragma once

#include "io/coco/coco_split.h"
#include "lexmask.h"
#include "models/fvlm/fvlm_config.h"
#include "tools/shared/api_calls.h"
#include "tools/shared/options.h"

typedef struct tool_model_choice {
    const char *model, *detector, *clip, *tokenizer, *background, *crop_shape, *activation;
    tool_list prompts;
    int64_t proposals, clip_batch, top, heads, text_heads, size;
    double crop_context, objectness, score, nms, alpha, beta;
    const char *score2, *novel; // F-VLM; novel: names that beta is for, not used by others
    bool no_cache, no_contrast, keep_scores, agnostic; // agnostic: F-VLM, names forgotten
} tool_model_choice;

void tool_model_defaults(tool_model_choice *choice);
void tool_model_free(tool_model_choice *choice);
bool tool_model_given(const tool_model_choice *choice);
// What is missing or contradicts itself; NULL when nothing does. None at all is the model that
// comes with the program.
const char *tool_model_misuse(const tool_model_choice *choice);

// Rows of an option table, to be put into a command's own.
#define TOOL_MODEL_OPTIONS(choice)                                                                  \
    {"model", TOOL_TEXT, "DIR",                                                                     \
     "a model: folder with detector.safetensors and clip/, or an F-VLM", &(choice).model},          \
        {"detector", TOOL_TEXT, "FILE", "instead: Mask R-CNN in torchvision's form",                \
         &(choice).detector},                                                                       \
        {"clip", TOOL_TEXT, "FILE|DIR", "and CLIP", &(choice).clip},                                \
        {"tokenizer", TOOL_TEXT, "FILE",                                                            \
         "CLIP's vocabulary; default: looked for in and beside the CLIP", &(choice).tokenizer},     \
        {"prompt", TOOL_LIST, "TEXT",                                                               \
         "sentence around a name; given several times, they are averaged; imagenet80: the "         \
         "ensemble of 80. Default \"a photo of {}\"",                                               \
         &(choice).prompts},                                                                        \
        {"background", TOOL_TEXT, "TEXT",                                                           \
         "sentence for what is none of the names; none: no such sentence", &(choice).background},   \
        {"clip-batch",         TOOL_INT, "N",  "crops encoded at a time; default 64",               \
         &(choice).clip_batch, 1,        65536},                                                    \
        {"crop-shape",                                                                              \
         TOOL_CHOICE,                                                                               \
         "SHAPE",                                                                                   \
         "tight or square; default square",                                                         \
         &(choice).crop_shape,                                                                      \
         .choices = "tight|square"},                                                                \
        {"crop-context",                                                                            \
         TOOL_REAL,                                                                                 \
         "X",                                                                                       \
         "square: its side in longer sides of the box; default 1.15",                               \
         &(choice).crop_context,                                                                    \
         1,                                                                                         \
         10},                                                                                       \
        {"size",                                                                                    \
         TOOL_INT,                                                                                  \
         "N",                                                                                       \
         "F-VLM: look at pictures of N x N pixels; default its own",                                \
         &(choice).size,                                                                            \
         MD_FVLM_SIZE_LEAST,                                                                        \
         MD_FVLM_SIZE_MOST},                                                                        \
        {"score2",         TOOL_CHOICE,                                                             \
         "MODE",           "F-VLM: how CLIP scores a box; default the model's own",                 \
         &(choice).score2, .choices = "none|crop|embed|dense|maskcls|attnpool"},                    \
        {"alpha",                                                                                   \
         TOOL_REAL,                                                                                 \
         "W",                                                                                       \
         "F-VLM: weight of that score for names it was trained on; default its own",                \
         &(choice).alpha,                                                                           \
         0,                                                                                         \
         1},                                                                                        \
        {"beta", TOOL_REAL, "W", "F-VLM: the same for all other names", &(choice).beta, 0, 1},      \
        {"heads",                                                                                   \
         TOOL_INT,                                                                                  \
         "N",                                                                                       \
         "attention heads of CLIP's image tower, where its file does not tell",                     \
         &(choice).heads,                                                                           \
         1,                                                                                         \
         1024},                                                                                     \
        {"text-heads", TOOL_INT, "N", "the same of the text tower", &(choice).text_heads, 1, 1024}, \
        {"activation",                                                                              \
         TOOL_CHOICE,                                                                               \
         "KIND",                                                                                    \
         "gelu or quick_gelu, where CLIP's file does not tell",                                     \
         &(choice).activation,                                                                      \
         .choices = "gelu|quick_gelu"},                                                             \
        {"no-contrast", TOOL_FLAG, NULL,                                                            \
         "F-VLM: let no names compete but those that are looked for", &(choice).no_contrast},       \
    {                                                                                               \
        "no-cache", TOOL_FLAG, NULL, "do not keep text embeddings in the cache folder",             \
            &(choice).no_cache                                                                      \
    }

typedef struct tool_model {
    lexmask_model *model;
    lexmask_names *names;
    lexmask_session *session;
    size_t *category;        // of each label: the index of its category
    io_coco_id *category_id; // and its id
} tool_model;

// Ready to look for the categories of a data set; with a split, for its base and novel ones alone.
// Ctrl-C cancels its runs. TN_EFORMAT: a category without a name.
tn_status tool_model_open(const tool_model_choice *choice, const io_coco *data,
                          const io_coco_split *split, int64_t threads, tool_model *out,
                          tn_error *err);
void tool_model_close(tool_model *model); // fine on one that is all 0
