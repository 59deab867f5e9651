// SPDX-License-Identifier: Apache-2.0
#include "kernels/mask_paste.h"

#include "kernels/rules.h"

#include <string.h>

// One extra row and column beyond the border: interpolation reads them.
static int64_t bordered_side(int64_t m) {
    return m + 3;
}

// Floats of the bordered mask, rounded up to whole cache lines.
static int64_t bordered_floats(int64_t m) {
    return (bordered_side(m) * bordered_side(m) + 15) / 16 * 16;
}

size_t kn_mask_paste_bytes(int64_t m, int64_t width) {
    return (size_t)bordered_floats(m) * sizeof(float) + (size_t)width * sizeof(kn_mask_sample);
}

// Copies the mask into a border of zeros.
static void add_border(const float *mask, int64_t m, float *to) {
    int64_t side = bordered_side(m);
    memset(to, 0, (size_t)(side * side) * sizeof *to);
    for (int64_t i = 0; i < m; i++)
        memcpy(to + (i + 1) * side + 1, mask + i * m, (size_t)m * sizeof *to);
}

void kn_mask_paste_one(double threshold, const float *mask, int64_t m, const float box[4],
                       int64_t height, int64_t width, void *scratch, uint8_t *y) {
    kn_mask_place place = kn_mask_place_of(box, m);
    int64_t x0 = place.x > 0 ? place.x : 0, y0 = place.y > 0 ? place.y : 0;
    int64_t x1 = place.x + place.w < width ? place.x + place.w : width;
    int64_t y1 = place.y + place.h < height ? place.y + place.h : height;
    float *bordered = scratch;
    kn_mask_sample *column = (kn_mask_sample *)(bordered + bordered_floats(m));
    int64_t side = bordered_side(m);
    bool small = kn_mask_small(place);
    float over = (float)threshold; // compared in float32, as PyTorch does
    memset(y, 0, (size_t)(height * width));
    add_border(mask, m, bordered);
    for (int64_t x = x0; x < x1; x++) column[x] = kn_mask_sample_of(x - place.x, place.w, m, small);
    for (int64_t row = y0; row < y1; row++) {
        kn_mask_sample down = kn_mask_sample_of(row - place.y, place.h, m, small);
        const float *above = bordered + down.at * side;
        for (int64_t x = x0; x < x1; x++) {
            const float *left = above + column[x].at;
            float value = kn_mask_between(left, left + side, down, column[x], small);
            y[row * width + x] = value > over;
        }
    }
}
