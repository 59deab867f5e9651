// SPDX-License-Identifier: Apache-2.0
// Hugging Face's files: tokenizer.json, and vocab.json with merges.txt. err is never NULL here.
#include "io/json.h"
#include "models/text/bpe_vocab.h"

#include <string.h>

// Prefixes an error about `value` with file and position.
static tn_status at_value(const io_json *value, tn_error *err) {
    tn_error inner = *err;
    io_json_fail(value, err, "%s", inner.text);
    return err->status = inner.status;
}

static tn_status add_vocab(md_bpe *bpe, const io_json *vocab, tn_error *err) {
    io_json member;
    for (void *at = NULL; io_json_each(vocab, &at, &member);) {
        int64_t id = 0;
        TN_TRY(io_json_as_int(&member, 0, bpe->size - 1, &id, err));
        if (md_bpe_add_symbol(bpe, (int32_t)id, member.key, strlen(member.key), err) != TN_OK)
            return at_value(&member, err);
    }
    return TN_OK;
}

typedef struct added_token {
    io_json at;
    const char *content;
    int64_t id;
} added_token;

static tn_status get_added(const io_json *list, size_t i, added_token *out, tn_error *err) {
    TN_TRY(io_json_at(list, i, IO_JSON_OBJECT, &out->at, err));
    TN_TRY(io_json_string(&out->at, "content", &out->content, err));
    return io_json_int(&out->at, "id", 0, MD_BPE_MAX_SIZE - 1, &out->id, err);
}

// Special tokens are listed beside the vocabulary, and are usually also in it.
static tn_status count_added(const io_json *vocab, const io_json *list, size_t *count,
                             tn_error *err) {
    for (size_t i = 0; i < io_json_count(list); i++) {
        added_token token;
        TN_TRY(get_added(list, i, &token, err));
        *count += !io_json_has(vocab, token.content);
    }
    return TN_OK;
}

static tn_status add_added(md_bpe *bpe, const io_json *list, tn_error *err) {
    for (size_t i = 0; i < io_json_count(list); i++) {
        added_token token;
        TN_TRY(get_added(list, i, &token, err));
        int32_t there = md_bpe_find(bpe, token.content, strlen(token.content));
        if (there == token.id) continue;
        if (there >= 0)
            return io_json_fail(&token.at, err, "\"%s\" is %d in the vocabulary but %lld here",
                                token.content, there, (long long)token.id);
        if (token.id >= bpe->size)
            return io_json_fail(&token.at, err, "id %lld, expected under %d, the number of symbols",
                                (long long)token.id, bpe->size);
        if (md_bpe_add_symbol(bpe, (int32_t)token.id, token.content, strlen(token.content), err) !=
            TN_OK)
            return at_value(&token.at, err);
    }
    return TN_OK;
}

// "left right" in older files, ["left", "right"] in newer ones.
static tn_status add_merge_value(md_bpe *bpe, const io_json *value, tn_error *err) {
    const char *left, *right;
    size_t length;
    if (io_json_is(value, IO_JSON_ARRAY)) {
        io_json half[2];
        if (io_json_count(value) != 2)
            return io_json_fail(value, err, "expected two symbols, found %zu",
                                io_json_count(value));
        for (size_t i = 0; i < 2; i++) TN_TRY(io_json_at(value, i, IO_JSON_STRING, &half[i], err));
        TN_TRY(io_json_as_string(&half[0], &left, err));
        TN_TRY(io_json_as_string(&half[1], &right, err));
        length = strlen(left);
    } else {
        TN_TRY(io_json_as_string(value, &left, err));
        const char *space = strchr(left, ' ');
        if (!space || space == left || !space[1] || strchr(space + 1, ' '))
            return io_json_fail(value, err,
                                "expected two symbols with a space between, found \"%.60s\"", left);
        length = (size_t)(space - left);
        right = space + 1;
    }
    if (md_bpe_add_merge(bpe, left, length, right, strlen(right), err) != TN_OK)
        return at_value(value, err);
    return TN_OK;
}

static tn_status add_merge_values(md_bpe *bpe, const io_json *merges, tn_error *err) {
    for (size_t i = 0; i < io_json_count(merges); i++) {
        io_json value;
        TN_TRY(io_json_at(merges, i, IO_JSON_ANY, &value, err));
        TN_TRY(add_merge_value(bpe, &value, err));
    }
    return TN_OK;
}

// Begins a vocabulary of `count` symbols at `value`.
static tn_status begin(const io_json *value, size_t count, md_bpe **out, tn_error *err) {
    if (count == 0 || count > MD_BPE_MAX_SIZE)
        return io_json_fail(value, err, "%zu symbols, expected 1 to %d", count, MD_BPE_MAX_SIZE);
    return md_bpe_begin((int32_t)count, out, err);
}

static tn_status check_kind(const io_json *model, tn_error *err) {
    const char *type = "BPE", *suffix = "", *prefix = "";
    TN_TRY(io_json_maybe_string(model, "type", &type, err));
    TN_TRY(io_json_maybe_string(model, "end_of_word_suffix", &suffix, err));
    TN_TRY(io_json_maybe_string(model, "continuing_subword_prefix", &prefix, err));
    if (strcmp(type, "BPE") == 0 && strcmp(suffix, "</w>") == 0 && !*prefix) return TN_OK;
    io_json_fail(
        model, err,
        "a tokenizer of type %s, word end \"%s\", prefix \"%s\"; expected CLIP's: BPE with "
        "\"</w>\" and \"\"",
        type, suffix, prefix);
    return err->status = TN_EUNSUPPORTED;
}

static tn_status fill_from_tokenizer(md_bpe *bpe, const io_json *vocab, const io_json *added,
                                     const io_json *merges, tn_error *err) {
    TN_TRY(add_vocab(bpe, vocab, err));
    TN_TRY(add_added(bpe, added, err));
    if (md_bpe_end_symbols(bpe, (int32_t)io_json_count(merges), err) != TN_OK)
        return at_value(vocab, err);
    return add_merge_values(bpe, merges, err);
}

tn_status md_bpe_read_tokenizer_json(const io_json *document, md_bpe **out, tn_error *err) {
    io_json model, vocab, merges, added = {0};
    TN_TRY(io_json_get(document, "model", IO_JSON_OBJECT, &model, err));
    TN_TRY(check_kind(&model, err));
    TN_TRY(io_json_get(&model, "vocab", IO_JSON_OBJECT, &vocab, err));
    TN_TRY(io_json_get(&model, "merges", IO_JSON_ARRAY, &merges, err));
    size_t count = io_json_count(&vocab);
    if (io_json_has(document, "added_tokens")) {
        TN_TRY(io_json_get(document, "added_tokens", IO_JSON_ARRAY, &added, err));
        TN_TRY(count_added(&vocab, &added, &count, err));
    }
    if (io_json_count(&merges) > MD_BPE_MAX_SIZE)
        return io_json_fail(&merges, err, "%zu merges, expected at most %d", io_json_count(&merges),
                            MD_BPE_MAX_SIZE);
    md_bpe *bpe;
    TN_TRY(begin(&vocab, count, &bpe, err));
    tn_status status = fill_from_tokenizer(bpe, &vocab, &added, &merges, err);
    if (status != TN_OK) {
        md_bpe_close(bpe);
        return status;
    }
    md_bpe_end_merges(bpe);
    *out = bpe;
    return TN_OK;
}

static tn_status fill_from_pair(md_bpe *bpe, const io_json *vocab, const char *merges_path,
                                const char *merges, size_t bytes, tn_error *err) {
    TN_TRY(add_vocab(bpe, vocab, err));
    size_t skip = bytes >= 8 && memcmp(merges, "#version", 8) == 0;
    int32_t count = md_bpe_count_lines(merges, bytes, skip, MD_BPE_MAX_SIZE);
    if (md_bpe_end_symbols(bpe, count, err) != TN_OK) return tn_fail_prefix(err, "%s", vocab->file);
    if (count == 0) return tn_fail(err, TN_EFORMAT, "%s: no merges", merges_path);
    return md_bpe_add_merge_lines(merges_path, bpe, merges, bytes, skip, count, err);
}

tn_status md_bpe_read_vocab_json(const io_json *vocab, const char *merges_path, const char *merges,
                                 size_t bytes, md_bpe **out, tn_error *err) {
    md_bpe *bpe;
    TN_TRY(begin(vocab, io_json_count(vocab), &bpe, err));
    tn_status status = fill_from_pair(bpe, vocab, merges_path, merges, bytes, err);
    if (status != TN_OK) {
        md_bpe_close(bpe);
        return status;
    }
    md_bpe_end_merges(bpe);
    *out = bpe;
    return TN_OK;
}
