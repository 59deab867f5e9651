// SPDX-License-Identifier: Apache-2.0
// CLIP's tokenizer: byte-level byte pair encoding over cleaned, lower-cased text, as OpenAI
// published it with CLIP (simple_tokenizer). Words end in "</w>"; every byte has a symbol, so every
// text has tokens. The text is cleaned by models/text/text_clean.h, also for Hugging Face folders.
#pragma once

#include "tensor/alloc.h"

#define MD_BPE_CONTEXT 77 // CLIP's context length, start and end tokens included

// A vocabulary. It is immutable: any number of threads may encode with it at the same time, each
// with a separate md_tokens.
typedef struct md_bpe md_bpe;

// Opens a vocabulary. Its format is detected from its contents. path is one of
//  OpenAI's bpe_simple_vocab_16e6.txt.gz, also uncompressed (its first 48,894 merges are used),
//  Hugging Face's tokenizer.json, or vocab.json or merges.txt with the other one in the same
//  folder, a folder that contains any of these (tokenizer.json first).
// Errors: TN_EIO, TN_EFORMAT with file and line (truncated or damaged gzip data, a line that is not
// two symbols, a merge of unknown symbols, a duplicate id or one out of range, a byte without a
// symbol, no start or end token), TN_EUNSUPPORTED (another kind of tokenizer), TN_ENOMEM.
tn_status md_bpe_open(const char *path, md_bpe **out, tn_error *err);
void md_bpe_close(md_bpe *bpe); // NULL is fine

int32_t md_bpe_start(const md_bpe *bpe); // id of <|startoftext|>
int32_t md_bpe_end(const md_bpe *bpe);   // id of <|endoftext|>
// Number of ids, 0 … size-1: the number of rows of the token embedding.
int64_t md_bpe_size(const md_bpe *bpe);
// Hash of the symbols with their ids and of the merges in order, for cache keys. It does not depend
// on the format of the file.
uint64_t md_bpe_hash(const md_bpe *bpe);

// Result of an encoding; its memory is reused by the next one. Initialise with {0}.
typedef struct md_tokens {
    int32_t *ids; // [count], including start and end tokens; valid until the next call
    size_t count;
    bool was_cut; // the text had more tokens than the context; the caller warns
    struct md_tokens_work *work;
} md_tokens;
void md_tokens_deinit(md_tokens *tokens);

// text is UTF-8 with the given number of bytes (no 0 needed at its end). An empty text gives the
// start and end tokens. context is the maximum number of ids (at least 2); a longer text is cut and
// still ends with the end token; 0 = no limit. Errors: TN_EINVAL naming the byte (invalid UTF-8, a
// 0 byte, over MD_TEXT_MAX bytes), TN_ENOMEM; out->count is then 0.
tn_status md_bpe_encode(const md_bpe *bpe, const char *text, size_t bytes, int64_t context,
                        md_tokens *out, tn_error *err);

// Concatenates the symbols of the ids, with "</w>" as a space and the start and end tokens as text.
// *text is from tn_alloc and ends with a 0; it may be invalid UTF-8. TN_EINVAL: an id out of range.
tn_status md_bpe_decode(const md_bpe *bpe, const int32_t *ids, size_t count, char **text,
                        size_t *bytes, tn_error *err);
