// SPDX-License-Identifier: Apache-2.0
#include "train/world/page.h"

#include "train/world/words.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define HOLE "\xef\xbf\xbc" // U+FFFC, for which pango reserves space
#define EMOJI_SIDE 1.2      // side of the glyph's square, in units of the letter size
#define MIN_SIDE 18.0       // pixels

// ---- ink ---------------------------------------------------------------------------------------

tr_ink tr_ink_mix(tr_ink a, tr_ink b, double t) {
    return (tr_ink){a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t};
}

tr_ink tr_ink_draw(tr_page *g) {
    double hue = tr_page_between(g, 0, 6), value[3], deep = tr_page_between(g, 0.15, 0.6);
    double high = tr_page_between(g, 0.55, 0.95);
    for (int c = 0; c < 3; c++) {
        double full = fmin(fmax(fabs(fmod(hue + 2 * c, 6) - 3) - 1, 0), 1);
        value[c] = high * (deep + (1 - deep) * full);
    }
    return (tr_ink){value[0], value[1], value[2]};
}

static void use(tr_page *g, tr_ink ink) {
    cairo_set_source_rgb(g->cairo, ink.r, ink.g, ink.b);
}

static void rounded(tr_page *g, double x, double y, double w, double h, double round) {
    double r = fmin(round, fmin(w, h) / 2), quarter = 1.5707963267948966;
    cairo_new_sub_path(g->cairo);
    cairo_arc(g->cairo, x + w - r, y + r, r, -quarter, 0);
    cairo_arc(g->cairo, x + w - r, y + h - r, r, 0, quarter);
    cairo_arc(g->cairo, x + r, y + h - r, r, quarter, 2 * quarter);
    cairo_arc(g->cairo, x + r, y + r, r, 2 * quarter, 3 * quarter);
    cairo_close_path(g->cairo);
}

void tr_page_plate(tr_page *g, double x, double y, double w, double h, double round, tr_ink ink) {
    rounded(g, x, y, w, h, round);
    use(g, ink);
    cairo_fill(g->cairo);
}

void tr_page_frame(tr_page *g, double x, double y, double w, double h, double round, tr_ink ink) {
    rounded(g, x + 0.5, y + 0.5, w - 1, h - 1, round);
    use(g, ink);
    cairo_set_line_width(g->cairo, 1);
    cairo_stroke(g->cairo);
}

void tr_page_disc(tr_page *g, double x, double y, double radius, tr_ink ink) {
    cairo_arc(g->cairo, x, y, radius, 0, 6.283185307179586);
    use(g, ink);
    cairo_fill(g->cairo);
}

// ---- text --------------------------------------------------------------------------------------

void tr_line_text(tr_line *line, const char *text) {
    size_t length = strlen(text);
    if (line->length + length + 1 > sizeof line->text) return;
    memcpy(line->text + line->length, text, length + 1);
    line->length += length;
}

void tr_line_emoji(tr_page *g, tr_line *line, int count) {
    for (; count > 0 && line->emoji < TR_PAGE_EMOJI; count--) {
        line->at[line->emoji] = line->length;
        line->name[line->emoji++] = tr_painting_name(g->p);
        tr_line_text(line, HOLE);
    }
}

tr_line tr_line_draw(tr_page *g, int words, bool full, double emoji) {
    tr_line line = {0};
    char text[TR_PAGE_TEXT / 2];
    bool within = tr_page_chance(g, emoji), behind = tr_page_chance(g, emoji);
    if (within && words > 3 && tr_page_chance(g, 0.5)) {
        int before = 1 + tr_page_below(g, words - 1);
        tr_sentence_draw(&g->p->rng, before, false, text, sizeof text);
        tr_line_text(&line, text);
        tr_line_text(&line, " ");
        tr_line_emoji(g, &line, 1);
        tr_line_text(&line, " ");
        words -= before;
    }
    tr_sentence_draw(&g->p->rng, words, full, text, sizeof text);
    tr_line_text(&line, text);
    if (behind) {
        tr_line_text(&line, " ");
        tr_line_emoji(g, &line, tr_page_chance(g, 0.7) ? 1 : 2 + tr_page_below(g, 3));
    }
    return line;
}

tr_set tr_set_plain(const tr_page *g, double width) {
    return (tr_set){.letters = g->theme.letters, .ink = g->theme.text, .width = width};
}

// Makes pango reserve a square for each emoji. Pango would merge equal neighbours, so the widths
// differ by an invisible amount.
static PangoAttrList *holes(const tr_page *g, const tr_line *line, double letters) {
    PangoAttrList *list = pango_attr_list_new();
    double side = fmax(letters * EMOJI_SIDE, MIN_SIDE / g->scale);
    for (int i = 0; i < line->emoji; i++) {
        int size = (int)(side * PANGO_SCALE);
        PangoRectangle free = {.width = size + i, .height = size};
        free.y = -(int)((0.36 * letters + side / 2) * PANGO_SCALE); // centred on the letters
        PangoAttribute *hole = pango_attr_shape_new_with_data(
            &free, &free, GINT_TO_POINTER(line->name[i] + 1), NULL, NULL);
        hole->start_index = (guint)line->at[i];
        hole->end_index = (guint)(line->at[i] + strlen(HOLE));
        pango_attr_list_insert(list, hole);
    }
    return list;
}

static void add_spot(tr_page *g, int32_t name, double x, double y, double side) {
    if (g->spots == TR_SCENE_MAX_OBJECTS) return;
    cairo_user_to_device(g->cairo, &x, &y);
    g->spot[g->spots++] = (tr_spot){name, x, y, side * g->scale};
}

static void on_hole(cairo_t *cairo, PangoAttrShape *hole, gboolean path, gpointer data) {
    (void)path;
    double x, y, side = (double)hole->logical_rect.height / PANGO_SCALE;
    cairo_get_current_point(cairo, &x, &y); // on the baseline
    y += (double)hole->logical_rect.y / PANGO_SCALE + side / 2;
    add_spot(data, GPOINTER_TO_INT(hole->data) - 1, x + side / 2, y, side * 0.96);
}

PangoLayout *tr_page_layout(tr_page *g, const tr_line *line, const tr_set *set, double *width,
                            double *height) {
    PangoLayout *layout = pango_layout_new(g->pango);
    PangoFontDescription *font = pango_font_description_from_string(set->mono ? "DejaVu Sans Mono"
                                                                    : set->serif ? "DejaVu Serif"
                                                                                 : g->theme.font);
    pango_font_description_set_absolute_size(font, set->letters * PANGO_SCALE);
    pango_font_description_set_weight(font, set->bold ? PANGO_WEIGHT_BOLD : PANGO_WEIGHT_NORMAL);
    pango_layout_set_font_description(layout, font);
    pango_font_description_free(font);
    pango_layout_set_text(layout, line->text, (int)line->length);
    if (set->width > 0) pango_layout_set_width(layout, (int)(set->width * PANGO_SCALE));
    pango_layout_set_wrap(layout, PANGO_WRAP_WORD_CHAR);
    if (set->middle) pango_layout_set_alignment(layout, PANGO_ALIGN_CENTER);
    pango_layout_set_line_spacing(layout, 1.15f);
    PangoAttrList *list = holes(g, line, set->letters);
    pango_layout_set_attributes(layout, list);
    pango_attr_list_unref(list);
    PangoRectangle logical;
    pango_layout_get_extents(layout, NULL, &logical);
    if (width) *width = (double)logical.width / PANGO_SCALE;
    if (height) *height = (double)logical.height / PANGO_SCALE;
    return layout;
}

void tr_page_show(tr_page *g, PangoLayout *layout, const tr_ink *ink, double x, double y) {
    use(g, *ink);
    cairo_move_to(g->cairo, x, y);
    pango_cairo_show_layout(g->cairo, layout);
}

double tr_page_write(tr_page *g, const tr_line *line, const tr_set *set, double x, double y) {
    double height;
    PangoLayout *layout = tr_page_layout(g, line, set, NULL, &height);
    tr_page_show(g, layout, &set->ink, x, y);
    g_object_unref(layout);
    return height;
}

void tr_page_emoji(tr_page *g, double x, double y, double side) {
    add_spot(g, tr_painting_name(g->p), x, y, fmax(side, MIN_SIDE / g->scale));
}

// ---- the page ----------------------------------------------------------------------------------

static tr_theme theme_draw(tr_page *g) {
    static const char *const fonts[] = {"DejaVu Sans", "DejaVu Sans", "DejaVu Sans",
                                        "DejaVu Serif"};
    const tr_ink white = {1, 1, 1}, black = {0, 0, 0};
    tr_theme t = {.dark = tr_page_chance(g, 0.4), .font = fonts[tr_page_below(g, 4)]};
    tr_ink hue = tr_ink_draw(g), paper = t.dark ? black : white, ink = t.dark ? white : black;
    double tinge = tr_page_chance(g, 0.4) ? 0 : tr_page_between(g, 0, 0.14);
    t.ground = tr_ink_mix(paper, hue, tinge);
    if (t.dark) t.ground = tr_ink_mix(t.ground, white, tr_page_between(g, 0.02, 0.13));
    t.surface = tr_ink_mix(t.ground,
                           t.dark                   ? white
                           : tr_page_chance(g, 0.5) ? white
                                                    : black,
                           t.dark ? 0.08 : tr_page_between(g, 0.03, 0.6));
    if (!t.dark && tr_page_chance(g, 0.5)) t.surface = tr_ink_mix(t.ground, black, 0.05);
    t.text = tr_ink_mix(ink, t.ground, tr_page_between(g, 0, 0.2));
    t.muted = tr_ink_mix(t.text, t.ground, 0.45);
    t.line = tr_ink_mix(t.ground, ink, 0.13);
    t.accent = tr_ink_draw(g);
    double light = 0.3 * t.accent.r + 0.6 * t.accent.g + 0.1 * t.accent.b;
    t.on_accent = light > 0.6 ? black : white;
    t.bubble = tr_page_chance(g, 0.6) ? t.accent : tr_ink_mix(t.ground, t.accent, 0.3);
    t.letters = tr_page_between(g, 13, 17);
    t.round = tr_page_chance(g, 0.2) ? 3 : tr_page_between(g, 6, 20);
    return t;
}

static tn_status open_page(tr_page *g, tn_error *err) {
    int w = g->p->canvas.w, h = g->p->canvas.h;
    g->surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, w, h);
    g->cairo = cairo_create(g->surface);
    if (cairo_status(g->cairo) != CAIRO_STATUS_SUCCESS)
        return tn_fail(err, TN_ENOMEM, "out of memory for a page of %dx%d", w, h);
    g->width = w / g->scale, g->height = h / g->scale;
    cairo_scale(g->cairo, g->scale, g->scale);
    g->pango = pango_cairo_create_context(g->cairo);
    cairo_font_options_t *options = cairo_font_options_create();
    cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
    cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE);
    cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
    pango_cairo_context_set_font_options(g->pango, options);
    cairo_font_options_destroy(options);
    pango_cairo_context_set_shape_renderer(g->pango, on_hole, g, NULL);
    return TN_OK;
}

void tr_page_bar(tr_page *g, double y, double h) {
    double limit = g->p->canvas.h, top = y * g->scale, bottom = (y + h) * g->scale;
    TN_CHECK(g->bars < 2, "a page has two bars");
    g->bar[g->bars].top = (int)fmin(fmax(top, 0), limit);
    g->bar[g->bars].bottom = (int)fmin(fmax(bottom, 0), limit);
    g->bar[g->bars++].spots = g->spots;
}

static void copy_rows(tr_page *g, int from, int to) {
    tr_canvas *canvas = &g->p->canvas;
    const uint8_t *bytes = cairo_image_surface_get_data(g->surface);
    int stride = cairo_image_surface_get_stride(g->surface);
    for (int y = from; y < to; y++)
        for (int x = 0; x < canvas->w; x++) {
            uint32_t pixel;
            size_t at = (size_t)y * canvas->w + x;
            memcpy(&pixel, bytes + (size_t)y * stride + 4 * x, sizeof pixel);
            for (int c = 0; c < 3; c++)
                canvas->rgb[3 * at + c] = (float)(pixel >> (16 - 8 * c) & 255) / 255;
            canvas->owner[at] = 0;
        }
}

static void paint_spots(tr_page *g, int from, int to) {
    for (int i = from; i < to; i++) {
        const tr_spot *s = &g->spot[i];
        tr_look look = {.opacity = 1, .gain = {1, 1, 1}, .sharpness = 1.2};
        tr_pose pose = tr_pose_of(s->x, s->y, s->side, 0, 1, 0, false);
        tr_painting_add(g->p, s->name, &pose, &look);
    }
}

// Copies the surface to the canvas and paints the emoji: those under a bar before it, those on it
// after it.
static void to_canvas(tr_page *g) {
    int painted = 0;
    cairo_surface_flush(g->surface);
    copy_rows(g, 0, g->p->canvas.h);
    for (int i = 0; i < g->bars; i++) {
        paint_spots(g, painted, g->bar[i].spots);
        painted = g->bar[i].spots;
        copy_rows(g, g->bar[i].top, g->bar[i].bottom);
    }
    paint_spots(g, painted, g->spots);
}

static void close_page(tr_page *g) {
    if (g->pango) g_object_unref(g->pango);
    if (g->cairo) cairo_destroy(g->cairo);
    if (g->surface) cairo_surface_destroy(g->surface);
}

// Most screenshots are clean; some were compressed or scaled.
static tr_wear wear_draw(tr_page *g) {
    tr_wear w = {.contrast = 1, .saturation = 1, .tint = {1, 1, 1}, .resolution = 1};
    if (tr_page_chance(g, 0.3)) w.quality = (int)tr_page_between(g, 45, 96);
    w.full_colour = tr_page_chance(g, 0.3);
    if (tr_page_chance(g, 0.12)) w.resolution = tr_page_between(g, 0.6, 0.95);
    return w;
}

tn_status tr_paint_chat(tr_painting *p, tn_error *err) {
    tr_page *g = tn_alloc_zero(1, sizeof *g);
    if (!g) return tn_fail(err, TN_ENOMEM, "out of memory for a page");
    g->p = p;
    p->min_visible = 0.3;
    bool phone = tr_page_chance(g, 0.55);
    g->scale = exp(tr_page_between(g, log(1), log(phone ? 1.7 : 1.4)));
    double width = phone ? tr_page_between(g, 300, 420) : tr_page_between(g, 420, 760);
    double height = width * (phone ? tr_page_between(g, 1, 1.8) : tr_page_between(g, 0.55, 1.05));
    int w = p->options->width ? (int)p->options->width : (int)(width * g->scale);
    int h = p->options->height ? (int)p->options->height : (int)(height * g->scale);
    tn_status status = tr_painting_begin(p, h, w, err);
    if (status == TN_OK) status = open_page(g, err);
    if (status == TN_OK) {
        g->theme = theme_draw(g);
        tr_page_plate(g, 0, 0, g->width, g->height, 0, g->theme.ground);
        (phone ? tr_page_chat : tr_page_web)(g);
        to_canvas(g);
        p->wear = wear_draw(g);
    }
    close_page(g);
    tn_free(g);
    return status;
}
