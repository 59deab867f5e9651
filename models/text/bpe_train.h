// SPDX-License-Identifier: Apache-2.0
// Trains a vocabulary of CLIP's form from texts (Sennrich et al., "Neural Machine Translation of
// Rare Words with Subword Units", ACL 2016, over bytes): the 256 byte symbols, the same at the end
// of a word, one symbol per merge in order, and the two special tokens; the end token has the
// highest id. Texts are cleaned and split as in md_bpe_encode. Every text can be encoded with it.
#pragma once

#include "tensor/alloc.h"

#define MD_BPE_MIN_SIZE 514 // number of symbols without merges

typedef struct md_bpe_corpus md_bpe_corpus; // words and how often they occur

tn_status md_bpe_corpus_new(md_bpe_corpus **out, tn_error *err);
void md_bpe_corpus_free(md_bpe_corpus *corpus); // NULL is fine
// Adds the words of a text, counted `times` times. TN_EINVAL as md_bpe_encode; TN_ENOMEM.
tn_status md_bpe_corpus_add(md_bpe_corpus *corpus, const char *text, size_t bytes, int64_t times,
                            tn_error *err);

// Writes vocab.json, merges.txt, tokenizer_config.json and special_tokens_map.json to an existing
// folder, in the form that Hugging Face's CLIPTokenizer and md_bpe_open read. Each merge joins the
// most frequent pair; ties are broken by the text of the left half, then of the right half. size:
// maximum number of symbols (MD_BPE_MIN_SIZE or more); there are fewer if no pair is left. context:
// tokens of a text, for tokenizer_config.json. *symbols: number of symbols. TN_EINVAL: a size out
// of range, a corpus without a word of two bytes; TN_EIO; TN_ENOMEM.
tn_status md_bpe_train(const md_bpe_corpus *corpus, int64_t size, int64_t context,
                       const char *folder, int64_t *symbols, tn_error *err);
