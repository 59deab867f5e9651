// SPDX-License-Identifier: Apache-2.0
#include "models/text/bpe.h"

#include "models/text/bpe_vocab.h"
#include "models/text/text_clean_work.h"

#include <string.h>

#define CACHE_SLOTS 4096
#define CACHE_BYTES 24 // longest cached word
#define CACHE_IDS 8    // maximum number of its tokens

typedef struct cached_word {
    uint8_t length, count; // length 0: free
    char word[CACHE_BYTES];
    int32_t ids[CACHE_IDS];
} cached_word;

typedef struct node { // a symbol of the word that is being merged
    int32_t id, before,
        after; // after: index of the next one, count at the end; id -1: merged into another
} node;

typedef struct candidate { // a pair that has a merge, unless it changed since
    int32_t rank, at, left, right, merged;
} candidate;

struct md_tokens_work {
    md_cleaner cleaner;
    size_t ids_capacity;
    node *nodes;
    size_t nodes_capacity;
    candidate *heap, *fresh; // heap is ordered by rank, then position; fresh: found in this round
    size_t heap_count, heap_capacity, fresh_count, fresh_capacity;
    cached_word *cache; // [CACHE_SLOTS], NULL if not allocated
    uint64_t cache_of;  // hash of the vocabulary that the cache belongs to
};

int32_t md_bpe_start(const md_bpe *bpe) {
    return bpe->start;
}
int32_t md_bpe_end(const md_bpe *bpe) {
    return bpe->end;
}
int64_t md_bpe_size(const md_bpe *bpe) {
    return bpe->size;
}
uint64_t md_bpe_hash(const md_bpe *bpe) {
    return bpe->hash;
}

void md_tokens_deinit(md_tokens *tokens) {
    struct md_tokens_work *work = tokens->work;
    if (work) {
        md_cleaner_deinit(&work->cleaner);
        tn_free(work->nodes);
        tn_free(work->heap);
        tn_free(work->fresh);
        tn_free(work->cache);
        tn_free(work);
    }
    tn_free(tokens->ids);
    *tokens = (md_tokens){0};
}

// Makes space for one more element; the block is NULL or from tn_alloc.
static tn_status grow(void *block, size_t *capacity, size_t need, size_t size, tn_error *err) {
    if (need <= *capacity) return TN_OK;
    void *old, *now;
    memcpy(&old, block, sizeof old);
    size_t wanted = 2 * need + 16;
    now = tn_realloc(old, *capacity * size, wanted * size);
    if (!now) return tn_fail(err, TN_ENOMEM, "out of memory for %zu tokens", need);
    memcpy(block, &now, sizeof now);
    *capacity = wanted;
    return TN_OK;
}

static tn_status push_id(md_tokens *out, int32_t id, tn_error *err) {
    TN_TRY(grow(&out->ids, &out->work->ids_capacity, out->count + 1, sizeof *out->ids, err));
    out->ids[out->count++] = id;
    return TN_OK;
}

static bool comes_before(const candidate *a, const candidate *b) {
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static tn_status heap_push(struct md_tokens_work *work, candidate new, tn_error *err) {
    TN_TRY(grow(&work->heap, &work->heap_capacity, work->heap_count + 1, sizeof new, err));
    candidate *heap = work->heap;
    size_t at = work->heap_count++;
    for (; at > 0 && comes_before(&new, &heap[(at - 1) / 2]); at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = new;
    return TN_OK;
}

static candidate heap_pop(struct md_tokens_work *work) {
    candidate *heap = work->heap, top = heap[0], last = heap[--work->heap_count];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < work->heap_count; at = child) {
        if (child + 1 < work->heap_count && comes_before(&heap[child + 1], &heap[child])) child++;
        if (!comes_before(&heap[child], &last)) break;
        heap[at] = heap[child];
    }
    if (work->heap_count) heap[at] = last;
    return top;
}

// If the symbol at `at` and the next one have a merge, adds it to the next round.
static tn_status find_pair(const md_bpe *bpe, struct md_tokens_work *work, int32_t at,
                           int32_t count, tn_error *err) {
    if (at < 0 || work->nodes[at].after >= count) return TN_OK;
    int32_t left = work->nodes[at].id, right = work->nodes[work->nodes[at].after].id;
    const md_bpe_merge *merge = md_bpe_merge_of(bpe, left, right);
    if (!merge) return TN_OK;
    TN_TRY(
        grow(&work->fresh, &work->fresh_capacity, work->fresh_count + 1, sizeof *work->fresh, err));
    work->fresh[work->fresh_count++] = (candidate){merge->rank, at, left, right, merge->merged};
    return TN_OK;
}

static tn_status merge_pair(const md_bpe *bpe, struct md_tokens_work *work, const candidate *pair,
                            int32_t count, tn_error *err) {
    node *left = &work->nodes[pair->at];
    if (left->id != pair->left || left->after >= count) return TN_OK; // merged meanwhile
    node *right = &work->nodes[left->after];
    if (right->id != pair->right) return TN_OK;
    left->id = pair->merged;
    right->id = -1;
    left->after = right->after;
    if (left->after < count) work->nodes[left->after].before = pair->at;
    TN_TRY(find_pair(bpe, work, left->before, count, err));
    return find_pair(bpe, work, pair->at, count, err);
}

// The published algorithm takes the pair of lowest rank, merges it everywhere from left to right,
// and repeats. This does the same in rounds: all candidates of one rank are taken in order of
// position; the pairs that they create are considered only afterwards, even if their rank is lower.
static tn_status merge_word(const md_bpe *bpe, const char *word, size_t length, md_tokens *out,
                            tn_error *err) {
    struct md_tokens_work *work = out->work;
    int32_t count = (int32_t)length;
    TN_TRY(grow(&work->nodes, &work->nodes_capacity, length, sizeof *work->nodes, err));
    for (int32_t i = 0; i < count; i++)
        work->nodes[i] = (node){bpe->byte_id[i + 1 == count][(uint8_t)word[i]], i - 1, i + 1};
    work->heap_count = work->fresh_count = 0;
    for (int32_t i = 0; i + 1 < count; i++) TN_TRY(find_pair(bpe, work, i, count, err));
    for (;;) {
        for (size_t i = 0; i < work->fresh_count; i++) TN_TRY(heap_push(work, work->fresh[i], err));
        work->fresh_count = 0;
        if (!work->heap_count) break;
        int32_t rank = work->heap[0].rank;
        while (work->heap_count && work->heap[0].rank == rank) {
            candidate pair = heap_pop(work);
            TN_TRY(merge_pair(bpe, work, &pair, count, err));
        }
    }
    for (int32_t i = 0; i < count; i = work->nodes[i].after)
        TN_TRY(push_id(out, work->nodes[i].id, err));
    return TN_OK;
}

static cached_word *cache_slot(const struct md_tokens_work *work, const char *word, size_t length) {
    if (!work->cache || length > CACHE_BYTES) return NULL;
    uint32_t hash = 0x811c9dc5; // FNV-1a
    for (size_t i = 0; i < length; i++) hash = (hash ^ (uint8_t)word[i]) * 0x01000193;
    return &work->cache[(hash ^ hash >> 16) % CACHE_SLOTS];
}

static tn_status encode_word(const md_bpe *bpe, const char *word, size_t length, md_tokens *out,
                             tn_error *err) {
    if (length == 15 && memcmp(word, "<|startoftext|>", 15) == 0)
        return push_id(out, bpe->start, err);
    if (length == 13 && memcmp(word, "<|endoftext|>", 13) == 0) return push_id(out, bpe->end, err);
    cached_word *slot = cache_slot(out->work, word, length);
    if (slot && slot->length == length && memcmp(slot->word, word, length) == 0) {
        for (int i = 0; i < slot->count; i++) TN_TRY(push_id(out, slot->ids[i], err));
        return TN_OK;
    }
    size_t before = out->count;
    TN_TRY(merge_word(bpe, word, length, out, err));
    size_t count = out->count - before;
    if (slot && count <= CACHE_IDS) {
        slot->length = (uint8_t)length;
        slot->count = (uint8_t)count;
        memcpy(slot->word, word, length);
        memcpy(slot->ids, out->ids + before, count * sizeof *slot->ids);
    }
    return TN_OK;
}

static tn_status prepare(const md_bpe *bpe, md_tokens *out, tn_error *err) {
    out->count = 0;
    out->was_cut = false;
    if (!out->work) out->work = tn_alloc_zero(1, sizeof *out->work);
    if (!out->work) return tn_fail(err, TN_ENOMEM, "out of memory");
    struct md_tokens_work *work = out->work;
    if (work->cache && work->cache_of != bpe->hash) {
        memset(work->cache, 0, CACHE_SLOTS * sizeof *work->cache);
    } else if (!work->cache) {
        work->cache = tn_alloc_zero(
            CACHE_SLOTS, sizeof *work->cache); // on failure encoding works without it, slower
    }
    work->cache_of = bpe->hash;
    return TN_OK;
}

static tn_status encode(const md_bpe *bpe, const char *text, size_t bytes, size_t limit,
                        md_tokens *out, tn_error *err) {
    TN_TRY(prepare(bpe, out, err));
    md_cleaner *clean = &out->work->cleaner;
    TN_TRY(md_cleaner_run(clean, text, bytes, err));
    TN_TRY(push_id(out, bpe->start, err));
    size_t from, length;
    for (size_t at = 0; (!limit || out->count < limit) &&
                        md_text_word(clean->utf8, clean->utf8_bytes, &at, &from, &length);)
        TN_TRY(encode_word(bpe, clean->utf8 + from, length, out, err));
    TN_TRY(push_id(out, bpe->end, err));
    if (limit && out->count > limit) {
        out->was_cut = true;
        out->count = limit;
        out->ids[limit - 1] = bpe->end;
    }
    return TN_OK;
}

tn_status md_bpe_encode(const md_bpe *bpe, const char *text, size_t bytes, int64_t context,
                        md_tokens *out, tn_error *err) {
    TN_CHECK(context == 0 || context >= 2, "context is %lld", (long long)context);
    tn_status status = encode(bpe, text, bytes, (size_t)context, out, err);
    if (status != TN_OK) out->count = 0;
    return status;
}

static size_t put_symbol(const char *symbol, size_t length, char *to) {
    size_t bytes = 0;
    for (size_t at = 0; at < length;) {
        if (length - at == 4 && memcmp(symbol + at, "</w>", 4) == 0) {
            to[bytes++] = ' ';
            break;
        }
        size_t from = at;
        int byte = md_bpe_byte_of(md_utf8_next(symbol, &at));
        if (byte >= 0) {
            to[bytes++] = (char)byte;
        } else { // an added token may contain characters that represent no byte
            memcpy(to + bytes, symbol + from, at - from);
            bytes += at - from;
        }
    }
    return bytes;
}

tn_status md_bpe_decode(const md_bpe *bpe, const int32_t *ids, size_t count, char **text,
                        size_t *bytes, tn_error *err) {
    size_t capacity = 1;
    for (size_t i = 0; i < count; i++) {
        if (ids[i] < 0 || ids[i] >= bpe->size)
            return tn_fail(err, TN_EINVAL, "token %zu is %d, expected 0 to %d", i, ids[i],
                           bpe->size - 1);
        if (!tn_add_size(capacity, bpe->symbol[ids[i]].length, &capacity))
            return tn_fail(err, TN_ENOMEM, "out of memory for %zu tokens", count);
    }
    char *out = tn_alloc(capacity);
    if (!out) return tn_fail(err, TN_ENOMEM, "out of memory for %zu bytes", capacity);
    *bytes = 0;
    for (size_t i = 0; i < count; i++) {
        const md_bpe_symbol *symbol = &bpe->symbol[ids[i]];
        *bytes += put_symbol(bpe->bytes + symbol->from, symbol->length, out + *bytes);
    }
    out[*bytes] = 0;
    *text = out;
    return TN_OK;
}
