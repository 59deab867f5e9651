// SPDX-License-Identifier: Apache-2.0
// Inside the making of vocabularies: what bpe_corpus.c counts and bpe_train.c merges.
#pragma once

#include "models/text/bpe_train.h"
#include "models/text/text_clean_work.h"

typedef struct md_bpe_word {
    uint32_t from, length; // in md_bpe_corpus.bytes
    int64_t times;
} md_bpe_word;

struct md_bpe_corpus {
    md_cleaner cleaner;
    char *bytes; // of all words, as they are in the cleaned text
    size_t used, room;
    md_bpe_word *word; // in the order in which they came
    int64_t words, word_room;
    int32_t *slot; // words by hash, -1 free
    size_t slots;
};

// Room for `need` elements in a block of *room; it grows by half or more.
bool md_bpe_grow(void **block, int64_t *room, int64_t need, size_t size);
