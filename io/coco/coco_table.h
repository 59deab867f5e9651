// SPDX-License-Identifier: Apache-2.0
// The tables that a COCO file is read into: arrays that grow without moving, so that what is read
// can point at what was read before.
#pragma once

#include "io/coco/coco.h"

typedef struct io_column {
    tn_arena arena;
    size_t size;        // bytes of an element
    size_t count, room; // elements
} io_column;

typedef struct io_coco_place {
    int64_t id, index;
} io_coco_place;

typedef struct io_coco_tables {
    io_coco coco; // first: what the caller sees
    io_column images, categories, objects, polygons, numbers, counts, text, ids;
    io_coco_place *image_by_id, *category_by_id; // ascending
    size_t missing_areas;                        // annotations without "area"
} io_coco_tables;

// Once all is read: computes missing areas, and counts ids that come twice. Segmentations that were
// read for their area alone are forgotten unless shapes. TN_ENOMEM.
tn_status io_coco_complete(io_coco_tables *tables, bool shapes, tn_error *err);

// Address space for at most `most` elements; memory is taken as they come.
tn_status io_column_open(io_column *column, size_t size, size_t most, tn_error *err);
void io_column_close(io_column *column);

// Room for n more elements behind the last; NULL when memory is out.
static inline void *io_column_at(const io_column *column, size_t i) {
    return column->arena.base + i * column->size;
}
void *io_column_grow(io_column *column, size_t n);
static inline void *io_column_add(io_column *column, size_t n) {
    if (column->room - column->count < n && !io_column_grow(column, n)) return NULL;
    void *place = io_column_at(column, column->count);
    column->count += n;
    return place;
}
