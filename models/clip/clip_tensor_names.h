// SPDX-License-Identifier: Apache-2.0
// How public CLIP checkpoints call their tensors. The towers ask by OpenAI's names; each other form
// is one table here.
#pragma once

#include "nn/nn.h"

// A row maps names that begin (or, without a dot at the end, are) like `ours` to `theirs`; each '#'
// stands for a number, the same on both sides.
typedef struct md_clip_row {
    const char *ours, *theirs;
} md_clip_row;

typedef struct md_clip_form {
    const char *label; // "OpenAI", "OpenCLIP", "Hugging Face"
    const char *probe; // a tensor that files of this form have, and no other form has
    const char *image; // the image tower's first weight
    const md_clip_row *row;
    const char *const *ignored; // tensors that mean nothing to the towers; ends with NULL
    const char *const *towers;  // what the names of all other tensors of a tower begin with
    const char *config;         // the configuration that lies beside such files
    void (*rename)(const char *name, char *out, size_t bytes); // ours -> theirs; NULL: the same
} md_clip_form;

// Hugging Face's name of a tensor that the towers call `name`.
void md_clip_huggingface_name(const char *name, char *out, size_t bytes);
// The form whose probe is in the file; NULL if it is no CLIP.
const md_clip_form *md_clip_form_of(const io_weights *file);
// TN_EUNSUPPORTED names the first tensor inside a tower that the form does not know.
tn_status md_clip_form_check(const md_clip_form *form, const io_weights *file, tn_error *err);
// 1 + the largest number that stands for the last '#' of `ours` in the names of the file; 0 if none
// does.
int64_t md_clip_form_count(const md_clip_form *form, const io_weights *file, const char *ours);
