// SPDX-License-Identifier: Apache-2.0
// WebP through libwebp's decoder of animations, which also reads still pictures: it lays the first
// frame over a transparent canvas.
#ifdef IO_WEBP
#include "io/image/codec.h"

#include <webp/demux.h>

#define FUNCTIONS(X)                                                                               \
    X(WebPDemuxInternal)                                                                           \
    X(WebPDemuxGetI)                                                                               \
    X(WebPDemuxGetChunk)                                                                           \
    X(WebPDemuxReleaseChunkIterator)                                                               \
    X(WebPDemuxDelete)                                                                             \
    X(WebPAnimDecoderOptionsInitInternal)                                                          \
    X(WebPAnimDecoderNewInternal)                                                                  \
    X(WebPAnimDecoderGetNext)                                                                      \
    X(WebPAnimDecoderDelete)

static struct { FUNCTIONS(IO_LIBRARY_MEMBER) } api;
static const io_symbol symbols[] = {FUNCTIONS(IO_LIBRARY_SYMBOL)};
static io_library library = {IO_WEBP, symbols, sizeof symbols / sizeof *symbols, false};

static int orientation_of(const WebPDemuxer *demuxer) {
    WebPChunkIterator chunk;
    if (!api.WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk)) return 1;
    int orientation = io_exif_orientation(chunk.chunk.bytes, chunk.chunk.size);
    api.WebPDemuxReleaseChunkIterator(&chunk);
    return orientation;
}

// The first frame into picture, which is of the canvas's size.
static tn_status decode_frame(const WebPData *file, tn_tensor *picture, tn_error *err) {
    WebPAnimDecoderOptions options;
    if (!api.WebPAnimDecoderOptionsInitInternal(&options, WEBP_DEMUX_ABI_VERSION))
        return tn_fail(err, TN_EUNSUPPORTED, "%s has another interface than its header", IO_WEBP);
    options.color_mode = MODE_RGBA;
    options.use_threads = 0;
    WebPAnimDecoder *decoder =
        api.WebPAnimDecoderNewInternal(file, &options, WEBP_DEMUX_ABI_VERSION);
    if (!decoder)
        return tn_fail(err, TN_EFORMAT, "cannot begin to decode %lldx%lld pixels of %zu bytes",
                       (long long)picture->dim[1], (long long)picture->dim[0], file->size);
    uint8_t *rgba; // the decoder's
    int milliseconds;
    bool decoded = api.WebPAnimDecoderGetNext(decoder, &rgba, &milliseconds);
    if (decoded) io_over_white(rgba, picture->dim[0] * picture->dim[1], tn_u8(picture));
    api.WebPAnimDecoderDelete(decoder);
    if (decoded) return TN_OK;
    return tn_fail(err, TN_EFORMAT, "the pixels of the first frame do not decode (%zu bytes)",
                   file->size);
}

static tn_status decode(const WebPDemuxer *demuxer, const WebPData *file, int64_t max_pixels,
                        tn_tensor *out, tn_error *err) {
    int64_t w = api.WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_WIDTH);
    int64_t h = api.WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_HEIGHT);
    if (api.WebPDemuxGetI(demuxer, WEBP_FF_FRAME_COUNT) < 1)
        return tn_fail(err, TN_EFORMAT, "no picture in %zu bytes", file->size);
    tn_tensor picture;
    TN_TRY(io_picture_new(w, h, max_pixels, &picture, err));
    tn_status status = decode_frame(file, &picture, err);
    if (status == TN_OK) status = io_orient(&picture, orientation_of(demuxer), err);
    if (status == TN_OK)
        *out = picture;
    else
        tn_free(picture.data);
    return status;
}

tn_status io_webp_decode(const uint8_t *bytes, size_t count, int64_t max_pixels, tn_tensor *out,
                         tn_error *err) {
    TN_TRY(io_library_load(&library, err));
    WebPData file = {bytes, count};
    WebPDemuxState state;
    WebPDemuxer *demuxer = api.WebPDemuxInternal(&file, 0, &state, WEBP_DEMUX_ABI_VERSION);
    if (!demuxer)
        return tn_fail(err, TN_EFORMAT,
                       state == WEBP_DEMUX_PARSE_ERROR
                           ? "the chunks of the file do not fit together (%zu bytes)"
                           : "data ends early: %zu bytes are there",
                       count);
    tn_status status = decode(demuxer, &file, max_pixels, out, err);
    api.WebPDemuxDelete(demuxer);
    return status;
}
#else
typedef int io_no_webp; // ISO C wants a declaration in every file
#endif
