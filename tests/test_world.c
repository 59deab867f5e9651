// SPDX-License-Identifier: Apache-2.0
// Made-up pictures: glyphs and what may be done to them, crops, scenes and their truth. Skipped
// where the font or the list of names is not installed.
#include "io/image.h"
#include "tests/test.h"
#include "train/crops.h"
#include "train/scenes.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

static tr_glyphs *glyphs;
static tr_crop_maker crops;
static tr_scene_maker scenes;
static tn_arena arena;

static int open_all(void **state) {
    (void)state;
    tn_error err = {0};
    if (access(TR_GLYPH_FONT, R_OK) || access(TR_GLYPH_LIST, R_OK)) return 0;
    if (tr_glyphs_open(NULL, NULL, &glyphs, &err) || tr_crop_maker_open(glyphs, &crops, &err) ||
        tr_scene_maker_open(glyphs, &scenes, &err) ||
        tn_arena_init(&arena, (size_t)1 << 32, &err)) {
        print_error("%s\n", err.text);
        return -1;
    }
    return 0;
}

static int close_all(void **state) {
    (void)state;
    tr_crop_maker_close(&crops);
    tr_scene_maker_close(&scenes);
    tr_glyphs_close(glyphs);
    tn_arena_deinit(&arena);
    return 0;
}

#define NEED_FONT()                                                                                \
    do {                                                                                           \
        (void)state;                                                                               \
        if (!glyphs) SKIP("no " TR_GLYPH_FONT " or no " TR_GLYPH_LIST);                            \
    } while (0)

// ---- glyphs ------------------------------------------------------------------------------------

static void the_list_is_unicodes(void **state) {
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

static void smaller_levels_have_the_same_mean(void **state) {
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

static void writing_and_pointing_are_not_mirrored(void **state) {
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
static void no_glyph_becomes_another(void **state) {
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

static void the_box_of_a_pose_is_that_of_its_pixels(void **state) {
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

// ---- crops -------------------------------------------------------------------------------------

enum { CROPS = 24, SIDE = 48, VALUES = SIDE * SIDE * 3 };

static void names_of_crops(int32_t names[CROPS]) {
    for (int i = 0; i < CROPS; i++) names[i] = i % 4 == 3 ? -1 : (int32_t)(i * 53 % glyphs->count);
}

static float *make_crops(int threads, uint64_t seed, int64_t first, int64_t count,
                         const int32_t *names, double easy) {
    tn_error err = {0};
    tn_tensor pixels;
    tn_pool *pool;
    ASSERT_OK(tn_pool_open(threads, &pool, &err), err);
    ASSERT_OK(tn_new_heap(&pixels, TN_F32, TN_DIMS(count, SIDE, SIDE, 3), &err), err);
    ASSERT_OK(tr_crops_make(&crops, pool, seed, first, count, names, easy, &pixels, &err), err);
    tn_pool_close(pool);
    return tn_f32(&pixels);
}

static void a_crop_depends_on_its_number_and_name_alone(void **state) {
    NEED_FONT();
    int32_t names[CROPS];
    names_of_crops(names);
    float *one = make_crops(1, 9, 100, CROPS, names, 0);
    static const int threads[] = {2, 7};
    for (int t = 0; t < 2; t++) {
        float *more = make_crops(threads[t], 9, 100, CROPS, names, 0);
        assert_memory_equal(one, more, CROPS * VALUES * sizeof *one);
        tn_free(more);
    }
    float *part = make_crops(2, 9, 110, 5, names + 10, 0); // another way of cutting the run
    assert_memory_equal(one + 10 * VALUES, part, 5 * VALUES * sizeof *one);
    tn_free(part);
    float *other = make_crops(2, 10, 100, CROPS, names, 0);
    names[0]++;
    float *renamed = make_crops(2, 9, 100, CROPS, names, 0);
    for (int i = 0; i < CROPS; i++) {
        assert_memory_not_equal(one + i * VALUES, other + i * VALUES, VALUES * sizeof *one);
        assert_int_equal(memcmp(one + i * VALUES, renamed + i * VALUES, VALUES * sizeof *one) == 0,
                         i > 0);
    }
    tn_free(one);
    tn_free(other);
    tn_free(renamed);
}

static void crops_are_bytes_in_0_to_1_and_show_something(void **state) {
    NEED_FONT();
    int32_t names[CROPS];
    names_of_crops(names);
    for (int easy = 0; easy < 2; easy++) {
        float *x = make_crops(2, 3, 0, CROPS, names, easy);
        for (int i = 0; i < CROPS; i++) {
            double sum = 0, square = 0;
            for (int k = 0; k < VALUES; k++) {
                double byte = (double)x[i * VALUES + k] * 255;
                assert_true(byte >= 0 && byte <= 255.001 && fabs(byte - rint(byte)) < 1e-4);
                sum += byte, square += byte * byte;
            }
            double spread = sqrt(square / VALUES - pow(sum / VALUES, 2));
            if (names[i] >= 0 && spread < 4) fail_msg("crop %d: spread %g", i, spread);
        }
        tn_free(x);
    }
}

// The object of an easy crop lies where it should: the pixels of two crops of different names that
// are otherwise the same differ in the middle.
static void the_object_is_in_the_middle(void **state) {
    NEED_FONT();
    enum { N = 16 };
    int32_t none[N], some[N];
    double inner = 0, outer = 0;
    for (int i = 0; i < N; i++) {
        some[i] = (int32_t)tr_glyphs_find(glyphs, "red square");
        none[i] = (int32_t)tr_glyphs_find(glyphs, "blue square");
        assert_true(some[i] >= 0 && none[i] >= 0);
    }
    float *a = make_crops(2, 5, 0, N, some, 1), *b = make_crops(2, 5, 0, N, none, 1);
    for (int i = 0; i < N; i++)
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++) {
                double away = fmax(fabs(x + 0.5 - SIDE / 2.0), fabs(y + 0.5 - SIDE / 2.0));
                size_t at = (size_t)i * VALUES + 3 * ((size_t)y * SIDE + x);
                double d = fabs((double)a[at] - (double)b[at]);
                if (away < SIDE * 0.2) inner += d / (0.16 * N * SIDE * SIDE);
                if (away > SIDE * 0.48) outer += d / (0.08 * N * SIDE * SIDE);
            }
    if (!(inner > 0.3 && outer < 0.6 * inner)) fail_msg("inner %g, outer %g", inner, outer);
    tn_free(a);
    tn_free(b);
}

// ---- scenes ------------------------------------------------------------------------------------

static tr_scene make_scene(const tr_scene_options *options, uint64_t seed, int64_t index) {
    tn_error err = {0};
    tr_scene scene;
    tn_arena_reset(&arena, 0);
    ASSERT_OK(tr_scene_make(&scenes, options, seed, index, &arena, &scene, &err), err);
    return scene;
}

static int64_t check_truth(const tr_scene *s) {
    int64_t h = s->picture.dim[0], w = s->picture.dim[1];
    tn_error err = {0};
    tn_tensor mask, taken;
    ASSERT_OK(tn_new_heap(&mask, TN_U8, TN_DIMS(h, w), &err), err);
    ASSERT_OK(tn_new_heap(&taken, TN_U8, TN_DIMS(h, w), &err), err);
    memset(taken.data, 0, (size_t)(h * w));
    for (int64_t i = 0; i < s->count; i++) {
        const tr_thing *t = &s->thing[i];
        int64_t left = w, top = h, right = -1, bottom = -1, area = 0;
        assert_int_equal(t->mask.h, h);
        assert_int_equal(t->mask.w, w);
        io_rle_decode(&t->mask, &mask);
        for (int64_t k = 0; k < h * w; k++) {
            if (!tn_u8(&mask)[k]) continue;
            assert_int_equal(tn_u8(&taken)[k]++, 0); // masks do not overlap
            int64_t x = k % w, y = k / w;
            left = x < left ? x : left, right = x > right ? x : right;
            top = y < top ? y : top, bottom = y > bottom ? y : bottom;
            area++;
        }
        assert_int_equal(t->area, area);
        assert_true(area >= 30);
        assert_int_equal(t->box[0], left);
        assert_int_equal(t->box[1], top);
        assert_int_equal(t->box[2], right - left + 1);
        assert_int_equal(t->box[3], bottom - top + 1);
    }
    tn_free(mask.data);
    tn_free(taken.data);
    return s->count;
}

static void boxes_and_areas_are_those_of_masks_that_do_not_overlap(void **state) {
    NEED_FONT();
    for (int chat = 0; chat < 2; chat++) {
        tr_scene_options options = tr_scene_default_options(chat);
        int64_t things = 0;
        for (int i = 0; i < 12; i++) {
            tr_scene s = make_scene(&options, 21, i);
            things += check_truth(&s);
        }
        assert_true(things >= 24);
    }
}

// A pixel of a mask has the glyph's colour: on clean pages the masks of a red square are red.
static void masks_lie_on_what_they_name(void **state) {
    NEED_FONT();
    int32_t red = (int32_t)tr_glyphs_find(glyphs, "red square");
    tr_scene_options options = tr_scene_default_options(true);
    options.pool = &red, options.pool_count = 1;
    int64_t inside = 0, reddish = 0;
    for (int i = 0; i < 6; i++) {
        tr_scene s = make_scene(&options, 8, i);
        tn_error err = {0};
        tn_tensor mask;
        ASSERT_OK(tn_new(&arena, &mask, TN_U8, TN_DIMS(s.picture.dim[0], s.picture.dim[1]), &err),
                  err);
        for (int64_t k = 0; k < s.count; k++) {
            assert_int_equal(s.thing[k].name, red);
            io_rle_decode(&s.thing[k].mask, &mask);
            for (int64_t p = 0; p < tn_count(&mask); p++) {
                const uint8_t *rgb = tn_u8(&s.picture) + 3 * p;
                inside += tn_u8(&mask)[p];
                reddish += tn_u8(&mask)[p] && rgb[0] > rgb[1] + 50 && rgb[0] > rgb[2] + 50;
            }
        }
    }
    assert_true(inside > 1000);
    assert_true((double)reddish > 0.95 * (double)inside);
}

// On which side of its box a thing has more of its mask: mirrored, it has it on the other.
static double lean(const tr_scene *s) {
    tn_error err = {0};
    tn_tensor mask;
    const tr_thing *t = &s->thing[0];
    ASSERT_OK(tn_new(&arena, &mask, TN_U8, TN_DIMS(t->mask.h, t->mask.w), &err), err);
    io_rle_decode(&t->mask, &mask);
    double sum = 0;
    for (int64_t p = 0; p < tn_count(&mask); p++)
        if (tn_u8(&mask)[p]) sum += (double)(p % t->mask.w) + 0.5;
    return (sum / t->area - t->box[0]) / t->box[2] - 0.5;
}

static void mirrors_only_where_allowed(void **state) {
    NEED_FONT();
    static const struct {
        const char *name;
        bool mirrors;
    } cases[] = {{"first quarter moon face", false},
                 {"crescent moon", false},
                 {"leftwards pushing hand", false},
                 {"foot", true},
                 {"merperson", true}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        int32_t name = (int32_t)tr_glyphs_find(glyphs, cases[c].name);
        assert_true(name >= 0);
        tr_scene_options options = tr_scene_default_options(false);
        options.pool = &name, options.pool_count = 1;
        options.least = options.most = 1, options.smallest = 60, options.largest = 90;
        int left = 0, right = 0;
        for (int i = 0; i < 40; i++) {
            tr_scene s = make_scene(&options, 77, i);
            if (s.count != 1) continue; // rows have more
            bool whole = s.thing[0].box[0] > 0 && s.thing[0].box[1] > 0 &&
                         s.thing[0].box[0] + s.thing[0].box[2] < s.picture.dim[1] &&
                         s.thing[0].box[1] + s.thing[0].box[3] < s.picture.dim[0];
            double side = lean(&s);
            if (!whole || fabs(side) < 0.02) continue;
            left += side<0, right += side> 0;
        }
        if (left + right < 12 || (left > 0 && right > 0) != cases[c].mirrors)
            fail_msg("%s: %d lean left, %d right", cases[c].name, left, right);
    }
}

static void scenes_obey_their_options(void **state) {
    NEED_FONT();
    static const int32_t pool[] = {3, 500, 1200};
    tr_scene_options options = tr_scene_default_options(false);
    options.width = 200, options.height = 100, options.pool = pool, options.pool_count = 3;
    options.smallest = options.largest = 40;
    for (int i = 0; i < 10; i++) {
        tr_scene s = make_scene(&options, 2, i);
        assert_int_equal(s.picture.dim[0], 100);
        assert_int_equal(s.picture.dim[1], 200);
        for (int64_t k = 0; k < s.count; k++) {
            int32_t name = s.thing[k].name;
            assert_true(name == 3 || name == 500 || name == 1200);
            assert_true(s.thing[k].box[2] <= 75 && s.thing[k].box[3] <= 75); // turned, stretched
        }
    }
}

static void a_jpeg_holds_the_pixels_that_are_given(void **state) {
    NEED_FONT();
    tr_scene_options options = tr_scene_default_options(false);
    int found = 0;
    for (int i = 0; i < 20; i++) {
        tr_scene s = make_scene(&options, 5, i);
        tn_error err = {0};
        tn_tensor read;
        if (!s.jpeg) continue;
        found++;
        ASSERT_OK(io_image_decode(s.jpeg, s.jpeg_bytes, "scene", 0, &read, &err), err);
        assert_true(tn_same_shape(&read, &s.picture));
        assert_memory_equal(read.data, s.picture.data, tn_bytes(&read));
        tn_free(read.data);
    }
    assert_in_range(found, 2, 18);
}

// Every allocation on the way may fail: an error then, and nothing lost.
static void out_of_memory_is_an_error(void **state) {
    NEED_FONT();
    tr_scene_options options = tr_scene_default_options(false);
    options.width = options.height = 96;
    for (int chat = 0; chat < 2; chat++) {
        options.chat = chat;
        int64_t before = tn_alloc_count();
        make_scene(&options, 5, 3);
        int64_t needed = tn_alloc_count() - before;
        for (int64_t n = 1; n <= needed; n++) {
            tr_scene s;
            tn_error err = {0};
            tn_arena_reset(&arena, 0);
            tn_alloc_fail_after(n);
            tn_status status = tr_scene_make(&scenes, &options, 5, 3, &arena, &s, &err);
            tn_alloc_fail_after(0);
            assert_int_equal(status, TN_ENOMEM);
            assert_true(err.text[0]);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_list_is_unicodes),
        cmocka_unit_test(smaller_levels_have_the_same_mean),
        cmocka_unit_test(writing_and_pointing_are_not_mirrored),
        cmocka_unit_test(no_glyph_becomes_another),
        cmocka_unit_test(the_box_of_a_pose_is_that_of_its_pixels),
        cmocka_unit_test(a_crop_depends_on_its_number_and_name_alone),
        cmocka_unit_test(crops_are_bytes_in_0_to_1_and_show_something),
        cmocka_unit_test(the_object_is_in_the_middle),
        cmocka_unit_test(boxes_and_areas_are_those_of_masks_that_do_not_overlap),
        cmocka_unit_test(masks_lie_on_what_they_name),
        cmocka_unit_test(mirrors_only_where_allowed),
        cmocka_unit_test(scenes_obey_their_options),
        cmocka_unit_test(a_jpeg_holds_the_pixels_that_are_given),
        cmocka_unit_test(out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
