// SPDX-License-Identifier: Apache-2.0
// EXIF's eight orientations, and transparency over white.
#include "io/image/codec.h"

#include <string.h>

io_way io_way_of(int orientation, int64_t w, int64_t h) {
    switch (orientation) {
    case 2: // mirrored left to right
        return (io_way){w - 1, -1, w};
    case 3: // upside down
        return (io_way){w * h - 1, -1, -w};
    case 4: // mirrored top to bottom
        return (io_way){w * (h - 1), 1, -w};
    case 5: // transposed
        return (io_way){0, h, 1};
    case 6: // to be turned clockwise
        return (io_way){h - 1, h, -1};
    case 7: // transposed over the other diagonal
        return (io_way){w * h - 1, -h, -1};
    case 8: // to be turned counter-clockwise
        return (io_way){h * (w - 1), -h, 1};
    default:
        return (io_way){0, 1, w};
    }
}

void io_put_row(const io_way *to, int64_t y, int64_t w, const uint8_t *row, uint8_t *pixels) {
    int64_t start = to->start + y * to->step_y;
    if (to->step_x == 1)
        memcpy(pixels + 3 * start, row, (size_t)(3 * w));
    else
        for (int64_t x = 0; x < w; x++)
            memcpy(pixels + 3 * (start + x * to->step_x), row + 3 * x, 3);
}

tn_status io_orient(tn_tensor *picture, int orientation, tn_error *err) {
    if (orientation <= 1) return TN_OK;
    int64_t h = picture->dim[0], w = picture->dim[1];
    bool turned = orientation >= 5;
    tn_tensor upright;
    TN_TRY(tn_new_heap(&upright, TN_U8, TN_DIMS(turned ? w : h, turned ? h : w, 3), err));
    io_way to = io_way_of(orientation, w, h);
    for (int64_t y = 0; y < h; y++)
        io_put_row(&to, y, w, tn_u8(picture) + 3 * y * w, tn_u8(&upright));
    tn_free(picture->data);
    *picture = upright;
    return TN_OK;
}

static uint8_t divided_by_255(unsigned value) { // rounded, exact up to 255*255
    value += 128;
    return (uint8_t)((value + (value >> 8)) >> 8);
}

void io_over_white(const uint8_t *rgba, int64_t pixels, uint8_t *rgb) {
    for (int64_t i = 0; i < pixels; i++, rgba += 4, rgb += 3)
        for (int c = 0; c < 3; c++)
            rgb[c] = divided_by_255((unsigned)rgba[c] * rgba[3] + 255u * (255u - rgba[3]));
}

void io_premultiplied_over_white(const uint8_t *rgba, int64_t pixels, uint8_t *rgb) {
    for (int64_t i = 0; i < pixels; i++, rgba += 4, rgb += 3)
        for (int c = 0; c < 3; c++) {
            unsigned sum = rgba[c] + 255u - rgba[3];
            rgb[c] = (uint8_t)(sum < 255 ? sum : 255);
        }
}
