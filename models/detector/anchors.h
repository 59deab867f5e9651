// SPDX-License-Identifier: Apache-2.0
// Anchors: the reference boxes of the region proposal network. torchvision's AnchorGenerator.
#pragma once

#include "tensor/tensor.h"

#define MD_LEVELS 8   // maximum pyramid levels
#define MD_ANCHORS 16 // maximum sizes, and aspect ratios, per level

// One cell has sizes*ratios anchors, ratio-major; area size^2, ratio = height/width.
typedef struct md_anchors {
    int levels;
    struct {
        int sizes, ratios;
        float size[MD_ANCHORS], ratio[MD_ANCHORS]; // pixels; height/width
        double stride; // pixels between cells, any aspect ratio, and cell anchors
                       // that are not rounded; 0: as torchvision has both
    } level[MD_LEVELS];
} md_anchors;

md_anchors md_anchors_default(void); // 32, 64, 128, 256, 512 pixels on five levels, ratios 1/2 1 2
static inline int md_anchors_per_cell(const md_anchors *anchors, int level) {
    return anchors->level[level].sizes * anchors->level[level].ratios;
}

// The anchors of one level over a map of map_h x map_w cells of a padded picture of height x width
// pixels. The distance between cells is floor(height/map_h) and floor(width/map_w) pixels, or the
// given stride. y float32 [map_h*map_w*A, 4], x1 y1 x2 y2, in the order row, column, ratio, size.
// Cell anchors are rounded to whole pixels, half to even, around the cell's corner; with a stride
// they are not rounded, and are centred on the cell.
void md_anchors_fill(const md_anchors *anchors, int level, int64_t height, int64_t width,
                     int64_t map_h, int64_t map_w, tn_tensor *y);
