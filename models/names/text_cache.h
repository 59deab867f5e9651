// SPDX-License-Identifier: Apache-2.0
// Text embeddings kept between runs: one file per tower, tokenizer and set of templates, in the
// user's cache folder. A file that is damaged or of another program is treated as empty.
#pragma once

#include "io/sha256.h"
#include "tensor/tensor.h"

typedef struct md_text_cache {
    char path[4096];
    int64_t width;    // D
    int64_t count;    // entries
    char **text;      // [count] the embedded texts
    float *value;     // [count,D]
    int64_t capacity; // allocated entries
    int64_t fresh;    // entries that are not in the file yet
} md_text_cache;

// folder: created when something is saved. key identifies the file. TN_ENOMEM; an unreadable file
// is not an error.
tn_status md_text_cache_open(const char *folder, const uint8_t key[IO_SHA256], int64_t width,
                             md_text_cache *out, tn_error *err);
void md_text_cache_close(md_text_cache *cache);
const float *md_text_cache_find(const md_text_cache *cache, const char *text); // NULL if absent
tn_status md_text_cache_add(md_text_cache *cache, const char *text, const float *value,
                            tn_error *err);
// Rewrites the file, if anything was added. TN_EIO.
tn_status md_text_cache_save(md_text_cache *cache, tn_error *err);
