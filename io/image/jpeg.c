// SPDX-License-Identifier: Apache-2.0
// JPEG through libjpeg-turbo with its defaults (accurate integer DCT, smooth upsampling), which
// are also PIL's, so the same file gives the same bytes. A file that ends early is refused as PIL
// refuses it: the source never invents an end marker, it suspends, and we say so.
#include "io/image/codec.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#define MAX_SCANS 1000 // a progressive picture has about 10; each scan walks the whole picture

typedef struct jpeg {
    struct jpeg_decompress_struct lib; // first, so that a callback's pointer is ours
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf back;
    size_t count;
    uint8_t *row; // one row as the library gives it
    tn_tensor picture;
    tn_status status;
    tn_error *err;
    char why[JMSG_LENGTH_MAX];
} jpeg;

static size_t place_of(const jpeg *j) {
    return j->count - j->source.bytes_in_buffer;
}

static tn_status status_of(int code) {
    switch (code) {
    case JERR_OUT_OF_MEMORY:
        return TN_ENOMEM;
    case JERR_SOF_UNSUPPORTED:
    case JERR_BAD_PRECISION:
    case JERR_ARITH_NOTIMPL:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_FRACT_SAMPLE_NOTIMPL:
    case JERR_CCIR601_NOTIMPL:
        return TN_EUNSUPPORTED;
    default:
        return TN_EFORMAT;
    }
}

static void on_error(j_common_ptr lib) {
    jpeg *j = (jpeg *)lib;
    j->errors.format_message(lib, j->why);
    j->status = tn_fail(j->err, status_of(j->errors.msg_code), "near byte %zu of %zu: %s",
                        place_of(j), j->count, j->why);
    longjmp(j->back, 1);
}

// Warnings are about data that decodes all the same, as PIL sees it.
static void on_message(j_common_ptr lib, int level) {
    if (level < 0) lib->err->num_warnings++;
}

static void on_progress(j_common_ptr lib) {
    jpeg *j = (jpeg *)lib;
    if (j->lib.input_scan_number <= MAX_SCANS) return;
    j->status = tn_fail(j->err, TN_EFORMAT, "near byte %zu of %zu: expected at most %d scans",
                        place_of(j), j->count, MAX_SCANS);
    longjmp(j->back, 1);
}

static void source_nothing(j_decompress_ptr lib) {
    (void)lib;
}

static boolean source_end(j_decompress_ptr lib) {
    (void)lib;
    return FALSE;
}

static void source_skip(j_decompress_ptr lib, long bytes) {
    struct jpeg_source_mgr *source = lib->src;
    size_t skip = bytes < 0 ? 0 : (size_t)bytes;
    if (skip > source->bytes_in_buffer) skip = source->bytes_in_buffer;
    source->next_input_byte += skip;
    source->bytes_in_buffer -= skip;
}

static void prepare(jpeg *j, const uint8_t *bytes) {
    j->lib.err = jpeg_std_error(&j->errors);
    j->errors.error_exit = on_error;
    j->errors.emit_message = on_message;
    j->source = (struct jpeg_source_mgr){
        .next_input_byte = bytes,
        .bytes_in_buffer = j->count,
        .init_source = source_nothing,
        .fill_input_buffer = source_end,
        .skip_input_data = source_skip,
        .resync_to_restart = jpeg_resync_to_restart,
        .term_source = source_nothing,
    };
    j->progress.progress_monitor = on_progress;
}

static tn_status ends_early(jpeg *j, const char *where) {
    return j->status = tn_fail(j->err, TN_EFORMAT,
                               "data ends early, in the %s: %zu bytes are there", where, j->count);
}

static int orientation_of(const jpeg *j) {
    for (jpeg_saved_marker_ptr m = j->lib.marker_list; m; m = m->next)
        if (m->data_length >= 6 && !memcmp(m->data, "Exif\0\0", 6))
            return io_exif_orientation(m->data, m->data_length);
    return 1;
}

static uint8_t times(unsigned a, unsigned b) { // a*b/255, rounded
    unsigned product = a * b + 128;
    return (uint8_t)((product + (product >> 8)) >> 8);
}

// Adobe stores ink inverted, and PIL takes every CMYK JPEG for Adobe's: 255 is no ink.
static void cmyk_to_rgb(uint8_t *row, int64_t width) {
    for (int64_t x = 0; x < width; x++) {
        unsigned light = row[4 * x + 3];
        for (int c = 0; c < 3; c++)
            row[3 * x + c] = (uint8_t)(light - times(255u - row[4 * x + c], light));
    }
}

static tn_status decode_rows(jpeg *j, int orientation) {
    int64_t w = j->lib.output_width, h = j->lib.output_height;
    io_way to = io_way_of(orientation, w, h);
    while (j->lib.output_scanline < j->lib.output_height) {
        int64_t y = j->lib.output_scanline;
        JSAMPROW row = j->row;
        if (jpeg_read_scanlines(&j->lib, &row, 1) != 1) {
            char where[64];
            snprintf(where, sizeof where, "pixels of row %lld of %lld", (long long)y, (long long)h);
            return ends_early(j, where);
        }
        if (j->lib.output_components == 4) cmyk_to_rgb(row, w);
        io_put_row(&to, y, w, row, tn_u8(&j->picture));
    }
    return TN_OK;
}

static tn_status decode(jpeg *j, int64_t max_pixels) {
    jpeg_create_decompress(&j->lib);
    j->lib.src = &j->source;
    j->lib.progress = &j->progress;
    jpeg_save_markers(&j->lib, JPEG_APP0 + 1, 0xffff);
    if (jpeg_read_header(&j->lib, TRUE) != JPEG_HEADER_OK) return ends_early(j, "header");
    int channels = j->lib.num_components;
    if (channels != 1 && channels != 3 && channels != 4)
        return j->status =
                   tn_fail(j->err, TN_EUNSUPPORTED, "%d channels, expected 1, 3 or 4", channels);
    j->lib.out_color_space = channels == 4 ? JCS_CMYK : JCS_RGB;
    int orientation = orientation_of(j);
    int64_t w = j->lib.image_width, h = j->lib.image_height;
    bool turned = orientation >= 5;
    j->status = io_picture_new(turned ? h : w, turned ? w : h, max_pixels, &j->picture, j->err);
    if (j->status != TN_OK) return j->status;
    j->row = tn_alloc((size_t)w * (size_t)(channels == 4 ? 4 : 3));
    if (!j->row)
        return j->status =
                   tn_fail(j->err, TN_ENOMEM, "out of memory for %lld pixels", (long long)w);
    if (!jpeg_start_decompress(&j->lib)) return ends_early(j, "pixels");
    if (decode_rows(j, orientation) != TN_OK) return j->status;
    if (!jpeg_finish_decompress(&j->lib)) return ends_early(j, "end marker");
    return TN_OK;
}

tn_status io_jpeg_decode(const uint8_t *bytes, size_t count, int64_t max_pixels, tn_tensor *out,
                         tn_error *err) {
    jpeg *j = tn_alloc_zero(1, sizeof *j); // not on the stack: what longjmp finds must be in memory
    if (!j) return tn_fail(err, TN_ENOMEM, "out of memory");
    j->count = count;
    j->err = err;
    prepare(j, bytes);
    if (setjmp(j->back) == 0) decode(j, max_pixels);
    jpeg_destroy_decompress(&j->lib);
    tn_status status = j->status;
    if (status == TN_OK)
        *out = j->picture;
    else
        tn_free(j->picture.data);
    tn_free(j->row);
    tn_free(j);
    return status;
}
