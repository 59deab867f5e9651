// SPDX-License-Identifier: Apache-2.0
// Internals of text cleaning: growing arrays of code points, and Unicode properties.
#pragma once

#include "models/text/text_clean.h"

// An array of code points. When memory is exhausted, `failed` is set and later code points are
// dropped, so the steps need no error handling: the caller checks once, at the end.
typedef struct md_runes {
    uint32_t *at;
    size_t count, capacity;
    bool failed;
} md_runes;
void md_runes_push(md_runes *runes, uint32_t rune);
void md_runes_deinit(md_runes *runes);

// Reads a code point of valid UTF-8 and moves *at behind it.
uint32_t md_utf8_next(const char *text, size_t *at);
// Writes 1 to 4 bytes and returns their number.
size_t md_utf8_put(uint32_t rune, char out[4]);

// The class of a character in the pattern that splits words.
typedef enum md_rune_class {
    MD_RUNE_SPACE,
    MD_RUNE_LETTER,
    MD_RUNE_NUMBER,
    MD_RUNE_OTHER
} md_rune_class;
md_rune_class md_rune_classify(uint32_t rune);
bool md_rune_is_space(uint32_t rune); // Python's str.isspace
bool md_rune_is_digit(uint32_t rune); // decimal digit of any script

// Windows-1252 that was decoded as Latin-1: replaces the C1 controls U+0080 … U+009F; other
// characters are unchanged.
uint32_t md_rune_windows_1252(uint32_t rune);

void md_runes_nfc(md_runes *runes);                      // in place
void md_runes_lower(const md_runes *from, md_runes *to); // Python's str.lower
void md_runes_width(uint32_t rune, md_runes *to); // half and full width to ordinary characters

// Entities by ftfy's rule: only with a semicolon, also with names in capitals, repeated until none
// is left.
void md_runes_ftfy_entities(const md_runes *from, md_runes *to);
// html.unescape, once.
void md_runes_unescape(const md_runes *from, md_runes *to);

// HTML5's entities (models/text/html5.c, generated). Names without '&'; a name that is also valid
// without a semicolon is listed twice. Sorted by bytes.
typedef struct md_entity {
    const char *name, *text; // text: UTF-8
} md_entity;
extern const md_entity md_html5[];
extern const size_t md_html5_count;
// ftfy's additions: names in capitals, with a semicolon.
extern const md_entity md_html5_capitals[];
extern const size_t md_html5_capitals_count;
