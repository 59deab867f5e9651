// SPDX-License-Identifier: Apache-2.0
// Memory by lifetime. There are two ways: tn_alloc for objects with an owner, and arenas for
// everything that is freed together (weights of a model, activations of a step, scratch of a
// kernel).
#pragma once

#include "tensor/status.h"

#define TN_ALIGN 64 // bytes; every allocation starts on a cache line

// 64-byte aligned, not cleared. NULL when memory is exhausted (or tn_alloc_fail_after said so) or
// when bytes overflows.
void *tn_alloc(size_t bytes);
// The same for count elements of the given size, with an overflow check, cleared to zero.
void *tn_alloc_zero(size_t count, size_t size);
// Grows a tn_alloc block from old_bytes to new_bytes and keeps its contents. On NULL the old block
// is still valid.
void *tn_realloc(void *block, size_t old_bytes, size_t new_bytes);
char *tn_strdup(const char *text);
void tn_free(void *block); // NULL is fine

// False when a*b (a+b) does not fit a size_t; *out is then unchanged.
static inline bool tn_mul_size(size_t a, size_t b, size_t *out) {
    return !__builtin_mul_overflow(a, b, out);
}
static inline bool tn_add_size(size_t a, size_t b, size_t *out) {
    return !__builtin_add_overflow(a, b, out);
}

// For tests: the n-th allocation from now on (1 = the next) and all later ones fail; 0 switches
// this off. Counts tn_alloc, tn_realloc and tn_arena_alloc of all threads.
void tn_alloc_fail_after(int64_t n);
// Number of allocations since the program started: a loop up to it visits every failure.
int64_t tn_alloc_count(void);

// An arena reserves address space once and hands it out from the start, so pointers never move.
// Pages are committed on first use and reused in the next step: resident memory is the peak of one
// step.
typedef struct tn_arena {
    char *base;
    size_t used, capacity, peak; // bytes
    bool frozen;
} tn_arena;

// Reserves capacity bytes of address space. TN_ENOMEM when the system refuses.
tn_status tn_arena_init(tn_arena *arena, size_t capacity, tn_error *err);
// As much as the system grants, from 16 GiB down to 1 GiB: for a step whose needs are unknown.
tn_status tn_arena_init_large(tn_arena *arena, tn_error *err);
void tn_arena_deinit(tn_arena *arena);
// 64-byte aligned, not cleared. NULL when over capacity.
void *tn_arena_alloc(tn_arena *arena, size_t bytes);
// A reset frees everything that was allocated after the mark. Scopes nest.
static inline size_t tn_arena_mark(const tn_arena *arena) {
    return arena->used;
}
void tn_arena_reset(tn_arena *arena, size_t mark);
// Makes the pages read-only, so that a stray write to frozen weights crashes.
tn_status tn_arena_freeze(tn_arena *arena, tn_error *err);
