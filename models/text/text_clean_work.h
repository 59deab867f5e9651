// SPDX-License-Identifier: Apache-2.0
// Internals of the tokenizer: cleaning with memory that is reused from text to text.
#pragma once

#include "models/text/text_runes.h"

typedef struct md_cleaner {
    md_runes text, line, spare, before;
    char *utf8; // the result: utf8_bytes bytes and a 0
    size_t utf8_bytes, utf8_capacity;
} md_cleaner;

tn_status md_cleaner_run(md_cleaner *work, const char *text, size_t bytes, tn_error *err);
void md_cleaner_deinit(md_cleaner *work);
