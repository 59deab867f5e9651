// SPDX-License-Identifier: Apache-2.0
#include "io/coco/coco_table.h"

#define STEP ((size_t)1 << 18) // growth of a column in bytes, a multiple of TN_ALIGN

tn_status io_column_open(io_column *column, size_t size, size_t max, tn_error *err) {
    *column = (io_column){.size = size};
    size_t bytes;
    if (!tn_mul_size(max, size, &bytes) || !tn_add_size(bytes, 2 * STEP, &bytes))
        return tn_fail(err, TN_ENOMEM, "out of memory for %zu entries", max);
    return tn_arena_init(&column->arena, bytes, err);
}

void io_column_close(io_column *column) {
    tn_arena_deinit(&column->arena);
}

void *io_column_grow(io_column *column, size_t n) {
    size_t bytes = n * column->size; // n is at most the file's length
    bytes = bytes < STEP ? STEP : (bytes + TN_ALIGN) / TN_ALIGN * TN_ALIGN;
    if (!tn_arena_alloc(&column->arena, bytes))
        return NULL; // contiguous with the previous allocation
    column->capacity = column->arena.used / column->size;
    return column->arena.base;
}

static int64_t find(const io_coco_id_entry *by_id, size_t count, int64_t id) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (by_id[middle].id == id) return by_id[middle].index;
        if (by_id[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

int64_t io_coco_find_image(const io_coco *coco, int64_t id) {
    return find(((const io_coco_tables *)coco)->image_by_id, coco->image_count, id);
}

int64_t io_coco_find_category(const io_coco *coco, int64_t id) {
    return find(((const io_coco_tables *)coco)->category_by_id, coco->category_count, id);
}

void io_coco_keep_first(io_coco *coco, size_t images) {
    if (images >= coco->image_count) return;
    io_coco_tables *t = (io_coco_tables *)coco;
    io_coco_object *object = io_column_at(&t->objects, 0);
    size_t places = 0, objects = 0;
    for (size_t i = 0; i < coco->image_count; i++)
        if (t->image_by_id[i].index < (int64_t)images) t->image_by_id[places++] = t->image_by_id[i];
    coco->image_count = images;
    for (size_t i = 0; i < coco->object_count; i++)
        if (io_coco_find_image(coco, object[i].image_id) >= 0) object[objects++] = object[i];
    coco->object_count = objects;
}

void io_coco_close(io_coco *coco) {
    if (!coco) return;
    io_coco_tables *t = (io_coco_tables *)coco;
    io_column *columns[] = {&t->images,  &t->categories, &t->objects, &t->polygons,
                            &t->numbers, &t->counts,     &t->text,    &t->ids};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) io_column_close(columns[i]);
    tn_free(t->image_by_id);
    tn_free(t->category_by_id);
    tn_free(t);
}
