// SPDX-License-Identifier: Apache-2.0
// Windows' and OS/2's bitmaps: 1, 4, 8 bit with palette (plain or run-length coded), 16, 24 and 32
// bit with or without masks. Source: Microsoft's description of BITMAPINFOHEADER and its
// successors.
#include "io/image/codec.h"

#include <string.h>

enum { RGB, RLE8, RLE4, BITFIELDS, EMBEDDED_JPEG, EMBEDDED_PNG, ALPHABITFIELDS };

typedef struct bmp {
    const uint8_t *bytes;
    size_t count, pixels; // pixels: where they begin
    int64_t w, h;
    bool down; // rows are stored from the top
    int bits, compression;
    uint32_t mask[4]; // red, green, blue, alpha (0: opaque)
    uint8_t palette[256][3];
    tn_error *err;
} bmp;

static uint32_t number(const bmp *b, size_t at, int bytes) {
    uint32_t value = 0;
    for (int i = 0; i < bytes; i++) value |= (uint32_t)b->bytes[at + (size_t)i] << 8 * i;
    return value;
}

static tn_status ends_early(const bmp *b, const char *where) {
    return tn_fail(b->err, TN_EFORMAT, "data ends early, in the %s: %zu bytes are there", where,
                   b->count);
}

// header: bytes of the information header, at byte 14.
static void read_sizes(bmp *b, size_t header) {
    if (header == 12) { // OS/2
        b->w = number(b, 18, 2), b->h = number(b, 20, 2), b->bits = (int)number(b, 24, 2);
    } else {
        b->w = (int32_t)number(b, 18, 4), b->h = (int32_t)number(b, 22, 4);
        b->bits = (int)number(b, 28, 2);
        b->compression = (int)number(b, 30, 4);
    }
    if (b->h < 0) b->down = true, b->h = -b->h;
}

static tn_status check_kind(const bmp *b) {
    bool direct = b->bits == 16 || b->bits == 24 || b->bits == 32;
    bool mapped = b->bits == 1 || b->bits == 4 || b->bits == 8;
    bool fits = false;
    switch (b->compression) {
    case RGB:
        fits = direct || mapped;
        break;
    case RLE8:
        fits = b->bits == 8 && !b->down;
        break;
    case RLE4:
        fits = b->bits == 4 && !b->down;
        break;
    case BITFIELDS:
    case ALPHABITFIELDS:
        fits = b->bits == 16 || b->bits == 32;
        break;
    case EMBEDDED_JPEG:
    case EMBEDDED_PNG:
        return tn_fail(b->err, TN_EUNSUPPORTED, "byte 30: a JPEG or PNG within a BMP");
    }
    if (fits) return TN_OK;
    return tn_fail(b->err, TN_EFORMAT, "byte 28: %d bits a pixel with compression %d%s", b->bits,
                   b->compression, b->down ? ", from the top" : "");
}

// The masks follow the first 40 bytes, inside a longer header or behind it. *end: behind them.
static tn_status read_masks(bmp *b, size_t header, size_t *end) {
    b->mask[0] = b->bits == 16 ? 0x7c00 : 0xff0000;
    b->mask[1] = b->bits == 16 ? 0x3e0 : 0xff00;
    b->mask[2] = b->bits == 16 ? 0x1f : 0xff;
    if (b->compression != BITFIELDS && b->compression != ALPHABITFIELDS) return TN_OK;
    int masks = b->compression == ALPHABITFIELDS || header >= 56 ? 4 : 3;
    if (b->count < 54 + 4 * (size_t)masks) return ends_early(b, "masks");
    for (int i = 0; i < masks; i++) b->mask[i] = number(b, 54 + 4 * (size_t)i, 4);
    if (header == 40) *end += 4 * (size_t)masks;
    if (b->mask[0] && b->mask[1] && b->mask[2]) return TN_OK;
    return tn_fail(b->err, TN_EFORMAT, "byte 54: masks %08x %08x %08x", b->mask[0], b->mask[1],
                   b->mask[2]);
}

static tn_status read_palette(bmp *b, size_t header, size_t at) {
    if (b->bits > 8) return TN_OK;
    size_t size = header == 12 ? 3 : 4, entries = (size_t)1 << b->bits;
    uint32_t used = header >= 36 ? number(b, 46, 4) : 0;
    if (used && used < entries) entries = used;
    if (at > b->count || entries * size > b->count - at) return ends_early(b, "palette");
    for (size_t i = 0; i < entries; i++)
        for (size_t c = 0; c < 3; c++) b->palette[i][c] = b->bytes[at + i * size + 2 - c];
    return TN_OK;
}

static tn_status read_header(bmp *b) {
    if (b->count < 26) return ends_early(b, "header");
    size_t header = number(b, 14, 4), end = 14 + header;
    b->pixels = number(b, 10, 4);
    if (header != 12 && (header < 40 || header > 1024))
        return tn_fail(b->err, TN_EFORMAT,
                       "byte 14: a header of %zu bytes, expected 12 or 40..1024", header);
    if (b->count < end) return ends_early(b, "header");
    read_sizes(b, header);
    TN_TRY(check_kind(b));
    TN_TRY(read_masks(b, header, &end));
    TN_TRY(read_palette(b, header, end));
    if (b->pixels < end)
        return tn_fail(b->err, TN_EFORMAT, "byte 10: pixels from byte %zu, inside the header",
                       b->pixels);
    return TN_OK;
}

static uint8_t *row_of(const bmp *b, int64_t y, tn_tensor *picture) {
    return tn_u8(picture) + 3 * b->w * (b->down ? y : b->h - 1 - y);
}

// The part of v that the mask has, brought to 0..255.
static uint8_t channel(uint32_t v, uint32_t mask) {
    int shift = __builtin_ctz(mask);
    uint64_t most = mask >> shift, value = (v & mask) >> shift;
    return (uint8_t)((value * 255 + most / 2) / most);
}

static void put_direct(const bmp *b, const uint8_t *from, uint8_t *rgb) {
    size_t size = (size_t)b->bits / 8;
    for (int64_t x = 0; x < b->w; x++, rgb += 3, from += size) {
        if (size == 3) {
            rgb[0] = from[2], rgb[1] = from[1], rgb[2] = from[0];
            continue;
        }
        uint32_t v = from[0] | (uint32_t)from[1] << 8;
        if (size == 4) v |= (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
        uint8_t rgba[4];
        for (int c = 0; c < 3; c++) rgba[c] = channel(v, b->mask[c]);
        rgba[3] = b->mask[3] ? channel(v, b->mask[3]) : 255;
        io_over_white(rgba, 1, rgb);
    }
}

static void put_mapped(const bmp *b, const uint8_t *from, uint8_t *rgb) {
    int per_byte = 8 / b->bits;
    for (int64_t x = 0; x < b->w; x++) {
        int shift = 8 - b->bits * (int)(x % per_byte + 1);
        memcpy(rgb + 3 * x, b->palette[from[x / per_byte] >> shift & ((1 << b->bits) - 1)], 3);
    }
}

static tn_status read_plain(const bmp *b, tn_tensor *picture) {
    int64_t stride = (b->w * b->bits + 31) / 32 * 4;
    for (int64_t y = 0; y < b->h; y++) {
        const uint8_t *from = b->bytes + b->pixels + y * stride;
        if (b->bits > 8)
            put_direct(b, from, row_of(b, y, picture));
        else
            put_mapped(b, from, row_of(b, y, picture));
    }
    return TN_OK;
}

// The runs of RLE4 and RLE8. What they leave out has the first colour.
typedef struct runs {
    size_t at;
    int64_t x, y;
} runs;

static bool put_index(const bmp *b, runs *r, int index, tn_tensor *picture) {
    if (r->x >= b->w || r->y >= b->h) return false;
    memcpy(row_of(b, r->y, picture) + 3 * r->x++, b->palette[index], 3);
    return true;
}

// count indices of the bytes from `from`; repeat: all from its first byte.
static bool put_indices(const bmp *b, runs *r, int count, const uint8_t *from, bool repeat,
                        tn_tensor *picture) {
    for (int i = 0; i < count; i++) {
        int byte = b->bits == 8 ? i : i / 2, pair = from[repeat ? 0 : byte];
        int index = b->bits == 8 ? pair : i % 2 ? pair & 15 : pair >> 4;
        if (!put_index(b, r, index, picture)) return false;
    }
    return true;
}

// What follows a zero: *done at the picture's end, false where it does not fit.
static bool escape(const bmp *b, runs *r, tn_tensor *picture, bool *done) {
    const uint8_t *code = b->bytes + r->at;
    size_t left = b->count - r->at;
    r->at += 2;
    if (code[1] == 0) { // end of the row
        r->x = 0, r->y++;
    } else if (code[1] == 1) {
        *done = true;
    } else if (code[1] == 2) { // onwards by so many columns and rows
        if (left < 4) return false;
        r->x += code[2], r->y += code[3], r->at += 2;
    } else { // so many plain indices, in whole words
        size_t size = b->bits == 8 ? code[1] : (code[1] + 1u) / 2;
        if (left - 2 < size) return false;
        r->at += (size + 1) / 2 * 2;
        return put_indices(b, r, code[1], code + 2, false, picture);
    }
    return true;
}

static tn_status read_runs(const bmp *b, tn_tensor *picture) {
    runs r = {.at = b->pixels};
    for (int64_t i = 0; i < b->w * b->h; i++) memcpy(tn_u8(picture) + 3 * i, b->palette[0], 3);
    for (bool done = false; !done;) {
        size_t from = r.at;
        if (from > b->count || b->count - from < 2) return ends_early(b, "runs of pixels");
        const uint8_t *code = b->bytes + from;
        bool fits = true;
        if (code[0]) {
            fits = put_indices(b, &r, code[0], code + 1, true, picture);
            r.at += 2;
        } else {
            fits = escape(b, &r, picture, &done);
        }
        if (!fits)
            return tn_fail(b->err, TN_EFORMAT,
                           "byte %zu: a run that leaves the picture or the file", from);
    }
    return TN_OK;
}

tn_status io_bmp_decode(const uint8_t *bytes, size_t count, int64_t max_pixels, tn_tensor *out,
                        tn_error *err) {
    bmp b = {bytes, count, .err = err};
    tn_tensor picture;
    TN_TRY(read_header(&b));
    if (b.w < 1 || b.h < 1 || b.h > max_pixels / b.w)
        return io_picture_new(b.w, b.h, max_pixels, &picture, err); // says what is wrong
    bool coded = b.compression == RLE8 || b.compression == RLE4;
    // A pixel is at most 4 bytes and max_pixels far below 2^60: no product overflows.
    int64_t need = (b.w * b.bits + 31) / 32 * 4 * b.h;
    if (b.pixels > count || (!coded && (int64_t)(count - b.pixels) < need))
        return tn_fail(err, TN_EFORMAT,
                       "data ends early: %zu bytes are there, expected at least %lld", count,
                       (long long)b.pixels + (coded ? 2 : need));
    TN_TRY(io_picture_new(b.w, b.h, max_pixels, &picture, err));
    tn_status status = coded ? read_runs(&b, &picture) : read_plain(&b, &picture);
    if (status == TN_OK)
        *out = picture;
    else
        tn_free(picture.data);
    return status;
}
