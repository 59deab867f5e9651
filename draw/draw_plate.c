// SPDX-License-Identifier: Apache-2.0
// Plates: bold name, score and tag, placed where they fit best.
#include "draw/draw_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <pango/pangocairo.h>

#define MIN_LETTERS 6.0 // pixels: letters below that cannot be read
#define MAX_NAME 200    // characters of a name that are laid out
#define MAX_PLACES 33

enum { NAME, SCORE, TAG, PARTS };

typedef struct plate {
    io_rectangle where;
    PangoLayout *part[PARTS]; // NULL: absent
    double width[PARTS];
    double pad, gap, height;
} plate;

static PangoLayout *layout_of(PangoContext *pango, const char *text, double letters, bool bold,
                              double *width, double *height) {
    PangoLayout *layout = pango_layout_new(pango);
    PangoFontDescription *font = pango_font_description_from_string("DejaVu Sans, Sans");
    pango_font_description_set_absolute_size(font, letters * PANGO_SCALE);
    pango_font_description_set_weight(font, bold ? PANGO_WEIGHT_BOLD : PANGO_WEIGHT_NORMAL);
    pango_layout_set_font_description(layout, font);
    pango_font_description_free(font);
    pango_layout_set_single_paragraph_mode(layout, TRUE);
    pango_layout_set_text(layout, text, -1);
    PangoRectangle logical;
    pango_layout_get_extents(layout, NULL, &logical);
    *width = (double)logical.width / PANGO_SCALE;
    if ((double)logical.height / PANGO_SCALE > *height)
        *height = (double)logical.height / PANGO_SCALE;
    return layout;
}

// The name in the form that pango accepts: valid UTF-8, no control characters, of limited length.
static char *clean_name(const char *name) {
    char *text = g_utf8_make_valid(name, (gssize)strnlen(name, 4 * MAX_NAME));
    if (g_utf8_strlen(text, -1) > MAX_NAME) *g_utf8_offset_to_pointer(text, MAX_NAME) = 0;
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127) *c = ' ';
    return text;
}

static void add_part(plate *p, PangoContext *pango, int part, const char *text, double letters) {
    p->part[part] = layout_of(pango, text, letters, part == NAME, &p->width[part], &p->height);
}

static double width_of(const plate *p) {
    double width = p->part[TAG] ? p->width[TAG] + 2 * p->pad : 0;
    if (p->part[NAME] || p->part[SCORE]) width += 2 * p->pad;
    if (p->part[NAME] && p->part[SCORE]) width += p->gap;
    for (int i = NAME; i <= SCORE; i++) width += p->part[i] ? p->width[i] : 0;
    return width;
}

static void drop_part(plate *p, int part) {
    if (p->part[part]) g_object_unref(p->part[part]);
    p->part[part] = NULL;
}

static void release(plate *p) {
    for (int i = 0; i < PARTS; i++) drop_part(p, i);
}

// Narrows a plate to the given width: first the tag is dropped, then the name is shortened with
// "…", then the score is dropped. False if nothing readable is left.
static bool narrow(plate *p, double width, double letters) {
    if (width_of(p) > width && p->part[NAME]) drop_part(p, TAG);
    double over = width_of(p) - width;
    if (over > 0 && p->part[NAME]) {
        if (p->part[SCORE] && p->width[NAME] - over < 3 * letters) {
            drop_part(p, SCORE);
            over = width_of(p) - width;
        }
        double left = over > 0 ? p->width[NAME] - over : p->width[NAME];
        if (left < 1.5 * letters) return false;
        pango_layout_set_ellipsize(p->part[NAME], PANGO_ELLIPSIZE_END);
        pango_layout_set_width(p->part[NAME], (int)(left * PANGO_SCALE));
        p->width[NAME] = fmin(left, p->width[NAME]);
    }
    return width_of(p) <= width;
}

// Sets the plate's size. False if it does not fit into the picture.
static bool compose(const io_canvas *c, const io_draw_item *item, PangoContext *pango, plate *p) {
    double letters = fmin(c->letters, c->h / 2.2);
    *p = (plate){0};
    if (letters < MIN_LETTERS) return false;
    p->pad = letters * 0.35;
    p->gap = letters * 0.4;
    if (item->name && *item->name) {
        char *name = clean_name(item->name);
        add_part(p, pango, NAME, name, letters);
        g_free(name);
    }
    char score[32];
    if (!isnan(item->score)) {
        snprintf(score, sizeof score, "%.2f", fmin(fmax((double)item->score, -999), 999));
        add_part(p, pango, SCORE, score, letters);
    }
    if (item->tag && *item->tag) {
        char *tag = clean_name(item->tag);
        add_part(p, pango, TAG, tag, letters * 0.85);
        g_free(tag);
    }
    p->where.h = ceil(p->height + p->pad * 0.3);
    bool fits = (p->part[NAME] || p->part[SCORE] || p->part[TAG]) && p->where.h <= c->h &&
                narrow(p, floor(c->w), letters);
    p->where.w = fmin(ceil(width_of(p)), floor(c->w));
    return fits;
}

static double overlap(io_rectangle a, io_rectangle b) {
    double w = fmin(a.x + a.w, b.x + b.w) - fmax(a.x, b.x);
    double h = fmin(a.y + a.h, b.y + b.h) - fmax(a.y, b.y);
    return w > 0 && h > 0 ? w * h : 0;
}

// Positions around and in a box, in order of preference; all are moved into the picture.
static int places_of(const io_canvas *c, io_rectangle box, const plate *p, io_rectangle *to) {
    double w = p->where.w, h = p->where.h, half = c->line / 2;
    double left = box.x - half, right = box.x + box.w + half - w;
    double above = box.y - h + half * 0.5, below = box.y + box.h - half * 0.5;
    double top = box.y - half, foot = box.y + box.h + half - h, middle = box.x + (box.w - w) / 2;
    const double spot[][2] = {{left, above},   {left, top},   {left, below},   {left, foot},
                              {right, above},  {right, top},  {right, below},  {right, foot},
                              {middle, above}, {middle, top}, {middle, below}, {middle, foot}};
    int n = 0;
    for (; n < (int)(sizeof spot / sizeof *spot); n++)
        to[n] = (io_rectangle){spot[n][0], spot[n][1], w, h};
    to[n++] = (io_rectangle){left, above - h, w, h};
    for (double y = top + h; y + h < foot && n < MAX_PLACES;
         y += h) { // down the sides of a high box
        to[n++] = (io_rectangle){left, y, w, h};
        to[n++] = (io_rectangle){right, y, w, h};
    }
    for (int i = 0; i < n; i++) {
        to[i].x = round(fmin(fmax(to[i].x, 0), c->w - w));
        to[i].y = round(fmin(fmax(to[i].y, 0), c->h - h));
        if (to[i].x > c->w - w) to[i].x -= 1;
        if (to[i].y > c->h - h) to[i].y -= 1;
    }
    return n;
}

// The position that covers least of the existing plates; ties by preference.
static io_rectangle best_place(const io_canvas *c, io_rectangle box, const plate *p,
                               const plate *others, size_t count) {
    io_rectangle places[MAX_PLACES], best = {0};
    int n = places_of(c, box, p, places);
    double least = INFINITY, area = p->where.w * p->where.h;
    for (int i = 0; i < n; i++) {
        double cost = 0.02 * i;
        for (size_t j = 0; j < count && cost < least; j++)
            cost += 4 * overlap(places[i], others[j].where) / area;
        if (cost < least) least = cost, best = places[i];
    }
    return best;
}

// Light or dark letters, by the luminance of the background (WCAG 2's formula).
static double luminance(const uint8_t rgb[3], double shade) {
    static const double weight[3] = {0.2126, 0.7152, 0.0722};
    double sum = 0;
    for (int i = 0; i < 3; i++) {
        double v = rgb[i] / 255.0 * shade;
        sum += weight[i] * (v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4));
    }
    return sum;
}

static void letters_on(const io_canvas *c, int colour, double shade) {
    uint8_t rgb[3];
    io_draw_colour(colour, rgb);
    double ink = luminance(rgb, shade) > 0.22 ? 0.05 : 1;
    cairo_set_source_rgb(c->cairo, ink, ink, ink);
}

static void show(const io_canvas *c, const plate *p, int part, double x) {
    PangoRectangle logical;
    pango_layout_get_extents(p->part[part], NULL, &logical);
    double h = (double)logical.height / PANGO_SCALE;
    cairo_move_to(c->cairo, x, p->where.y + (p->where.h - h) / 2);
    pango_cairo_show_layout(c->cairo, p->part[part]);
}

static void draw_plate(const io_canvas *c, const plate *p, int colour) {
    const double shade = 0.25; // at the tag's end of the plate
    cairo_save(c->cairo);
    io_canvas_rounded(c, p->where, p->height * 0.18);
    cairo_clip_preserve(c->cairo);
    io_canvas_colour(c, colour, 1);
    cairo_fill(c->cairo);
    double x = p->where.x + p->pad;
    letters_on(c, colour, 1);
    if (p->part[NAME]) {
        show(c, p, NAME, x);
        x += p->width[NAME] + p->gap;
    }
    if (p->part[SCORE]) show(c, p, SCORE, x);
    if (p->part[TAG]) {
        double from = p->where.x + p->where.w - p->width[TAG] - 2 * p->pad;
        uint8_t rgb[3];
        io_draw_colour(colour, rgb);
        cairo_rectangle(c->cairo, from, p->where.y, p->where.x + p->where.w - from, p->where.h);
        cairo_set_source_rgb(c->cairo, rgb[0] / 255.0 * shade, rgb[1] / 255.0 * shade,
                             rgb[2] / 255.0 * shade);
        cairo_fill(c->cairo);
        letters_on(c, colour, shade);
        show(c, p, TAG, from + p->pad);
    }
    cairo_restore(c->cairo);
}

static PangoContext *open_pango(const io_canvas *c) {
    PangoContext *pango = pango_cairo_create_context(c->cairo);
    cairo_font_options_t *options = cairo_font_options_create();
    cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
    cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_SLIGHT);
    cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
    pango_cairo_context_set_font_options(pango, options);
    cairo_font_options_destroy(options);
    return pango;
}

tn_status io_draw_plates(const io_canvas *c, const io_draw_item *items, const size_t *order,
                         size_t count, io_rectangle *where, size_t *drawn, tn_error *err) {
    plate *plates = tn_alloc_zero(count, sizeof *plates);
    size_t *item_of = tn_alloc_zero(count, sizeof *item_of), n = 0;
    if (!plates || !item_of) {
        tn_free(plates);
        tn_free(item_of);
        return tn_fail(err, TN_ENOMEM, "out of memory for %zu plates", count);
    }
    PangoContext *pango = open_pango(c);
    for (size_t i = 0; i < count; i++) {
        const io_draw_item *item = &items[order[i]];
        io_rectangle box;
        if (!io_canvas_box(c, item->box, &box)) continue;
        if (!compose(c, item, pango, &plates[n])) {
            release(&plates[n]);
            continue;
        }
        plates[n].where = best_place(c, box, &plates[n], plates, n);
        item_of[n++] = order[i];
    }
    for (size_t i = n; i-- > 0;) { // the best on top
        draw_plate(c, &plates[i], items[item_of[i]].colour);
        if (where) where[i] = plates[i].where;
        release(&plates[i]);
    }
    if (drawn) *drawn = n;
    g_object_unref(pango);
    tn_free(plates);
    tn_free(item_of);
    return TN_OK;
}

// Fontconfig keeps caches until the process ends; they do not grow with the number of pictures. The
// leak checker is told to ignore them.
#ifdef __has_feature
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
const char *__lsan_default_suppressions(void);
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void) {
    return "leak:libfontconfig\n";
}
const char *__lsan_default_options(void);
__attribute__((visibility("default"))) const char *__lsan_default_options(void) {
    return "print_suppressions=0"; // keeps standard error free of a summary
}
#endif
