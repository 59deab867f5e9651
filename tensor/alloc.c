// SPDX-License-Identifier: Apache-2.0
#include "tensor/alloc.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static _Atomic int64_t alloc_count;
static _Atomic int64_t fail_at; // value of alloc_count from which on allocations fail; 0: never

void tn_alloc_fail_after(int64_t n) {
    atomic_store(&fail_at, n > 0 ? atomic_load(&alloc_count) + n : 0);
}

int64_t tn_alloc_count(void) {
    return atomic_load(&alloc_count);
}

static bool must_fail(void) {
    int64_t mine = atomic_fetch_add(&alloc_count, 1) + 1, limit = atomic_load(&fail_at);
    return limit && mine >= limit;
}

static bool round_up(size_t bytes, size_t unit, size_t *out) {
    if (!tn_add_size(bytes, unit - 1, out)) return false;
    *out -= *out % unit;
    return true;
}

void *tn_alloc(size_t bytes) {
    size_t rounded;
    if (must_fail() || !round_up(bytes ? bytes : 1, TN_ALIGN, &rounded)) return NULL;
    return aligned_alloc(TN_ALIGN, rounded);
}

void *tn_alloc_zero(size_t count, size_t size) {
    size_t bytes;
    if (!tn_mul_size(count, size, &bytes)) return NULL;
    void *block = tn_alloc(bytes);
    if (block) memset(block, 0, bytes);
    return block;
}

void *tn_realloc(void *block, size_t old_bytes, size_t new_bytes) {
    void *bigger = tn_alloc(new_bytes);
    if (!bigger) return NULL;
    if (block) memcpy(bigger, block, old_bytes < new_bytes ? old_bytes : new_bytes);
    tn_free(block);
    return bigger;
}

char *tn_strdup(const char *text) {
    size_t bytes = strlen(text) + 1;
    char *copy = tn_alloc(bytes);
    if (copy) memcpy(copy, text, bytes);
    return copy;
}

void tn_free(void *block) {
    free(block);
}

tn_status tn_arena_init(tn_arena *arena, size_t capacity, tn_error *err) {
    *arena = (tn_arena){0};
    size_t page = (size_t)sysconf(_SC_PAGESIZE), rounded;
    if (must_fail() || !round_up(capacity ? capacity : 1, page, &rounded))
        return tn_fail(err, TN_ENOMEM, "cannot reserve %zu bytes of address space", capacity);
    void *base = mmap(NULL, rounded, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return tn_fail(err, TN_ENOMEM, "cannot reserve %zu bytes of address space: %s", rounded,
                       strerror(errno));
    *arena = (tn_arena){.base = base, .capacity = rounded};
    return TN_OK;
}

tn_status tn_arena_init_large(tn_arena *arena, tn_error *err) {
    tn_status status = TN_ENOMEM;
    for (size_t gib = 16; gib >= 1 && status != TN_OK; gib /= 2)
        status = tn_arena_init(arena, gib << 30, err);
    return status;
}

void tn_arena_deinit(tn_arena *arena) {
    if (arena->base) munmap(arena->base, arena->capacity);
    *arena = (tn_arena){0};
}

void *tn_arena_alloc(tn_arena *arena, size_t bytes) {
    TN_CHECK(!arena->frozen, "allocation of %zu bytes from a frozen arena", bytes);
    size_t rounded, end;
    if (must_fail() || !round_up(bytes, TN_ALIGN, &rounded) ||
        !tn_add_size(arena->used, rounded, &end) || end > arena->capacity)
        return NULL;
    void *block = arena->base + arena->used;
    arena->used = end;
    if (end > arena->peak) arena->peak = end;
    return block;
}

void tn_arena_reset(tn_arena *arena, size_t mark) {
    TN_CHECK(mark <= arena->used, "mark %zu is beyond %zu", mark, arena->used);
    arena->used = mark;
}

tn_status tn_arena_freeze(tn_arena *arena, tn_error *err) {
    if (arena->base && mprotect(arena->base, arena->capacity, PROT_READ) != 0)
        return tn_fail(err, TN_ENOMEM, "cannot make %zu bytes of weights read-only: %s",
                       arena->used, strerror(errno));
    arena->frozen = true;
    return TN_OK;
}
