// SPDX-License-Identifier: Apache-2.0
// HTML entities by two rules: ftfy's restrictive one, and that of Python's html.unescape, which is
// HTML5's rule for browsers.
#include "models/text/text_runes.h"

#include <string.h>

#define ENTITY_NAME 40 // bytes; the rules look at up to 32 characters of a name

static const char *look_up(const md_entity *table, size_t count, const char *name) {
    for (size_t low = 0, high = count; low < high;) {
        size_t middle = (low + high) / 2;
        int order = strcmp(name, table[middle].name);
        if (order == 0) return table[middle].text;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static void push_text(md_runes *to, const char *utf8) {
    for (size_t at = 0, bytes = strlen(utf8); at < bytes;)
        md_runes_push(to, md_utf8_next(utf8, &at));
}

static int hex_value(uint32_t rune) {
    if (rune >= '0' && rune <= '9') return (int)rune - '0';
    uint32_t folded = rune | 0x20;
    return rune < 0x80 && folded >= 'a' && folded <= 'f' ? (int)folded - 'a' + 10 : -1;
}

// HTML5's rule for numbers: Windows-1252 for C1, nothing for invalid characters.
static void push_number(md_runes *to, uint32_t number) {
    if (number == 0 || number > 0x10ffff || (number >= 0xd800 && number <= 0xdfff))
        md_runes_push(to, 0xfffd);
    else if (number >= 0x80 && number <= 0x9f)
        md_runes_push(to, md_rune_windows_1252(number));
    else if (number == '\t' || number == '\n' || number == '\f' || number == '\r')
        md_runes_push(to, number);
    else if (number >= 0x20 && number != 0x7f && !(number >= 0xfdd0 && number <= 0xfdef) &&
             (number & 0xfffe) != 0xfffe)
        md_runes_push(to, number);
}

// Length of "#" and digits at `at`, without a semicolon; 0 if there is no number.
static size_t number_length(const md_runes *runes, size_t at, size_t end, uint32_t *number) {
    size_t digit = at + 1;
    bool hexadecimal = digit < end && (runes->at[digit] | 0x20) == 'x';
    if (hexadecimal) digit++;
    size_t first = digit;
    uint32_t value = 0;
    for (; digit < end; digit++) {
        int next = hex_value(runes->at[digit]);
        if (next < 0 || (!hexadecimal && next > 9)) break;
        value = value * (hexadecimal ? 16 : 10) + (uint32_t)next;
        if (value > 0x110000) value = 0x110000; // remains too large
    }
    *number = value;
    return digit > first ? digit - at : 0;
}

// A ';' was just appended to `to`: if it ends an entity, that is replaced. ftfy takes 1 to 24
// letters and digits between '&' (or '&#') and ';'.
static void close_entity(md_runes *to) {
    size_t end = to->count - 1, begin = end; // the name's range
    char name[ENTITY_NAME];
    while (begin > 0 && end - begin < 24) {
        uint32_t rune = to->at[begin - 1], folded = rune | 0x20;
        bool letter = rune < 0x80 && folded >= 'a' && folded <= 'z';
        if (!letter && !(rune >= '0' && rune <= '9')) break;
        begin--;
    }
    if (begin == end || begin == 0) return;
    if (to->at[begin - 1] == '&') {
        size_t length = 0;
        for (size_t i = begin; i <= end; i++) name[length++] = (char)to->at[i];
        name[length] = 0;
        const char *text = look_up(md_html5, md_html5_count, name);
        if (!text) text = look_up(md_html5_capitals, md_html5_capitals_count, name);
        if (!text) return;
        to->count = begin - 1;
        push_text(to, text);
    } else if (to->at[begin - 1] == '#' && begin > 1 && to->at[begin - 2] == '&') {
        uint32_t number;
        if (number_length(to, begin - 1, end, &number) != end - begin + 1) return;
        if (number == ';') return; // ftfy leaves results that still contain a semicolon
        to->count = begin - 2;
        push_number(to, number);
    }
}

// ftfy replaces all entities, does its other steps, and repeats while anything changed, so
// "&amp;amp;amp;" takes as many rounds as it has levels. An entity is a '&', letters and a ';'
// without gaps, so no two overlap and no other step can split a complete one: replacing each entity
// as soon as it is complete gives the same text in one pass.
void md_runes_ftfy_entities(const md_runes *from, md_runes *to) {
    for (size_t i = 0; i < from->count; i++) {
        md_runes_push(to, from->at[i]);
        while (!to->failed && to->count && to->at[to->count - 1] == ';') {
            size_t count = to->count;
            close_entity(to);
            if (to->count == count) break;
        }
    }
}

// Length of a name as html.unescape reads it: up to 32 characters except these.
static size_t name_length(const md_runes *runes, size_t at) {
    size_t length = 0;
    while (at + length < runes->count && length < 32) {
        uint32_t rune = runes->at[at + length];
        if (rune == '\t' || rune == '\n' || rune == '\f' || rune == ' ' || rune == '<' ||
            rune == '&' || rune == '#' || rune == ';')
            break;
        length++;
    }
    return length;
}

// Text of the longest known name at `at`, and its number of characters.
static const char *longest_name(const md_runes *runes, size_t at, size_t length, size_t *taken) {
    char name[ENTITY_NAME];
    size_t ascii = 0;
    while (ascii < length && runes->at[at + ascii] < 0x80) {
        name[ascii] = (char)runes->at[at + ascii];
        ascii++;
    }
    bool closed = at + length < runes->count && runes->at[at + length] == ';';
    if (ascii == length && closed) {
        memcpy(name + length, ";", 2);
        const char *text = look_up(md_html5, md_html5_count, name);
        if (text) {
            *taken = length + 1;
            return text;
        }
    }
    for (; ascii >= 2; ascii--) {
        name[ascii] = 0;
        const char *text = look_up(md_html5, md_html5_count, name);
        if (text) {
            *taken = ascii;
            return text;
        }
    }
    return NULL;
}

void md_runes_unescape(const md_runes *from, md_runes *to) {
    for (size_t i = 0; i < from->count;) {
        md_runes_push(to, from->at[i]);
        if (from->at[i++] != '&' || i == from->count) continue;
        uint32_t number;
        size_t taken = 0;
        const char *text = NULL;
        if (from->at[i] == '#') {
            taken = number_length(from, i, from->count, &number);
            if (taken && i + taken < from->count && from->at[i + taken] == ';') taken++;
        } else {
            text = longest_name(from, i, name_length(from, i), &taken);
        }
        if (!taken || to->failed) continue;
        to->count--;
        if (text)
            push_text(to, text);
        else
            push_number(to, number);
        i += taken;
    }
}
