// SPDX-License-Identifier: Apache-2.0
// Lists of merges as text: merges.txt, and OpenAI's file, whose ids follow from the order of
// merges.
#include "models/text/bpe_vocab.h"
#include "models/text/text_runes.h"

#include <string.h>

#define OPENAI_MERGES (49152 - 256 - 2) // of the 262,144 in the file, the published code uses these

typedef struct merge_line {
    const char *at, *next; // next: behind the line; NULL before the first line
    size_t length, number; // number: from 1
} merge_line;

static bool next_line(const char *text, size_t bytes, merge_line *out) {
    const char *at = out->next ? out->next : text, *end = text + bytes;
    if (at >= end) return false;
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    out->next = stop ? stop + 1 : end;
    if (!stop) stop = end;
    if (stop > at && stop[-1] == '\r') stop--;
    out->at = at;
    out->length = (size_t)(stop - at);
    out->number++;
    return true;
}

int32_t md_bpe_count_lines(const char *text, size_t bytes, size_t skip, int32_t max) {
    merge_line line = {0};
    int32_t count = 0; // up to the last line that is not empty
    for (size_t i = 0; i < skip; i++)
        if (!next_line(text, bytes, &line)) return 0;
    for (int32_t i = 1; i <= max && next_line(text, bytes, &line); i++)
        if (line.length) count = i;
    return count;
}

// Sets *left to the length of the left half. Expects one space, and neither half empty.
static tn_status find_halves(const merge_line *line, size_t *left, tn_error *err) {
    const char *end = line->at + line->length, *space = memchr(line->at, ' ', line->length);
    if (space && space > line->at && space + 1 < end &&
        !memchr(space + 1, ' ', (size_t)(end - space - 1)) &&
        md_text_check(line->at, line->length, NULL) == TN_OK) {
        *left = (size_t)(space - line->at);
        return TN_OK;
    }
    return tn_fail(err, TN_EFORMAT, "expected two symbols with a space between, found \"%.*s\"",
                   line->length < 60 ? (int)line->length : 60, line->at);
}

tn_status md_bpe_add_merge_lines(const char *path, md_bpe *bpe, const char *text, size_t bytes,
                                 size_t skip, int32_t count, tn_error *err) {
    merge_line line = {0};
    for (size_t i = 0; i < skip; i++) next_line(text, bytes, &line);
    for (int32_t i = 0; i < count && next_line(text, bytes, &line); i++) {
        size_t left = 0;
        tn_status status = find_halves(&line, &left, err);
        if (status == TN_OK)
            status = md_bpe_add_merge(bpe, line.at, left, line.at + left + 1,
                                      line.length - left - 1, err);
        if (status != TN_OK) return tn_fail_prefix(err, "%s: line %zu", path, line.number);
    }
    return TN_OK;
}

// All bytes inside words, then at the end of words, each in the order of their characters.
static tn_status add_byte_symbols(md_bpe *bpe, int32_t *id, tn_error *err) {
    for (int last = 0; last < 2; last++)
        for (uint32_t rune = 0; rune < 512; rune++) {
            if (md_bpe_byte_of(rune) < 0) continue;
            char symbol[8];
            size_t length = md_utf8_put(rune, symbol);
            memcpy(symbol + length, "</w>", 4);
            TN_TRY(md_bpe_add_symbol(bpe, (*id)++, symbol, length + 4 * (size_t)last, err));
        }
    return TN_OK;
}

static tn_status add_joined_symbol(md_bpe *bpe, int32_t id, const merge_line *line, tn_error *err) {
    size_t left = 0;
    char joined[MD_BPE_MAX_SYMBOL];
    TN_TRY(find_halves(line, &left, err));
    if (line->length > sizeof joined)
        return tn_fail(err, TN_EFORMAT, "%zu bytes, expected at max %zu", line->length,
                       sizeof joined);
    memcpy(joined, line->at, left);
    memcpy(joined + left, line->at + left + 1, line->length - left - 1);
    return md_bpe_add_symbol(bpe, id, joined, line->length - 1, err);
}

static tn_status add_openai(const char *path, md_bpe *bpe, const char *text, size_t bytes,
                            int32_t merges, tn_error *err) {
    int32_t id = 0;
    TN_TRY(add_byte_symbols(bpe, &id, err));
    merge_line line = {0};
    next_line(text, bytes, &line); // the header
    for (int32_t i = 0; i < merges && next_line(text, bytes, &line); i++)
        if (add_joined_symbol(bpe, id++, &line, err) != TN_OK)
            return tn_fail_prefix(err, "%s: line %zu", path, line.number);
    TN_TRY(md_bpe_add_symbol(bpe, id++, "<|startoftext|>", 15, err));
    TN_TRY(md_bpe_add_symbol(bpe, id, "<|endoftext|>", 13, err));
    TN_TRY(md_bpe_end_symbols(bpe, merges, err));
    return md_bpe_add_merge_lines(path, bpe, text, bytes, 1, merges, err);
}

tn_status md_bpe_read_openai(const char *path, const char *text, size_t bytes, md_bpe **out,
                             tn_error *err) {
    merge_line header = {0};
    if (!next_line(text, bytes, &header) || !memmem(header.at, header.length, "#version", 8))
        return tn_fail(err, TN_EFORMAT,
                       "%s: line 1: expected the \"#version\" with which CLIP's vocabulary begins",
                       path);
    int32_t merges = md_bpe_count_lines(text, bytes, 1, OPENAI_MERGES);
    if (merges == 0) return tn_fail(err, TN_EFORMAT, "%s: no merges after line 1", path);
    md_bpe *bpe;
    TN_TRY(md_bpe_begin(512 + merges + 2, &bpe, err));
    tn_status status = add_openai(path, bpe, text, bytes, merges, err);
    if (status != TN_OK) {
        md_bpe_close(bpe);
        return status;
    }
    md_bpe_end_merges(bpe);
    *out = bpe;
    return TN_OK;
}
