// SPDX-License-Identifier: Apache-2.0
// Makes a vocabulary of CLIP's form from texts (Sennrich et al., "Neural Machine Translation of
// Rare Words with Subword Units", ACL 2016, over bytes): the 256 byte symbols, the same at a word's
// end, one symbol for each merge in order, and the two special tokens, the end with the highest id.
// Texts are cleaned and split as md_bpe_encode does it. Any text can be written with it.
#pragma once

#include "tensor/alloc.h"

#define MD_BPE_LEAST 514 // symbols of a vocabulary without a merge

typedef struct md_bpe_corpus md_bpe_corpus; // words and how often they occur

tn_status md_bpe_corpus_new(md_bpe_corpus **out, tn_error *err);
void md_bpe_corpus_free(md_bpe_corpus *corpus); // NULL is fine
// The words of a text, counted `times` times. TN_EINVAL as md_bpe_encode; TN_ENOMEM.
tn_status md_bpe_corpus_add(md_bpe_corpus *corpus, const char *text, size_t bytes, int64_t times,
                            tn_error *err);

// Writes vocab.json, merges.txt, tokenizer_config.json and special_tokens_map.json into folder,
// which is there, as Hugging Face's CLIPTokenizer and md_bpe_open read them. Each merge joins the
// pair that is most frequent; of equally frequent ones the first by the text of its left, then of
// its right half. size: symbols at most (MD_BPE_LEAST or more); there are fewer when no pair is
// left. context: tokens of a text, for tokenizer_config.json. *symbols: how many there are.
// TN_EINVAL: a size out of range, a corpus without a word of two bytes; TN_EIO; TN_ENOMEM.
tn_status md_bpe_train(const md_bpe_corpus *corpus, int64_t size, int64_t context,
                       const char *folder, int64_t *symbols, tn_error *err);
