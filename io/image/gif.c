// SPDX-License-Identifier: Apache-2.0
// GIF's first frame through giflib. What the frame leaves free of the canvas is transparent, as
// browsers have it, and so white; a frame that is larger than the canvas makes it larger, as in
// PIL.
#ifdef IO_GIF
#include "io/image/codec.h"

#include <string.h>

#include <gif_lib.h>

#define FUNCTIONS(X)                                                                               \
    X(DGifOpen)                                                                                    \
    X(DGifCloseFile)                                                                               \
    X(DGifGetRecordType)                                                                           \
    X(DGifGetImageDesc)                                                                            \
    X(DGifGetLine)                                                                                 \
    X(DGifGetExtension)                                                                            \
    X(DGifGetExtensionNext)                                                                        \
    X(DGifExtensionToGCB)                                                                          \
    X(GifErrorString)

static struct { FUNCTIONS(IO_LIBRARY_MEMBER) } api;
static const io_symbol symbols[] = {FUNCTIONS(IO_LIBRARY_SYMBOL)};
static io_library library = {IO_GIF, symbols, sizeof symbols / sizeof *symbols, false};

typedef struct gif {
    const uint8_t *bytes;
    size_t count, at;
    GifFileType *lib;
    int transparent; // index of the palette, -1: none
    tn_error *err;
} gif;

static int read_bytes(GifFileType *lib, GifByteType *to, int bytes) {
    gif *g = lib->UserData;
    size_t left = g->count - g->at, take = (size_t)bytes < left ? (size_t)bytes : left;
    memcpy(to, g->bytes + g->at, take);
    g->at += take;
    return (int)take;
}

static tn_status fail(const gif *g, int code) {
    const char *why = api.GifErrorString(code);
    return tn_fail(g->err, code == D_GIF_ERR_NOT_ENOUGH_MEM ? TN_ENOMEM : TN_EFORMAT,
                   "near byte %zu of %zu: %s%s", g->at, g->count, why ? why : "broken",
                   g->at == g->count ? ", data ends early" : "");
}

static tn_status read_extension(gif *g) {
    int code;
    GifByteType *block;
    if (api.DGifGetExtension(g->lib, &code, &block) != GIF_OK) return fail(g, g->lib->Error);
    while (block) {
        GraphicsControlBlock control;
        if (code == GRAPHICS_EXT_FUNC_CODE &&
            api.DGifExtensionToGCB(block[0], block + 1, &control) == GIF_OK)
            g->transparent = control.TransparentColor;
        if (api.DGifGetExtensionNext(g->lib, &block) != GIF_OK) return fail(g, g->lib->Error);
    }
    return TN_OK;
}

// Up to the description of the first frame.
static tn_status find_frame(gif *g) {
    for (;;) {
        GifRecordType kind;
        if (api.DGifGetRecordType(g->lib, &kind) != GIF_OK) return fail(g, g->lib->Error);
        if (kind == TERMINATE_RECORD_TYPE)
            return tn_fail(g->err, TN_EFORMAT, "near byte %zu of %zu: no picture", g->at, g->count);
        if (kind == EXTENSION_RECORD_TYPE) TN_TRY(read_extension(g));
        if (kind != IMAGE_DESC_RECORD_TYPE) continue;
        if (api.DGifGetImageDesc(g->lib) != GIF_OK) return fail(g, g->lib->Error);
        return TN_OK;
    }
}

static void put_line(const gif *g, const ColorMapObject *map, const uint8_t *line, int64_t w,
                     uint8_t *rgb) {
    for (int64_t x = 0; x < w; x++, rgb += 3) {
        if (line[x] == g->transparent) continue; // white already
        GifColorType c = line[x] < map->ColorCount ? map->Colors[line[x]] : (GifColorType){0, 0, 0};
        rgb[0] = c.Red, rgb[1] = c.Green, rgb[2] = c.Blue;
    }
}

static tn_status read_lines(gif *g, const ColorMapObject *map, uint8_t *line, tn_tensor *picture) {
    static const int first[4] = {0, 4, 2, 1}, step[4] = {8, 8, 4, 2};
    const GifImageDesc *frame = &g->lib->Image;
    for (int pass = 0; pass < (frame->Interlace ? 4 : 1); pass++)
        for (int y = frame->Interlace ? first[pass] : 0; y < frame->Height;
             y += frame->Interlace ? step[pass] : 1) {
            if (api.DGifGetLine(g->lib, line, frame->Width) != GIF_OK)
                return fail(g, g->lib->Error);
            int64_t at = (frame->Top + y) * picture->dim[1] + frame->Left;
            put_line(g, map, line, frame->Width, tn_u8(picture) + 3 * at);
        }
    return TN_OK;
}

static int64_t larger(int64_t a, int64_t b) {
    return a > b ? a : b;
}

static tn_status decode(gif *g, int64_t max_pixels, tn_tensor *picture) {
    TN_TRY(find_frame(g));
    const GifImageDesc *frame = &g->lib->Image; // 16 bits each in the file: no sum overflows
    const ColorMapObject *map = frame->ColorMap ? frame->ColorMap : g->lib->SColorMap;
    if (frame->Width < 1 || frame->Height < 1)
        return tn_fail(g->err, TN_EFORMAT, "near byte %zu of %zu: a frame of %dx%d pixels", g->at,
                       g->count, frame->Width, frame->Height);
    if (!map)
        return tn_fail(g->err, TN_EFORMAT, "near byte %zu of %zu: the first frame has no palette",
                       g->at, g->count);
    TN_TRY(io_picture_new(larger(g->lib->SWidth, (int64_t)frame->Left + frame->Width),
                          larger(g->lib->SHeight, (int64_t)frame->Top + frame->Height), max_pixels,
                          picture, g->err));
    memset(picture->data, 255, tn_bytes(picture));
    uint8_t *line = tn_alloc((size_t)frame->Width);
    if (!line) return tn_fail(g->err, TN_ENOMEM, "out of memory for %d pixels", frame->Width);
    tn_status status = read_lines(g, map, line, picture);
    tn_free(line);
    return status;
}

tn_status io_gif_decode(const uint8_t *bytes, size_t count, int64_t max_pixels, tn_tensor *out,
                        tn_error *err) {
    TN_TRY(io_library_load(&library, err));
    gif g = {bytes, count, .transparent = NO_TRANSPARENT_COLOR, .err = err};
    int code = 0;
    tn_tensor picture = {0};
    g.lib = api.DGifOpen(&g, read_bytes, &code);
    if (!g.lib) return fail(&g, code);
    tn_status status = decode(&g, max_pixels, &picture);
    api.DGifCloseFile(g.lib, &code);
    if (status == TN_OK)
        *out = picture;
    else
        tn_free(picture.data);
    return status;
}
#else
typedef int io_no_gif; // ISO C wants a declaration in every file
#endif
