// SPDX-License-Identifier: Apache-2.0
// Features of the frozen tower on disk, so that it sees each picture once. An entry is known by the
// SHA-256 of what the network is shown (the pixels as they are after all augmentation) and of what
// computes it, so a picture that is mirrored has two, and one that is drawn anew each time is never
// found again. The same bits as without.
//
// FOLDER/<64 hex>.safetensors: map.0, … [1,h,w,C] with a SHA-256 over them. Files are renamed into
// place; one that is damaged is computed and written again. Several runs may share a folder.
#pragma once

#include "io/sha256.h"
#include "models/fvlm/fvlm.h"

typedef struct tr_cache tr_cache;

typedef struct tr_cache_options {
    const char *folder;
    int64_t limit;               // bytes of all entries; over it nothing is written any more
    uint8_t identity[IO_SHA256]; // of all that decides the features besides the pixels
} tr_cache_options;

typedef struct tr_cache_counts {
    int64_t found, computed, damaged; // pictures
    int64_t bytes;                    // of entries in the folder
    bool full;
} tr_cache_counts;

// Makes the folder. TN_EIO, TN_ENOMEM.
tn_status tr_cache_open(const tr_cache_options *options, tr_cache **out, tn_error *err);
void tr_cache_close(tr_cache *cache); // NULL is fine
// md_fvlm_frozen(cx, model, x, MD_SCORE2_NONE, out). Files that cannot be read or written do not
// fail it. TN_ENOMEM.
tn_status tr_cache_features(tr_cache *cache, nn_ctx *cx, const md_fvlm *model, const tn_tensor *x,
                            md_fvlm_features *out);
tr_cache_counts tr_cache_tally(const tr_cache *cache);
// What went wrong with a file since the last call; NULL: nothing.
const char *tr_cache_trouble(tr_cache *cache);
