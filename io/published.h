// SPDX-License-Identifier: Apache-2.0
// Published checkpoints that `lexmask pull` downloads, and the paths of downloaded files.
#pragma once

#include "tensor/status.h"

typedef struct md_published {
    const char *name; // as the user types it: "ViT-B/32"
    const char *file; // name in the cache folder; also the last part of the URL
    const char *url;
    const char *sha256; // all 64 digits, or the leading ones that the publisher states
    const char *what;   // one line for --list, with the licence
} md_published;

const md_published *md_published_all(size_t *count);
const md_published *md_published_find(const char *name); // NULL if the name is unknown

// $XDG_CACHE_HOME/lexmask (default ~/.cache/lexmask), followed by "/part" if part is not NULL.
// TN_EIO if neither variable is set.
tn_status md_cache_path(const char *part, char *out, size_t bytes, tn_error *err);

// Resolves the argument of --clip or --detector: an existing path is returned as it is; the name of
// a published checkpoint becomes its path in the cache. TN_EIO if it was not downloaded yet (the
// text names the command), or if there is no such file.
tn_status md_published_resolve(const char *given, char *out, size_t bytes, tn_error *err);

// The vocabulary file of a CLIP: `given` if it is not NULL, else a tokenizer.json, vocab.json or
// bpe_simple_vocab_16e6.txt(.gz) in the folder `clip` or beside the file `clip`, else the
// downloaded one. TN_EIO says what to do if there is none.
tn_status md_find_tokenizer(const char *clip, const char *given, char *out, size_t bytes,
                            tn_error *err);
