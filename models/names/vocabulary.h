// SPDX-License-Identifier: Apache-2.0
// The embeddings of the requested names, computed once for any number of pictures.
#pragma once

#include "models/clip/clip.h"
#include "models/names/prompts.h"
#include "models/text/bpe.h"

// Immutable; may be shared between sessions. Memory from tn_alloc.
typedef struct md_vocabulary {
    int64_t classes;     // T
    int64_t others;      // the last ones of these, which are not requested: they only compete
    bool background;     // the last row is a text for everything that is none of the names
    int64_t rows;        // one per phrase (including synonyms), and the background's
    tn_tensor embedding; // [rows,D], unit length
    int32_t *class_of;   // [rows] 0 … T-1 ascending; T for the background
    int64_t from_cache;  // number of rows from the cache
} md_vocabulary;

typedef struct md_vocabulary_options {
    const char *background;   // a text that is used without a template; NULL for none
    const char *cache_folder; // NULL: $XDG_CACHE_HOME/lexmask, else ~/.cache/lexmask; "" for none
    // Called for a text that is cut to the context length and for a cache that cannot be written.
    // May be NULL.
    void (*note)(void *user, const char *text);
    void *user;
    // Called at the start and repeatedly: finished sentences, and the number of all that are not in
    // the cache; not called if all are. A result other than 0 stops. May be NULL.
    int (*progress)(void *user, size_t done, size_t all);
    void *progress_user;
} md_vocabulary_options;

// Each phrase in each template is encoded to unit length; the results are averaged over the
// templates and normalised again (Radford et al. 2021, section 3.1.4). The bits do not depend on
// the other names, nor on the cache. options may be NULL. TN_EINVAL: a text that cannot be
// tokenised, a vocabulary with more ids than the model; TN_ECANCELLED: progress asked to stop;
// TN_ENOMEM.
tn_status md_vocabulary_make(nn_ctx *cx, const md_clip *clip, const md_bpe *bpe,
                             const md_names *names, const md_templates *templates,
                             const md_vocabulary_options *options, md_vocabulary *out,
                             tn_error *err);
// Reads precomputed embeddings: a .npy [T,D] of float16, 32 or 64, one row per class (T+1 rows: the
// last one is the background), which are normalised. TN_EFORMAT names the actual and the expected
// shape.
tn_status md_vocabulary_read(const char *path, int64_t classes, int64_t embed_dim,
                             md_vocabulary *out, tn_error *err);
void md_vocabulary_deinit(md_vocabulary *vocabulary);

// Columns of a score: T, plus one for the background.
static inline int64_t md_vocabulary_columns(const md_vocabulary *vocabulary) {
    return vocabulary->classes + (vocabulary->background ? 1 : 0);
}
// x [R,D] of unit length -> y [R,columns], allocated by the caller: cosine similarity, for synonyms
// the largest. TN_ENOMEM.
tn_status md_vocabulary_match(nn_ctx *cx, const md_vocabulary *vocabulary, const tn_tensor *x,
                              tn_tensor *y);
