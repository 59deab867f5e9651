// SPDX-License-Identifier: Apache-2.0
// An F-VLM that knows six names: random adapters on the CLIP that the repository ships.
#pragma once

#define CONTRAST_PICTURE "demo/pictures/party.png"

// Into the folder, which is there: config.json with that `contrast`, names.txt, adapters.
// $LEXMASK_MODEL becomes the folder.
void contrast_model_write(const char *folder, const char *contrast);
// A file's text, for tn_free.
char *contrast_text_of(const char *path);
