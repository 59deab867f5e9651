// SPDX-License-Identifier: Apache-2.0
// A small CLIP with random weights (the spreads that CLIP's own training begins with), as a folder
// of OpenAI's form. It knows nothing: what a detector on it learns, its adapters have learned.
#pragma once

#include <stdint.h>

typedef struct random_clip {
    int64_t patch;  // of a ViT; 0: a ResNet of one block a stage
    int64_t grid;   // places a side of its own pictures: patch * grid, or 32 * grid pixels
    int64_t width;  // of the ViT; of the ResNet's first stage a quarter of its output
    int64_t layers; // of the ViT
} random_clip;

// Writes folder, which is there, to be used with the tokenizer of RANDOM_CLIP_TOKENIZER. Fails the
// test where that cannot be done.
void random_clip_write(const char *folder, const random_clip *size);
#define RANDOM_CLIP_TOKENIZER "demo/pair/clip"
