// SPDX-License-Identifier: Apache-2.0
#include "models/crop/crop.h"

#include <math.h>

static double within(double value, double low, double high) {
    return value < low ? low : value > high ? high : value;
}

void md_crop_edges(md_crop_shape shape, double context, const float box[4], int64_t height,
                   int64_t width, int64_t edges[4]) {
    double edge[4] = {box[0], box[1], box[2], box[3]};
    const double limit[2] = {(double)width, (double)height};
    if (shape == MD_CROP_SQUARE) {
        double x = (edge[0] + edge[2]) / 2, y = (edge[1] + edge[3]) / 2;
        double half = context * fmax(edge[2] - edge[0], edge[3] - edge[1]) / 2;
        edge[0] = x - half, edge[1] = y - half, edge[2] = x + half, edge[3] = y + half;
    }
    for (int axis = 0; axis < 2; axis++) {
        double low = within(rint(edge[axis]), 0, limit[axis] - 1);
        double high = within(rint(edge[axis + 2]), low + 1, limit[axis]);
        edges[axis] = (int64_t)low, edges[axis + 2] = (int64_t)high;
    }
}
