// SPDX-License-Identifier: Apache-2.0
// Internals of the tokenizer: the vocabulary in memory, and how readers of files build it.
#pragma once

#include "models/text/bpe.h"

#define MD_BPE_MAX_SIZE (1 << 24) // ids of a vocabulary: far above any in use
#define MD_BPE_MAX_SYMBOL 1024    // bytes of a symbol

typedef struct md_bpe_merge {
    uint64_t pair; // left << 32 | right; MD_BPE_NO_PAIR if the slot is free
    int32_t rank, merged;
} md_bpe_merge;
#define MD_BPE_NO_PAIR UINT64_MAX

typedef struct md_bpe_symbol {
    uint32_t from, length; // in bytes; length 0: the id has no symbol yet
} md_bpe_symbol;

struct md_bpe {
    int32_t size, start, end;
    int32_t byte_id[2][256]; // symbol of a byte inside a word, and at its end
    md_bpe_symbol *symbol;   // [size]
    char *bytes;             // all symbols, as in the files
    size_t used, capacity;
    int32_t *slot; // index of symbols by hash, -1: free; freed when the vocabulary is complete
    size_t slots;
    md_bpe_merge *merge; // hashed by pair
    size_t merge_slots;
    int32_t merges;
    uint64_t hash;
};

// The character that represents a byte in vocabularies (GPT-2's table: printable bytes represent
// themselves, others are mapped from U+0100 on), and the inverse: -1 if the character represents no
// byte.
uint32_t md_bpe_char_of(uint8_t byte);
int md_bpe_byte_of(uint32_t rune);

// To be called in this order: begin, add every symbol, end_symbols, add merges by rank, end. Each
// sets err without a position; the caller prefixes file and line.
tn_status md_bpe_begin(int32_t size, md_bpe **out, tn_error *err);
tn_status md_bpe_add_symbol(md_bpe *bpe, int32_t id, const char *text, size_t length,
                            tn_error *err); // TN_EFORMAT: duplicate id or text
int32_t md_bpe_find(const md_bpe *bpe, const char *text, size_t length); // -1: no such symbol
// Checks that every id has a symbol, every byte has both symbols, and start and end exist.
tn_status md_bpe_end_symbols(md_bpe *bpe, int32_t merges, tn_error *err);
tn_status md_bpe_add_merge(md_bpe *bpe, const char *left, size_t left_length, const char *right,
                           size_t right_length, tn_error *err);
void md_bpe_end_merges(md_bpe *bpe);
// The merge of a pair, NULL if it has none.
const md_bpe_merge *md_bpe_merge_of(const md_bpe *bpe, int32_t left, int32_t right);

// Readers; errors name the file. text need not end with a 0.
tn_status md_bpe_read_openai(const char *path, const char *text, size_t bytes, md_bpe **out,
                             tn_error *err);
struct io_json;
tn_status md_bpe_read_tokenizer_json(const struct io_json *document, md_bpe **out, tn_error *err);
tn_status md_bpe_read_vocab_json(const struct io_json *vocab, const char *merges_path,
                                 const char *merges, size_t bytes, md_bpe **out, tn_error *err);

// Lists of merges, with "left right" on each line. max: further lines are ignored.
int32_t md_bpe_count_lines(const char *text, size_t bytes, size_t skip, int32_t max);
tn_status md_bpe_add_merge_lines(const char *path, md_bpe *bpe, const char *text, size_t bytes,
                                 size_t skip, int32_t count, tn_error *err);
