// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "io/coco/coco.h"
#include "io/coco/rle.h"

// The mask of a segmentation as it stands in a file, for a picture of h x w: polygons are joined;
// of two points each they are boxes. TN_EFORMAT.
tn_status io_rle_from_shape(const io_coco_shape *shape, uint32_t h, uint32_t w, tn_arena *arena,
                            io_rle *out, tn_error *err);

// False when a point is more than the picture's size outside of it: a polygon is drawn point by
// point, so one that runs far away would take memory without end.
bool io_polygon_near(const io_coco_polygon *polygon, int64_t w, int64_t h);
