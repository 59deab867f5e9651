// SPDX-License-Identifier: Apache-2.0
// The steps are in ftfy's and then OpenAI's order.
#include "models/text/text_clean_work.h"

#include <string.h>

static void swap(md_runes *a, md_runes *b) {
    md_runes kept = *a;
    *a = *b;
    *b = kept;
}

static const uint32_t *ligature(uint32_t rune, size_t *count) {
    static const struct {
        uint32_t rune, part[4];
    } table[] = {
        {0x132, {'I', 'J'}},       {0x133, {'i', 'j'}},       {0x149, {0x2bc, 'n'}},
        {0x1f1, {'D', 'Z'}},       {0x1f2, {'D', 'z'}},       {0x1f3, {'d', 'z'}},
        {0x1c4, {'D', 0x17d}},     {0x1c5, {'D', 0x17e}},     {0x1c6, {'d', 0x17e}},
        {0x1c7, {'L', 'J'}},       {0x1c8, {'L', 'j'}},       {0x1c9, {'l', 'j'}},
        {0x1ca, {'N', 'J'}},       {0x1cb, {'N', 'j'}},       {0x1cc, {'n', 'j'}},
        {0xfb00, {'f', 'f'}},      {0xfb01, {'f', 'i'}},      {0xfb02, {'f', 'l'}},
        {0xfb03, {'f', 'f', 'i'}}, {0xfb04, {'f', 'f', 'l'}}, {0xfb05, {0x17f, 't'}},
        {0xfb06, {'s', 't'}},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].rune == rune) {
            *count = table[i].part[2] ? 3 : 2;
            return table[i].part;
        }
    return NULL;
}

static uint32_t straight_quote(uint32_t rune) {
    if (rune == 0x2bc || (rune >= 0x2018 && rune <= 0x201b)) return '\'';
    return rune >= 0x201c && rune <= 0x201f ? '"' : rune;
}

// C1, ligatures, width, quotes: each rule concerns single characters, so one pass applies all four.
static void fix_characters(const md_runes *from, md_runes *to) {
    for (size_t i = 0; i < from->count; i++) {
        uint32_t rune = md_rune_windows_1252(from->at[i]);
        if (rune < 0x80) {
            md_runes_push(to, rune);
            continue;
        }
        size_t first = to->count, parts = 1;
        const uint32_t *part = ligature(rune, &parts);
        for (size_t k = 0; k < parts; k++) md_runes_width(part ? part[k] : rune, to);
        for (size_t k = first; k < to->count; k++) to->at[k] = straight_quote(to->at[k]);
    }
}

static void fix_line_breaks(md_runes *runes) {
    size_t count = 0;
    for (size_t i = 0; i < runes->count; i++) {
        uint32_t rune = runes->at[i];
        bool breaks = rune == '\r' || rune == 0x2028 || rune == 0x2029 || rune == 0x85;
        if (rune == '\r' && i + 1 < runes->count && runes->at[i + 1] == '\n') i++;
        runes->at[count++] = breaks ? '\n' : rune;
    }
    runes->count = count;
}

// Length of ESC [ digits and semicolons, one letter: a terminal's colour sequence; 0 if there is
// none.
static size_t terminal_escape(const md_runes *runes, size_t at) {
    if (runes->at[at] != 0x1b || at + 1 >= runes->count || runes->at[at + 1] != '[') return 0;
    size_t end = at + 2;
    while (end < runes->count && (runes->at[end] == ';' || md_rune_is_digit(runes->at[end]))) end++;
    if (end == runes->count) return 0;
    uint32_t folded = runes->at[end] | 0x20;
    return runes->at[end] < 0x80 && folded >= 'a' && folded <= 'z' ? end + 1 - at : 0;
}

static bool is_control(uint32_t rune) {
    return (rune < 0x20 && rune != '\t' && rune != '\n' && rune != '\f' && rune != '\r') ||
           rune == 0x7f || (rune >= 0x206a && rune <= 0x206f) || rune == 0xfeff ||
           (rune >= 0xfff9 && rune <= 0xfffc);
}

// Escape sequences are removed first, because this step removes their first character.
static void remove_controls(md_runes *runes) {
    size_t count = 0;
    for (size_t i = 0; i < runes->count;) {
        size_t escape = terminal_escape(runes, i);
        if (escape)
            i += escape;
        else
            runes->at[count++] = runes->at[i++];
    }
    runes->count = count;
    count = 0;
    for (size_t i = 0; i < runes->count; i++)
        if (!is_control(runes->at[i])) runes->at[count++] = runes->at[i];
    runes->count = count;
}

// Applies ftfy's steps to one line until nothing changes. Surrogates, which ftfy also repairs,
// cannot occur in UTF-8.
static void fix_line(md_cleaner *work, bool entities) {
    md_runes *line = &work->line, *spare = &work->spare, *before = &work->before;
    do {
        before->count = 0;
        for (size_t i = 0; i < line->count; i++) md_runes_push(before, line->at[i]);
        if (entities) {
            spare->count = 0;
            md_runes_ftfy_entities(line, spare);
            swap(line, spare);
        }
        spare->count = 0;
        fix_characters(line, spare);
        swap(line, spare);
        fix_line_breaks(line);
        remove_controls(line);
        md_runes_nfc(line);
        if (line->failed || spare->failed || before->failed) return;
    } while (line->count != before->count ||
             (line->count && memcmp(line->at, before->at, line->count * sizeof *line->at) != 0));
}

// ftfy.fix_text from UTF-8 to work->text. From the first line with a '<' on, entities are kept: the
// text is then HTML, where they have a meaning.
static void fix_text(md_cleaner *work, const char *text, size_t bytes) {
    bool entities = true;
    work->text.count = 0;
    for (size_t at = 0; at < bytes;) {
        work->line.count = 0;
        uint32_t rune = 0;
        while (at < bytes && rune != '\n') {
            rune = md_utf8_next(text, &at);
            if (rune == '<') entities = false;
            md_runes_push(&work->line, rune);
        }
        fix_line(work, entities);
        for (size_t i = 0; i < work->line.count; i++) md_runes_push(&work->text, work->line.at[i]);
    }
}

// Strips the text and replaces each run of white space by one space.
static void collapse_spaces(md_runes *runes) {
    size_t count = 0;
    bool space = false;
    for (size_t i = 0; i < runes->count; i++) {
        if (md_rune_is_space(runes->at[i])) {
            space = count > 0;
            continue;
        }
        if (space) runes->at[count++] = ' ';
        space = false;
        runes->at[count++] = runes->at[i];
    }
    runes->count = count;
}

static tn_status write_utf8(md_cleaner *work, tn_error *err) {
    size_t capacity = 4 * work->text.count + 1;
    if (capacity > work->utf8_capacity) {
        tn_free(work->utf8);
        work->utf8_capacity = 0;
        work->utf8 = tn_alloc(capacity);
        if (!work->utf8)
            return tn_fail(err, TN_ENOMEM, "out of memory for %zu bytes of text", capacity);
        work->utf8_capacity = capacity;
    }
    size_t bytes = 0;
    for (size_t i = 0; i < work->text.count; i++)
        bytes += md_utf8_put(work->text.at[i], work->utf8 + bytes);
    work->utf8[bytes] = 0;
    work->utf8_bytes = bytes;
    return TN_OK;
}

tn_status md_cleaner_run(md_cleaner *work, const char *text, size_t bytes, tn_error *err) {
    work->utf8_bytes = 0;
    if (bytes > MD_TEXT_MAX)
        return tn_fail(err, TN_EINVAL, "a text of %zu bytes, expected at most %d", bytes,
                       MD_TEXT_MAX);
    TN_TRY(md_text_check(text, bytes, err));
    md_runes *all[] = {&work->text, &work->line, &work->spare, &work->before};
    for (size_t i = 0; i < 4; i++) all[i]->failed = false;
    fix_text(work, text, bytes);
    for (int twice = 0; twice < 2; twice++) {
        work->spare.count = 0;
        md_runes_unescape(&work->text, &work->spare);
        swap(&work->text, &work->spare);
    }
    collapse_spaces(&work->text);
    work->spare.count = 0;
    md_runes_lower(&work->text, &work->spare);
    swap(&work->text, &work->spare);
    for (size_t i = 0; i < 4; i++)
        if (all[i]->failed)
            return tn_fail(err, TN_ENOMEM, "out of memory for a text of %zu bytes", bytes);
    return write_utf8(work, err);
}

void md_cleaner_deinit(md_cleaner *work) {
    md_runes_deinit(&work->text);
    md_runes_deinit(&work->line);
    md_runes_deinit(&work->spare);
    md_runes_deinit(&work->before);
    tn_free(work->utf8);
    *work = (md_cleaner){0};
}

tn_status md_text_clean(const char *text, size_t bytes, char **out, size_t *out_bytes,
                        tn_error *err) {
    md_cleaner work = {0};
    tn_status status = md_cleaner_run(&work, text, bytes, err);
    if (status == TN_OK) {
        *out = work.utf8;
        *out_bytes = work.utf8_bytes;
        work.utf8 = NULL;
    }
    md_cleaner_deinit(&work);
    return status;
}

// Length in bytes of `literal` at the start of the text, 0 if it is not there. The pattern ignores
// case, so the long s counts as an s.
static size_t match(const char *text, size_t bytes, const char *literal) {
    size_t at = 0;
    for (; *literal; literal++) {
        if (at >= bytes) return 0;
        if (text[at] == *literal)
            at++;
        else if (*literal == 's' && bytes - at >= 2 && memcmp(text + at, "\xc5\xbf", 2) == 0)
            at += 2;
        else
            return 0;
    }
    return at;
}

static size_t match_any(const char *text, size_t bytes) {
    static const char *const literal[] = {
        "<|startoftext|>", "<|endoftext|>", "'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
    if (text[0] != '<' && text[0] != '\'') return 0;
    for (size_t i = 0; i < sizeof literal / sizeof *literal; i++) {
        size_t length = match(text, bytes, literal[i]);
        if (length) return length;
    }
    return 0;
}

bool md_text_word(const char *text, size_t bytes, size_t *at, size_t *from, size_t *length) {
    md_rune_class class = MD_RUNE_SPACE;
    size_t end = *at;
    while (end < bytes && class == MD_RUNE_SPACE) {
        *from = end;
        class = md_rune_classify(md_utf8_next(text, &end));
    }
    if (class == MD_RUNE_SPACE) {
        *at = bytes;
        return false;
    }
    size_t literal = match_any(text + *from, bytes - *from);
    if (literal) {
        end = *from + literal;
    } else if (class != MD_RUNE_NUMBER) { // a number is a word of one character
        for (size_t next = end; next < bytes; end = next)
            if (md_rune_classify(md_utf8_next(text, &next)) != class) break;
    }
    *length = end - *from;
    *at = end;
    return true;
}
