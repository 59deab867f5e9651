// SPDX-License-Identifier: Apache-2.0
// Pictures: decoding with everything that real files hold, and writing PNG.
#pragma once

#include "tensor/tensor.h"

#define IO_MAX_PIXELS 100000000 // default limit: 100 megapixels

// Decodes a picture into uint8 [H,W,3] RGB, upright; its format is known by its bytes, not by its
// name. Transparency is laid over white; 16 bits are cut to 8; of several frames the first is read;
// colour profiles are ignored. JPEG (baseline, progressive, grey, CMYK, YCCK), PNG, PPM/PGM (P2 P3
// P5 P6) and BMP are always there; WebP, GIF, TIFF, AVIF and HEIC where their libraries were
// installed when this was built. The EXIF orientation (TIFF: its own tag; AVIF, HEIC: their
// transformations) is applied. max_pixels <= 0 means IO_MAX_PIXELS; a larger picture is refused
// before memory is taken. Release with tn_free(out->data). TN_EIO, TN_EFORMAT (text names file and
// place), TN_EUNSUPPORTED, TN_ENOMEM.
tn_status io_image_read(const char *path, int64_t max_pixels, tn_tensor *out, tn_error *err);
// The same from memory; name is used in error texts.
tn_status io_image_decode(const void *bytes, size_t count, const char *name, int64_t max_pixels,
                          tn_tensor *out, tn_error *err);

// A format that is known, read by this build or not.
typedef struct io_image_format {
    const char *name;    // "WebP"
    const char *endings; // of file names: ".tif .tiff"; "" where it is never read
    const char *package; // of Debian, with what must be there to build its decoder; NULL: nothing
} io_image_format;
// Of a picture's bytes; NULL where they are no picture.
const io_image_format *io_image_recognise(const void *bytes, size_t count);
// Whether a file is named as a picture of one of the formats, those included that this build does
// not read: opening one then says what is missing, which leaving it out would not.
bool io_image_has_ending(const char *name);
// built: "JPEG, PNG, PPM", those that this build reads; otherwise "WebP (libwebp-dev)", those that
// it does not read and the packages that they need. Gives text.
#define IO_IMAGE_FORMATS_TEXT 256
const char *io_image_formats(bool built, char *text, size_t room);

// uint8 [H,W,3] (RGB), [H,W,4] (RGBA) or [H,W] (grey), or int32 [H,W] label map in 0..65535 (16-bit
// grey). Written beside, synced, renamed: the file is there whole or not at all.
tn_status io_png_write(const char *path, const tn_tensor *image, tn_error *err);
// Baseline JPEG of uint8 [H,W,3] in memory, as libjpeg's defaults write it. quality: 1..100;
// full_colour: 4:4:4 in place of 4:2:0. *bytes from tn_alloc. TN_ENOMEM.
tn_status io_jpeg_encode(const tn_tensor *image, int quality, bool full_colour, uint8_t **bytes,
                         size_t *count, tn_error *err);
