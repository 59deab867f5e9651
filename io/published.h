// SPDX-License-Identifier: Apache-2.0
// Published checkpoints that `lexmask pull` fetches, and where pulled files lie.
#pragma once

#include "tensor/status.h"

typedef struct md_published {
    const char *name; // as the user says it: "ViT-B/32"
    const char *file; // in the cache folder; also the last part of the address
    const char *url;
    const char *sha256; // all 64 digits, or the leading ones that the publisher gives
    const char *what;   // one line for --list, with its licence
} md_published;

const md_published *md_published_all(size_t *count);
const md_published *md_published_find(const char *name); // NULL if there is none of that name

// $XDG_CACHE_HOME/lexmask (default ~/.cache/lexmask), with "/part" behind it if part is not NULL.
// TN_EIO when neither variable is set.
tn_status md_cache_path(const char *part, char *out, size_t bytes, tn_error *err);

// What a user gave for --clip or --detector: a path that exists stays as it is; the name of a
// published checkpoint becomes its place in the cache. TN_EIO when it was not pulled yet, naming
// the command that does it, or when there is no such file.
tn_status md_published_resolve(const char *given, char *out, size_t bytes, tn_error *err);

// Where the vocabulary of a CLIP lies: `given` if it is not NULL, else a tokenizer.json, vocab.json
// or bpe_simple_vocab_16e6.txt(.gz) in the folder `clip` or beside the file `clip`, else the pulled
// one. TN_EIO says what to do when there is none.
tn_status md_find_tokenizer(const char *clip, const char *given, char *out, size_t bytes,
                            tn_error *err);
