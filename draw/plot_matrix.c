// SPDX-License-Identifier: Apache-2.0
#include "draw/plot_internal.h"

#include <math.h>
#include <stdio.h>

enum { MAX_SIDE = 4096, NAMES = 180, TITLE = 60, LABEL = 40, EDGE = 20 };

static int cell_side(size_t count) { // pixels: large if there are few
    return count <= 10    ? 64
           : count <= 20  ? 44
           : count <= 40  ? 28
           : count <= 120 ? 16
           : count <= 600 ? 4
                          : 1;
}

static void draw_cell(const io_sheet *s, const io_matrix *m, size_t row, size_t column, double x,
                      double y, int side) {
    const int64_t *values = m->values + row * m->column_count;
    double sum = 0;
    for (size_t c = 0; c < m->column_count; c++) sum += (double)values[c];
    double share = sum > 0 ? sqrt((double)values[column] / sum)
                           : 0; // the square root keeps small fractions visible
    cairo_set_source_rgb(s->cairo, 1 - 0.92 * share, 1 - 0.62 * share, 1 - 0.35 * share);
    cairo_rectangle(s->cairo, x, y, side, side);
    cairo_fill(s->cairo);
    if (side < 28 || !values[column]) return;
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)values[column]);
    double shade = share > 0.6 ? 1 : 0.1;
    cairo_set_source_rgb(s->cairo, shade, shade, shade);
    io_sheet_text(s, text, x + side / 2.0, y + side / 2.0,
                  &(io_letters){.size = side >= 44 ? 14 : 10, .across = 0.5, .width = side - 2});
}

static void draw(const io_sheet *s, const io_matrix *m, int side) {
    double left = LABEL + NAMES, top = TITLE + LABEL + NAMES;
    for (size_t r = 0; r < m->row_count; r++)
        for (size_t c = 0; c < m->column_count; c++)
            draw_cell(s, m, r, c, left + (double)c * side, top + (double)r * side, side);
    cairo_set_source_rgb(s->cairo, 0.1, 0.1, 0.1);
    io_letters name = {.size = side >= 28 ? 14 : side * 0.7, .width = NAMES - 14};
    for (size_t r = 0; side >= 12 && r < m->row_count; r++) {
        name.across = 1, name.up = false;
        io_sheet_text(s, m->rows[r], left - 8, top + ((double)r + 0.5) * side, &name);
    }
    for (size_t c = 0; side >= 12 && c < m->column_count; c++) {
        name.across = 0, name.up = true;
        io_sheet_text(s, m->columns[c], left + ((double)c + 0.5) * side, top - 8, &name);
    }
    cairo_set_line_width(s->cairo, 1);
    cairo_rectangle(s->cairo, left - 0.5, top - 0.5, (double)m->column_count * side + 1,
                    (double)m->row_count * side + 1);
    cairo_stroke(s->cairo);
    io_sheet_text(s, m->title, EDGE, TITLE / 2.0,
                  &(io_letters){.size = 18, .bold = true, .width = s->w - 2 * EDGE});
    io_sheet_text(s, m->column_label, left + (double)m->column_count * side / 2,
                  TITLE + LABEL / 2.0, &(io_letters){.size = 15, .across = 0.5});
    io_sheet_text(s, m->row_label, LABEL / 2.0, top + (double)m->row_count * side / 2,
                  &(io_letters){.size = 15, .across = 0.5, .up = true});
}

tn_status io_matrix_write(const char *path, const io_matrix *m, tn_error *err) {
    if (m->row_count > MAX_SIDE || m->column_count > MAX_SIDE)
        return tn_fail(err, TN_EUNSUPPORTED, "%s: a matrix of %zu x %zu, expected at count %d",
                       path, m->row_count, m->column_count, MAX_SIDE);
    int side = cell_side(m->row_count > m->column_count ? m->row_count : m->column_count);
    int w = LABEL + NAMES + (int)m->column_count * side + EDGE;
    int h = TITLE + LABEL + NAMES + (int)m->row_count * side + EDGE;
    io_sheet sheet;
    TN_TRY(io_sheet_open(&sheet, w < 640 ? 640 : w, h, err));
    draw(&sheet, m, side);
    tn_status status = io_sheet_write(&sheet, path, err);
    io_sheet_close(&sheet);
    return status;
}
