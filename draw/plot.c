// SPDX-License-Identifier: Apache-2.0
#include "draw/draw.h"
#include "draw/plot_internal.h"

#include <math.h>
#include <stdio.h>

enum { WIDTH = 960, HEIGHT = 640, LEFT = 80, RIGHT = 200, TOP = 60, BOTTOM = 70, NAMED = 24 };

typedef struct axis {
    double low, high, step; // of the ticks
    double from, to;        // pixels
} axis;

// 1, 2 or 5 times a power of ten: about six ticks.
static double step_of(double range) {
    double power = pow(10, floor(log10(range / 6))), times = range / 6 / power;
    return power * (times < 1.5 ? 1 : times < 3.5 ? 2 : times < 7.5 ? 5 : 10);
}

static axis axis_of(const io_plot *p, bool y, double from, double to) {
    double low = y ? p->y_low : p->x_low, high = y ? p->y_high : p->x_high;
    if (!(low < high)) {
        low = INFINITY, high = -INFINITY;
        for (size_t s = 0; s < p->count; s++)
            for (size_t i = 0; i < p->series[s].count; i++) {
                double v = (y ? p->series[s].y : p->series[s].x)[i];
                if (isfinite(v)) low = fmin(low, v), high = fmax(high, v);
            }
        if (low > high) low = 0, high = 1; // no points
        double least = fmax(fabs(low), fabs(high)) * 1e-6;
        if (!(high - low > least)) low -= 0.5 + least, high += 0.5 + least;
        double step = step_of(high - low);
        if (y) low = floor(low / step) * step, high = ceil(high / step) * step;
    }
    return (axis){low, high, step_of(high - low), from, to};
}

static double at(const axis *a, double value) {
    return a->from + (value - a->low) / (a->high - a->low) * (a->to - a->from);
}

static void draw_axis(const io_sheet *s, const axis *own, const axis *other, bool y) {
    cairo_set_line_width(s->cairo, 1);
    double first = ceil(own->low / own->step - 1e-9);
    for (int i = 0; i < 32; i++) {
        double value = (first + i) * own->step, pixel = at(own, value);
        if (value > own->high + 1e-9 * own->step) break;
        char text[32];
        snprintf(text, sizeof text, "%.6g", fabs(value) < 1e-9 * own->step ? 0 : value);
        cairo_set_source_rgb(s->cairo, 0.88, 0.88, 0.88);
        cairo_move_to(s->cairo, y ? other->from : pixel, y ? pixel : other->from);
        cairo_line_to(s->cairo, y ? other->to : pixel, y ? pixel : other->to);
        cairo_stroke(s->cairo);
        cairo_set_source_rgb(s->cairo, 0.2, 0.2, 0.2);
        io_sheet_text(s, text, y ? LEFT - 8 : pixel, y ? pixel : HEIGHT - BOTTOM + 16,
                      &(io_letters){.size = 13, .across = y ? 1 : 0.5});
    }
}

static void colour(const io_sheet *s, size_t index) {
    uint8_t rgb[3];
    io_draw_colour((int)(index % 96), rgb);
    cairo_set_source_rgb(s->cairo, rgb[0] / 255.0, rgb[1] / 255.0, rgb[2] / 255.0);
}

static void draw_line(const io_sheet *s, const io_series *line, const axis *x, const axis *y) {
    bool open = false;
    for (size_t i = 0; i < line->count; i++) {
        bool there = isfinite(line->x[i]) && isfinite(line->y[i]);
        if (!there) {
            open = false;
            continue;
        }
        double px = at(x, line->x[i]), py = at(y, line->y[i]);
        bool alone = !open && (i + 1 == line->count || !isfinite(line->y[i + 1]));
        (open ? cairo_line_to : cairo_move_to)(s->cairo, px, py);
        if (alone) cairo_line_to(s->cairo, px, py); // round caps make it a dot
        open = true;
    }
    cairo_stroke(s->cairo);
}

static void draw_lines(const io_sheet *s, const io_plot *p, const axis *x, const axis *y) {
    cairo_save(s->cairo);
    cairo_rectangle(s->cairo, LEFT - 2, TOP - 2, WIDTH - LEFT - RIGHT + 4,
                    HEIGHT - TOP - BOTTOM + 4);
    cairo_clip(s->cairo);
    cairo_set_line_width(s->cairo, 2.2);
    cairo_set_line_join(s->cairo, CAIRO_LINE_JOIN_ROUND);
    cairo_set_line_cap(s->cairo, CAIRO_LINE_CAP_ROUND);
    for (size_t i = p->count; i-- > 0;) { // the first series is on top
        colour(s, i);
        draw_line(s, &p->series[i], x, y);
    }
    cairo_restore(s->cairo);
}

static void draw_legend(const io_sheet *s, const io_plot *p) {
    for (size_t i = 0; i < p->count && i < NAMED; i++) {
        double y = TOP + 10 + 21 * (double)i, x = WIDTH - RIGHT + 14;
        colour(s, i);
        cairo_set_line_width(s->cairo, 4);
        cairo_move_to(s->cairo, x, y);
        cairo_line_to(s->cairo, x + 20, y);
        cairo_stroke(s->cairo);
        cairo_set_source_rgb(s->cairo, 0.1, 0.1, 0.1);
        io_sheet_text(s, p->series[i].name, x + 28, y,
                      &(io_letters){.size = 13, .width = RIGHT - 50});
    }
}

static void draw(const io_sheet *s, const io_plot *p) {
    axis x = axis_of(p, false, LEFT, WIDTH - RIGHT), y = axis_of(p, true, HEIGHT - BOTTOM, TOP);
    draw_axis(s, &x, &y, false);
    draw_axis(s, &y, &x, true);
    draw_lines(s, p, &x, &y);
    draw_legend(s, p);
    cairo_set_source_rgb(s->cairo, 0.1, 0.1, 0.1);
    io_sheet_text(s, p->title, LEFT, TOP / 2.0,
                  &(io_letters){.size = 18, .bold = true, .width = WIDTH - LEFT - 20});
    io_sheet_text(s, p->x_label, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 22,
                  &(io_letters){.size = 15, .across = 0.5});
    io_sheet_text(s, p->y_label, 22, (TOP + HEIGHT - BOTTOM) / 2.0,
                  &(io_letters){.size = 15, .across = 0.5, .up = true});
}

tn_status io_plot_write(const char *path, const io_plot *plot, tn_error *err) {
    io_sheet sheet;
    TN_TRY(io_sheet_open(&sheet, WIDTH, HEIGHT, err));
    draw(&sheet, plot);
    tn_status status = io_sheet_write(&sheet, path, err);
    io_sheet_close(&sheet);
    return status;
}
