// SPDX-License-Identifier: Apache-2.0
// What can be said of drawn pictures without looking at them.
#include "draw/draw.h"
#include "draw/draw_internal.h"
#include "tensor/rng.h"
#include "tests/support/test.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include <pango/pangocairo.h>

static tn_error err;

static tn_tensor grey_picture(int64_t h, int64_t w) {
    tn_tensor t;
    ASSERT_OK(tn_new_heap(&t, TN_U8, TN_DIMS(h, w, 3), &err), err);
    memset(t.data, 128, tn_bytes(&t));
    return t;
}

// Items with boxes anywhere, inside and outside, and names of all lengths.
static void random_items(tn_rng *rng, double w, double h, io_draw_item *items, int count) {
    static const char *const names[] = {"cat", "remote control", "", "i",
                                        "a name that is too long for any plate in this picture"};
    for (int i = 0; i < count; i++) {
        double x = tn_rng_uniform(rng, -0.2, 1.1) * w, y = tn_rng_uniform(rng, -0.2, 1.1) * h;
        items[i] = (io_draw_item){
            .box = {(float)x, (float)y, (float)(x + tn_rng_uniform(rng, 0, 0.6) * w),
                    (float)(y + tn_rng_uniform(rng, 0, 0.6) * h)},
            .score = (float)tn_rng_unit(rng),
            .colour = (int)tn_rng_below(rng, 200),
            .name = names[tn_rng_below(rng, 5)],
            .tag = tn_rng_below(rng, 3) ? NULL : "novel",
        };
    }
}

static size_t plates_of(double w, double h, const io_draw_item *items, size_t count,
                        io_rectangle *where) {
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)w, (int)h);
    io_canvas c = {cairo_create(surface), w, h, 3, 15};
    size_t order[64], drawn;
    for (size_t i = 0; i < count; i++) order[i] = i;
    ASSERT_OK(io_draw_plates(&c, items, order, count, where, &drawn, &err), err);
    cairo_destroy(c.cairo);
    cairo_surface_destroy(surface);
    return drawn;
}

static void plates_lie_inside_the_picture(void **state) {
    (void)state;
    static const int sizes[][2] = {{640, 480}, {33, 400}, {400, 33}, {9, 9}, {1, 1}, {100, 60}};
    tn_rng rng = tn_rng_new(1, 1);
    size_t total = 0;
    for (int s = 0; s < 6; s++)
        for (int round = 0; round < 10; round++) {
            double w = sizes[s][0], h = sizes[s][1];
            io_draw_item items[20];
            io_rectangle where[20];
            random_items(&rng, w, h, items, 20);
            size_t n = plates_of(w, h, items, 20, where);
            total += n;
            for (size_t i = 0; i < n; i++) {
                io_rectangle r = where[i];
                if (!(r.x >= 0 && r.y >= 0 && r.x + r.w <= w && r.y + r.h <= h && r.w > 0))
                    fail_msg("plate %g %g %g %g in %gx%g", r.x, r.y, r.w, r.h, w, h);
            }
        }
    assert_true(total > 300);
}

static void plates_do_not_overlap_if_there_is_space(void **state) {
    (void)state;
    io_draw_item items[30];
    io_rectangle where[30];
    for (int i = 0; i < 30; i++) { // six boxes, five things in each: the same box five times
        float x = (float)(10 + i % 3 * 210), y = (float)(10 + i / 3 % 2 * 240);
        items[i] =
            (io_draw_item){{x, y, x + 190, y + 210}, 0.5f, i, i % 2 ? "sofa" : "cat", NULL, NULL};
    }
    assert_int_equal(plates_of(640, 480, items, 30, where), 30);
    for (int i = 0; i < 30; i++)
        for (int j = 0; j < i; j++)
            assert_true(
                where[i].x >= where[j].x + where[j].w || where[j].x >= where[i].x + where[i].w ||
                where[i].y >= where[j].y + where[j].h || where[j].y >= where[i].y + where[i].h);
}

static double luminance(const uint8_t *rgb) {
    double weight[3] = {0.2126, 0.7152, 0.0722}, sum = 0.05;
    for (int c = 0; c < 3; c++) {
        double v = rgb[c] / 255.0;
        sum += weight[c] * (v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4));
    }
    return sum;
}

// The plate's colour against the letters on it, on white and on black pictures.
static void plates_are_readable_on_every_colour(void **state) {
    (void)state;
    for (int colour = 0; colour < 96; colour++) {
        tn_tensor t = grey_picture(60, 200);
        memset(t.data, colour % 2 ? 0 : 255, tn_bytes(&t));
        io_draw_item item = {{2, 2, 198, 58}, NAN, colour, "IIIIIIIIIIIIII", NULL, NULL};
        io_rectangle where;
        assert_int_equal(plates_of(200, 60, &item, 1, &where), 1);
        ASSERT_OK(io_draw_detections(&t, &item, 1, &t, &err), err);
        uint8_t plate[3];
        io_draw_colour(colour, plate);
        double most = 0;
        for (int64_t i = 6 * 200; i < 10 * 200; i++) { // rows through the letters
            if (i % 200 < 8 || i % 200 > 40) continue;
            double a = luminance(tn_u8(&t) + 3 * i), b = luminance(plate);
            most = fmax(most, fmax(a / b, b / a));
        }
        if (!(most >= 3.5)) fail_msg("colour %d: contrast %g", colour, most);
        tn_free(t.data);
    }
}

static void palette_neighbours_differ(void **state) {
    (void)state;
    for (int i = 0; i < 96; i++)
        for (int j = 0; j < i; j++) {
            uint8_t a[3], b[3];
            io_draw_colour(i, a);
            io_draw_colour(j, b);
            int difference = 0;
            for (int c = 0; c < 3; c++) difference += (a[c] - b[c]) * (a[c] - b[c]);
            assert_true(difference > (i < 24 ? 900 : 60));
        }
}

static void masks_colour_only_their_inside(void **state) {
    (void)state;
    tn_tensor t = grey_picture(80, 100), out = grey_picture(80, 100), mask;
    ASSERT_OK(tn_new_heap(&mask, TN_BOOL, TN_DIMS(80, 100), &err), err);
    memset(mask.data, 0, tn_bytes(&mask));
    for (int y = 20; y < 60; y++)
        for (int x = 30; x < 70; x++) // a frame: the hole in it stays as it is
            tn_u8(&mask)[y * 100 + x] = !(y >= 32 && y < 48 && x >= 42 && x < 58);
    io_draw_item item = {{NAN, 0, 0, 0}, NAN, 3, NULL, &mask, NULL};
    ASSERT_OK(io_draw_detections(&t, &item, 1, &out, &err), err);
    uint8_t colour[3], grey[3] = {128, 128, 128};
    io_draw_colour(3, colour);
    assert_memory_equal(tn_u8(&out) + 3 * (10 * 100 + 10), grey, 3);
    assert_memory_equal(tn_u8(&out) + 3 * (40 * 100 + 50), grey, 3);
    for (int c = 0; c < 3; c++) {
        double want = 128 + (colour[c] - 128) * 0.42;
        ASSERT_WITHIN(fabs(tn_u8(&out)[3 * (26 * 100 + 36) + c] - want), 2);
    }
    tn_free(t.data);
    tn_free(out.data);
    tn_free(mask.data);
}

static void draw_accepts_odd_items(void **state) {
    (void)state;
    char *endless = tn_alloc(10001);
    memset(endless, 'x', 10000);
    endless[10000] = 0;
    static const int sizes[][2] = {{120, 90}, {1, 1}, {7, 300}, {2000, 3}};
    for (int s = 0; s < 4; s++) {
        tn_tensor t = grey_picture(sizes[s][1], sizes[s][0]), empty, full, dots;
        ASSERT_OK(tn_new_heap(&empty, TN_U8, 2, t.dim, &err), err);
        ASSERT_OK(tn_new_heap(&full, TN_U8, 2, t.dim, &err), err);
        ASSERT_OK(tn_new_heap(&dots, TN_U8, 2, t.dim, &err), err);
        memset(empty.data, 0, tn_bytes(&empty));
        memset(full.data, 255, tn_bytes(&full));
        for (int64_t i = 0; i < tn_count(&dots); i++)
            tn_u8(&dots)[i] = (i % t.dim[1] + i / t.dim[1]) % 2 == 0;
        io_draw_item items[] = {
            {{NAN, NAN, NAN, NAN}, NAN, 0, "nowhere", &full, "novel"},
            {{-INFINITY, 0, INFINITY, 9}, 1, 1, "endless", &empty, NULL},
            {{50, 50, 10, 10}, 1, 2, "inside out", &dots, NULL},
            {{-1e30f, -1e30f, 1e30f, 1e30f}, 1e30f, -1, "huge", NULL, NULL},
            {{5, 5, 5, 5}, -1e30f, INT_MIN, "a point", NULL, NULL},
            {{5, 5, 50, 50}, INFINITY, INT_MAX, "\xff\xfe broken \xf0\x9f", NULL, "\xc3"},
            {{5, 5, 50, 50}, 0.5f, 7, "line\nbreak\ttab\x01\x7f", NULL, NULL},
            {{5, 5, 50, 50}, 0.5f, 8, endless, NULL, endless},
            {{5, 5, 50, 50}, NAN, 9, NULL, NULL, NULL},
            {{5, 5, 50, 50}, NAN, 9, "", NULL, ""},
            {{5, 5, 50, 50}, 0.25f, 9, "<b>not markup</b> &amp;", NULL, "<i>"},
            {{0, 0, 60, 40}, 0.5f, 10, "قطة חתול 猫 แมว 🐈‍⬛ é", NULL, NULL},
            {{1e9f, 1e9f, 2e9f, 2e9f}, 0.5f, 11, "far away", NULL, NULL},
        };
        ASSERT_OK(io_draw_detections(&t, items, sizeof items / sizeof *items, &t, &err), err);
        tn_free(t.data);
        tn_free(empty.data);
        tn_free(full.data);
        tn_free(dots.data);
    }
    tn_free(endless);
}

static void draw_is_deterministic(void **state) {
    (void)state;
    tn_rng rng = tn_rng_new(3, 3);
    io_draw_item items[400];
    random_items(&rng, 300, 200, items, 400);
    tn_tensor t = grey_picture(200, 300), a = grey_picture(200, 300), b = grey_picture(200, 300);
    ASSERT_OK(io_draw_detections(&t, NULL, 0, &a, &err), err);
    assert_memory_equal(a.data, t.data, tn_bytes(&t));
    ASSERT_OK(io_draw_detections(&t, items, 400, &a, &err), err);
    assert_memory_not_equal(a.data, t.data, tn_bytes(&t));
    ASSERT_OK(io_draw_detections(&b, items, 400, &b, &err), err); // in place
    assert_memory_equal(a.data, b.data, tn_bytes(&t));
    tn_free(t.data);
    tn_free(a.data);
    tn_free(b.data);
}

static void draw_reports_out_of_memory(void **state) {
    (void)state;
    tn_tensor t = grey_picture(40, 60), out = grey_picture(40, 60), mask;
    ASSERT_OK(tn_new_heap(&mask, TN_U8, TN_DIMS(40, 60), &err), err);
    for (int i = 0; i < 2400; i++) tn_u8(&mask)[i] = i % 3 == 0;
    io_draw_item item = {{1, 1, 30, 30}, 0.5f, 1, "cat", &mask, "novel"};
    tn_status status = TN_ENOMEM;
    for (int64_t n = 1; status != TN_OK; n++) {
        tn_alloc_fail_after(n);
        status = io_draw_detections(&t, &item, 1, &out, &err);
        tn_alloc_fail_after(0);
        assert_true(status == TN_OK || status == TN_ENOMEM);
        assert_true(n < 100);
    }
    tn_free(t.data);
    tn_free(out.data);
    tn_free(mask.data);
}

static void draw_refuses_too_wide_pictures(void **state) {
    (void)state;
    tn_tensor t = grey_picture(1, 32768);
    assert_int_equal(io_draw_detections(&t, NULL, 0, &t, &err), TN_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "32768x1"));
    tn_free(t.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plates_lie_inside_the_picture),
        cmocka_unit_test(plates_do_not_overlap_if_there_is_space),
        cmocka_unit_test(plates_are_readable_on_every_colour),
        cmocka_unit_test(palette_neighbours_differ),
        cmocka_unit_test(masks_colour_only_their_inside),
        cmocka_unit_test(draw_accepts_odd_items),
        cmocka_unit_test(draw_is_deterministic),
        cmocka_unit_test(draw_reports_out_of_memory),
        cmocka_unit_test(draw_refuses_too_wide_pictures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
