// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "io/coco/coco.h"
#include "io/coco/rle.h"

// The mask of a segmentation for a picture of h x w. Polygons are joined; a polygon of two points
// is a box. TN_EFORMAT.
tn_status io_rle_from_shape(const io_coco_shape *shape, uint32_t h, uint32_t w, tn_arena *arena,
                            io_rle *out, tn_error *err);

// False if a point is further outside the picture than the picture's size: a polygon is drawn point
// by point, so a distant point could take unbounded memory.
bool io_polygon_near(const io_coco_polygon *polygon, int64_t w, int64_t h);
