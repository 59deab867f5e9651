// SPDX-License-Identifier: Apache-2.0
// An F-VLM with six names: random adapters on the CLIP that the repository ships.
#pragma once

#define CONTRAST_PICTURE "demo/pictures/party.png"

// Writes config.json with that `contrast`, names.txt and adapters to an existing folder. Sets
// $LEXMASK_MODEL to the folder.
void contrast_model_write(const char *folder, const char *contrast);
// The text of a file; release with tn_free.
char *contrast_text_of(const char *path);
