// SPDX-License-Identifier: Apache-2.0
// The settings of a CLIP: sizes from the tensors, the rest from configuration files, options and
// the table of published shapes.
#pragma once

#include "models/clip/clip.h"
#include "models/clip/clip_tensor_names.h"

// path as in md_clip_open (a file or a folder; the configuration is in it or in the same folder).
// Errors as md_clip_open.
tn_status md_clip_configure(const io_weights *file, const md_clip_form *form, const char *path,
                            const md_clip_options *options, md_clip_config *out, tn_error *err);

// The parts of md_clip_configure, in order. First, everything that the tensors determine.
tn_status md_clip_sizes(const io_weights *file, const md_clip_form *form, md_clip_config *out,
                        tn_error *err);
// Settings from config.json or open_clip_config.json in folder, if it exists; otherwise heads stay
// 0 and activations MD_CLIP_UNSET.
tn_status md_clip_read_config(const char *folder, const md_clip_form *form, md_clip_config *out,
                              tn_error *err);
// Name, heads and activations of the published model with these shapes, if they are not set yet.
// from_openai: the file itself shows that it is OpenAI's.
void md_clip_published(bool from_openai, md_clip_config *out);

#define MD_CLIP_UNSET ((kn_act)-1)
static inline bool md_clip_is_set(kn_act act) {
    return act != MD_CLIP_UNSET;
}
// TN_EINVAL for an unknown name.
tn_status md_clip_activation(const char *name, kn_act *out);
