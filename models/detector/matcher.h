// SPDX-License-Identifier: Apache-2.0
// Matches boxes to ground truth: torchvision's box_iou and Matcher (Ren et al., "Faster R-CNN",
// NeurIPS 2015, section 3.1.2). Boxes are float32 [R,4] rows x1 y1 x2 y2.
#pragma once

#include "tensor/pool.h"
#include "tensor/tensor.h"

// Intersection over union in float32, in torchvision's order of operations.
float md_box_iou(const float a[4], const float b[4]);
// a [M,4], b [N,4] -> y float32 [M,N].
void md_iou_matrix(const tn_tensor *a, const tn_tensor *b, tn_tensor *y);

#define MD_BELOW (-1)   // IoU with every true box is below `low`: background
#define MD_BETWEEN (-2) // between low and high: ignored

typedef struct md_matcher {
    double high, low;
    // Also matches, for each true box, the boxes with the highest IoU (all that are equal), however
    // low it is. As in torchvision, each of them is then assigned to the true box with which *it*
    // has the highest IoU.
    bool low_quality;
} md_matcher;

// truth [G,4], boxes [N,4] -> match int32 [N]: the index of a true box, MD_BELOW or MD_BETWEEN; of
// equal overlaps the first true box counts. Without true boxes all are MD_BELOW. The [G,N] matrix
// is never stored: scratch holds G numbers per 4,096 boxes and two per box, and is freed.
// TN_ENOMEM.
tn_status md_match(tn_pool *pool, tn_arena *scratch, const md_matcher *matcher,
                   const tn_tensor *truth, const tn_tensor *boxes, tn_tensor *match, tn_error *err);
