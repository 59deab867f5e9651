// SPDX-License-Identifier: Apache-2.0
#include "draw/plot_internal.h"
#include "io/file.h"

#include <math.h>
#include <string.h>

#include <pango/pangocairo.h>

tn_status io_sheet_open(io_sheet *sheet, int w, int h, tn_error *err) {
    *sheet = (io_sheet){.w = w, .h = h};
    sheet->surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, w, h);
    sheet->cairo = cairo_create(sheet->surface);
    if (cairo_status(sheet->cairo) != CAIRO_STATUS_SUCCESS) {
        io_sheet_close(sheet);
        return tn_fail(err, TN_ENOMEM, "out of memory for a chart of %dx%d pixels", w, h);
    }
    cairo_set_source_rgb(sheet->cairo, 1, 1, 1);
    cairo_paint(sheet->cairo);
    return TN_OK;
}

void io_sheet_close(io_sheet *sheet) {
    if (sheet->cairo) cairo_destroy(sheet->cairo);
    if (sheet->surface) cairo_surface_destroy(sheet->surface);
    *sheet = (io_sheet){0};
}

typedef struct target {
    io_writer writer;
    tn_error *err;
} target;

static cairo_status_t put(void *closure, const unsigned char *bytes, unsigned count) {
    target *to = closure;
    return io_write(&to->writer, bytes, count, to->err) == TN_OK ? CAIRO_STATUS_SUCCESS
                                                                 : CAIRO_STATUS_WRITE_ERROR;
}

tn_status io_sheet_write(io_sheet *sheet, const char *path, tn_error *err) {
    cairo_status_t code = cairo_status(sheet->cairo);
    if (code != CAIRO_STATUS_SUCCESS)
        return tn_fail(err, TN_ENOMEM, "%s: cannot draw: %s", path, cairo_status_to_string(code));
    target to = {.err = err};
    TN_TRY(io_writer_open(&to.writer, path, err));
    cairo_surface_flush(sheet->surface);
    code = cairo_surface_write_to_png_stream(sheet->surface, put, &to);
    if (code == CAIRO_STATUS_SUCCESS) return io_writer_commit(&to.writer, err);
    io_writer_abort(&to.writer);
    if (code == CAIRO_STATUS_WRITE_ERROR) return TN_EIO; // io_write has set the error
    return tn_fail(err, TN_ENOMEM, "%s: %s", path, cairo_status_to_string(code));
}

void io_sheet_text(const io_sheet *sheet, const char *text, double x, double y,
                   const io_letters *how) {
    char *clean = g_utf8_make_valid(text, (gssize)strnlen(text, 1000));
    PangoLayout *layout = pango_cairo_create_layout(sheet->cairo);
    PangoFontDescription *font = pango_font_description_from_string("DejaVu Sans, Sans");
    pango_font_description_set_absolute_size(font, how->size * PANGO_SCALE);
    pango_font_description_set_weight(font, how->bold ? PANGO_WEIGHT_BOLD : PANGO_WEIGHT_NORMAL);
    pango_layout_set_font_description(layout, font);
    pango_font_description_free(font);
    pango_layout_set_single_paragraph_mode(layout, TRUE);
    pango_layout_set_text(layout, clean, -1);
    int w, h;
    pango_layout_get_size(layout, &w, &h);
    if (how->width > 0 && w > how->width * PANGO_SCALE) {
        pango_layout_set_width(layout, (int)(how->width * PANGO_SCALE));
        pango_layout_set_ellipsize(layout, PANGO_ELLIPSIZE_END);
        pango_layout_get_size(layout, &w, &h);
        // The ellipsized line may be narrower than the given width, in which it is aligned to the
        // left.
        PangoRectangle logical;
        pango_layout_get_extents(layout, NULL, &logical);
        w = logical.width;
    }
    cairo_save(sheet->cairo);
    cairo_translate(sheet->cairo, x, y);
    if (how->up) cairo_rotate(sheet->cairo, -M_PI_2);
    cairo_move_to(sheet->cairo, -how->across * w / PANGO_SCALE, -0.5 * h / PANGO_SCALE);
    pango_cairo_show_layout(sheet->cairo, layout);
    cairo_restore(sheet->cairo);
    cairo_new_path(sheet->cairo);
    g_object_unref(layout);
    g_free(clean);
}
