// SPDX-License-Identifier: Apache-2.0
// PNG through libpng, both ways. Samples become 8 bit (the upper byte of 16, as PIL takes it),
// palette and grey become RGB, transparency is laid over white, gamma and profiles are ignored as
// PIL ignores them.
#include "io/file.h"
#include "io/image/codec.h"

#include <setjmp.h>
#include <string.h>

#include <png.h>

typedef struct png {
    png_structp lib;
    png_infop info;
    const uint8_t *bytes; // reading
    size_t count, at;
    io_writer writer;  // writing
    uint8_t *pixels;   // what libpng reads into or writes from, where it is not the tensor itself
    png_bytep *rows;   // interlaced pictures are read whole
    tn_tensor picture; // [H,W,3]
    tn_status status;
    tn_error *err;
} png;

// libpng's memory is ours, so that tests can make it fail.
static png_voidp take(png_structp lib, png_alloc_size_t bytes) {
    (void)lib;
    return tn_alloc(bytes);
}

static void give(png_structp lib, png_voidp block) {
    (void)lib;
    tn_free(block);
}

static void on_error(png_structp lib, png_const_charp why) {
    png *p = png_get_error_ptr(lib);
    bool memory = strstr(why, "memory") != NULL;
    if (p->status != TN_OK) // a callback has said more already
        ;
    else if (p->bytes)
        p->status = tn_fail(p->err, memory ? TN_ENOMEM : TN_EFORMAT, "near byte %zu of %zu: %s",
                            p->at, p->count, why);
    else
        p->status = tn_fail(p->err, memory ? TN_ENOMEM : TN_EIO, "%s: %s", p->writer.path, why);
    png_longjmp(lib, 1);
}

static void on_warning(png_structp lib, png_const_charp why) {
    (void)lib, (void)why;
}

static void read_bytes(png_structp lib, png_bytep to, size_t bytes) {
    png *p = png_get_io_ptr(lib);
    if (bytes > p->count - p->at) {
        p->status = tn_fail(p->err, TN_EFORMAT, "data ends early: %zu bytes are there", p->count);
        png_error(lib, "");
    }
    memcpy(to, p->bytes + p->at, bytes);
    p->at += bytes;
}

static bool room(png *p, void **block, int64_t count, size_t size) {
    size_t bytes;
    *block = tn_mul_size((size_t)count, size, &bytes) ? tn_alloc(bytes) : NULL;
    if (!*block)
        p->status = tn_fail(p->err, TN_ENOMEM, "out of memory for %lld x %zu bytes",
                            (long long)count, size);
    return *block;
}

static tn_status read_whole(png *p, int64_t w, int64_t h, bool alpha) {
    void *block;
    if (!room(p, &block, h, sizeof *p->rows)) return p->status;
    p->rows = block;
    uint8_t *target = tn_u8(&p->picture);
    if (alpha) {
        if (!room(p, &block, w * h, 4)) return p->status;
        target = p->pixels = block;
    }
    for (int64_t y = 0; y < h; y++) p->rows[y] = target + y * w * (alpha ? 4 : 3);
    png_read_image(p->lib, p->rows);
    if (alpha) io_over_white(p->pixels, w * h, tn_u8(&p->picture));
    return TN_OK;
}

static tn_status read_rows(png *p, int64_t w, int64_t h, bool alpha) {
    void *block;
    if (alpha) {
        if (!room(p, &block, w, 4)) return p->status;
        p->pixels = block;
    }
    for (int64_t y = 0; y < h; y++) {
        uint8_t *row = tn_u8(&p->picture) + 3 * y * w;
        png_read_row(p->lib, alpha ? p->pixels : row, NULL);
        if (alpha) io_over_white(p->pixels, w, row);
    }
    return TN_OK;
}

static int orientation_of(png *p) {
    png_uint_32 count = 0;
    png_bytep exif = NULL;
    if (!png_get_eXIf_1(p->lib, p->info, &count, &exif)) return 1;
    return io_exif_orientation(exif, count);
}

static tn_status decode(png *p, int64_t max_pixels) {
    png_set_read_fn(p->lib, p, read_bytes);
    png_set_user_limits(p->lib, PNG_UINT_31_MAX, PNG_UINT_31_MAX); // ours is on the product
    // Only what the pixels need: text and profiles can be long and compressed, and are not used.
    png_set_keep_unknown_chunks(p->lib, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_keep_unknown_chunks(p->lib, PNG_HANDLE_CHUNK_AS_DEFAULT, (png_const_bytep) "eXIf", 1);
    png_read_info(p->lib, p->info);
    int64_t w = png_get_image_width(p->lib, p->info), h = png_get_image_height(p->lib, p->info);
    p->status = io_picture_new(w, h, max_pixels, &p->picture, p->err);
    if (p->status != TN_OK) return p->status;
    png_set_expand(p->lib); // palette to RGB, 1 2 4 bit to 8, tRNS to alpha
    png_set_strip_16(p->lib);
    png_set_gray_to_rgb(p->lib);
    bool interlaced = png_set_interlace_handling(p->lib) > 1;
    png_read_update_info(p->lib, p->info);
    bool alpha = png_get_channels(p->lib, p->info) == 4;
    TN_CHECK(png_get_rowbytes(p->lib, p->info) == (size_t)w * (alpha ? 4 : 3), "%zu bytes a row",
             png_get_rowbytes(p->lib, p->info));
    p->status = interlaced ? read_whole(p, w, h, alpha) : read_rows(p, w, h, alpha);
    if (p->status != TN_OK) return p->status;
    png_read_end(p->lib, p->info); // eXIf may stand behind the pixels
    return p->status = io_orient(&p->picture, orientation_of(p), p->err);
}

tn_status io_png_decode(const uint8_t *bytes, size_t count, int64_t max_pixels, tn_tensor *out,
                        tn_error *err) {
    png *p = tn_alloc_zero(1, sizeof *p); // not on the stack: what longjmp finds must be in memory
    if (!p) return tn_fail(err, TN_ENOMEM, "out of memory");
    p->bytes = bytes, p->count = count, p->err = err;
    p->lib =
        png_create_read_struct_2(PNG_LIBPNG_VER_STRING, p, on_error, on_warning, NULL, take, give);
    p->info = p->lib ? png_create_info_struct(p->lib) : NULL;
    if (!p->info)
        p->status = tn_fail(err, TN_ENOMEM, "out of memory");
    else if (setjmp(png_jmpbuf(p->lib)) == 0)
        decode(p, max_pixels);
    png_destroy_read_struct(&p->lib, &p->info, NULL);
    tn_status status = p->status;
    if (status == TN_OK)
        *out = p->picture;
    else
        tn_free(p->picture.data);
    tn_free(p->pixels);
    tn_free(p->rows);
    tn_free(p);
    return status;
}

static void write_bytes(png_structp lib, png_bytep bytes, size_t count) {
    png *p = png_get_io_ptr(lib);
    p->status = io_write(&p->writer, bytes, count, p->err);
    if (p->status != TN_OK) png_error(lib, "");
}

static void flush_bytes(png_structp lib) { // at commit
    (void)lib;
}

// Labels as big-endian 16-bit samples.
static tn_status write_labels(png *p, const tn_tensor *image) {
    int64_t w = image->dim[1];
    void *block;
    if (!room(p, &block, w, 2)) return p->status;
    p->pixels = block;
    for (int64_t y = 0; y < image->dim[0]; y++) {
        const int32_t *row = tn_i32(image) + y * w;
        for (int64_t x = 0; x < w; x++) {
            if (row[x] < 0 || row[x] > 65535)
                return p->status = tn_fail(p->err, TN_EINVAL,
                                           "%s: label %d at row %lld, column %lld, expected "
                                           "0..65535",
                                           p->writer.path, row[x], (long long)y, (long long)x);
            p->pixels[2 * x] = (uint8_t)(row[x] >> 8);
            p->pixels[2 * x + 1] = (uint8_t)(row[x] & 255);
        }
        png_write_row(p->lib, p->pixels);
    }
    return TN_OK;
}

static tn_status encode(png *p, const tn_tensor *image) {
    bool labels = image->dtype == TN_I32;
    int64_t channels = image->rank == 3 ? image->dim[2] : 1;
    int colour = channels == 1   ? PNG_COLOR_TYPE_GRAY
                 : channels == 3 ? PNG_COLOR_TYPE_RGB
                                 : PNG_COLOR_TYPE_RGBA;
    png_set_write_fn(p->lib, p, write_bytes, flush_bytes);
    png_set_user_limits(p->lib, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_IHDR(p->lib, p->info, (png_uint_32)image->dim[1], (png_uint_32)image->dim[0],
                 labels ? 16 : 8, colour, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(p->lib, p->info);
    if (labels) {
        TN_TRY(write_labels(p, image));
    } else {
        for (int64_t y = 0; y < image->dim[0]; y++)
            png_write_row(p->lib, tn_u8(image) + y * image->dim[1] * channels);
    }
    png_write_end(p->lib, NULL);
    return TN_OK;
}

static void check_image(const tn_tensor *image) {
    bool plane = image->rank == 2 &&
                 (image->dtype == TN_U8 || image->dtype == TN_BOOL || image->dtype == TN_I32);
    bool colour =
        image->rank == 3 && image->dtype == TN_U8 && (image->dim[2] == 3 || image->dim[2] == 4);
    char shape[128];
    TN_CHECK(plane || colour, "cannot write %s %s as PNG", tn_dtype_name(image->dtype),
             tn_shape_text(image->rank, image->dim, shape, sizeof shape));
    TN_CHECK(image->device == TN_HOST, "the picture is not in host memory");
}

tn_status io_png_write(const char *path, const tn_tensor *image, tn_error *err) {
    check_image(image);
    if (image->dim[0] < 1 || image->dim[1] < 1 || image->dim[0] > PNG_UINT_31_MAX ||
        image->dim[1] > PNG_UINT_31_MAX)
        return tn_fail(err, TN_EINVAL, "%s: cannot write a picture of %lldx%lld pixels", path,
                       (long long)image->dim[1], (long long)image->dim[0]);
    png *p = tn_alloc_zero(1, sizeof *p);
    if (!p) return tn_fail(err, TN_ENOMEM, "%s: out of memory", path);
    p->err = err;
    p->status = io_writer_open(&p->writer, path, err);
    if (p->status == TN_OK) {
        p->lib = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, p, on_error, on_warning, NULL,
                                           take, give);
        p->info = p->lib ? png_create_info_struct(p->lib) : NULL;
        if (!p->info)
            p->status = tn_fail(err, TN_ENOMEM, "%s: out of memory", path);
        else if (setjmp(png_jmpbuf(p->lib)) == 0)
            p->status = encode(p, image);
    }
    png_destroy_write_struct(&p->lib, &p->info);
    if (p->status == TN_OK)
        p->status = io_writer_commit(&p->writer, err);
    else
        io_writer_abort(&p->writer);
    tn_status status = p->status;
    tn_free(p->pixels);
    tn_free(p);
    return status;
}
