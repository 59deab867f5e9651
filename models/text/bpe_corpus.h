// SPDX-License-Identifier: Apache-2.0
// Internals of vocabulary training: the word counts that bpe_corpus.c makes and bpe_train.c uses.
#pragma once

#include "models/text/bpe_train.h"
#include "models/text/text_clean_work.h"

typedef struct md_bpe_word {
    uint32_t from, length; // in md_bpe_corpus.bytes
    int64_t times;
} md_bpe_word;

struct md_bpe_corpus {
    md_cleaner cleaner;
    char *bytes; // of all words, as in the cleaned text
    size_t used, capacity;
    md_bpe_word *word; // in order of first occurrence
    int64_t words, word_capacity;
    int32_t *slot; // index of words by hash, -1: free
    size_t slots;
};

// Makes space for `need` elements in a block of *capacity; it grows by half or more.
bool md_bpe_grow(void **block, int64_t *capacity, int64_t need, size_t size);
