// SPDX-License-Identifier: Apache-2.0
// Writes a small COCO data set: pictures of one bright rectangle each on black, with its box and
// its polygon or run lengths.
#pragma once

#include <stddef.h>

typedef struct scenes {
    char annotations[520], folder[512];
} scenes;

// count pictures of different sizes, "0.png" …; the id of picture i is 10 * i + 1. Categories:
// "red", "green", "blue", the colour of the rectangle. Fails the test on errors.
void scenes_write(scenes *out, const char *name, int count);
// Size and rectangle of picture number i, in pixels.
void scenes_of(int i, int *w, int *h, int box[4]);
