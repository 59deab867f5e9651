// SPDX-License-Identifier: Apache-2.0
// Cleans text as OpenAI's CLIP tokenizer does: ftfy.fix_text without the repair of wrongly decoded
// text, html.unescape twice, strip, white space collapsed, lower case (Python's str.lower). Equal
// to ftfy 6 on Python 3.11 for characters of Unicode 14.
#pragma once

#include "tensor/alloc.h"

#define MD_TEXT_MAX 1000000 // bytes; a longer text is refused

// *out: the cleaned UTF-8, from tn_alloc, followed by a 0 that *out_bytes does not count. TN_EINVAL
// names the byte: invalid UTF-8, a 0 byte, a text over MD_TEXT_MAX. TN_ENOMEM.
tn_status md_text_clean(const char *text, size_t bytes, char **out, size_t *out_bytes,
                        tn_error *err);

// Finds the next word of cleaned text from *at on, split as by CLIP's pattern. True: *from and
// *length are set, and *at is moved behind the word; false at the end. A special token in the text
// is a word.
bool md_text_word(const char *text, size_t bytes, size_t *at, size_t *from, size_t *length);

// TN_OK if the bytes are UTF-8 without a 0 byte; else TN_EINVAL naming the first invalid one.
tn_status md_text_check(const char *text, size_t bytes, tn_error *err);
