// SPDX-License-Identifier: Apache-2.0
// AVIF and HEIC through libheif, which turns and mirrors as the file says. EXIF's orientation is
// not applied besides: the format's standard (ISO/IEC 23008-12) makes it a note.
#ifdef IO_HEIF
#include "io/image/codec.h"

#include <string.h>

#include <libheif/heif.h>

#define FUNCTIONS(X)                                                                               \
    X(heif_context_alloc)                                                                          \
    X(heif_context_free)                                                                           \
    X(heif_context_set_maximum_image_size_limit)                                                   \
    X(heif_context_read_from_memory_without_copy)                                                  \
    X(heif_context_get_primary_image_handle)                                                       \
    X(heif_image_handle_release)                                                                   \
    X(heif_image_handle_get_width)                                                                 \
    X(heif_image_handle_get_height)                                                                \
    X(heif_image_handle_get_ispe_width)                                                            \
    X(heif_image_handle_get_ispe_height)                                                           \
    X(heif_image_handle_is_premultiplied_alpha)                                                    \
    X(heif_decoding_options_alloc)                                                                 \
    X(heif_decoding_options_free)                                                                  \
    X(heif_decode_image)                                                                           \
    X(heif_image_get_width)                                                                        \
    X(heif_image_get_height)                                                                       \
    X(heif_image_get_plane_readonly)                                                               \
    X(heif_image_release)

static struct { FUNCTIONS(IO_LIBRARY_MEMBER) } api;
static const io_symbol symbols[] = {FUNCTIONS(IO_LIBRARY_SYMBOL)};
static io_library library = {IO_HEIF, symbols, sizeof symbols / sizeof *symbols, false};

typedef struct heif {
    struct heif_context *file;
    struct heif_image_handle *handle;
    struct heif_image *image;
    size_t count; // bytes of the file
    tn_error *err;
} heif;

static tn_status check(const heif *f, struct heif_error error) {
    if (error.code == heif_error_Ok) return TN_OK;
    bool unsupported = error.code == heif_error_Unsupported_filetype ||
                       error.code == heif_error_Unsupported_feature;
    bool memory = error.code == heif_error_Memory_allocation_error;
    return tn_fail(f->err,
                   memory        ? TN_ENOMEM
                   : unsupported ? TN_EUNSUPPORTED
                                 : TN_EFORMAT,
                   "in %zu bytes: %.300s", f->count, error.message ? error.message : "broken");
}

static tn_status decode_image(heif *f) {
    struct heif_decoding_options *options = api.heif_decoding_options_alloc();
    if (!options) return tn_fail(f->err, TN_ENOMEM, "out of memory");
    options->convert_hdr_to_8bit = 1;
    struct heif_error error = api.heif_decode_image(f->handle, &f->image, heif_colorspace_RGB,
                                                    heif_chroma_interleaved_RGBA, options);
    api.heif_decoding_options_free(options);
    return check(f, error);
}

static tn_status take_pixels(heif *f, tn_tensor *picture) {
    int stride = 0;
    int64_t h = picture->dim[0], w = picture->dim[1];
    const uint8_t *rgba =
        api.heif_image_get_plane_readonly(f->image, heif_channel_interleaved, &stride);
    int64_t wide = api.heif_image_get_width(f->image, heif_channel_interleaved);
    int64_t high = api.heif_image_get_height(f->image, heif_channel_interleaved);
    if (!rgba || wide != w || high != h || stride < 4 * w)
        return tn_fail(f->err, TN_EFORMAT, "%lldx%lld pixels, but the header says %lldx%lld",
                       (long long)wide, (long long)high, (long long)w, (long long)h);
    bool multiplied = api.heif_image_handle_is_premultiplied_alpha(f->handle);
    for (int64_t y = 0; y < h; y++)
        (multiplied ? io_premultiplied_over_white : io_over_white)(rgba + y * stride, w,
                                                                   tn_u8(picture) + 3 * w * y);
    return TN_OK;
}

static tn_status decode(heif *f, const uint8_t *bytes, int64_t max_pixels, tn_tensor *picture) {
    f->file = api.heif_context_alloc();
    if (!f->file) return tn_fail(f->err, TN_ENOMEM, "out of memory");
    // The library refuses parts that are wider or higher than this before it takes their memory.
    api.heif_context_set_maximum_image_size_limit(f->file,
                                                  max_pixels < 65535 ? (int)max_pixels : 65535);
    TN_TRY(
        check(f, api.heif_context_read_from_memory_without_copy(f->file, bytes, f->count, NULL)));
    TN_TRY(check(f, api.heif_context_get_primary_image_handle(f->file, &f->handle)));
    int64_t stored_w = api.heif_image_handle_get_ispe_width(f->handle);
    int64_t stored_h = api.heif_image_handle_get_ispe_height(f->handle);
    if (stored_w > 0 && stored_h > max_pixels / stored_w) // before it is cut to its window
        return tn_fail(f->err, TN_ENOMEM, "%lldx%lld pixels, expected at most %lld in all",
                       (long long)stored_w, (long long)stored_h, (long long)max_pixels);
    TN_TRY(io_picture_new(api.heif_image_handle_get_width(f->handle),
                          api.heif_image_handle_get_height(f->handle), max_pixels, picture,
                          f->err));
    TN_TRY(decode_image(f));
    return take_pixels(f, picture);
}

tn_status io_heif_decode(const uint8_t *bytes, size_t count, int64_t max_pixels, tn_tensor *out,
                         tn_error *err) {
    TN_TRY(io_library_load(&library, err));
    heif f = {.count = count, .err = err};
    tn_tensor picture = {0};
    tn_status status = decode(&f, bytes, max_pixels, &picture);
    if (f.image) api.heif_image_release(f.image);
    if (f.handle) api.heif_image_handle_release(f.handle);
    if (f.file) api.heif_context_free(f.file);
    if (status == TN_OK)
        *out = picture;
    else
        tn_free(picture.data);
    return status;
}
#else
typedef int io_no_heif; // ISO C wants a declaration in every file
#endif
