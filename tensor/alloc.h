// SPDX-License-Identifier: Apache-2.0
// Memory by lifetime. Two ways and no third: tn_alloc for objects with an owner, arenas for all
// that lives and dies together (weights of a model, activations of a step, scratch of a kernel).
#pragma once

#include "tensor/status.h"

#define TN_ALIGN 64 // bytes; every allocation starts on a cache line

// 64-byte aligned, not cleared. NULL when memory is out (or a test said so) or bytes overflows.
void *tn_alloc(size_t bytes);
// The same for count elements of a size, with an overflow check, cleared to zero.
void *tn_alloc_zero(size_t count, size_t size);
// Grows a tn_alloc block from old_bytes to new_bytes, keeping its bytes; NULL leaves the old one.
void *tn_realloc(void *block, size_t old_bytes, size_t new_bytes);
char *tn_strdup(const char *text);
void tn_free(void *block); // NULL is fine

// False when a*b (a+b) does not fit a size_t; *out is then untouched.
static inline bool tn_mul_size(size_t a, size_t b, size_t *out) {
    return !__builtin_mul_overflow(a, b, out);
}
static inline bool tn_add_size(size_t a, size_t b, size_t *out) {
    return !__builtin_add_overflow(a, b, out);
}

// For tests: the n-th allocation from now on (1 = the next) and all after it fail; 0 ends that.
// Counts tn_alloc, tn_realloc and tn_arena_alloc of all threads.
void tn_alloc_fail_after(int64_t n);
// How many allocations were made since the program began: a loop up to it visits every failure.
int64_t tn_alloc_count(void);

// An arena reserves address space once and hands it out from the front, so pointers never move.
// Pages are touched when used and stay for the next round: resident memory is the peak of one step.
typedef struct tn_arena {
    char *base;
    size_t used, capacity, peak; // bytes
    bool frozen;
} tn_arena;

// Reserves capacity bytes of address space. TN_ENOMEM when the system refuses.
tn_status tn_arena_init(tn_arena *arena, size_t capacity, tn_error *err);
// As much as the system grants, from 16 GiB down to 1 GiB: for a step whose need is not known.
tn_status tn_arena_init_large(tn_arena *arena, tn_error *err);
void tn_arena_deinit(tn_arena *arena);
// 64-byte aligned, not cleared. NULL when over capacity.
void *tn_arena_alloc(tn_arena *arena, size_t bytes);
// Everything allocated after the mark is gone at the reset; scopes nest.
static inline size_t tn_arena_mark(const tn_arena *arena) {
    return arena->used;
}
void tn_arena_reset(tn_arena *arena, size_t mark);
// Makes the pages read-only: frozen weights are physical, a stray write crashes.
tn_status tn_arena_freeze(tn_arena *arena, tn_error *err);
