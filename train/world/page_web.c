// SPDX-License-Identifier: Apache-2.0
// A web page: a column of blocks of different kinds.
#include "train/world/page.h"

#include "train/world/words.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct column {
    double x, y, width;
} column;

static void heading(tr_page *g, column *c) {
    tr_line line = {0};
    tr_set set = tr_set_plain(g, c->width);
    if (tr_page_chance(g, 0.4)) {
        tr_line_emoji(g, &line, 1);
        tr_line_text(&line, " ");
    }
    tr_line rest = tr_line_draw(g, 2 + tr_page_below(g, 5), false, 0);
    tr_line_text(&line, rest.text);
    set.bold = true, set.letters *= tr_page_between(g, 1.25, 2.2);
    c->y += 6 + tr_page_write(g, &line, &set, c->x, c->y);
}

static void paragraph(tr_page *g, column *c) {
    tr_line line = {0};
    tr_set set = tr_set_plain(g, c->width);
    set.serif = tr_page_chance(g, 0.2);
    for (int i = 1 + tr_page_below(g, 4); i; i--) {
        char text[300];
        tr_sentence_draw(&g->p->rng, 4 + tr_page_below(g, 12), true, text, sizeof text);
        tr_line_text(&line, text);
        tr_line_text(&line, " ");
        if (tr_page_chance(g, 0.25)) {
            tr_line_emoji(g, &line, 1);
            tr_line_text(&line, " ");
        }
    }
    c->y += tr_page_write(g, &line, &set, c->x, c->y);
}

static void items(tr_page *g, column *c) {
    bool emoji = tr_page_chance(g, 0.6);
    for (int i = 2 + tr_page_below(g, 4); i; i--) {
        tr_set set = tr_set_plain(g, c->width - 34);
        tr_line line = tr_line_draw(g, 2 + tr_page_below(g, 9), false, emoji ? 0.1 : 0.25);
        double middle = c->y + g->theme.letters * 0.68;
        if (emoji)
            tr_page_emoji(g, c->x + 16, middle, g->theme.letters * 1.25);
        else
            tr_page_disc(g, c->x + 16, middle, 2.6, g->theme.text);
        c->y += 5 + tr_page_write(g, &line, &set, c->x + 34, c->y);
    }
}

static void buttons(tr_page *g, column *c) {
    double x = c->x, high = 0;
    for (int i = 1 + tr_page_below(g, 3); i; i--) {
        const tr_theme *t = &g->theme;
        bool full = tr_page_chance(g, 0.6);
        tr_line line = {0};
        tr_set set = tr_set_plain(g, 0);
        double w, h;
        if (tr_page_chance(g, 0.5)) {
            tr_line_emoji(g, &line, 1);
            tr_line_text(&line, " ");
        }
        tr_line rest = tr_line_draw(g, 1 + tr_page_below(g, 2), false, 0.1);
        if (!rest.emoji) tr_line_text(&line, rest.text);
        set.ink = full ? t->on_accent : t->accent, set.bold = tr_page_chance(g, 0.5);
        PangoLayout *layout = tr_page_layout(g, &line, &set, &w, &h);
        if (x > c->x && x + w + 30 > c->x + c->width) {
            g_object_unref(layout);
            break;
        }
        if (full)
            tr_page_plate(g, x, c->y, w + 28, h + 16, t->round, t->accent);
        else
            tr_page_frame(g, x, c->y, w + 28, h + 16, t->round, t->accent);
        tr_page_show(g, layout, &set.ink, x + 14, c->y + 8);
        g_object_unref(layout);
        x += w + 40, high = fmax(high, h + 16);
    }
    c->y += high + 4;
}

static void cards(tr_page *g, column *c) {
    const tr_theme *t = &g->theme;
    int count = 2 + tr_page_below(g, 3);
    double gap = 12, w = (c->width - gap * (count - 1)) / count, h = tr_page_between(g, 110, 160);
    double side = fmin(tr_page_between(g, 26, 44), w * 0.6);
    bool middle = tr_page_chance(g, 0.5);
    for (int i = 0; i < count; i++) {
        double x = c->x + i * (w + gap), top = c->y + 12;
        tr_page_plate(g, x, c->y, w, h, t->round, t->surface);
        if (tr_page_chance(g, 0.5)) tr_page_frame(g, x, c->y, w, h, t->round, t->line);
        tr_page_emoji(g, middle ? x + w / 2 : x + 12 + side / 2, top + side / 2, side);
        tr_set set = tr_set_plain(g, w - 24);
        set.middle = middle, set.bold = true;
        tr_line line = tr_line_draw(g, 1 + tr_page_below(g, 2), false, 0);
        top += side + 6 + tr_page_write(g, &line, &set, x + 12, top + side + 6);
        set.bold = false, set.letters *= 0.8, set.ink = t->muted;
        line = tr_line_draw(g, 2 + tr_page_below(g, 4), true, 0);
        tr_page_write(g, &line, &set, x + 12, top + 4);
    }
    c->y += h + 4;
}

static void comment(tr_page *g, column *c) {
    const tr_theme *t = &g->theme;
    char name[64];
    tr_line line = {0};
    tr_set set = tr_set_plain(g, c->width - 52);
    tr_person_draw(&g->p->rng, name, sizeof name);
    tr_page_disc(g, c->x + 18, c->y + 18, 18, tr_ink_draw(g));
    if (tr_page_chance(g, 0.4)) tr_page_emoji(g, c->x + 18, c->y + 18, 25);
    tr_line_text(&line, name);
    set.bold = true, set.letters *= 0.92;
    double y = c->y + tr_page_write(g, &line, &set, c->x + 48, c->y);
    line = tr_line_draw(g, 4 + tr_page_below(g, 18), true, 0.4);
    set.bold = false, set.letters = t->letters;
    y += 3 + tr_page_write(g, &line, &set, c->x + 48, y + 3);
    if (tr_page_chance(g, 0.6)) {
        line = (tr_line){0};
        for (int i = 1 + tr_page_below(g, 4); i; i--) {
            char number[16];
            snprintf(number, sizeof number, " %d   ", 1 + tr_page_below(g, 200));
            tr_line_emoji(g, &line, 1);
            tr_line_text(&line, number);
        }
        set.ink = t->muted, set.letters *= 0.88;
        y += 6 + tr_page_write(g, &line, &set, c->x + 48, y + 6);
    }
    c->y = fmax(y, c->y + 40);
}

// Text on a plate: a quotation, a note, code.
static void note(tr_page *g, column *c) {
    const tr_theme *t = &g->theme;
    bool code = tr_page_chance(g, 0.3), bar = tr_page_chance(g, 0.5);
    tr_line line = {0};
    tr_set set = tr_set_plain(g, c->width - 40);
    set.mono = code, set.letters *= code ? 0.88 : 1;
    if (!code && tr_page_chance(g, 0.6)) {
        tr_line_emoji(g, &line, 1);
        tr_line_text(&line, "  ");
    }
    char text[300];
    for (int i = 1 + tr_page_below(g, 3); i; i--) {
        tr_sentence_draw(&g->p->rng, 3 + tr_page_below(g, 8), !code, text, sizeof text);
        tr_line_text(&line, text);
        tr_line_text(&line, code ? "\n" : " ");
    }
    double h;
    PangoLayout *layout = tr_page_layout(g, &line, &set, NULL, &h);
    tr_ink ground = code ? t->surface : tr_ink_mix(t->ground, tr_ink_draw(g), 0.22);
    tr_page_plate(g, c->x, c->y, c->width, h + 22, bar ? 2 : t->round, ground);
    if (bar) tr_page_plate(g, c->x, c->y, 4, h + 22, 0, t->accent);
    tr_page_show(g, layout, &set.ink, c->x + 18, c->y + 11);
    g_object_unref(layout);
    c->y += h + 26;
}

static void table(tr_page *g, column *c) {
    const tr_theme *t = &g->theme;
    int rows = 2 + tr_page_below(g, 4), columns = 2 + tr_page_below(g, 3);
    double high = t->letters * 2.1, wide = c->width / columns;
    int signs = tr_page_below(g, columns); // the column that contains emoji
    for (int r = 0; r < rows; r++, c->y += high) {
        if (r == 0) tr_page_plate(g, c->x, c->y, c->width, high, 0, t->surface);
        for (int i = 0; i < columns; i++) {
            double x = c->x + i * wide + 8;
            tr_set set = tr_set_plain(g, 0);
            set.bold = r == 0, set.letters *= 0.9;
            if (r && i == signs) {
                tr_page_emoji(g, x + 12, c->y + high / 2, t->letters * 1.3);
                continue;
            }
            tr_line line = tr_line_draw(g, 1, false, 0.04);
            tr_page_write(g, &line, &set, x, c->y + high / 2 - t->letters * 0.62);
        }
        tr_page_plate(g, c->x, c->y + high - 1, c->width, 1, 0, t->line);
    }
    c->y += 4;
}

// An image without nameable objects.
static void picture(tr_page *g, column *c) {
    double h = c->width * tr_page_between(g, 0.15, 0.4);
    cairo_pattern_t *shade =
        cairo_pattern_create_linear(c->x, c->y, c->x + c->width * tr_page_below(g, 2), c->y + h);
    for (int i = 0; i < 3; i++) {
        tr_ink ink = tr_ink_draw(g);
        cairo_pattern_add_color_stop_rgb(shade, i / 2.0, ink.r, ink.g, ink.b);
    }
    cairo_save(g->cairo);
    cairo_rectangle(g->cairo, c->x, c->y, c->width, h);
    cairo_clip(g->cairo);
    cairo_set_source(g->cairo, shade);
    cairo_paint(g->cairo);
    cairo_pattern_destroy(shade);
    for (int i = tr_page_below(g, 6); i; i--) { // hills
        double x = c->x + tr_page_between(g, 0, c->width), r = h * tr_page_between(g, 0.4, 1.4);
        tr_page_disc(g, x, c->y + h * 0.7 + r, r, tr_ink_draw(g));
    }
    cairo_restore(g->cairo);
    c->y += h;
}

static void (*const blocks[])(tr_page *, column *) = {
    heading, paragraph, paragraph, items, items, buttons,
    cards,   comment,   comment,   note,  table, picture,
};
enum { BLOCKS = sizeof blocks / sizeof *blocks };

static double top_bar(tr_page *g) {
    const tr_theme *t = &g->theme;
    bool strong = tr_page_chance(g, 0.4);
    tr_line line = {0};
    tr_set set = tr_set_plain(g, 0);
    double x = 18, w, high = 46;
    set.ink = strong ? t->on_accent : t->text, set.bold = true;
    tr_page_plate(g, 0, 0, g->width, high, 0, strong ? t->accent : t->surface);
    if (tr_page_chance(g, 0.4)) {
        tr_line_emoji(g, &line, 1);
        tr_line_text(&line, " ");
    }
    tr_line rest = tr_line_draw(g, 1, false, 0);
    tr_line_text(&line, rest.text);
    for (int i = 0; i < 5 && x < g->width - 60; i++) {
        PangoLayout *layout = tr_page_layout(g, &line, &set, &w, NULL);
        tr_page_show(g, layout, &set.ink, x, high / 2 - t->letters * 0.68);
        g_object_unref(layout);
        x += w + 24, set.bold = false;
        line = tr_line_draw(g, 1, false, 0.06);
    }
    return high;
}

static void fill(tr_page *g, column c) {
    int last = -1;
    while (c.y < g->height) {
        int kind = tr_page_below(g, BLOCKS);
        if (kind == last || (c.width < 220 && blocks[kind] == cards)) continue;
        blocks[kind](g, &c);
        c.y += tr_page_between(g, 8, 20), last = kind;
    }
}

void tr_page_web(tr_page *g) {
    double pad = tr_page_between(g, 14, 44), top = 12;
    if (tr_page_chance(g, 0.7)) top += top_bar(g);
    column main = {pad, top, g->width - 2 * pad};
    if (g->width > 520 && tr_page_chance(g, 0.4)) { // with a side column
        double side = g->width * tr_page_between(g, 0.22, 0.32);
        bool left = tr_page_chance(g, 0.5);
        main.width -= side + 20;
        column other = {left ? pad : pad + main.width + 20, top, side};
        if (left) main.x += side + 20;
        fill(g, other);
    }
    fill(g, main);
}
