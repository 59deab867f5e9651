// SPDX-License-Identifier: Apache-2.0
#include "models/text/bpe_vocab.h"

#include "models/text/text_runes.h"

#include <string.h>

static bool stands_for_itself(uint32_t rune) {
    return (rune >= 33 && rune <= 126) || (rune >= 161 && rune <= 172) ||
           (rune >= 174 && rune <= 255);
}

uint32_t md_bpe_char_of(uint8_t byte) {
    if (stands_for_itself(byte)) return byte;
    uint32_t rune = 256; // those that do not represent themselves are numbered from here
    for (int before = 0; before < byte; before++) rune += !stands_for_itself((uint32_t)before);
    return rune;
}

int md_bpe_byte_of(uint32_t rune) {
    if (stands_for_itself(rune)) return (int)rune;
    for (int byte = 0; byte < 256 && rune >= 256; byte++)
        if (!stands_for_itself((uint32_t)byte) && rune-- == 256) return byte;
    return -1;
}

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t count) { // FNV-1a
    for (size_t i = 0; i < count; i++)
        hash = (hash ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
    return hash;
}
#define HASH_BEGIN UINT64_C(0xcbf29ce484222325)

static size_t slots_for(int32_t count) { // a power of two, at most half full
    size_t slots = 16;
    while (slots < 2 * (size_t)count) slots *= 2;
    return slots;
}

tn_status md_bpe_begin(int32_t size, md_bpe **out, tn_error *err) {
    TN_CHECK(size > 0 && size <= MD_BPE_MAX_SIZE, "size is %d", size);
    md_bpe *bpe = tn_alloc_zero(1, sizeof *bpe);
    if (!bpe) return tn_fail(err, TN_ENOMEM, "out of memory");
    bpe->size = size;
    bpe->slots = slots_for(size);
    bpe->symbol = tn_alloc_zero((size_t)size, sizeof *bpe->symbol);
    bpe->slot = tn_alloc(bpe->slots * sizeof *bpe->slot);
    if (!bpe->symbol || !bpe->slot) {
        md_bpe_close(bpe);
        return tn_fail(err, TN_ENOMEM, "out of memory for %d symbols", size);
    }
    memset(bpe->slot, 0xff, bpe->slots * sizeof *bpe->slot); // all -1
    *out = bpe;
    return TN_OK;
}

void md_bpe_close(md_bpe *bpe) {
    if (!bpe) return;
    tn_free(bpe->symbol);
    tn_free(bpe->bytes);
    tn_free(bpe->slot);
    tn_free(bpe->merge);
    tn_free(bpe);
}

// The slot of the symbol, or the free slot for it.
static size_t slot_of(const md_bpe *bpe, const char *text, size_t length) {
    size_t at = (size_t)(hash_bytes(HASH_BEGIN, text, length) >> 20) & (bpe->slots - 1);
    for (;; at = (at + 1) & (bpe->slots - 1)) {
        int32_t id = bpe->slot[at];
        if (id < 0) return at;
        const md_bpe_symbol *symbol = &bpe->symbol[id];
        if (symbol->length == length && memcmp(bpe->bytes + symbol->from, text, length) == 0)
            return at;
    }
}

int32_t md_bpe_find(const md_bpe *bpe, const char *text, size_t length) {
    return bpe->slot[slot_of(bpe, text, length)];
}

static tn_status grow_bytes(md_bpe *bpe, size_t more, tn_error *err) {
    if (bpe->used + more <= bpe->capacity) return TN_OK;
    size_t capacity = 2 * bpe->capacity + more + 4096;
    char *bytes = capacity <= UINT32_MAX ? tn_realloc(bpe->bytes, bpe->capacity, capacity) : NULL;
    if (!bytes) return tn_fail(err, TN_ENOMEM, "out of memory for %zu bytes of symbols", capacity);
    bpe->bytes = bytes;
    bpe->capacity = capacity;
    return TN_OK;
}

tn_status md_bpe_add_symbol(md_bpe *bpe, int32_t id, const char *text, size_t length,
                            tn_error *err) {
    TN_CHECK(id >= 0 && id < bpe->size, "id %d of %d", id, bpe->size);
    if (length == 0) return tn_fail(err, TN_EFORMAT, "a symbol without characters");
    if (bpe->symbol[id].length)
        return tn_fail(err, TN_EFORMAT, "id %d is already that of \"%.*s\"", id,
                       (int)bpe->symbol[id].length, bpe->bytes + bpe->symbol[id].from);
    size_t at = slot_of(bpe, text, length);
    if (bpe->slot[at] >= 0)
        return tn_fail(err, TN_EFORMAT, "\"%.*s\" is already symbol %d", (int)length, text,
                       bpe->slot[at]);
    TN_TRY(grow_bytes(bpe, length, err));
    memcpy(bpe->bytes + bpe->used, text, length);
    bpe->symbol[id] = (md_bpe_symbol){(uint32_t)bpe->used, (uint32_t)length};
    bpe->used += length;
    bpe->slot[at] = id;
    return TN_OK;
}

static tn_status find_bytes(md_bpe *bpe, tn_error *err) {
    for (int byte = 0; byte < 256; byte++) {
        char text[8];
        size_t length = md_utf8_put(md_bpe_char_of((uint8_t)byte), text);
        memcpy(text + length, "</w>", 4);
        for (int last = 0; last < 2; last++) {
            int32_t id = md_bpe_find(bpe, text, length + 4 * (size_t)last);
            if (id < 0)
                return tn_fail(err, TN_EFORMAT,
                               "no symbol \"%.*s\" for byte 0x%02x, expected a byte-level "
                               "vocabulary of CLIP's form",
                               (int)(length + 4 * (size_t)last), text, byte);
            bpe->byte_id[last][byte] = id;
        }
    }
    return TN_OK;
}

tn_status md_bpe_end_symbols(md_bpe *bpe, int32_t merges, tn_error *err) {
    for (int32_t id = 0; id < bpe->size; id++)
        if (!bpe->symbol[id].length)
            return tn_fail(err, TN_EFORMAT, "%d symbols but none with id %d", bpe->size, id);
    TN_TRY(find_bytes(bpe, err));
    bpe->start = md_bpe_find(bpe, "<|startoftext|>", 15);
    bpe->end = md_bpe_find(bpe, "<|endoftext|>", 13);
    if (bpe->start < 0 || bpe->end < 0)
        return tn_fail(err, TN_EFORMAT, "no symbol %s, expected a vocabulary of CLIP's form",
                       bpe->start < 0 ? "<|startoftext|>" : "<|endoftext|>");
    bpe->merge_slots = slots_for(merges);
    bpe->merge = tn_alloc(bpe->merge_slots * sizeof *bpe->merge);
    if (!bpe->merge) return tn_fail(err, TN_ENOMEM, "out of memory for %d merges", merges);
    for (size_t i = 0; i < bpe->merge_slots; i++) bpe->merge[i].pair = MD_BPE_NO_PAIR;
    return TN_OK;
}

static md_bpe_merge *merge_slot(const md_bpe *bpe, int32_t left, int32_t right) {
    uint64_t pair = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    size_t at = (size_t)((pair * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (bpe->merge_slots - 1);
    while (bpe->merge[at].pair != pair && bpe->merge[at].pair != MD_BPE_NO_PAIR)
        at = (at + 1) & (bpe->merge_slots - 1);
    return &bpe->merge[at];
}

const md_bpe_merge *md_bpe_merge_of(const md_bpe *bpe, int32_t left, int32_t right) {
    const md_bpe_merge *merge = merge_slot(bpe, left, right);
    return merge->pair == MD_BPE_NO_PAIR ? NULL : merge;
}

tn_status md_bpe_add_merge(md_bpe *bpe, const char *left, size_t left_length, const char *right,
                           size_t right_length, tn_error *err) {
    char joined[MD_BPE_MAX_SYMBOL];
    if (left_length + right_length > sizeof joined)
        return tn_fail(err, TN_EFORMAT, "a symbol of %zu bytes, expected at most %zu",
                       left_length + right_length, sizeof joined);
    memcpy(joined, left, left_length);
    memcpy(joined + left_length, right, right_length);
    int32_t a = md_bpe_find(bpe, left, left_length), b = md_bpe_find(bpe, right, right_length);
    int32_t merged = md_bpe_find(bpe, joined, left_length + right_length);
    if (a < 0 || b < 0)
        return tn_fail(err, TN_EFORMAT, "merges \"%.*s\", which is not a symbol",
                       (int)(a < 0 ? left_length : right_length), a < 0 ? left : right);
    if (merged < 0)
        return tn_fail(err, TN_EFORMAT, "merges to \"%.*s\", which is not a symbol",
                       (int)(left_length + right_length), joined);
    md_bpe_merge *merge = merge_slot(bpe, a, b);
    if (merge->pair != MD_BPE_NO_PAIR)
        return tn_fail(err, TN_EFORMAT, "merges \"%.*s\" and \"%.*s\" again", (int)left_length,
                       left, (int)right_length, right);
    *merge = (md_bpe_merge){(uint64_t)(uint32_t)a << 32 | (uint32_t)b, bpe->merges++, merged};
    return TN_OK;
}

// The hashes of the merges, including ranks, are summed, so the order of the slots does not matter.
void md_bpe_end_merges(md_bpe *bpe) {
    uint64_t hash = hash_bytes(HASH_BEGIN, (int32_t[]){bpe->size, bpe->merges}, 8), sum = 0;
    for (int32_t id = 0; id < bpe->size; id++) {
        hash = hash_bytes(hash, bpe->bytes + bpe->symbol[id].from, bpe->symbol[id].length);
        hash = hash_bytes(hash, "", 1);
    }
    for (size_t i = 0; i < bpe->merge_slots; i++) {
        const md_bpe_merge *merge = &bpe->merge[i];
        if (merge->pair == MD_BPE_NO_PAIR) continue;
        sum += hash_bytes(hash_bytes(HASH_BEGIN, &merge->pair, 8), &merge->rank, 4);
    }
    bpe->hash = hash_bytes(hash, &sum, 8);
    tn_free(bpe->slot);
    bpe->slot = NULL;
}
