// SPDX-License-Identifier: Apache-2.0
// The texts that a CLIP learns from: names in templates, and what is said of pictures without an
// object, tokenised once.
#pragma once

#include "models/clip/clip.h"
#include "models/text/bpe.h"
#include "train/clip_step.h"

typedef struct tr_clip_texts {
    int64_t names, templates, empties; // texts: [templates][names], then the empties
    int64_t context;                   // ids that a text has room for
    int32_t *ids, *length;             // [texts][context], [texts]
} tr_clip_texts;

// The first template is the prompt that the model will be asked with, the first of `empty` its
// background. A text over the context is cut. TN_EINVAL: a text that is no text; TN_ENOMEM.
tn_status tr_clip_texts_make(const md_bpe *bpe, const char *const *name, int64_t names,
                             const char *const *template_text, int64_t templates,
                             const char *const *empty, int64_t empties, int64_t context,
                             tr_clip_texts *out, tn_error *err);
void tr_clip_texts_free(tr_clip_texts *texts);

// A text for each picture with a name, and one for all that have none (names[i] -1), whose number
// is `texts->names`: fills names, ids and place of batch from arena. Two in five are the first
// template; picture i's choice depends on (seed, first + i) alone. TN_ENOMEM.
tn_status tr_clip_texts_draw(const tr_clip_texts *texts, tn_arena *arena, uint64_t seed,
                             int64_t first, int64_t count, const int32_t *names,
                             tr_clip_batch *batch, tn_error *err);
// Row t of the bank: name t in the first template; row `names` is the background.
md_clip_text tr_clip_texts_row(const tr_clip_texts *texts, int64_t t);
