// SPDX-License-Identifier: Apache-2.0
// PyTorch's results for one picture in crop mode: files of tools/reference/parity_crop.py.
#pragma once

#include "io/json.h"
#include "models/crop/crop.h"
#include "tests/support/test.h"

typedef struct crop_dump {
    io_weights *file;
    io_json settings;
    md_crop_options options; // as the dump was made
    tn_tensor image;         // uint8 [H,W,3]
    bool image_is_ours;      // from tn_alloc
} crop_dump;

void crop_dump_open(crop_dump *dump, const char *path); // fails the test
void crop_dump_close(crop_dump *dump);
// A tensor of the file (a view); fails the test if it is missing.
tn_tensor crop_dump_tensor(const crop_dump *dump, const char *name, tn_dtype dtype);
bool crop_dump_has(const crop_dump *dump, const char *name);
// The vocabulary of the names in the settings.
void crop_dump_vocabulary(const crop_dump *dump, nn_ctx *cx, const md_clip *clip, const md_bpe *bpe,
                          md_vocabulary *out);
