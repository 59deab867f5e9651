// SPDX-License-Identifier: Apache-2.0
// Pictures: decoding with everything that real files hold, and writing PNG.
#pragma once

#include "tensor/tensor.h"

#define IO_MAX_PIXELS 100000000 // default limit: 100 megapixels

// Decodes JPEG (baseline, progressive, grey, CMYK, YCCK; EXIF orientation applied), PNG (palette,
// 16 bit, alpha over white, interlaced, grey) or PPM/PGM (P2 P3 P5 P6) into uint8 [H,W,3] RGB, told
// by its bytes, not its name. max_pixels <= 0 means IO_MAX_PIXELS; a larger picture is refused
// before memory is taken. Release with tn_free(out->data).
// TN_EIO, TN_EFORMAT (text names file and place), TN_EUNSUPPORTED, TN_ENOMEM.
tn_status io_image_read(const char *path, int64_t max_pixels, tn_tensor *out, tn_error *err);
// The same from memory; name is used in error texts.
tn_status io_image_decode(const void *bytes, size_t count, const char *name, int64_t max_pixels,
                          tn_tensor *out, tn_error *err);
// uint8 [H,W,3] (RGB), [H,W,4] (RGBA) or [H,W] (grey), or int32 [H,W] label map in 0..65535 (16-bit
// grey). Written beside, synced, renamed: the file is there whole or not at all.
tn_status io_png_write(const char *path, const tn_tensor *image, tn_error *err);
// Baseline JPEG of uint8 [H,W,3] in memory, as libjpeg's defaults write it. quality: 1..100;
// full_colour: 4:4:4 in place of 4:2:0. *bytes from tn_alloc. TN_ENOMEM.
tn_status io_jpeg_encode(const tn_tensor *image, int quality, bool full_colour, uint8_t **bytes,
                         size_t *count, tn_error *err);
