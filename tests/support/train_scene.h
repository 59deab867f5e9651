// SPDX-License-Identifier: Apache-2.0
// Two pictures of 128 pixels, each with a red circle and a blue square, for `lexmask train`.
#pragma once

#define SCENE_CLIP "demo/pair/clip"

// data.json, 0.ppm and 1.ppm into temporary_folder(): a group's setup.
int scene_write(void **state);
// The words of a run into the folder of that name; more follow. Good until four more are asked for.
const char *scene_words(const char *run);
