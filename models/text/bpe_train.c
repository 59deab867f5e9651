// SPDX-License-Identifier: Apache-2.0
#include "models/text/bpe_train.h"

#include "io/file.h"
#include "models/text/bpe_corpus.h"
#include "models/text/bpe_vocab.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define NO_PAIR UINT64_MAX

typedef struct pair_count {
    uint64_t pair; // left << 32 | right; NO_PAIR if the slot is free
    int64_t times;
} pair_count;

typedef struct text_of {
    uint32_t from, length;
} text_of;

typedef struct trainer {
    const md_bpe_corpus *corpus;
    int32_t *symbol;                // of all words, concatenated; word w begins at first[w]
    int64_t *first, *count;         // [words]; count decreases as symbols are merged
    pair_count *pairs;              // hashed by pair
    size_t slots, used;             // there are always free slots
    text_of *texts;                 // of symbols, in order of id, without the special tokens
    int64_t symbols, text_capacity; //
    char *bytes;
    int64_t bytes_used, bytes_capacity;
    uint64_t *merge; // merged pairs in order
    int64_t merges, merge_capacity;
} trainer;

// ---- symbols -----------------------------------------------------------------------------------

static const char *symbol_text(const trainer *t, int32_t id) {
    return t->bytes + t->texts[id].from;
}

// Adds a symbol that consists of one or two parts, followed by a 0.
static bool add_symbol(trainer *t, const char *a, size_t a_length, const char *b, size_t b_length) {
    int64_t length = (int64_t)(a_length + b_length);
    char joined[2 * MD_BPE_MAX_SYMBOL]; // a and b may point into t->bytes, which may move
    memcpy(joined, a, a_length);
    memcpy(joined + a_length, b, b_length);
    if (!md_bpe_grow((void **)&t->bytes, &t->bytes_capacity, t->bytes_used + length + 1, 1) ||
        !md_bpe_grow((void **)&t->texts, &t->text_capacity, t->symbols + 1, sizeof *t->texts))
        return false;
    memcpy(t->bytes + t->bytes_used, joined, (size_t)length);
    t->bytes[t->bytes_used + length] = 0;
    t->texts[t->symbols++] = (text_of){(uint32_t)t->bytes_used, (uint32_t)length};
    t->bytes_used += length + 1;
    return true;
}

// Writes the character of a byte as UTF-8; returns its length.
static size_t byte_text(int byte, char out[4]) {
    uint32_t rune = md_bpe_char_of((uint8_t)byte);
    if (rune < 0x80) {
        out[0] = (char)rune;
        return 1;
    }
    out[0] = (char)(0xc0 | rune >> 6);
    out[1] = (char)(0x80 | (rune & 0x3f));
    return 2;
}

// CLIP's order of bytes: those that represent themselves, then the others. Fills id_of[byte].
static bool add_bytes(trainer *t, int32_t id_of[256]) {
    char text[4];
    for (int end = 0; end < 2; end++) {
        int32_t id = 256 * end;
        for (int other = 0; other < 2; other++)
            for (int byte = 0; byte < 256; byte++) {
                if ((md_bpe_char_of((uint8_t)byte) == (uint32_t)byte) == other) continue;
                size_t length = byte_text(byte, text);
                if (!add_symbol(t, text, length, "</w>", end ? 4 : 0)) return false;
                if (!end) id_of[byte] = id;
                id++;
            }
    }
    return true;
}

static int32_t find_symbol(const trainer *t, int32_t left, int32_t right) {
    text_of a = t->texts[left], b = t->texts[right];
    for (int32_t id = 0; id < t->symbols; id++)
        if (t->texts[id].length == a.length + b.length &&
            memcmp(symbol_text(t, id), symbol_text(t, left), a.length) == 0 &&
            memcmp(symbol_text(t, id) + a.length, symbol_text(t, right), b.length) == 0)
            return id;
    return -1;
}

// ---- pairs -------------------------------------------------------------------------------------

static pair_count *slot_of(const trainer *t, uint64_t pair) {
    size_t at = (size_t)((pair * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (t->slots - 1);
    while (t->pairs[at].pair != pair && t->pairs[at].pair != NO_PAIR)
        at = (at + 1) & (t->slots - 1);
    return &t->pairs[at];
}

static bool more_slots(trainer *t) {
    pair_count *old = t->pairs;
    size_t old_slots = t->slots;
    t->slots = old_slots ? 2 * old_slots : 1 << 14;
    t->pairs = tn_alloc(t->slots * sizeof *t->pairs);
    if (!t->pairs) {
        t->pairs = old, t->slots = old_slots;
        return false;
    }
    for (size_t i = 0; i < t->slots; i++) t->pairs[i] = (pair_count){NO_PAIR, 0};
    t->used = 0;
    for (size_t i = 0; i < old_slots; i++) {
        if (old[i].pair == NO_PAIR || !old[i].times) continue;
        *slot_of(t, old[i].pair) = old[i];
        t->used++;
    }
    tn_free(old);
    return true;
}

// Adds the pairs of a word to the counts; with negative times, subtracts them.
static bool count_pairs(trainer *t, int64_t word, int64_t times) {
    const int32_t *s = t->symbol + t->first[word];
    for (int64_t i = 0; i + 1 < t->count[word]; i++) {
        if (2 * (t->used + 1) > t->slots && !more_slots(t)) return false;
        pair_count *slot = slot_of(t, (uint64_t)(uint32_t)s[i] << 32 | (uint32_t)s[i + 1]);
        if (slot->pair == NO_PAIR) {
            slot->pair = (uint64_t)(uint32_t)s[i] << 32 | (uint32_t)s[i + 1];
            t->used++;
        }
        slot->times += times;
    }
    return true;
}

static bool comes_before(const trainer *t, const pair_count *a, const pair_count *b) {
    if (a->times != b->times) return a->times > b->times;
    int order =
        strcmp(symbol_text(t, (int32_t)(a->pair >> 32)), symbol_text(t, (int32_t)(b->pair >> 32)));
    if (order == 0)
        order = strcmp(symbol_text(t, (int32_t)(uint32_t)a->pair),
                       symbol_text(t, (int32_t)(uint32_t)b->pair));
    return order < 0;
}

// The pair to be merged next; NULL if there is none. Pairs that make too long a symbol are skipped.
static const pair_count *best_pair(const trainer *t) {
    const pair_count *best = NULL;
    for (size_t i = 0; i < t->slots; i++) {
        const pair_count *p = &t->pairs[i];
        if (p->pair == NO_PAIR || p->times <= 0) continue;
        if (t->texts[p->pair >> 32].length + t->texts[(uint32_t)p->pair].length > MD_BPE_MAX_SYMBOL)
            continue;
        if (!best || comes_before(t, p, best)) best = p;
    }
    return best;
}

// ---- merging -----------------------------------------------------------------------------------

static bool has_pair(const trainer *t, int64_t word, int32_t left, int32_t right) {
    const int32_t *s = t->symbol + t->first[word];
    for (int64_t i = 0; i + 1 < t->count[word]; i++)
        if (s[i] == left && s[i + 1] == right) return true;
    return false;
}

static bool merge_in_word(trainer *t, int64_t word, int32_t left, int32_t right, int32_t merged) {
    int32_t *s = t->symbol + t->first[word];
    int64_t to = 0, times = t->corpus->word[word].times;
    if (!count_pairs(t, word, -times)) return false;
    for (int64_t i = 0; i < t->count[word]; i++) {
        bool both = i + 1 < t->count[word] && s[i] == left && s[i + 1] == right;
        s[to++] = both ? merged : s[i];
        i += both;
    }
    t->count[word] = to;
    return count_pairs(t, word, times);
}

static bool merge_pair(trainer *t, uint64_t pair) {
    int32_t left = (int32_t)(pair >> 32), right = (int32_t)(uint32_t)pair;
    int32_t merged = find_symbol(t, left, right); // "a bc" may already exist as "ab c"
    if (merged < 0) {
        merged = (int32_t)t->symbols;
        if (!add_symbol(t, symbol_text(t, left), t->texts[left].length, symbol_text(t, right),
                        t->texts[right].length))
            return false;
    }
    if (!md_bpe_grow((void **)&t->merge, &t->merge_capacity, t->merges + 1, sizeof *t->merge))
        return false;
    t->merge[t->merges++] = pair;
    for (int64_t w = 0; w < t->corpus->words; w++)
        if (has_pair(t, w, left, right) && !merge_in_word(t, w, left, right, merged)) return false;
    return true;
}

static bool begin(trainer *t) {
    const md_bpe_corpus *c = t->corpus;
    int32_t id_of[256];
    t->symbol = tn_alloc((c->used + 1) * sizeof *t->symbol);
    t->first = tn_alloc(((size_t)c->words + 1) * sizeof *t->first);
    t->count = tn_alloc(((size_t)c->words + 1) * sizeof *t->count);
    if (!t->symbol || !t->first || !t->count || !more_slots(t) || !add_bytes(t, id_of))
        return false;
    for (int64_t w = 0; w < c->words; w++) {
        const md_bpe_word *word = &c->word[w];
        t->first[w] = word->from;
        t->count[w] = word->length;
        for (uint32_t i = 0; i < word->length; i++)
            t->symbol[word->from + i] =
                id_of[(uint8_t)c->bytes[word->from + i]] + (i + 1 == word->length ? 256 : 0);
        if (!count_pairs(t, w, word->times)) return false;
    }
    return true;
}

static tn_status merge_all(trainer *t, int64_t size, tn_error *err) {
    bool good = begin(t);
    while (good && t->symbols + 2 < size) {
        const pair_count *best = best_pair(t);
        if (!best) break;
        good = merge_pair(t, best->pair);
    }
    if (!good) return tn_fail(err, TN_ENOMEM, "out of memory for a vocabulary");
    if (!t->merges)
        return tn_fail(err, TN_EINVAL, "no word of two letters, so no vocabulary can be trained");
    return TN_OK;
}

// ---- files -------------------------------------------------------------------------------------

static void put_vocab(FILE *f, const trainer *t) {
    fputs("{", f);
    for (int64_t id = 0; id < t->symbols; id++) {
        fputc('"', f);
        for (const char *at = symbol_text(t, (int32_t)id); *at; at++) {
            if (*at == '"' || *at == '\\') fputc('\\', f);
            fputc(*at, f);
        }
        fprintf(f, "\": %lld, ", (long long)id);
    }
    fprintf(f, "\"<|startoftext|>\": %lld, \"<|endoftext|>\": %lld}\n", (long long)t->symbols,
            (long long)t->symbols + 1);
}

static void put_merges(FILE *f, const trainer *t) {
    fputs("#version: 0.2\n", f);
    for (int64_t i = 0; i < t->merges; i++)
        fprintf(f, "%s %s\n", symbol_text(t, (int32_t)(t->merge[i] >> 32)),
                symbol_text(t, (int32_t)(uint32_t)t->merge[i]));
}

static const char specials[] = "  \"bos_token\": \"<|startoftext|>\",\n"
                               "  \"eos_token\": \"<|endoftext|>\",\n"
                               "  \"unk_token\": \"<|endoftext|>\",\n"
                               "  \"pad_token\": \"<|endoftext|>\"\n}\n";

static tn_status write_file(const trainer *t, int which, int64_t context, const char *folder,
                            tn_error *err) {
    static const char *const names[] = {"vocab.json", "merges.txt", "tokenizer_config.json",
                                        "special_tokens_map.json"};
    char path[PATH_MAX];
    io_writer writer;
    snprintf(path, sizeof path, "%s/%s", folder, names[which]);
    TN_TRY(io_writer_open(&writer, path, err));
    if (which == 0) put_vocab(writer.file, t);
    if (which == 1) put_merges(writer.file, t);
    if (which == 2)
        fprintf(writer.file,
                "{\n  \"tokenizer_class\": \"CLIPTokenizer\",\n  \"model_max_length\": %lld,\n"
                "  \"do_lower_case\": true,\n%s",
                (long long)context, specials);
    if (which == 3) fprintf(writer.file, "{\n%s", specials);
    return io_writer_commit(&writer, err);
}

tn_status md_bpe_train(const md_bpe_corpus *corpus, int64_t size, int64_t context,
                       const char *folder, int64_t *symbols, tn_error *err) {
    trainer t = {.corpus = corpus};
    if (size < MD_BPE_MIN_SIZE || size > MD_BPE_MAX_SIZE)
        return tn_fail(err, TN_EINVAL, "a vocabulary of %lld symbols, expected %d to %d",
                       (long long)size, MD_BPE_MIN_SIZE, MD_BPE_MAX_SIZE);
    tn_status status = merge_all(&t, size, err);
    for (int i = 0; status == TN_OK && i < 4; i++) status = write_file(&t, i, context, folder, err);
    *symbols = t.symbols + 2;
    tn_free(t.symbol);
    tn_free(t.first);
    tn_free(t.count);
    tn_free(t.pairs);
    tn_free(t.texts);
    tn_free(t.bytes);
    tn_free(t.merge);
    return status;
}
