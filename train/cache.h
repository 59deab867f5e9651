// SPDX-License-Identifier: Apache-2.0
// Cache of the frozen tower's features on disk, so that each picture is encoded once. The key is
// the SHA-256 of the network's input after augmentation and of everything that computes the
// features. So a mirrored picture has two entries, and inputs with random augmentation are never
// found again. Results are bit-identical to those without a cache.
//
// FOLDER/<64 hex>.safetensors: map.0, … [1,h,w,C] with a SHA-256 over them. Files are renamed into
// place; a damaged one is computed and written again. Several runs may share a folder.
#pragma once

#include "io/sha256.h"
#include "models/fvlm/fvlm.h"

typedef struct tr_cache tr_cache;

typedef struct tr_cache_options {
    const char *folder;
    int64_t limit; // maximum bytes of all entries; beyond it nothing is written
    uint8_t
        identity[IO_SHA256]; // hash of everything that determines the features, except the pixels
} tr_cache_options;

typedef struct tr_cache_counts {
    int64_t found, computed, damaged; // pictures
    int64_t bytes;                    // of entries in the folder
    bool full;
} tr_cache_counts;

// Makes the folder. TN_EIO, TN_ENOMEM.
tn_status tr_cache_open(const tr_cache_options *options, tr_cache **out, tn_error *err);
void tr_cache_close(tr_cache *cache); // NULL is allowed
// The same as md_fvlm_frozen(cx, model, x, MD_SCORE2_NONE, out). Files that cannot be read or
// written are no error. TN_ENOMEM.
tn_status tr_cache_features(tr_cache *cache, nn_ctx *cx, const md_fvlm *model, const tn_tensor *x,
                            md_fvlm_features *out);
tr_cache_counts tr_cache_tally(const tr_cache *cache);
// The last file error since the previous call; NULL: none.
const char *tr_cache_error(tr_cache *cache);
