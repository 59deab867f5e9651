// SPDX-License-Identifier: Apache-2.0
// What the commands that train share: rows of an option table, to be put into a command's own.
// to: a struct with the fields matmul, stop_after, average, seed, save_every and threads.
#pragma once

#include "tools/shared/options.h"

// clang-format off
#define TOOL_RUN_OPTIONS(to)                                                                       \
    {"stop-after", TOOL_INT, "N",                                                                  \
     "save and stop after N updates of this call, for machines that are lent for a time; "         \
     "--resume goes on",                                                                           \
     &(to).stop_after, 1, 1e12},                                                                   \
    {"average", TOOL_REAL, "X",                                                                    \
     "keep a moving average of the weights with this share of the past, e.g. 0.999, as the "       \
     "model; default 0: none",                                                                     \
     &(to).average, 0, 1},                                                                         \
    {"seed", TOOL_INT, "N", "of everything random; default 1", &(to).seed, 0, 9007199254740992.0}, \
    {"save-every", TOOL_INT, "N", "updates between checkpoints; default 200", &(to).save_every, 1, \
     1e12},                                                                                        \
    {"matmul", TOOL_CHOICE, "TYPE",                                                                \
     "f32, or bf16: products of numbers rounded to bfloat16, summed in float32, faster on "        \
     "processors that have them (AVX512_BF16) and slower on others; default f32",                  \
     &(to).matmul, .choices = "f32|bf16"},                                                         \
    {"threads", TOOL_INT, "N", "threads that compute; default 0: all processors",                  \
     &(to).threads, 0, 1024}

// And of those whose pictures are painted. to: fields dtype, font and list.
#define TOOL_PAINTED_OPTIONS(to)                                                                   \
    {"dtype", TOOL_CHOICE, "TYPE", "of the model's file: f32 or f16; default f32", &(to).dtype,    \
     .choices = "f32|f16"},                                                                        \
    {"font", TOOL_TEXT, "FILE", "NotoColorEmoji.ttf; default: Debian's", &(to).font},              \
    {"emoji-list", TOOL_TEXT, "FILE", "Unicode's emoji-test.txt; default: Debian's", &(to).list}
// clang-format on
