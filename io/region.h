// SPDX-License-Identifier: Apache-2.0
// Small things that live and die with a file that is open: names, decoded values, copies of tensors
// that cannot be used where they lie. Grows by chunks from tn_alloc; pointers never move.
#pragma once

#include "tensor/alloc.h"

typedef struct io_chunk io_chunk;
typedef struct io_region {
    io_chunk *chunks; // the first one is being filled
} io_region;          // {0} is an empty one

// 64-byte aligned when bytes >= 1 KiB, else 16-byte aligned; not cleared. NULL when memory is out.
void *io_region_alloc(io_region *region, size_t bytes);
// A copy of count bytes with a 0 behind them.
char *io_region_text(io_region *region, const void *bytes, size_t count);
// Room for one more element of a growing array in the region: doubles *room, copies what is there.
// false when memory is out; the array is then as it was.
bool io_region_grow(io_region *region, void **array, size_t count, size_t *room, size_t size);
void io_region_free(io_region *region);
