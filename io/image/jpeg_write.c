// SPDX-License-Identifier: Apache-2.0
#include "io/image/image.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

typedef struct encoder {
    struct jpeg_compress_struct lib; // first, so that a callback's pointer is ours
    struct jpeg_error_mgr errors;
    jmp_buf back;
    unsigned char *bytes; // the library's, from malloc
    unsigned long count;
    char why[JMSG_LENGTH_MAX];
} encoder;

static void on_error(j_common_ptr lib) {
    encoder *e = (encoder *)lib;
    e->errors.format_message(lib, e->why);
    longjmp(e->back, 1);
}

static void on_message(j_common_ptr lib, int level) {
    (void)lib, (void)level;
}

static void encode(encoder *e, const tn_tensor *image, int quality, bool full_colour) {
    size_t stride = (size_t)image->dim[1] * 3;
    jpeg_create_compress(&e->lib);
    jpeg_mem_dest(&e->lib, &e->bytes, &e->count);
    e->lib.image_height = (JDIMENSION)image->dim[0];
    e->lib.image_width = (JDIMENSION)image->dim[1];
    e->lib.input_components = 3;
    e->lib.in_color_space = JCS_RGB;
    jpeg_set_defaults(&e->lib);
    jpeg_set_quality(&e->lib, quality, TRUE);
    if (full_colour) e->lib.comp_info[0].h_samp_factor = e->lib.comp_info[0].v_samp_factor = 1;
    jpeg_start_compress(&e->lib, TRUE);
    while (e->lib.next_scanline < e->lib.image_height) {
        JSAMPROW row = tn_u8(image) + e->lib.next_scanline * stride;
        jpeg_write_scanlines(&e->lib, &row, 1);
    }
    jpeg_finish_compress(&e->lib);
}

tn_status io_jpeg_encode(const tn_tensor *image, int quality, bool full_colour, uint8_t **bytes,
                         size_t *count, tn_error *err) {
    TN_CHECK(image->rank == 3 && image->dim[2] == 3 && image->dtype == TN_U8 && image->dim[0] > 0 &&
                 image->dim[1] > 0 && image->dim[0] <= JPEG_MAX_DIMENSION &&
                 image->dim[1] <= JPEG_MAX_DIMENSION,
             "expected uint8 [H,W,3]");
    encoder *e = tn_alloc_zero(1, sizeof *e); // what longjmp finds must be in memory
    if (!e) return tn_fail(err, TN_ENOMEM, "out of memory");
    e->lib.err = jpeg_std_error(&e->errors);
    e->errors.error_exit = on_error;
    e->errors.emit_message = on_message;
    tn_status status = TN_OK;
    if (setjmp(e->back) == 0)
        encode(e, image, quality, full_colour);
    else
        status = tn_fail(err, TN_ENOMEM, "writing a JPEG: %s", e->why);
    jpeg_destroy_compress(&e->lib);
    *bytes = status == TN_OK ? tn_alloc(e->count) : NULL;
    *count = e->count;
    if (*bytes)
        memcpy(*bytes, e->bytes, e->count);
    else if (status == TN_OK)
        status = tn_fail(err, TN_ENOMEM, "out of memory for a JPEG of %lu bytes", e->count);
    free(e->bytes);
    tn_free(e);
    return status;
}
