// SPDX-License-Identifier: Apache-2.0
#include "train/world/sheets.h"

#include "train/world/words.h"

#include <string.h>

#include <pango/pangocairo.h>

#define SIDE TR_SHEET_SIDE

static const struct {
    const char *font;
    int letters, lines; // lines: fill the side, so that the sheet repeats
} styles[TR_SHEETS] = {
    {"DejaVu Sans", 16, 24},     {"DejaVu Sans", 22, 16},       {"DejaVu Sans Bold", 18, 20},
    {"DejaVu Serif", 17, 22},    {"DejaVu Serif Bold", 30, 11}, {"DejaVu Sans Mono", 15, 26},
    {"DejaVu Sans Bold", 40, 8}, {"DejaVu Serif", 24, 15},      {"DejaVu Sans Mono Bold", 20, 18},
    {"DejaVu Sans", 32, 11},
};

// A line that crosses the sheet; paragraphs end occasionally.
static void draw_line(cairo_t *cairo, PangoLayout *layout, tn_rng *rng, double y) {
    char text[256];
    tr_sentence_draw(rng, 30, true, text, sizeof text);
    double shown = tn_rng_unit(rng);
    if (shown < 0.12) return; // an empty line
    pango_layout_set_text(layout, text, shown < 0.3 ? (int)(strlen(text) / 8) : -1);
    cairo_move_to(cairo, tn_rng_unit(rng) < 0.15 ? 24 : 4, y);
    pango_cairo_show_layout(cairo, layout);
}

static tn_status draw_sheet(int n, uint8_t *cover, tn_error *err) {
    tn_rng rng = tn_rng_new(0x7368656574, (uint64_t)n);
    memset(cover, 0, (size_t)SIDE * SIDE);
    cairo_surface_t *surface =
        cairo_image_surface_create_for_data(cover, CAIRO_FORMAT_A8, SIDE, SIDE, SIDE);
    cairo_t *cairo = cairo_create(surface);
    PangoContext *pango = pango_cairo_create_context(cairo);
    cairo_font_options_t *options = cairo_font_options_create();
    cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
    cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE);
    pango_cairo_context_set_font_options(pango, options);
    cairo_font_options_destroy(options);
    PangoLayout *layout = pango_layout_new(pango);
    PangoFontDescription *font = pango_font_description_from_string(styles[n].font);
    pango_font_description_set_absolute_size(font, styles[n].letters * PANGO_SCALE);
    pango_layout_set_font_description(layout, font);
    pango_font_description_free(font);
    for (int i = 0; i < styles[n].lines; i++)
        draw_line(cairo, layout, &rng, (double)i * SIDE / styles[n].lines);
    g_object_unref(layout);
    g_object_unref(pango);
    bool fine = cairo_status(cairo) == CAIRO_STATUS_SUCCESS;
    cairo_destroy(cairo);
    cairo_surface_flush(surface);
    cairo_surface_destroy(surface);
    return fine ? TN_OK : tn_fail(err, TN_ENOMEM, "cannot set a sheet of text");
}

tn_status tr_sheets_open(tr_sheets *sheets, tn_error *err) {
    *sheets = (tr_sheets){.cover = tn_alloc((size_t)TR_SHEETS * SIDE * SIDE)};
    if (!sheets->cover) return tn_fail(err, TN_ENOMEM, "out of memory for sheets of text");
    tn_status status = TN_OK;
    for (int i = 0; i < TR_SHEETS && status == TN_OK; i++) {
        uint8_t *cover = sheets->cover + (size_t)i * SIDE * SIDE;
        sheets->sheet[i] = (tr_sheet){SIDE, cover};
        sheets->letters[i] = styles[i].letters;
        status = draw_sheet(i, cover, err);
    }
    if (status != TN_OK) tr_sheets_close(sheets);
    return status;
}

void tr_sheets_close(tr_sheets *sheets) {
    tn_free(sheets->cover);
    *sheets = (tr_sheets){0};
}
