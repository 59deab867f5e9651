// SPDX-License-Identifier: Apache-2.0
// Text as OpenAI's CLIP tokenizer cleans it before it looks up anything: ftfy.fix_text without its
// repair of wrongly decoded text, html.unescape twice, strip, white space collapsed, lower case
// (Python's str.lower). Equal to ftfy 6 on Python 3.11 for characters of Unicode 14.
#pragma once

#include "tensor/alloc.h"

#define MD_TEXT_MAX 1000000 // bytes; a longer text is refused

// *out: the cleaned UTF-8, from tn_alloc, with a 0 behind it that *out_bytes does not count.
// TN_EINVAL names the byte: invalid UTF-8, a 0 byte, a text over MD_TEXT_MAX. TN_ENOMEM.
tn_status md_text_clean(const char *text, size_t bytes, char **out, size_t *out_bytes,
                        tn_error *err);

// The next word of cleaned text as CLIP's pattern splits it, from *at on: true and its first byte
// and length, with *at behind it; false at the end. A special token written in the text is a word.
bool md_text_word(const char *text, size_t bytes, size_t *at, size_t *from, size_t *length);

// TN_OK where the bytes are UTF-8 without a 0 byte; else TN_EINVAL naming the first that is not.
tn_status md_text_check(const char *text, size_t bytes, tn_error *err);
