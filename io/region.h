// SPDX-License-Identifier: Apache-2.0
// Small allocations that are freed together when a file is closed: names, decoded values, copies of
// tensors that cannot be used in place. Grows by chunks from tn_alloc; pointers never move.
#pragma once

#include "tensor/alloc.h"

typedef struct io_chunk io_chunk;
typedef struct io_region {
    io_chunk *chunks; // the first one is in use
} io_region;          // initialise with {0}

// 64-byte aligned if bytes >= 1 KiB, else 16-byte aligned; not cleared. NULL when memory is
// exhausted.
void *io_region_alloc(io_region *region, size_t bytes);
// A copy of count bytes, followed by a 0.
char *io_region_text(io_region *region, const void *bytes, size_t count);
// Makes space for one more element of a growing array in the region: doubles *capacity and copies
// the elements. False when memory is exhausted; the array is then unchanged.
bool io_region_grow(io_region *region, void **array, size_t count, size_t *capacity, size_t size);
void io_region_free(io_region *region);
