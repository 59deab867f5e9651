// SPDX-License-Identifier: Apache-2.0
// What the picture formats share inside io/: each decoder takes the whole file and gives uint8
// [H,W,3] from tn_alloc. Error texts name the place; io/image/image.c puts the file's name before
// them.
#pragma once

#include "io/image/image.h"

#include <stdbool.h>

// Refuses 0 and too many pixels before it takes memory: TN_EFORMAT, TN_ENOMEM.
tn_status io_picture_new(int64_t width, int64_t height, int64_t max_pixels, tn_tensor *out,
                         tn_error *err);

// A decoder: the whole file in, uint8 [H,W,3] out. max_pixels is checked before memory is taken.
typedef tn_status (*io_image_decoder)(const uint8_t *bytes, size_t count, int64_t max_pixels,
                                      tn_tensor *out, tn_error *err);

// Those that are not in this build are NULL in the table of formats. IO_WEBP and its like are the
// library's file name, set by tools/scripts/pictures.sh where its header is installed.
tn_status io_jpeg_decode(const uint8_t *bytes, size_t count, int64_t max_pixels, tn_tensor *out,
                         tn_error *err);
tn_status io_png_decode(const uint8_t *bytes, size_t count, int64_t max_pixels, tn_tensor *out,
                        tn_error *err);
tn_status io_ppm_decode(const uint8_t *bytes, size_t count, int64_t max_pixels, tn_tensor *out,
                        tn_error *err);
tn_status io_bmp_decode(const uint8_t *bytes, size_t count, int64_t max_pixels, tn_tensor *out,
                        tn_error *err);
#ifdef IO_WEBP
tn_status io_webp_decode(const uint8_t *bytes, size_t count, int64_t max_pixels, tn_tensor *out,
                         tn_error *err);
#else
#define io_webp_decode NULL
#endif
#ifdef IO_GIF
tn_status io_gif_decode(const uint8_t *bytes, size_t count, int64_t max_pixels, tn_tensor *out,
                        tn_error *err);
#else
#define io_gif_decode NULL
#endif
#ifdef IO_TIFF
tn_status io_tiff_decode(const uint8_t *bytes, size_t count, int64_t max_pixels, tn_tensor *out,
                         tn_error *err);
#else
#define io_tiff_decode NULL
#endif
#ifdef IO_HEIF
tn_status io_heif_decode(const uint8_t *bytes, size_t count, int64_t max_pixels, tn_tensor *out,
                         tn_error *err);
#else
#define io_heif_decode NULL
#endif

// Orientation 1..8 of EXIF's tag 0x0112, with or without "Exif\0\0" before the TIFF header; 1 where
// there is none or where it makes no sense: a broken note about a picture does not break the
// picture.
int io_exif_orientation(const uint8_t *exif, size_t count);

// Where the pixels of a stored row go in the upright picture: pixels[start + x*step_x + y*step_y],
// so that turning row by row needs no second picture. w, h: of the stored picture.
typedef struct io_way {
    int64_t start, step_x, step_y; // in pixels
} io_way;
io_way io_way_of(int orientation, int64_t w, int64_t h);
// Row y of w RGB pixels into the upright picture.
void io_put_row(const io_way *to, int64_t y, int64_t w, const uint8_t *row, uint8_t *pixels);
// Replaces a picture that was decoded as stored by the upright one. TN_ENOMEM: left as it was.
tn_status io_orient(tn_tensor *picture, int orientation, tn_error *err);

// RGBA over white, rounded; premultiplied: colours are multiplied by alpha already.
void io_over_white(const uint8_t *rgba, int64_t pixels, uint8_t *rgb);
void io_premultiplied_over_white(const uint8_t *rgba, int64_t pixels, uint8_t *rgb);

// A library that is loaded when the first picture needs it. The heavy ones (libheif alone brings a
// dozen codecs) are not linked: a program that reads JPEG and PNG loads none of them, and a static
// liblexmask.a asks its users for none. A table of the functions needed is simpler than a plugin,
// which would have to be found, too.
typedef struct io_symbol {
    const char *name;
    void *function; // address of the pointer to fill
} io_symbol;
typedef struct io_library {
    const char *file;         // "libheif.so.1": of the headers that this was compiled with
    const io_symbol *symbols; // count of them
    size_t count;
    bool loaded;
} io_library;
// Fills the pointers, once for all threads. TN_EUNSUPPORTED where the library cannot be loaded.
tn_status io_library_load(io_library *library, tn_error *err);
// For a list of functions as a macro, FUNCTIONS(X): members of a struct, and the symbols.
#define IO_LIBRARY_MEMBER(name) __typeof__(name) *name;
#define IO_LIBRARY_SYMBOL(name) {#name, &api.name},
