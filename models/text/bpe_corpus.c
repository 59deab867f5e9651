// SPDX-License-Identifier: Apache-2.0
#include "models/text/bpe_corpus.h"

#include "models/text/text_clean.h"

#include <string.h>

tn_status md_bpe_corpus_new(md_bpe_corpus **out, tn_error *err) {
    *out = tn_alloc_zero(1, sizeof **out);
    return *out ? TN_OK : tn_fail(err, TN_ENOMEM, "out of memory for texts");
}

void md_bpe_corpus_free(md_bpe_corpus *corpus) {
    if (!corpus) return;
    md_cleaner_deinit(&corpus->cleaner);
    tn_free(corpus->bytes);
    tn_free(corpus->word);
    tn_free(corpus->slot);
    tn_free(corpus);
}

bool md_bpe_grow(void **block, int64_t *capacity, int64_t need, size_t size) {
    if (need <= *capacity) return true;
    int64_t wanted = need + need / 2 + 64;
    void *more = tn_realloc(*block, (size_t)*capacity * size, (size_t)wanted * size);
    if (!more) return false;
    *block = more;
    *capacity = wanted;
    return true;
}

static size_t slot_of(const md_bpe_corpus *c, const char *word, size_t length) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325); // FNV-1a
    for (size_t i = 0; i < length; i++) hash = (hash ^ (uint8_t)word[i]) * UINT64_C(0x100000001b3);
    size_t at = (size_t)(hash ^ hash >> 32) & (c->slots - 1);
    for (; c->slot[at] >= 0; at = (at + 1) & (c->slots - 1)) {
        const md_bpe_word *w = &c->word[c->slot[at]];
        if (w->length == length && memcmp(c->bytes + w->from, word, length) == 0) break;
    }
    return at;
}

// Doubles the number of slots and inserts the existing words again.
static bool more_slots(md_bpe_corpus *c) {
    size_t slots = c->slots ? 2 * c->slots : 4096;
    int32_t *slot = tn_alloc(slots * sizeof *slot);
    if (!slot) return false;
    memset(slot, 0xff, slots * sizeof *slot); // all -1
    tn_free(c->slot);
    c->slot = slot;
    c->slots = slots;
    for (int64_t i = 0; i < c->words; i++)
        slot[slot_of(c, c->bytes + c->word[i].from, c->word[i].length)] = (int32_t)i;
    return true;
}

static bool add_word(md_bpe_corpus *c, const char *word, size_t length, int64_t times) {
    if (2 * (size_t)(c->words + 1) > c->slots && !more_slots(c)) return false;
    size_t at = slot_of(c, word, length);
    if (c->slot[at] < 0) {
        int64_t capacity = (int64_t)c->capacity;
        if (c->used + length > UINT32_MAX || c->words == INT32_MAX) return false;
        if (!md_bpe_grow((void **)&c->bytes, &capacity, (int64_t)(c->used + length), 1))
            return false;
        c->capacity = (size_t)capacity;
        if (!md_bpe_grow((void **)&c->word, &c->word_capacity, c->words + 1, sizeof *c->word))
            return false;
        memcpy(c->bytes + c->used, word, length);
        c->word[c->words] = (md_bpe_word){(uint32_t)c->used, (uint32_t)length, 0};
        c->used += length;
        c->slot[at] = (int32_t)c->words++;
    }
    c->word[c->slot[at]].times += times;
    return true;
}

static bool is_special(const char *word, size_t length) {
    return (length == 15 && memcmp(word, "<|startoftext|>", 15) == 0) ||
           (length == 13 && memcmp(word, "<|endoftext|>", 13) == 0);
}

tn_status md_bpe_corpus_add(md_bpe_corpus *c, const char *text, size_t bytes, int64_t times,
                            tn_error *err) {
    size_t from, length;
    TN_TRY(md_cleaner_run(&c->cleaner, text, bytes, err));
    const char *clean = c->cleaner.utf8;
    for (size_t at = 0; md_text_word(clean, c->cleaner.utf8_bytes, &at, &from, &length);)
        if (!is_special(clean + from, length) && !add_word(c, clean + from, length, times))
            return tn_fail(err, TN_ENOMEM, "out of memory for %lld words", (long long)c->words);
    return TN_OK;
}
