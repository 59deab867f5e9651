// SPDX-License-Identifier: Apache-2.0
// The texts that a CLIP is trained on, tokenised once: names in templates, and texts for pictures
// without an object.
#pragma once

#include "models/clip/clip.h"
#include "models/text/bpe.h"
#include "train/clip_step.h"

typedef struct tr_clip_texts {
    int64_t names, templates, empties; // texts: [templates][names], then the empties
    int64_t context;                   // ids per text
    int32_t *ids, *length;             // [texts][context], [texts]
} tr_clip_texts;

// The first template is the prompt used in detection; the first of `empty` is the background text.
// A text longer than the context is cut. TN_EINVAL: invalid text; TN_ENOMEM.
tn_status tr_clip_texts_make(const md_bpe *bpe, const char *const *name, int64_t names,
                             const char *const *template_text, int64_t templates,
                             const char *const *empty, int64_t empties, int64_t context,
                             tr_clip_texts *out, tn_error *err);
void tr_clip_texts_free(tr_clip_texts *texts);

// Draws a text for each picture with a name, and one for all pictures without (names[i] -1), whose
// number is `texts->names`: fills names, ids and place of batch from arena. Two in five use the
// first template; picture i's choice depends on (seed, first + i) only. TN_ENOMEM.
tn_status tr_clip_texts_draw(const tr_clip_texts *texts, tn_arena *arena, uint64_t seed,
                             int64_t first, int64_t count, const int32_t *names,
                             tr_clip_batch *batch, tn_error *err);
// Row t of the bank: name t in the first template; row `names`: the background.
md_clip_text tr_clip_texts_row(const tr_clip_texts *texts, int64_t t);
