// SPDX-License-Identifier: Apache-2.0
// The first picture of a TIFF through libtiff's interface for RGBA, which knows strips and tiles,
// palettes, grey, CMYK, YCbCr and 1 to 16 bits, and says of the rest what it is.
#ifdef IO_TIFF
#include "io/image/codec.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <tiffio.h>

#define FUNCTIONS(X)                                                                               \
    X(TIFFOpenOptionsAlloc)                                                                        \
    X(TIFFOpenOptionsFree)                                                                         \
    X(TIFFOpenOptionsSetMaxSingleMemAlloc)                                                         \
    X(TIFFOpenOptionsSetErrorHandlerExtR)                                                          \
    X(TIFFOpenOptionsSetWarningHandlerExtR)                                                        \
    X(TIFFClientOpenExt)                                                                           \
    X(TIFFClose)                                                                                   \
    X(TIFFGetField)                                                                                \
    X(TIFFGetFieldDefaulted)                                                                       \
    X(TIFFIsTiled)                                                                                 \
    X(TIFFRGBAImageOK)                                                                             \
    X(TIFFReadRGBAImageOriented)

static struct { FUNCTIONS(IO_LIBRARY_MEMBER) } api;
static const io_symbol symbols[] = {FUNCTIONS(IO_LIBRARY_SYMBOL)};
static io_library library = {IO_TIFF, symbols, sizeof symbols / sizeof *symbols, false};

typedef struct tiff {
    const uint8_t *bytes;
    size_t count, at;
    char why[300]; // the library's first error
    tn_error *err;
} tiff;

static tmsize_t read_bytes(thandle_t handle, void *to, tmsize_t bytes) {
    tiff *t = handle;
    if (bytes < 0 || t->at >= t->count) return 0;
    size_t left = t->count - t->at, take = (size_t)bytes < left ? (size_t)bytes : left;
    memcpy(to, t->bytes + t->at, take);
    t->at += take;
    return (tmsize_t)take;
}

static tmsize_t write_bytes(thandle_t handle, void *from, tmsize_t bytes) {
    (void)handle, (void)from, (void)bytes;
    return 0;
}

static toff_t seek(thandle_t handle, toff_t offset, int whence) {
    tiff *t = handle;
    t->at = whence == SEEK_CUR ? t->at + offset : whence == SEEK_END ? t->count + offset : offset;
    return t->at; // behind the end: nothing is read there
}

static int close_nothing(thandle_t handle) {
    (void)handle;
    return 0;
}

static toff_t size_of(thandle_t handle) {
    return ((tiff *)handle)->count;
}

// The file lies in memory, so it is mapped as it is.
static int map(thandle_t handle, void **base, toff_t *size) {
    const tiff *t = handle;
    *base = (void *)(uintptr_t)t->bytes; // only read from
    *size = t->count;
    return 1;
}

static void unmap(thandle_t handle, void *base, toff_t size) {
    (void)handle, (void)base, (void)size;
}

static int on_error(TIFF *lib, void *user, const char *module, const char *format, va_list words) {
    (void)lib, (void)module;
    tiff *t = user;
    if (!t->why[0]) vsnprintf(t->why, sizeof t->why, format, words);
    return 1;
}

// A tag whose data lies behind the file's end is only warned of and left out: without its palette,
// a picture would be read as grey.
static int on_warning(TIFF *lib, void *user, const char *module, const char *format,
                      va_list words) {
    if (strstr(format, "IO error during reading"))
        return on_error(lib, user, module, format, words);
    return 1;
}

static tn_status fail(tiff *t, tn_status status, const char *otherwise) {
    const char *why = t->why[0] ? t->why : otherwise;
    return tn_fail(t->err, status, "near byte %zu of %zu: %s", t->at, t->count, why);
}

static TIFF *open_library(tiff *t, int64_t max_pixels) {
    // A block of the file, decoded, is at most the picture in 16 bits and five channels.
    int64_t most = 10 * max_pixels < (1 << 20) ? 1 << 20 : 10 * max_pixels;
    TIFFOpenOptions *options = api.TIFFOpenOptionsAlloc();
    if (!options) return NULL;
    api.TIFFOpenOptionsSetMaxSingleMemAlloc(options, most);
    api.TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, t);
    api.TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, t);
    TIFF *lib = api.TIFFClientOpenExt("picture", "r", t, read_bytes, write_bytes, seek,
                                      close_nothing, size_of, map, unmap, options);
    api.TIFFOpenOptionsFree(options);
    return lib;
}

// Packed by the library into numbers, red lowest: RGBA in memory, whatever the byte order.
static void unpack(uint32_t *raster, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        uint32_t v = raster[i];
        uint8_t rgba[4] = {TIFFGetR(v), TIFFGetG(v), TIFFGetB(v), TIFFGetA(v)};
        memcpy(raster + i, rgba, 4);
    }
}

static tn_status decode_pixels(tiff *t, TIFF *lib, int orientation, tn_tensor *picture) {
    int64_t h = picture->dim[0], w = picture->dim[1];
    size_t bytes;
    uint32_t *raster =
        tn_mul_size((size_t)(w * h), sizeof *raster, &bytes) ? tn_alloc_zero(1, bytes) : NULL;
    if (!raster)
        return tn_fail(t->err, TN_ENOMEM, "out of memory for %lldx%lld pixels", (long long)w,
                       (long long)h);
    // Asked for in the orientation that it is stored in: the library only mirrors, io_orient turns.
    bool decoded =
        api.TIFFReadRGBAImageOriented(lib, (uint32_t)w, (uint32_t)h, raster, orientation, 1) &&
        !t->why[0];
    if (decoded) {
        unpack(raster, w * h);
        io_premultiplied_over_white((const uint8_t *)raster, w * h, tn_u8(picture));
    }
    tn_free(raster);
    return decoded ? TN_OK : fail(t, TN_EFORMAT, "the pixels do not decode");
}

// Tiles can be far larger than the picture, and channels far more than it shows.
static tn_status check_layout(tiff *t, TIFF *lib, int64_t max_pixels) {
    uint16_t channels = 1;
    uint32_t w = 1, h = 1;
    char why[1024];
    api.TIFFGetFieldDefaulted(lib, TIFFTAG_SAMPLESPERPIXEL, &channels);
    if (api.TIFFIsTiled(lib)) {
        api.TIFFGetField(lib, TIFFTAG_TILEWIDTH, &w);
        api.TIFFGetField(lib, TIFFTAG_TILELENGTH, &h);
    }
    if (channels > 5)
        return tn_fail(t->err, TN_EUNSUPPORTED, "%d channels, expected 1 to 5", channels);
    if (w > max_pixels || (w && h > max_pixels / w))
        return tn_fail(t->err, TN_ENOMEM, "tiles of %ux%u pixels, expected at most %lld in all", w,
                       h, (long long)max_pixels);
    if (api.TIFFRGBAImageOK(lib, why)) return TN_OK;
    snprintf(t->why, sizeof t->why, "%.290s", why);
    return fail(t, TN_EUNSUPPORTED, "");
}

static tn_status decode(tiff *t, TIFF *lib, int64_t max_pixels, tn_tensor *out) {
    uint32_t w = 0, h = 0;
    uint16_t orientation = 1;
    api.TIFFGetField(lib, TIFFTAG_IMAGEWIDTH, &w);
    api.TIFFGetField(lib, TIFFTAG_IMAGELENGTH, &h);
    api.TIFFGetFieldDefaulted(lib, TIFFTAG_ORIENTATION, &orientation);
    if (orientation < 1 || orientation > 8) orientation = 1;
    tn_tensor picture;
    TN_TRY(io_picture_new(w, h, max_pixels, &picture, t->err));
    tn_status status = check_layout(t, lib, max_pixels);
    if (status == TN_OK) status = decode_pixels(t, lib, orientation, &picture);
    if (status == TN_OK) status = io_orient(&picture, orientation, t->err);
    if (status == TN_OK)
        *out = picture;
    else
        tn_free(picture.data);
    return status;
}

tn_status io_tiff_decode(const uint8_t *bytes, size_t count, int64_t max_pixels, tn_tensor *out,
                         tn_error *err) {
    TN_TRY(io_library_load(&library, err));
    tiff t = {bytes, count, .err = err};
    TIFF *lib = open_library(&t, max_pixels);
    if (!lib) return fail(&t, TN_EFORMAT, "not a directory of TIFF");
    tn_status status = t.why[0] ? fail(&t, TN_EFORMAT, "") : decode(&t, lib, max_pixels, out);
    api.TIFFClose(lib);
    return status;
}
#else
typedef int io_no_tiff; // ISO C wants a declaration in every file
#endif
