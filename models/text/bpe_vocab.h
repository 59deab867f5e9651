// SPDX-License-Identifier: Apache-2.0
// Inside the tokenizer: the vocabulary in memory, and what readers of files build it with.
#pragma once

#include "models/text/bpe.h"

#define MD_BPE_MOST (1 << 24) // ids of a vocabulary: far over any that is in use
#define MD_BPE_LONGEST 1024   // bytes of a symbol

typedef struct md_bpe_merge {
    uint64_t pair; // left << 32 | right; MD_BPE_NO_PAIR where the slot is free
    int32_t rank, merged;
} md_bpe_merge;
#define MD_BPE_NO_PAIR UINT64_MAX

typedef struct md_bpe_symbol {
    uint32_t from, length; // in bytes; length 0: no symbol has this id yet
} md_bpe_symbol;

struct md_bpe {
    int32_t size, start, end;
    int32_t byte_id[2][256]; // the symbol of a byte inside a word, and at its end
    md_bpe_symbol *symbol;   // [size]
    char *bytes;             // all symbols, as written in the files
    size_t used, room;
    int32_t *slot; // symbols by hash, -1 free; only until the vocabulary is complete
    size_t slots;
    md_bpe_merge *merge; // by hash of the pair
    size_t merge_slots;
    int32_t merges;
    uint64_t hash;
};

// The character that stands for a byte in vocabularies (GPT-2's table: printable ones themselves,
// others from U+0100 on), and back: -1 where the character stands for none.
uint32_t md_bpe_char_of(uint8_t byte);
int md_bpe_byte_of(uint32_t rune);

// In this order: begin, add every symbol, end_symbols, add merges by rank, end. Each fills err
// without place; the caller puts file and line before it.
tn_status md_bpe_begin(int32_t size, md_bpe **out, tn_error *err);
tn_status md_bpe_add_symbol(md_bpe *bpe, int32_t id, const char *text, size_t length,
                            tn_error *err); // TN_EFORMAT: id or text is there already
int32_t md_bpe_find(const md_bpe *bpe, const char *text, size_t length); // -1: no such symbol
// Every id has a symbol, every byte has both of its own, start and end are there.
tn_status md_bpe_end_symbols(md_bpe *bpe, int32_t merges, tn_error *err);
tn_status md_bpe_add_merge(md_bpe *bpe, const char *left, size_t left_length, const char *right,
                           size_t right_length, tn_error *err);
void md_bpe_end_merges(md_bpe *bpe);
// The merge of a pair, NULL where it has none.
const md_bpe_merge *md_bpe_merge_of(const md_bpe *bpe, int32_t left, int32_t right);

// Readers; they name the file in errors. text need not end with a 0.
tn_status md_bpe_read_openai(const char *path, const char *text, size_t bytes, md_bpe **out,
                             tn_error *err);
struct io_json;
tn_status md_bpe_read_tokenizer_json(const struct io_json *document, md_bpe **out, tn_error *err);
tn_status md_bpe_read_vocab_json(const struct io_json *vocab, const char *merges_path,
                                 const char *merges, size_t bytes, md_bpe **out, tn_error *err);

// Lists of merges, a "left right" on each line. `most`: further lines are not looked at.
int32_t md_bpe_count_lines(const char *text, size_t bytes, size_t skip, int32_t most);
tn_status md_bpe_add_merge_lines(const char *path, md_bpe *bpe, const char *text, size_t bytes,
                                 size_t skip, int32_t count, tn_error *err);
