// SPDX-License-Identifier: Apache-2.0
// What the picture formats share inside io/: each decoder takes the whole file and gives uint8
// [H,W,3] from tn_alloc. Error texts name the place; io/image/image.c puts the file's name before
// them.
#pragma once

#include "io/image/image.h"

// Refuses 0 and too many pixels before it takes memory: TN_EFORMAT, TN_ENOMEM.
tn_status io_picture_new(int64_t width, int64_t height, int64_t max_pixels, tn_tensor *out,
                         tn_error *err);

tn_status io_jpeg_decode(const uint8_t *bytes, size_t count, int64_t max_pixels, tn_tensor *out,
                         tn_error *err);
tn_status io_png_decode(const uint8_t *bytes, size_t count, int64_t max_pixels, tn_tensor *out,
                        tn_error *err);
tn_status io_ppm_decode(const uint8_t *bytes, size_t count, int64_t max_pixels, tn_tensor *out,
                        tn_error *err);

// Orientation 1..8 of EXIF's tag 0x0112 in the payload of an APP1 segment, 1 where there is none
// or where it makes no sense: a broken note about a picture does not make the picture broken.
int io_exif_orientation(const uint8_t *payload, size_t count);
