// SPDX-License-Identifier: Apache-2.0
#include "models/text/text_runes.h"

#include <string.h>
#include <utf8proc.h>

void md_runes_push(md_runes *runes, uint32_t rune) {
    if (runes->count == runes->capacity) {
        size_t capacity = runes->capacity ? 2 * runes->capacity : 64;
        uint32_t *at = tn_realloc(runes->at, runes->capacity * sizeof *at, capacity * sizeof *at);
        if (!at) {
            runes->failed = true;
            return;
        }
        runes->at = at;
        runes->capacity = capacity;
    }
    runes->at[runes->count++] = rune;
}

void md_runes_deinit(md_runes *runes) {
    tn_free(runes->at);
    *runes = (md_runes){0};
}

uint32_t md_utf8_next(const char *text, size_t *at) {
    const uint8_t *byte = (const uint8_t *)text + *at;
    uint32_t rune = byte[0];
    size_t count = rune < 0x80 ? 1 : rune < 0xe0 ? 2 : rune < 0xf0 ? 3 : 4;
    if (count > 1) rune &= 0xffu >> (count + 1);
    for (size_t i = 1; i < count; i++) rune = rune << 6 | (byte[i] & 0x3f);
    *at += count;
    return rune;
}

size_t md_utf8_put(uint32_t rune, char out[4]) {
    if (rune < 0x80) {
        out[0] = (char)rune;
        return 1;
    }
    size_t count = rune < 0x800 ? 2 : rune < 0x10000 ? 3 : 4;
    for (size_t i = count - 1; i > 0; i--, rune >>= 6) out[i] = (char)(0x80 | (rune & 0x3f));
    out[0] = (char)(0xf00u >> count | rune);
    return count;
}

// Length of the well-formed sequence at the start (Unicode's table 3-7), 0 if there is none.
static size_t utf8_length(const uint8_t *byte, size_t left) {
    uint8_t lead = byte[0], low = 0x80, high = 0xbf;
    if (lead < 0x80) return lead != 0;
    if (lead < 0xc2 || lead > 0xf4) return 0;
    size_t count = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (count > left) return 0;
    if (lead == 0xe0) low = 0xa0;
    if (lead == 0xed) high = 0x9f;
    if (lead == 0xf0) low = 0x90;
    if (lead == 0xf4) high = 0x8f;
    if (byte[1] < low || byte[1] > high) return 0;
    for (size_t i = 2; i < count; i++)
        if ((byte[i] & 0xc0) != 0x80) return 0;
    return count;
}

tn_status md_text_check(const char *text, size_t bytes, tn_error *err) {
    for (size_t at = 0; at < bytes;) {
        size_t length = utf8_length((const uint8_t *)text + at, bytes - at);
        if (!length)
            return tn_fail(err, TN_EINVAL, "byte %zu of the text is 0x%02x, %s", at,
                           (uint8_t)text[at], text[at] ? "expected UTF-8" : "which ends no text");
        at += length;
    }
    return TN_OK;
}

static bool is_white_space(uint32_t rune) { // Unicode's White_Space property
    return (rune >= 0x09 && rune <= 0x0d) || rune == 0x20 || rune == 0x85 || rune == 0xa0 ||
           rune == 0x1680 || (rune >= 0x2000 && rune <= 0x200a) || rune == 0x2028 ||
           rune == 0x2029 || rune == 0x202f || rune == 0x205f || rune == 0x3000;
}

bool md_rune_is_space(uint32_t rune) {
    return is_white_space(rune) || (rune >= 0x1c && rune <= 0x1f);
}

bool md_rune_is_digit(uint32_t rune) {
    if (rune < 0x80) return rune >= '0' && rune <= '9';
    return utf8proc_category((utf8proc_int32_t)rune) == UTF8PROC_CATEGORY_ND;
}

md_rune_class md_rune_classify(uint32_t rune) {
    if (rune < 0x80) {
        uint32_t folded = rune | 0x20;
        if (folded >= 'a' && folded <= 'z') return MD_RUNE_LETTER;
        if (rune >= '0' && rune <= '9') return MD_RUNE_NUMBER;
        return is_white_space(rune) ? MD_RUNE_SPACE : MD_RUNE_OTHER;
    }
    // The combining iota is a mark whose upper case is a letter. The pattern ignores case, so no
    // alternative of it matches this character: it separates words like a space.
    if (rune == 0x345 || is_white_space(rune)) return MD_RUNE_SPACE;
    switch (utf8proc_category((utf8proc_int32_t)rune)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        return MD_RUNE_LETTER;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return MD_RUNE_NUMBER;
    default:
        return MD_RUNE_OTHER;
    }
}

uint32_t md_rune_windows_1252(uint32_t rune) {
    static const uint16_t table[32] = {
        0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021, 0x2c6,  0x2030, 0x160,
        0x2039, 0x152,  0x8d,   0x17d,  0x8f,   0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
        0x2013, 0x2014, 0x2dc,  0x2122, 0x161,  0x203a, 0x153,  0x9d,   0x17e,  0x178};
    return rune >= 0x80 && rune <= 0x9f ? table[rune - 0x80] : rune;
}

static uint8_t combining_class(uint32_t rune) {
    if (rune < 0x300) return 0;
    return (uint8_t)utf8proc_get_property((utf8proc_int32_t)rune)->combining_class;
}

// Canonical order: consecutive marks are sorted by class (stable).
static void order_marks(md_runes *marks, size_t from, md_runes *spare) {
    size_t place[256] = {0}, count = marks->count - from;
    for (size_t i = from; i < marks->count; i++) place[combining_class(marks->at[i])]++;
    for (size_t c = 0, sum = 0; c < 256; c++) {
        size_t these = place[c];
        place[c] = sum;
        sum += these;
    }
    spare->count = 0;
    for (size_t i = 0; i < count; i++) md_runes_push(spare, 0);
    if (spare->failed) {
        marks->failed = true;
        return;
    }
    for (size_t i = from; i < marks->count; i++)
        spare->at[place[combining_class(marks->at[i])]++] = marks->at[i];
    memcpy(marks->at + from, spare->at, count * sizeof *spare->at);
}

static void decompose(const md_runes *from, md_runes *to, md_runes *spare) {
    size_t first = 0; // start of the marks since the last character that is not a mark
    bool mixed = false;
    for (size_t i = 0; i < from->count; i++) {
        utf8proc_int32_t part[32];
        int boundary = 0;
        utf8proc_ssize_t parts = utf8proc_decompose_char((utf8proc_int32_t)from->at[i], part, 32,
                                                         UTF8PROC_DECOMPOSE, &boundary);
        TN_CHECK(parts >= 0 && parts <= 32, "U+%04X has %td parts", (unsigned)from->at[i],
                 (ptrdiff_t)parts);
        for (utf8proc_ssize_t k = 0; k < parts; k++) {
            uint8_t class = combining_class((uint32_t)part[k]);
            if (class == 0) {
                if (mixed) order_marks(to, first, spare);
                mixed = false;
                first = to->count + 1;
            } else if (to->count > first && class < combining_class(to->at[to->count - 1])) {
                mixed = true;
            }
            md_runes_push(to, (uint32_t)part[k]);
        }
    }
    if (mixed) order_marks(to, first, spare);
}

// Composes in place; returns the number left. utf8proc 2.8 treats U+11A7, which is not a trailing
// consonant, as the first one of a Hangul syllable. It composes with nothing, so the text is split
// there.
static size_t compose(uint32_t *runes, size_t count) {
    size_t kept = 0;
    for (size_t from = 0; from < count;) {
        size_t to = from;
        while (to < count && runes[to] != 0x11a7) to++;
        size_t left = (size_t)utf8proc_normalize_utf32((utf8proc_int32_t *)runes + from,
                                                       (utf8proc_ssize_t)(to - from),
                                                       UTF8PROC_COMPOSE | UTF8PROC_STABLE);
        memmove(runes + kept, runes + from, left * sizeof *runes);
        kept += left;
        if (to < count) runes[kept++] = 0x11a7;
        from = to + 1;
    }
    return kept;
}

void md_runes_nfc(md_runes *runes) {
    bool any = false; // below U+0300 every text is normalised
    for (size_t i = 0; i < runes->count && !any; i++) any = runes->at[i] >= 0x300;
    if (!any) return;
    md_runes parts = {0}, spare = {0};
    decompose(runes, &parts, &spare);
    md_runes_deinit(&spare);
    if (parts.failed) {
        runes->failed = true;
        md_runes_deinit(&parts);
        return;
    }
    parts.count = compose(parts.at, parts.count);
    parts.failed = runes->failed;
    md_runes_deinit(runes);
    *runes = parts;
}

void md_runes_width(uint32_t rune, md_runes *to) {
    if (rune == 0x3000) {
        md_runes_push(to, ' ');
    } else if (rune > 0xff00 && rune < 0xfff0) {
        utf8proc_int32_t part[32];
        int boundary = 0;
        utf8proc_ssize_t parts = utf8proc_decompose_char(
            (utf8proc_int32_t)rune, part, 32, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, &boundary);
        for (utf8proc_ssize_t k = 0; k < parts; k++) md_runes_push(to, (uint32_t)part[k]);
    } else {
        md_runes_push(to, rune);
    }
}

// Unicode's Case_Ignorable and Cased, from categories and a few individually listed characters.
static bool is_case_ignorable(uint32_t rune) {
    static const uint16_t named[] = {'\'',   '.',    ':',    0xb7,   0x387,  0x55f,
                                     0x5f4,  0x2018, 0x2019, 0x2024, 0x2027, 0xfe13,
                                     0xfe52, 0xfe55, 0xff07, 0xff0e, 0xff1a};
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (rune == named[i]) return true;
    switch (utf8proc_category((utf8proc_int32_t)rune)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
        return true;
    default:
        return false;
    }
}

static bool is_cased(uint32_t rune) {
    if (rune == 0xaa || rune == 0xba || (rune >= 0x2160 && rune <= 0x217f) ||
        (rune >= 0x24b6 && rune <= 0x24e9) || (rune >= 0x1f130 && rune <= 0x1f149) ||
        (rune >= 0x1f150 && rune <= 0x1f169) || (rune >= 0x1f170 && rune <= 0x1f189))
        return true;
    switch (utf8proc_category((utf8proc_int32_t)rune)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
        return true;
    default:
        return false;
    }
}

// A sigma is final if a cased letter precedes it and none follows, skipping ignorable characters.
static bool is_final_sigma(const md_runes *runes, size_t at, bool cased_before) {
    if (!cased_before) return false;
    for (size_t i = at + 1; i < runes->count; i++)
        if (!is_case_ignorable(runes->at[i])) return !is_cased(runes->at[i]);
    return true;
}

void md_runes_lower(const md_runes *from, md_runes *to) {
    bool cased_before = false;
    for (size_t i = 0; i < from->count; i++) {
        uint32_t rune = from->at[i];
        if (rune == 0x130) {
            md_runes_push(to, 'i');
            md_runes_push(to, 0x307);
        } else if (rune == 0x3a3) {
            md_runes_push(to, is_final_sigma(from, i, cased_before) ? 0x3c2 : 0x3c3);
        } else if (rune < 0x80) {
            md_runes_push(to, rune >= 'A' && rune <= 'Z' ? rune + 32 : rune);
        } else {
            md_runes_push(to, (uint32_t)utf8proc_tolower((utf8proc_int32_t)rune));
        }
        if (!is_case_ignorable(rune)) cased_before = is_cased(rune);
    }
}
