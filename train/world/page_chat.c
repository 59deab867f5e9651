// SPDX-License-Identifier: Apache-2.0
// Screens of a phone: a conversation, or a list of settings, contacts or notes.
#include "train/world/page.h"

#include "train/world/words.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void clock_text(tr_page *g, char *out, size_t bytes) {
    snprintf(out, bytes, "%d:%02d", 1 + tr_page_below(g, 23), tr_page_below(g, 60));
}

static void small_text(tr_page *g, const char *text, double x, double y, tr_ink ink) {
    tr_line line = {0};
    tr_set set = tr_set_plain(g, 0);
    set.letters *= 0.72, set.ink = ink;
    tr_line_text(&line, text);
    tr_page_write(g, &line, &set, x, y);
}

// A disc with a letter or an emoji.
static void avatar(tr_page *g, double x, double y, double radius, const char *name) {
    tr_page_disc(g, x, y, radius, tr_ink_draw(g));
    if (tr_page_chance(g, 0.35)) {
        tr_page_emoji(g, x, y, radius * 1.45);
        return;
    }
    tr_line line = {0};
    char letter[2] = {name[0], 0};
    tr_set set = {.letters = radius, .bold = true, .ink = {1, 1, 1}};
    double w, h;
    tr_line_text(&line, letter);
    PangoLayout *layout = tr_page_layout(g, &line, &set, &w, &h);
    tr_page_show(g, layout, &set.ink, x - w / 2, y - h / 2);
    g_object_unref(layout);
}

static double header(tr_page *g, bool conversation) {
    const tr_theme *t = &g->theme;
    bool strong = tr_page_chance(g, 0.4);
    double height = 56, pad = 14;
    char name[64], state[64];
    tr_ink ink = strong ? t->on_accent : t->text;
    tr_page_bar(g, 0, height);
    tr_page_plate(g, 0, 0, g->width, height, 0, strong ? t->accent : t->surface);
    tr_person_draw(&g->p->rng, name, sizeof name);
    tr_line line = {0};
    tr_set set = tr_set_plain(g, 0);
    set.bold = true, set.ink = ink, set.letters *= 1.1;
    if (!conversation) {
        tr_sentence_draw(&g->p->rng, 1 + tr_page_below(g, 2), false, name, sizeof name);
        set.letters *= 1.2;
    }
    tr_line_text(&line, name);
    if (tr_page_chance(g, 0.3)) {
        tr_line_text(&line, " ");
        tr_line_emoji(g, &line, 1);
    }
    double x = pad;
    if (conversation) {
        avatar(g, pad + 18, height / 2, 18, name);
        x += 48;
        clock_text(g, state, sizeof state);
        char seen[80];
        snprintf(seen, sizeof seen, tr_page_chance(g, 0.5) ? "online" : "last seen %s", state);
        small_text(g, seen, x, height / 2 + 6, tr_ink_mix(ink, t->surface, 0.3));
    }
    tr_page_write(g, &line, &set, x, conversation ? 8 : 14);
    for (int i = 0; i < 3; i++) tr_page_disc(g, g->width - 16, height / 2 - 6 + 6 * i, 1.6, ink);
    return height;
}

// Small badges with an emoji and a number below a message.
static void reactions(tr_page *g, double x, double y) {
    int count = 1 + tr_page_below(g, 3);
    for (int i = 0; i < count; i++) {
        tr_line line = {0};
        char number[16];
        double w, h;
        tr_set set = tr_set_plain(g, 0);
        set.letters *= 0.85, set.ink = g->theme.muted;
        snprintf(number, sizeof number, " %d", 1 + tr_page_below(g, 40));
        tr_line_emoji(g, &line, 1);
        if (tr_page_chance(g, 0.7)) tr_line_text(&line, number);
        PangoLayout *layout = tr_page_layout(g, &line, &set, &w, &h);
        tr_page_plate(g, x, y, w + 14, h + 4, 20, g->theme.surface);
        tr_page_frame(g, x, y, w + 14, h + 4, 20, g->theme.line);
        tr_page_show(g, layout, &set.ink, x + 7, y + 2);
        g_object_unref(layout);
        x += w + 20;
    }
}

typedef struct talk { // style of a conversation
    bool faces, times, react;
    double chatter; // fraction of messages with emoji
    int clock;      // minutes
    char partner[64];
} talk;

static double message(tr_page *g, talk *k, double y, bool own) {
    const tr_theme *t = &g->theme;
    bool large = tr_page_chance(g, 0.12); // only emoji
    tr_line line = {0};
    if (large)
        tr_line_emoji(g, &line, 1 + tr_page_below(g, 4));
    else
        line = tr_line_draw(g, 1 + tr_page_below(g, tr_page_chance(g, 0.3) ? 22 : 9), true,
                            k->chatter);
    tr_set set = tr_set_plain(g, g->width * 0.66);
    if (large) set.letters *= tr_page_between(g, 1.6, 2.6);
    tr_ink plate = own ? t->bubble : t->surface;
    double light = 0.3 * plate.r + 0.6 * plate.g + 0.1 * plate.b;
    set.ink = light > 0.55 ? (tr_ink){0.05, 0.05, 0.07} : (tr_ink){0.97, 0.97, 0.97};
    double w, h, pad = 9, left = k->faces ? 46 : 12;
    PangoLayout *layout = tr_page_layout(g, &line, &set, &w, &h);
    double x = own ? g->width - w - 2 * pad - 12 : left;
    if (!large) tr_page_plate(g, x, y, w + 2 * pad, h + 1.6 * pad, t->round, plate);
    if (k->faces && !own) avatar(g, 26, y + h / 2 + pad, 14, k->partner);
    tr_page_show(g, layout, &set.ink, x + pad, y + 0.8 * pad);
    g_object_unref(layout);
    double below = y + h + 1.6 * pad;
    if (k->times) {
        char when[32];
        k->clock = (k->clock + tr_page_below(g, 5)) % 1440;
        snprintf(when, sizeof when, "%d:%02d", k->clock / 60, k->clock % 60);
        small_text(g, when, own ? g->width - 50 : x + 4, below + 2, t->muted);
        below += 16;
    }
    if (k->react && tr_page_chance(g, 0.3)) {
        reactions(g, own ? fmax(x - 20, 12) : x + 10, below - (k->times ? 0 : 6));
        below += t->letters + 10;
    }
    return below + tr_page_between(g, 4, 12);
}

static void input_bar(tr_page *g) {
    const tr_theme *t = &g->theme;
    double h = 50, y = g->height - h;
    tr_line line = {0};
    tr_set set = tr_set_plain(g, 0);
    set.ink = t->muted;
    tr_page_bar(g, y, h);
    tr_page_plate(g, 0, y, g->width, h, 0, t->ground);
    tr_page_plate(g, 12, y + 7, g->width - 70, h - 14, 20, t->surface);
    tr_page_frame(g, 12, y + 7, g->width - 70, h - 14, 20, t->line);
    if (tr_page_chance(g, 0.5))
        tr_line_text(&line, "Message");
    else
        line = tr_line_draw(g, 3, false, 0.4);
    tr_page_write(g, &line, &set, 26, y + h / 2 - t->letters * 0.7);
    tr_page_disc(g, g->width - 30, y + h / 2, 18, t->accent);
}

// A gradient from the page's colour to another one of similar brightness.
static void wallpaper(tr_page *g) {
    if (!tr_page_chance(g, 0.3)) return;
    tr_ink a = g->theme.ground, b = tr_ink_mix(a, tr_ink_draw(g), tr_page_between(g, 0.1, 0.5));
    cairo_pattern_t *shade = cairo_pattern_create_linear(0, 0, g->width / 3, g->height);
    cairo_pattern_add_color_stop_rgb(shade, 0, a.r, a.g, a.b);
    cairo_pattern_add_color_stop_rgb(shade, 1, b.r, b.g, b.b);
    cairo_set_source(g->cairo, shade);
    cairo_paint(g->cairo);
    cairo_pattern_destroy(shade);
}

static void conversation(tr_page *g) {
    talk k = {.faces = tr_page_chance(g, 0.5),
              .times = tr_page_chance(g, 0.4),
              .react = tr_page_chance(g, 0.5),
              .chatter = tr_page_between(g, 0.25, 0.75),
              .clock = tr_page_below(g, 1440)};
    tr_person_draw(&g->p->rng, k.partner, sizeof k.partner);
    bool top = tr_page_chance(g, 0.8), bottom = tr_page_chance(g, 0.6), own = false;
    double y = (top ? 66 : 0) - tr_page_between(g, 0, 30);
    wallpaper(g);
    while (y < g->height) {
        if (tr_page_chance(g, 0.55)) own = !own;
        y = message(g, &k, y, own);
    }
    if (bottom) input_bar(g);
    if (top) header(g, true);
}

// A row: an emoji or a disc, a title, a second line, something at its end.
static double list_row(tr_page *g, double y, double height, int kind) {
    const tr_theme *t = &g->theme;
    double pad = 14, icon = height * 0.5, x = pad + icon + 14;
    char name[64];
    tr_person_draw(&g->p->rng, name, sizeof name);
    if (kind == 0 || tr_page_chance(g, 0.25)) {
        if (tr_page_chance(g, 0.4))
            tr_page_plate(g, pad, y + height / 2 - icon / 2, icon, icon, 8,
                          tr_ink_mix(t->ground, tr_ink_draw(g), 0.5));
        tr_page_emoji(g, pad + icon / 2, y + height / 2, icon * 0.8);
    } else {
        avatar(g, pad + icon / 2, y + height / 2, icon / 2, name);
    }
    tr_set set = tr_set_plain(g, 0);
    tr_line line = tr_line_draw(g, 1 + tr_page_below(g, 3), false, 0.15);
    bool two = height > 50;
    if (kind == 1) line.length = 0, line.emoji = 0, tr_line_text(&line, name);
    set.bold = two;
    tr_page_write(g, &line, &set, x, y + (two ? height * 0.14 : height / 2 - t->letters * 0.7));
    if (two) {
        line = tr_line_draw(g, 3 + tr_page_below(g, 3), false, 0.3);
        set.bold = false, set.letters *= 0.82, set.ink = t->muted;
        tr_page_write(g, &line, &set, x, y + height * 0.54);
    }
    double end = g->width - pad;
    if (kind == 0 && tr_page_chance(g, 0.5)) { // a switch
        bool on = tr_page_chance(g, 0.5);
        tr_page_plate(g, end - 36, y + height / 2 - 10, 36, 20, 10, on ? t->accent : t->line);
        tr_page_disc(g, end - (on ? 10 : 26), y + height / 2, 8, (tr_ink){1, 1, 1});
    } else {
        char when[16];
        clock_text(g, when, sizeof when);
        small_text(g, when, end - 34, y + height * 0.2, t->muted);
    }
    tr_page_plate(g, x, y + height - 1, g->width - x, 1, 0, t->line);
    return y + height;
}

static void list(tr_page *g) {
    bool top = tr_page_chance(g, 0.8);
    double y = top ? 56 : 0, height = tr_page_between(g, 40, 72);
    int kind = tr_page_below(g, 2);
    while (y < g->height) {
        if (tr_page_chance(g, 0.12)) {
            tr_set set = tr_set_plain(g, 0);
            tr_line line = tr_line_draw(g, 2, false, 0.1);
            set.letters *= 0.85, set.ink = g->theme.accent, set.bold = true;
            y += 12 + tr_page_write(g, &line, &set, 14, y + 8);
        }
        y = list_row(g, y, height, kind);
    }
    if (top) header(g, false);
}

// Rows of emoji, as in an emoji picker.
static void picker(tr_page *g) {
    const tr_theme *t = &g->theme;
    double cell = tr_page_between(g, 34, 58), y = 60;
    int columns = (int)((g->width - 20) / cell);
    tr_page_plate(g, 12, y, g->width - 24, 34, 17, t->surface);
    small_text(g, "Search", 28, y + 10, t->muted);
    y += 44;
    while (y < g->height && g->spots + columns < 90) {
        tr_set set = tr_set_plain(g, 0);
        tr_line line = tr_line_draw(g, 1 + tr_page_below(g, 2), false, 0);
        set.letters *= 0.85, set.ink = t->muted, set.bold = true;
        y += 8 + tr_page_write(g, &line, &set, 14, y);
        for (int rows = 1 + tr_page_below(g, 4); rows && y < g->height; rows--, y += cell)
            for (int i = 0; i < columns && g->spots < 100; i++)
                tr_page_emoji(g, 10 + cell * (i + 0.5), y + cell / 2, cell * 0.68);
        y += 8;
    }
    header(g, false);
}

void tr_page_chat(tr_page *g) {
    int kind = tr_page_below(g, 10);
    if (kind < 7)
        conversation(g);
    else if (kind < 9)
        list(g);
    else
        picker(g);
}
