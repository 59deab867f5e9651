// SPDX-License-Identifier: Apache-2.0
// Which format a picture is in, and the limits that all formats share.
#include "io/image/image.h"

#include "io/file.h"
#include "io/image/codec.h"

#include <string.h>

#define MOST_PIXELS ((int64_t)1 << 40) // whatever the caller allows: sizes in bytes never overflow

tn_status io_picture_new(int64_t width, int64_t height, int64_t max_pixels, tn_tensor *out,
                         tn_error *err) {
    if (width <= 0 || height <= 0)
        return tn_fail(err, TN_EFORMAT, "%lldx%lld pixels, expected at least 1x1", (long long)width,
                       (long long)height);
    if (width > max_pixels || height > max_pixels / width)
        return tn_fail(err, TN_ENOMEM, "%lldx%lld pixels, expected at most %lld in all",
                       (long long)width, (long long)height, (long long)max_pixels);
    return tn_new_heap(out, TN_U8, TN_DIMS(height, width, 3), err);
}

typedef tn_status (*decoder)(const uint8_t *bytes, size_t count, int64_t max_pixels, tn_tensor *out,
                             tn_error *err);

typedef struct signature {
    const char *name;
    size_t offset, length;
    const char *bytes;
    decoder decode; // NULL: known, but not read
} signature;

static const signature signatures[] = {
    {"JPEG", 0, 3, "\xff\xd8\xff", io_jpeg_decode},
    {"PNG", 0, 8, "\x89PNG\r\n\x1a\n", io_png_decode},
    {"PGM", 0, 2, "P2", io_ppm_decode},
    {"PPM", 0, 2, "P3", io_ppm_decode},
    {"PGM", 0, 2, "P5", io_ppm_decode},
    {"PPM", 0, 2, "P6", io_ppm_decode},
    {"GIF", 0, 4, "GIF8", NULL},
    {"WebP", 8, 4, "WEBP", NULL},
    {"BMP", 0, 2, "BM", NULL},
    {"TIFF", 0, 4, "II*\0", NULL},
    {"TIFF", 0, 4, "MM\0*", NULL},
    {"HEIF or AVIF", 4, 4, "ftyp", NULL},
    {"JPEG XL", 0, 2, "\xff\x0a", NULL},
    {"JPEG 2000", 4, 4, "jP  ", NULL},
    {"PBM", 0, 2, "P1", NULL},
    {"PBM", 0, 2, "P4", NULL},
};

static const signature *recognise(const uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
        const signature *s = &signatures[i];
        if (count >= s->offset + s->length && !memcmp(bytes + s->offset, s->bytes, s->length))
            return s;
    }
    return NULL;
}

static tn_status not_a_picture(const uint8_t *bytes, size_t count, const char *name,
                               tn_error *err) {
    char start[3 * 8 + 1] = "";
    for (size_t i = 0; i < count && i < 8; i++) snprintf(start + 3 * i, 4, " %02x", bytes[i]);
    if (count == 0)
        return tn_fail(err, TN_EFORMAT, "%s: empty, expected a JPEG, PNG or PPM picture", name);
    return tn_fail(err, TN_EFORMAT, "%s: starts with%s, expected a JPEG, PNG or PPM picture", name,
                   start);
}

tn_status io_image_decode(const void *bytes, size_t count, const char *name, int64_t max_pixels,
                          tn_tensor *out, tn_error *err) {
    const signature *s = recognise(bytes, count);
    if (!s) return not_a_picture(bytes, count, name, err);
    if (!s->decode)
        return tn_fail(err, TN_EUNSUPPORTED, "%s: a %s picture, expected JPEG, PNG, PPM or PGM",
                       name, s->name);
    if (max_pixels <= 0) max_pixels = IO_MAX_PIXELS;
    if (max_pixels > MOST_PIXELS) max_pixels = MOST_PIXELS;
    tn_tensor picture;
    tn_status status = s->decode(bytes, count, max_pixels, &picture, err);
    if (status == TN_OK)
        *out = picture;
    else
        tn_fail_prefix(err, "%s: %s", name, s->name);
    return status;
}

tn_status io_image_read(const char *path, int64_t max_pixels, tn_tensor *out, tn_error *err) {
    io_map file;
    TN_TRY(io_map_open(path, &file, err));
    tn_status status = io_image_decode(file.bytes, file.count, path, max_pixels, out, err);
    io_map_close(&file);
    return status;
}
