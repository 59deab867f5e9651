// SPDX-License-Identifier: Apache-2.0
// What to look for: names turned into embeddings, once, for any number of pictures.
#pragma once

#include "models/clip/clip.h"
#include "models/names/prompts.h"
#include "models/text/bpe.h"

// Immutable once made; shared between sessions. Memory from tn_alloc.
typedef struct md_vocabulary {
    int64_t classes;     // T
    int64_t others;      // of these the last, which are not looked for: they only compete
    bool background;     // the last row is a text that takes what is none of the names
    int64_t rows;        // one a phrase (synonyms have rows of their own), and the background's
    tn_tensor embedding; // [rows,D], unit length
    int32_t *class_of;   // [rows] 0 … T-1 ascending; T for the background
    int64_t from_cache;  // how many rows came from the cache
} md_vocabulary;

typedef struct md_vocabulary_options {
    const char *background;   // a text that is used as it stands; NULL for none
    const char *cache_folder; // NULL: $XDG_CACHE_HOME/lexmask, else ~/.cache/lexmask; "" for none
    // A text that is over the context length, and is cut; a cache that cannot be written. May be
    // NULL.
    void (*note)(void *user, const char *text);
    void *user;
    // At the start and now and then: sentences done, of all that the cache does not know; not
    // called where it knows them all. Other than 0 stops. May be NULL.
    int (*progress)(void *user, size_t done, size_t all);
    void *progress_user;
} md_vocabulary_options;

// Each phrase in each template is encoded and has unit length; these are averaged over the
// templates and brought to unit length again (Radford et al. 2021, section 3.1.4). The bits do not
// depend on what else is in the list, nor on the cache. options may be NULL.
// TN_EINVAL: a text that cannot be tokenised, a vocabulary that has more ids than the model;
// TN_ECANCELLED: progress said so; TN_ENOMEM.
tn_status md_vocabulary_make(nn_ctx *cx, const md_clip *clip, const md_bpe *bpe,
                             const md_names *names, const md_templates *templates,
                             const md_vocabulary_options *options, md_vocabulary *out,
                             tn_error *err);
// Ready embeddings: a .npy [T,D] of float16, 32 or 64, one row a class (T+1 rows: the last one is
// the background), brought to unit length. TN_EFORMAT names the shape found and expected.
tn_status md_vocabulary_read(const char *path, int64_t classes, int64_t embed_dim,
                             md_vocabulary *out, tn_error *err);
void md_vocabulary_deinit(md_vocabulary *vocabulary);

// Columns of a score: T, and one more for the background.
static inline int64_t md_vocabulary_columns(const md_vocabulary *vocabulary) {
    return vocabulary->classes + (vocabulary->background ? 1 : 0);
}
// x [R,D] unit length -> y [R,columns] of the caller: cosine, of synonyms the largest. TN_ENOMEM.
tn_status md_vocabulary_match(nn_ctx *cx, const md_vocabulary *vocabulary, const tn_tensor *x,
                              tn_tensor *y);
