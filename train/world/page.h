// SPDX-License-Identifier: Apache-2.0
// A page on a screen while it is drawn: cairo for surfaces, pango for text. Pango leaves space for
// emoji in the text; they are painted from the glyphs afterwards, so that their masks are exact.
#pragma once

#include "train/world/scene_paint.h"

#include <pango/pangocairo.h>

#define TR_PAGE_EMOJI 12 // in one text
#define TR_PAGE_TEXT 1200

typedef struct tr_ink {
    double r, g, b;
} tr_ink;

typedef struct tr_theme {
    bool dark;
    tr_ink ground, surface, text, muted, accent, on_accent, line, bubble;
    const char *font;
    double letters; // size of running text, page units
    double round;   // corners
} tr_theme;

typedef struct tr_spot { // position of an emoji to be painted
    int32_t name;
    double x, y, side; // centre, pixels
} tr_spot;

typedef struct tr_page {
    tr_painting *p;
    cairo_surface_t *surface;
    cairo_t *cairo; // in page units: scale pixels each
    PangoContext *pango;
    double scale, width, height; // page units
    tr_theme theme;
    tr_spot spot[TR_SCENE_MAX_OBJECTS];
    int spots;
    // Bars that cover what was drawn before them: rows of pixels, and the number of emoji before
    // them.
    struct {
        int top, bottom, spots;
    } bar[2];
    int bars;
} tr_page;

// A line of text with emoji, while it is built.
typedef struct tr_line {
    char text[TR_PAGE_TEXT];
    size_t length;
    int32_t name[TR_PAGE_EMOJI];
    size_t at[TR_PAGE_EMOJI]; // byte offsets
    int emoji;
} tr_line;

static inline bool tr_page_chance(tr_page *g, double share) {
    return tn_rng_unit(&g->p->rng) < share;
}
static inline double tr_page_between(tr_page *g, double a, double b) {
    return tn_rng_uniform(&g->p->rng, a, b);
}
static inline int tr_page_below(tr_page *g, int n) {
    return (int)tn_rng_below(&g->p->rng, n);
}

void tr_line_text(tr_line *line, const char *text);
void tr_line_emoji(tr_page *g, tr_line *line, int count); // random emoji from the pool
// Random words; `emoji` is the probability of emoji between or after them.
tr_line tr_line_draw(tr_page *g, int words, bool full, double emoji);

typedef struct tr_set { // layout of a text
    double letters;     // page units
    bool bold, serif, mono;
    tr_ink ink;
    double width; // 0: one line
    bool middle;  // centred in the width
} tr_set;
tr_set tr_set_plain(const tr_page *g, double width);
// Measures a line; release the layout with g_object_unref.
PangoLayout *tr_page_layout(tr_page *g, const tr_line *line, const tr_set *set, double *width,
                            double *height);
void tr_page_show(tr_page *g, PangoLayout *layout, const tr_ink *ink, double x, double y);
// Measures and draws; returns the height.
double tr_page_write(tr_page *g, const tr_line *line, const tr_set *set, double x, double y);
// A single emoji; centre and size in page units.
void tr_page_emoji(tr_page *g, double x, double y, double side);

// To be called before a bar from y to y + h is drawn over the page.
void tr_page_bar(tr_page *g, double y, double h);
void tr_page_plate(tr_page *g, double x, double y, double w, double h, double round, tr_ink ink);
void tr_page_frame(tr_page *g, double x, double y, double w, double h, double round, tr_ink ink);
void tr_page_disc(tr_page *g, double x, double y, double radius, tr_ink ink);
tr_ink tr_ink_mix(tr_ink a, tr_ink b, double t);
tr_ink tr_ink_draw(tr_page *g); // a colour that is neither dark nor pale

// Draw whole pages: train/world/page_chat.c, train/world/page_web.c.
void tr_page_chat(tr_page *g);
void tr_page_web(tr_page *g);
