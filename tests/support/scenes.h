// SPDX-License-Identifier: Apache-2.0
// A small COCO data set that a test writes: pictures of one bright rectangle each on black, with
// its box and its polygon or run lengths.
#pragma once

#include <stddef.h>

typedef struct scenes {
    char annotations[520], folder[512];
} scenes;

// count pictures of different sizes, "0.png" …; ids are 10 times the number, plus one. Categories:
// "red", "green", "blue", the colour of the rectangle. Fails the test when it cannot.
void scenes_write(scenes *out, const char *name, int count);
// What is written for picture number i: its size and rectangle, in pixels.
void scenes_of(int i, int *w, int *h, int box[4]);
