// SPDX-License-Identifier: Apache-2.0
// The table of formats, and the limits that all formats share.
#include "io/image/image.h"

#include "io/file.h"
#include "io/image/codec.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define MAX_PIXELS ((int64_t)1 << 40) // whatever the caller allows: sizes in bytes never overflow

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

#define MAX_SIGNATURES 6

typedef struct signature {
    uint8_t offset, length;
    const char *bytes;
} signature;

typedef struct format {
    io_image_format shown; // what other folders see of it
    signature start[MAX_SIGNATURES];
    io_image_decoder decode; // NULL: known, but not read by this build
} format;

// One row a format. A file is of the first one with a signature that fits.
static const format formats[] = {
    {{"JPEG", ".jpg .jpeg", NULL}, {{0, 3, "\xff\xd8\xff"}}, io_jpeg_decode},
    {{"PNG", ".png", NULL}, {{0, 8, "\x89PNG\r\n\x1a\n"}}, io_png_decode},
    {{"PPM", ".ppm .pnm", NULL}, {{0, 2, "P3"}, {0, 2, "P6"}}, io_ppm_decode},
    {{"PGM", ".pgm", NULL}, {{0, 2, "P2"}, {0, 2, "P5"}}, io_ppm_decode},
    {{"BMP", ".bmp", NULL}, {{0, 2, "BM"}}, io_bmp_decode},
    {{"WebP", ".webp", "libwebp-dev"}, {{8, 4, "WEBP"}}, io_webp_decode},
    {{"GIF", ".gif", "libgif-dev"}, {{0, 4, "GIF8"}}, io_gif_decode},
    {{"TIFF", ".tif .tiff", "libtiff-dev"},
     {{0, 4, "II*\0"}, {0, 4, "MM\0*"}, {0, 4, "II+\0"}, {0, 4, "MM\0+"}},
     io_tiff_decode},
    {{"AVIF", ".avif", "libheif-dev"}, {{4, 8, "ftypavif"}, {4, 8, "ftypavis"}}, io_heif_decode},
    {{"HEIC", ".heic .heif", "libheif-dev"},
     {{4, 7, "ftyphei"}, {4, 7, "ftyphev"}, {4, 8, "ftypmif1"}, {4, 8, "ftypmsf1"}},
     io_heif_decode},
    {{"JPEG XL", "", NULL}, {{0, 2, "\xff\x0a"}, {4, 4, "JXL "}}, NULL},
    {{"JPEG 2000", "", NULL}, {{4, 4, "jP  "}}, NULL},
    {{"PBM", "", NULL}, {{0, 2, "P1"}, {0, 2, "P4"}}, NULL},
};
enum { FORMATS = sizeof formats / sizeof *formats };

static bool fits(const format *f, const uint8_t *bytes, size_t count) {
    for (int i = 0; i < MAX_SIGNATURES && f->start[i].length; i++) {
        const signature *s = &f->start[i];
        if (count >= (size_t)s->offset + s->length &&
            !memcmp(bytes + s->offset, s->bytes, s->length))
            return true;
    }
    return false;
}

static const format *recognise(const uint8_t *bytes, size_t count) {
    for (int i = 0; i < FORMATS; i++)
        if (fits(&formats[i], bytes, count)) return &formats[i];
    return NULL;
}

const io_image_format *io_image_recognise(const void *bytes, size_t count) {
    const format *f = recognise(bytes, count);
    return f ? &f->shown : NULL;
}

static bool has_ending(const char *endings, const char *ending) {
    size_t length = strlen(ending);
    for (const char *at = endings; *at;) {
        size_t word = strcspn(at, " ");
        if (word == length && !strncasecmp(at, ending, length)) return true;
        at += word + (at[word] == ' ');
    }
    return false;
}

bool io_image_has_ending(const char *name) {
    const char *dot = strrchr(name, '.');
    for (int i = 0; dot && i < FORMATS; i++)
        if (has_ending(formats[i].shown.endings, dot)) return true;
    return false;
}

// Appends to a text that is cut at its room.
static void append(char *text, size_t room, const char *before, const char *word) {
    size_t at = strlen(text);
    snprintf(text + at, room - at, "%s%s", at ? before : "", word);
}

const char *io_image_formats(bool built, char *text, size_t room) {
    text[0] = 0;
    for (int i = 0; i < FORMATS; i++) {
        const format *f = &formats[i];
        if (built && f->decode) append(text, room, ", ", f->shown.name);
        if (built || f->decode || !f->shown.package) continue;
        append(text, room, ", ", f->shown.name);
        append(text, room, "", " (");
        append(text, room, "", f->shown.package);
        append(text, room, "", ")");
    }
    return text;
}

static tn_status not_a_picture(const uint8_t *bytes, size_t count, const char *name,
                               tn_error *err) {
    char start[3 * 8 + 1] = "", read[IO_IMAGE_FORMATS_TEXT];
    io_image_formats(true, read, sizeof read);
    for (size_t i = 0; i < count && i < 8; i++) snprintf(start + 3 * i, 4, " %02x", bytes[i]);
    if (count == 0)
        return tn_fail(err, TN_EFORMAT, "%s: empty, expected a picture (%s)", name, read);
    return tn_fail(err, TN_EFORMAT, "%s: starts with%s, expected a picture (%s)", name, start,
                   read);
}

static tn_status not_read(const format *f, const char *name, tn_error *err) {
    char read[IO_IMAGE_FORMATS_TEXT];
    if (f->shown.package)
        return tn_fail(err, TN_EUNSUPPORTED,
                       "%s: a %s picture, which this build of lexmask does not read: install the "
                       "package %s and build lexmask again",
                       name, f->shown.name, f->shown.package);
    return tn_fail(err, TN_EUNSUPPORTED, "%s: a %s picture, expected %s", name, f->shown.name,
                   io_image_formats(true, read, sizeof read));
}

// What libraries say is for terminals: one sentence on one line is ours.
static void on_one_line(tn_error *err) {
    if (!err) return;
    for (char *c = err->text; *c; c++)
        if (*c == '\n' || *c == '\r') *c = ' ';
    for (size_t n = strlen(err->text); n && err->text[n - 1] == ' ';) err->text[--n] = 0;
}

tn_status io_image_decode(const void *bytes, size_t count, const char *name, int64_t max_pixels,
                          tn_tensor *out, tn_error *err) {
    const format *f = recognise(bytes, count);
    if (!f) return not_a_picture(bytes, count, name, err);
    if (!f->decode) return not_read(f, name, err);
    if (max_pixels <= 0) max_pixels = IO_MAX_PIXELS;
    if (max_pixels > MAX_PIXELS) max_pixels = MAX_PIXELS;
    tn_tensor picture;
    tn_status status = f->decode(bytes, count, max_pixels, &picture, err);
    if (status == TN_OK) {
        *out = picture;
        return TN_OK;
    }
    on_one_line(err);
    return tn_fail_prefix(err, "%s: %s", name, f->shown.name);
}

tn_status io_image_read(const char *path, int64_t max_pixels, tn_tensor *out, tn_error *err) {
    io_map file;
    TN_TRY(io_map_open(path, &file, err));
    tn_status status = io_image_decode(file.bytes, file.count, path, max_pixels, out, err);
    io_map_close(&file);
    return status;
}
