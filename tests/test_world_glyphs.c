// SPDX-License-Identifier: Apache-2.0
// Glyphs: their list, their levels, and what may be done to them.
#include "tests/support/world.h"
#include "train/world/canvas.h"

#include <math.h>
#include <string.h>

static void glyphs_list_is_unicodes(void **state) {
    NEED_FONT();
    assert_true(glyphs->count >= 1300);
    int64_t novel = 0;
    for (int64_t i = 0; i < glyphs->count; i++) {
        const tr_glyph *g = &glyphs->glyph[i];
        assert_int_equal(tr_glyphs_find(glyphs, g->name), i); // so no name is there twice
        assert_true(g->solid >= 0 && g->solid <= 1);
        novel += g->novel;
    }
    assert_string_equal(glyphs->glyph[0].name, "grinning face");
    assert_int_equal(glyphs->glyph[0].code, 0x1F600);
    assert_in_range(novel * 100 / glyphs->count, 22, 28);
    // FE0F is not counted, two code points are not taken, quotes are as people type them.
    assert_true(tr_glyphs_find(glyphs, "red heart") >= 0);
    assert_int_equal(tr_glyphs_find(glyphs, "flag: Japan"), -1);
    int64_t boot = tr_glyphs_find(glyphs, "woman\xe2\x80\x99s boot");
    assert_true(boot >= 0);
    assert_string_equal(glyphs->glyph[boot].name, "woman's boot");
}

static void glyph_levels_have_the_same_mean(void **state) {
    NEED_FONT();
    for (int64_t i = 0; i < glyphs->count; i += 37) {
        double mean[TR_GLYPH_LEVELS] = {0};
        for (int l = 0; l < TR_GLYPH_LEVELS; l++) {
            int values = (TR_GLYPH_SIDE >> l) * (TR_GLYPH_SIDE >> l) * 4;
            for (int k = 0; k < values; k++) mean[l] += glyphs->glyph[i].level[l][k];
            mean[l] /= values;
            ASSERT_WITHIN(fabs(mean[l] - mean[0]), 0.6);
        }
        assert_true(mean[0] > 0);
    }
}

static void glyph_rules_keep_text_and_arrows_unmirrored(void **state) {
    (void)state;
    static const char *const fixed[] = {
        "right arrow",      "backhand index pointing left", "three o'clock", "OK button",
        "hundred points",   "waxing crescent moon",         "check mark",    "SOON arrow",
        "chart increasing", "magnifying glass tilted left", "Pisces",        "thumbs up"};
    static const char *const sided[] = {"left-facing fist", "world map", "newspaper", "taxi"};
    static const char *const free[] = {"dog", "rocket", "full moon", "maple leaf", "bicycle"};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (tr_glyph_mirrors(fixed[i]) || tr_glyph_turns(fixed[i])) fail_msg("%s", fixed[i]);
    for (size_t i = 0; i < sizeof sided / sizeof *sided; i++)
        if (tr_glyph_mirrors(sided[i]) || !tr_glyph_turns(sided[i])) fail_msg("%s", sided[i]);
    for (size_t i = 0; i < sizeof free / sizeof *free; i++)
        if (!tr_glyph_mirrors(free[i]) || !tr_glyph_turns(free[i])) fail_msg("%s", free[i]);
}

#define SMALL 17 // side of the last level

// Mirrored (0), or turned by a quarter one way (1) or the other (2).
static void move_small(const uint8_t *from, int how, uint8_t to[SMALL * SMALL * 4]) {
    for (int y = 0; y < SMALL; y++)
        for (int x = 0; x < SMALL; x++) {
            int last = SMALL - 1, sx = how == 0 ? last - x : how == 1 ? y : last - y;
            int sy = how == 0 ? y : how == 1 ? last - x : x;
            memcpy(to + 4 * (y * SMALL + x), from + 4 * (sy * SMALL + sx), 4);
        }
}

static double apart(const uint8_t *a, const uint8_t *b, double most) {
    double sum = 0;
    for (int i = 0; i < SMALL * SMALL * 4 && sum <= most; i++) sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum;
}

// What the pictures say themselves: where a glyph, mirrored or turned, is much more like another
// one than like itself, its name forbids that.
static void glyph_rules_never_make_another_glyph(void **state) {
    NEED_FONT();
    const double near = 450.0 * SMALL * SMALL * 4;
    int twins = 0;
    for (int how = 0; how < 3; how++)
        for (int64_t i = 0; i < glyphs->count; i++) {
            uint8_t moved[SMALL * SMALL * 4];
            move_small(glyphs->glyph[i].level[TR_GLYPH_LEVELS - 1], how, moved);
            double own = apart(moved, glyphs->glyph[i].level[TR_GLYPH_LEVELS - 1], INFINITY);
            double limit = fmin(own / 2, near);
            for (int64_t k = 0; k < glyphs->count; k++) {
                if (k == i ||
                    apart(moved, glyphs->glyph[k].level[TR_GLYPH_LEVELS - 1], limit) > limit)
                    continue;
                twins++;
                if (how ? glyphs->glyph[i].turns : glyphs->glyph[i].mirrors)
                    fail_msg("%s, %s, is %s", glyphs->glyph[i].name, how ? "turned" : "mirrored",
                             glyphs->glyph[k].name);
                break;
            }
        }
    assert_true(twins > 50);
}

static void pose_box_is_that_of_its_pixels(void **state) {
    NEED_FONT();
    enum { SIDE = 160 };
    static uint16_t owner[SIDE * SIDE];
    tn_rng rng = tn_rng_new(4, 0);
    for (int i = 0; i < 200; i++) {
        const tr_glyph *g = &glyphs->glyph[tn_rng_below(&rng, glyphs->count)];
        if (g->solid < 0.05f) continue; // steam: its hull is of what is not solid
        memset(owner, 0, sizeof owner);
        tr_pose pose =
            tr_pose_of(80, 80, tn_rng_uniform(&rng, 40, 100), tn_rng_uniform(&rng, -1, 1),
                       tn_rng_uniform(&rng, 0.8, 1.2), 0.1, i & 1);
        tr_look look = {.sharpness = 1.4};
        tr_canvas canvas = {SIDE, SIDE, NULL, owner};
        tr_paint_glyph(&canvas, g, &pose, &look, 1);
        double box[4], seen[4] = {SIDE, SIDE, 0, 0};
        tr_pose_box(&pose, g, box);
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++)
                if (owner[y * SIDE + x]) {
                    seen[0] = fmin(seen[0], x), seen[1] = fmin(seen[1], y);
                    seen[2] = fmax(seen[2], x + 1), seen[3] = fmax(seen[3], y + 1);
                }
        for (int k = 0; k < 4; k++)
            if (!(fabs(box[k] - seen[k]) <= 2.5))
                fail_msg("%s: side %d at %g, painted to %g", g->name, k, box[k], seen[k]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(glyphs_list_is_unicodes),
        cmocka_unit_test(glyph_levels_have_the_same_mean),
        cmocka_unit_test(glyph_rules_keep_text_and_arrows_unmirrored),
        cmocka_unit_test(glyph_rules_never_make_another_glyph),
        cmocka_unit_test(pose_box_is_that_of_its_pixels),
    };
    return cmocka_run_group_tests(tests, world_open, world_close);
}
