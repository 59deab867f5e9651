// SPDX-License-Identifier: Apache-2.0
// Segmentations of COCO files as masks.
#include "io/coco/coco_rle.h"

static tn_status from_polygons(const io_coco_shape *shape, uint32_t h, uint32_t w, tn_arena *arena,
                               io_rle *out, tn_error *err) {
    io_rle *parts = tn_arena_alloc(arena, shape->count * sizeof *parts);
    if (!parts)
        return tn_fail(err, TN_ENOMEM, "out of memory for a segmentation of %zu polygons",
                       shape->count);
    bool boxes = shape->polygons[0].points == 2;
    for (size_t i = 0; i < shape->count; i++) {
        const io_coco_polygon *p = &shape->polygons[i];
        if (boxes && p->points != 2)
            return tn_fail(err, TN_EFORMAT,
                           "segmentation of boxes and polygons, expected one kind");
        if (boxes)
            TN_TRY(io_rle_from_box(p->xy, h, w, arena, &parts[i], err));
        else
            TN_TRY(io_rle_from_polygon(p->xy, p->points, h, w, arena, &parts[i], err));
    }
    if (shape->count == 1) {
        *out = parts[0];
        return TN_OK;
    }
    return io_rle_merge(parts, shape->count, false, arena, out, err);
}

tn_status io_rle_from_shape(const io_coco_shape *shape, uint32_t h, uint32_t w, tn_arena *arena,
                            io_rle *out, tn_error *err) {
    switch (shape->kind) {
    case IO_COCO_TEXT:
        return io_rle_from_text(shape->text, shape->count, shape->h, shape->w, arena, out, err);
    case IO_COCO_COUNTS:
        return io_rle_from_counts(shape->counts, shape->count, shape->h, shape->w, arena, out, err);
    case IO_COCO_POLYGONS:
        if (shape->count) return from_polygons(shape, h, w, arena, out, err);
        return io_rle_from_polygon(NULL, 0, h, w, arena, out, err);
    default:
        return tn_fail(err, TN_EFORMAT, "no segmentation, expected one");
    }
}

bool io_polygon_near(const io_coco_polygon *polygon, int64_t w, int64_t h) {
    for (size_t i = 0; i < 2 * polygon->points; i++) {
        double side = (double)(i % 2 ? h : w);
        if (!(polygon->xy[i] >= -side && polygon->xy[i] <= 2 * side)) return false;
    }
    return true;
}
