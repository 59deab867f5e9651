// SPDX-License-Identifier: Apache-2.0
// CLIP's tokenizer: byte-level byte pair encoding over cleaned, lower-cased text, as OpenAI
// published it with CLIP (simple_tokenizer). Words end in "</w>"; every byte has a symbol, so any
// text has tokens. The text is cleaned by models/text/text_clean.h, for Hugging Face folders too.
#pragma once

#include "tensor/alloc.h"

#define MD_BPE_CONTEXT 77 // CLIP's context length, start and end tokens included

// A vocabulary. Immutable once open: any number of threads may encode with it at the same time,
// each with its own md_tokens.
typedef struct md_bpe md_bpe;

// The kind of file is told by its content. path is one of
//   OpenAI's bpe_simple_vocab_16e6.txt.gz, also unpacked (of its merges the first 48,894 count),
//   Hugging Face's tokenizer.json, or vocab.json or merges.txt with the other one beside it,
//   a folder that holds any of these (tokenizer.json first).
// Errors: TN_EIO, TN_EFORMAT with file and line (gzip that is cut or damaged, a line that is not
// two symbols, a merge of unknown symbols, an id twice or out of range, a byte without a symbol,
// no start or end token), TN_EUNSUPPORTED (another kind of tokenizer), TN_ENOMEM.
tn_status md_bpe_open(const char *path, md_bpe **out, tn_error *err);
void md_bpe_close(md_bpe *bpe); // NULL is fine

int32_t md_bpe_start(const md_bpe *bpe); // id of <|startoftext|>
int32_t md_bpe_end(const md_bpe *bpe);   // id of <|endoftext|>
// Number of ids, 0 … size-1: the rows that the token embedding must have.
int64_t md_bpe_size(const md_bpe *bpe);
// Of the symbols with their ids and of the merges in order: for cache keys. The same vocabulary
// from another kind of file has the same hash.
uint64_t md_bpe_hash(const md_bpe *bpe);

// What an encoding gives, with the memory that the next one uses again. Start with {0}.
typedef struct md_tokens {
    int32_t *ids; // [count], start and end tokens included; valid until the next call
    size_t count;
    bool was_cut; // the text had more tokens than the context: the caller warns
    struct md_tokens_work *work;
} md_tokens;
void md_tokens_deinit(md_tokens *tokens);

// text is UTF-8 of the given number of bytes (no 0 needed behind it). An empty text gives start
// and end. context is the most ids wanted (at least 2), the end token last also where the text is
// cut; 0 = no limit. Errors: TN_EINVAL naming the byte (invalid UTF-8, a 0 byte, over
// MD_TEXT_MAX bytes), TN_ENOMEM; out->count is then 0.
tn_status md_bpe_encode(const md_bpe *bpe, const char *text, size_t bytes, int64_t context,
                        md_tokens *out, tn_error *err);

// The symbols of the ids put together, "</w>" as a space; the start and end tokens as written.
// *text from tn_alloc with a 0 behind it; its bytes need not be whole UTF-8. TN_EINVAL: an id out
// of range.
tn_status md_bpe_decode(const md_bpe *bpe, const int32_t *ids, size_t count, char **text,
                        size_t *bytes, tn_error *err);
