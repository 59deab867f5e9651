// SPDX-License-Identifier: Apache-2.0
#include "models/detector/anchors.h"

#include <math.h>

md_anchors md_anchors_default(void) {
    md_anchors anchors = {.levels = 5};
    for (int i = 0; i < anchors.levels; i++) {
        anchors.level[i].sizes = 1;
        anchors.level[i].size[0] = (float)(32 << i);
        anchors.level[i].ratios = 3;
        anchors.level[i].ratio[0] = 0.5f;
        anchors.level[i].ratio[1] = 1.0f;
        anchors.level[i].ratio[2] = 2.0f;
    }
    return anchors;
}

// The anchors of the cell at the origin. float32 throughout, as in the definition: otherwise a side
// close to a half would round to another pixel.
static int cell(const md_anchors *anchors, int level, float box[][4]) {
    int n = 0;
    for (int r = 0; r < anchors->level[level].ratios; r++) {
        float tall = sqrtf(anchors->level[level].ratio[r]), wide = 1.0f / tall;
        for (int s = 0; s < anchors->level[level].sizes; s++, n++) {
            float w = wide * anchors->level[level].size[s];
            float h = tall * anchors->level[level].size[s];
            box[n][0] = -w / 2, box[n][1] = -h / 2, box[n][2] = w / 2, box[n][3] = h / 2;
            for (int k = 0; k < 4 && anchors->level[level].stride <= 0; k++)
                box[n][k] = rintf(box[n][k]);
        }
    }
    return n;
}

void md_anchors_fill(const md_anchors *anchors, int level, int64_t height, int64_t width,
                     int64_t map_h, int64_t map_w, tn_tensor *y) {
    float box[MD_ANCHORS * MD_ANCHORS][4];
    TN_CHECK(level >= 0 && level < anchors->levels, "level %d of %d", level, anchors->levels);
    int count = cell(anchors, level, box);
    TN_CHECK(y->rank == 2 && y->dim[0] == map_h * map_w * count && y->dim[1] == 4,
             "%lld anchors for %lld x %lld cells of %d", (long long)y->dim[0], (long long)map_h,
             (long long)map_w, count);
    float *at = tn_f32(y);
    // The integer stride is the definition's: on the coarsest level the map has ceil(n/2) cells, so
    // the stride may be 61 where 64 is expected.
    double step_y = (double)(map_h ? height / map_h : 0),
           step_x = (double)(map_w ? width / map_w : 0);
    double given = anchors->level[level].stride, middle = 0;
    if (given > 0) step_y = step_x = given, middle = 0.5;
    for (int64_t row = 0; row < map_h; row++)
        for (int64_t column = 0; column < map_w; column++) {
            float dx = (float)(((double)column + middle) * step_x),
                  dy = (float)(((double)row + middle) * step_y);
            for (int n = 0; n < count; n++, at += 4) {
                at[0] = box[n][0] + dx, at[1] = box[n][1] + dy;
                at[2] = box[n][2] + dx, at[3] = box[n][3] + dy;
            }
        }
}
