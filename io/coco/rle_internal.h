// SPDX-License-Identifier: Apache-2.0
// Shared by the run-length mask files.
#pragma once

#include "tensor/alloc.h"

// Shrinks the arena to end after the first bytes of a block: frees scratch and the block's unused
// tail.
static inline void io_arena_keep(tn_arena *arena, const void *block, size_t bytes) {
    size_t end = (size_t)((const char *)block - arena->base) + bytes;
    tn_arena_reset(arena, (end + TN_ALIGN - 1) / TN_ALIGN * TN_ALIGN);
}
