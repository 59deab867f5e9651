// SPDX-License-Identifier: Apache-2.0
// Writes a small CLIP with random weights (with the deviations of CLIP's initialisation) as a
// folder in OpenAI's form. It is untrained: whatever a detector on it learns is in its adapters.
#pragma once

#include <stdint.h>

typedef struct random_clip {
    int64_t patch;  // of a ViT; 0: a ResNet with one block per stage
    int64_t grid;   // cells per side of its pictures: patch * grid, or 32 * grid pixels
    int64_t width;  // of the ViT; of the ResNet's first stage a quarter of its output
    int64_t layers; // of the ViT
} random_clip;

// Writes to an existing folder, for use with the tokenizer RANDOM_CLIP_TOKENIZER. Fails the test on
// errors.
void random_clip_write(const char *folder, const random_clip *size);
#define RANDOM_CLIP_TOKENIZER "demo/pair/clip"
