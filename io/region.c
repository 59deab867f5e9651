// SPDX-License-Identifier: Apache-2.0
#include "io/region.h"

#include <string.h>

#define CHUNK ((size_t)64 << 10)
#define LARGE ((size_t)1 << 10) // a block of this size or more gets a chunk for itself
#define UNIT ((size_t)16)

struct io_chunk {
    io_chunk *next;
    size_t used, capacity;                   // bytes after the header
    char pad[TN_ALIGN - 3 * sizeof(void *)]; // the data after it starts on a cache line
};
_Static_assert(sizeof(struct io_chunk) == TN_ALIGN, "blocks start on a cache line");

static io_chunk *new_chunk(size_t capacity) {
    size_t bytes;
    if (!tn_add_size(capacity, sizeof(io_chunk), &bytes)) return NULL;
    io_chunk *chunk = tn_alloc(bytes);
    if (chunk) *chunk = (io_chunk){.capacity = capacity};
    return chunk;
}

static void *own_chunk(io_region *region, size_t bytes) {
    io_chunk *chunk = new_chunk(bytes);
    if (!chunk) return NULL;
    chunk->used = bytes;
    if (region->chunks) { // inserted after the chunk in use
        chunk->next = region->chunks->next;
        region->chunks->next = chunk;
    } else {
        region->chunks = chunk;
    }
    return chunk + 1;
}

void *io_region_alloc(io_region *region, size_t bytes) {
    if (bytes >= LARGE) return own_chunk(region, bytes);
    size_t rounded = (bytes + UNIT - 1) / UNIT * UNIT;
    io_chunk *chunk = region->chunks;
    if (!chunk || chunk->capacity - chunk->used < rounded) {
        chunk = new_chunk(CHUNK);
        if (!chunk) return NULL;
        chunk->next = region->chunks;
        region->chunks = chunk;
    }
    void *block = (char *)(chunk + 1) + chunk->used;
    chunk->used += rounded;
    return block;
}

char *io_region_text(io_region *region, const void *bytes, size_t count) {
    char *text = count < SIZE_MAX ? io_region_alloc(region, count + 1) : NULL;
    if (!text) return NULL;
    if (count) memcpy(text, bytes, count);
    text[count] = 0;
    return text;
}

bool io_region_grow(io_region *region, void **array, size_t count, size_t *capacity, size_t size) {
    if (count < *capacity) return true;
    size_t more = *capacity ? *capacity : 4, bytes;
    if (!tn_mul_size(more, 2, &more) || !tn_mul_size(more, size, &bytes)) return false;
    void *bigger = io_region_alloc(region, bytes);
    if (!bigger) return false;
    if (count) memcpy(bigger, *array, count * size);
    *array = bigger;
    *capacity = more;
    return true;
}

void io_region_free(io_region *region) {
    for (io_chunk *chunk = region->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        tn_free(chunk);
    }
    *region = (io_region){0};
}
