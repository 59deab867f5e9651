// SPDX-License-Identifier: Apache-2.0
// The tables that a COCO file is read into: arrays that grow without moving, so that pointers to
// earlier elements stay valid.
#pragma once

#include "io/coco/coco.h"

typedef struct io_column {
    tn_arena arena;
    size_t size;            // bytes per element
    size_t count, capacity; // elements
} io_column;

typedef struct io_coco_id_entry {
    int64_t id, index;
} io_coco_id_entry;

typedef struct io_coco_tables {
    io_coco coco; // first member: the public view
    io_column images, categories, objects, polygons, numbers, counts, text, ids;
    io_coco_id_entry *image_by_id, *category_by_id; // ascending
    size_t missing_areas;                           // annotations without "area"
} io_coco_tables;

// Called after reading: computes missing areas and counts duplicate ids. Unless shapes, drops
// segmentations that were read only for their area. TN_ENOMEM.
tn_status io_coco_complete(io_coco_tables *tables, bool shapes, tn_error *err);

// Reserves address space for at most `max` elements; memory is committed as they are added.
tn_status io_column_open(io_column *column, size_t size, size_t max, tn_error *err);
void io_column_close(io_column *column);

// Space for n more elements at the end; NULL if out of memory.
static inline void *io_column_at(const io_column *column, size_t i) {
    return column->arena.base + i * column->size;
}
void *io_column_grow(io_column *column, size_t n);
static inline void *io_column_add(io_column *column, size_t n) {
    if (column->capacity - column->count < n && !io_column_grow(column, n)) return NULL;
    void *slot = io_column_at(column, column->count);
    column->count += n;
    return slot;
}
