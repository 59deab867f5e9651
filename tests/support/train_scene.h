// SPDX-License-Identifier: Apache-2.0
// Two pictures of 128 pixels, each with a red circle and a blue square, for `lexmask train`.
#pragma once

#define SCENE_CLIP "demo/pair/clip"

// Writes data.json, 0.ppm and 1.ppm to temporary_folder(); a group's setup function.
int scene_write(void **state);
// The arguments of a run with the folder of that name, to be continued. Valid until four more
// calls.
const char *scene_words(const char *run);
