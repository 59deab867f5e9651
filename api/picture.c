// SPDX-License-Identifier: Apache-2.0
// The caller's pictures: from a file, from encoded bytes or from pixels in memory.
#include "api/internal.h"
#include "io/image/image.h"

#include <string.h>

static tn_status check_pixels(int64_t limit, const lexmask_picture *p, size_t stride, int channels,
                              tn_error *err) {
    if (!channels) return tn_fail(err, TN_EINVAL, "unknown pixel format");
    if (p->width < 1 || p->height < 1)
        return tn_fail(err, TN_EINVAL, "a picture of %d x %d pixels", p->width, p->height);
    if ((int64_t)p->width * p->height > limit)
        return tn_fail(err, TN_EINVAL, "a picture of %d x %d pixels is over the limit of %lld",
                       p->width, p->height, (long long)limit);
    if (stride < (size_t)p->width * (size_t)channels)
        return tn_fail(err, TN_EINVAL, "a stride of %zu bytes is too short for %d pixels of %d",
                       stride, p->width, channels);
    return TN_OK;
}

// Offsets of red, green and blue in a pixel; returns its bytes.
static int layout(lexmask_pixels format, int offset[3]) {
    static const struct {
        int offset[3], channels;
    } layouts[] = {
        [LEXMASK_PIXELS_RGB] = {{0, 1, 2}, 3},  [LEXMASK_PIXELS_BGR] = {{2, 1, 0}, 3},
        [LEXMASK_PIXELS_RGBA] = {{0, 1, 2}, 4}, [LEXMASK_PIXELS_BGRA] = {{2, 1, 0}, 4},
        [LEXMASK_PIXELS_GREY] = {{0, 0, 0}, 1},
    };
    if ((unsigned)format >= sizeof layouts / sizeof *layouts) return 0;
    memcpy(offset, layouts[format].offset, sizeof layouts[format].offset);
    return layouts[format].channels;
}

static tn_status copy_pixels(int64_t limit, const lexmask_picture *p, tn_tensor *out,
                             tn_error *err) {
    int offset[3] = {0}, channels = layout(p->format, offset);
    size_t stride = p->stride;
    if (!stride && p->width > 0) stride = (size_t)p->width * (size_t)channels;
    TN_TRY(check_pixels(limit, p, stride, channels, err));
    TN_TRY(tn_new_heap(out, TN_U8, TN_DIMS(p->height, p->width, 3), err));
    uint8_t *to = tn_u8(out);
    for (int y = 0; y < p->height; y++) {
        const uint8_t *from = (const uint8_t *)p->pixels + (size_t)y * stride;
        for (int x = 0; x < p->width; x++, from += channels, to += 3)
            for (int c = 0; c < 3; c++) to[c] = from[offset[c]];
    }
    return TN_OK;
}

tn_status api_picture_open(const lexmask_session *session, const lexmask_picture *given,
                           tn_tensor *out, tn_error *err) {
    lexmask_picture p = {.size = sizeof p};
    int64_t limit = session->options.max_pixels;
    TN_TRY(api_take_sized(given, &p, sizeof p, "a picture", err));
    if ((p.path != NULL) + (p.bytes != NULL) + (p.pixels != NULL) != 1)
        return tn_fail(err, TN_EINVAL, "expected exactly one of path, bytes and pixels");
    if (p.path) return io_image_read(p.path, limit, out, err);
    if (p.bytes) return io_image_decode(p.bytes, p.byte_count, "picture", limit, out, err);
    return copy_pixels(limit, &p, out, err);
}

tn_status api_picture_error(const lexmask_picture *picture, tn_status status, tn_error *err) {
    if (status != TN_OK && status != TN_ECANCELLED && picture->path)
        tn_fail_prefix(err, "%s", picture->path);
    return status;
}
