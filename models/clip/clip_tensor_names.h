// SPDX-License-Identifier: Apache-2.0
// Tensor names of public CLIP checkpoints. The towers use OpenAI's names; every other form is one
// table here.
#pragma once

#include "nn/nn.h"

// Maps names that begin with `ours` (or equal it, if it has no dot at its end) to `theirs`; each
// '#' stands for a number, the same on both sides.
typedef struct md_clip_row {
    const char *ours, *theirs;
} md_clip_row;

typedef struct md_clip_form {
    const char *label; // "OpenAI", "OpenCLIP", "Hugging Face"
    const char *probe; // a tensor that only files of this form have
    const char *image; // first weight of the image tower
    const md_clip_row *row;
    const char *const *ignored; // tensors that the towers do not use; ends with NULL
    const char *const *towers;  // prefixes of all other tensors of a tower
    const char *config;         // name of the configuration file in the same folder
    void (*rename)(const char *name, char *out,
                   size_t bytes); // ours -> theirs; NULL: the same names
} md_clip_form;

// Hugging Face's name for the tensor `name` of the towers.
void md_clip_huggingface_name(const char *name, char *out, size_t bytes);
// The form whose probe is in the file; NULL if it is not a CLIP.
const md_clip_form *md_clip_form_of(const io_weights *file);
// TN_EUNSUPPORTED names the first tensor of a tower that the form does not have.
tn_status md_clip_form_check(const md_clip_form *form, const io_weights *file, tn_error *err);
// 1 + the largest number in place of the last '#' of `ours` among the names in the file; 0 if there
// is none.
int64_t md_clip_form_count(const md_clip_form *form, const io_weights *file, const char *ours);
