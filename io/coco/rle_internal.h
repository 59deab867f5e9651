// SPDX-License-Identifier: Apache-2.0
// What the files of run-length masks share.
#pragma once

#include "tensor/alloc.h"

// Ends the arena behind the first bytes of a block in it: gives back scratch and what was too long.
static inline void io_arena_keep(tn_arena *arena, const void *block, size_t bytes) {
    size_t end = (size_t)((const char *)block - arena->base) + bytes;
    tn_arena_reset(arena, (end + TN_ALIGN - 1) / TN_ALIGN * TN_ALIGN);
}
