// SPDX-License-Identifier: Apache-2.0
// Inside text cleaning: code points in a growing row, and what Unicode says of them.
#pragma once

#include "models/text/text_clean.h"

// A row of code points. When memory is out it says so in `failed` and drops what comes after, so
// that the steps need no error path of their own: who began them looks once, at the end.
typedef struct md_runes {
    uint32_t *at;
    size_t count, room;
    bool failed;
} md_runes;
void md_runes_push(md_runes *runes, uint32_t rune);
void md_runes_deinit(md_runes *runes);

// One code point of valid UTF-8; *at moves behind it.
uint32_t md_utf8_next(const char *text, size_t *at);
// Writes 1 to 4 bytes and returns how many.
size_t md_utf8_put(uint32_t rune, char out[4]);

// As the pattern that splits words sees a character.
typedef enum md_rune_class {
    MD_RUNE_SPACE,
    MD_RUNE_LETTER,
    MD_RUNE_NUMBER,
    MD_RUNE_OTHER
} md_rune_class;
md_rune_class md_rune_classify(uint32_t rune);
bool md_rune_is_space(uint32_t rune); // Python's str.isspace
bool md_rune_is_digit(uint32_t rune); // decimal digit of any script

// What the C1 controls U+0080 … U+009F are where Windows-1252 was read as Latin-1; others
// unchanged.
uint32_t md_rune_windows_1252(uint32_t rune);

void md_runes_nfc(md_runes *runes);                      // in place
void md_runes_lower(const md_runes *from, md_runes *to); // Python's str.lower
void md_runes_width(uint32_t rune, md_runes *to);        // half and full width to ordinary ones

// ftfy's entities: only with a semicolon, names in capitals too, repeated until none is left.
void md_runes_ftfy_entities(const md_runes *from, md_runes *to);
// html.unescape, once.
void md_runes_unescape(const md_runes *from, md_runes *to);

// The table of HTML5's entities (models/text/html5.c, generated). Names without '&'; those that are
// also known without a semicolon are in it twice. Sorted by bytes.
typedef struct md_entity {
    const char *name, *text; // text: UTF-8
} md_entity;
extern const md_entity md_html5[];
extern const size_t md_html5_count;
// ftfy's additions: names in capitals, with their semicolon.
extern const md_entity md_html5_capitals[];
extern const size_t md_html5_capitals_count;
