// SPDX-License-Identifier: Apache-2.0
// Scenes and their truth.
#include "io/image/image.h"
#include "tests/support/world.h"
#include "train/world/scenes.h"

#include <math.h>
#include <string.h>

static tr_scene_maker scenes;
static tn_arena arena;

static int open_all(void **state) {
    tn_error err = {0};
    if (world_open(state)) return -1;
    if (!glyphs) return 0;
    if (tr_scene_maker_open(glyphs, &scenes, &err) == TN_OK &&
        tn_arena_init(&arena, (size_t)1 << 32, &err) == TN_OK)
        return 0;
    print_error("%s\n", err.text);
    return -1;
}

static int close_all(void **state) {
    tr_scene_maker_close(&scenes);
    tn_arena_deinit(&arena);
    return world_close(state);
}

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
        const tr_scene_object *t = &s->objects[i];
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

static void scene_boxes_and_areas_fit_disjoint_masks(void **state) {
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
static void scene_masks_lie_on_their_objects(void **state) {
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
            assert_int_equal(s.objects[k].name, red);
            io_rle_decode(&s.objects[k].mask, &mask);
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
    const tr_scene_object *t = &s->objects[0];
    ASSERT_OK(tn_new(&arena, &mask, TN_U8, TN_DIMS(t->mask.h, t->mask.w), &err), err);
    io_rle_decode(&t->mask, &mask);
    double sum = 0;
    for (int64_t p = 0; p < tn_count(&mask); p++)
        if (tn_u8(&mask)[p]) sum += (double)(p % t->mask.w) + 0.5;
    return (sum / t->area - t->box[0]) / t->box[2] - 0.5;
}

static void scene_mirrors_only_where_allowed(void **state) {
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
        options.min_objects = options.max_objects = 1, options.min_side = 60, options.max_side = 90;
        int left = 0, right = 0;
        for (int i = 0; i < 40; i++) {
            tr_scene s = make_scene(&options, 77, i);
            if (s.count != 1) continue; // rows have more
            bool whole = s.objects[0].box[0] > 0 && s.objects[0].box[1] > 0 &&
                         s.objects[0].box[0] + s.objects[0].box[2] < s.picture.dim[1] &&
                         s.objects[0].box[1] + s.objects[0].box[3] < s.picture.dim[0];
            double side = lean(&s);
            if (!whole || fabs(side) < 0.02) continue;
            left += side<0, right += side> 0;
        }
        if (left + right < 12 || (left > 0 && right > 0) != cases[c].mirrors)
            fail_msg("%s: %d lean left, %d right", cases[c].name, left, right);
    }
}

static void scene_obeys_its_options(void **state) {
    NEED_FONT();
    static const int32_t pool[] = {3, 500, 1200};
    tr_scene_options options = tr_scene_default_options(false);
    options.width = 200, options.height = 100, options.pool = pool, options.pool_count = 3;
    options.min_side = options.max_side = 40;
    for (int i = 0; i < 10; i++) {
        tr_scene s = make_scene(&options, 2, i);
        assert_int_equal(s.picture.dim[0], 100);
        assert_int_equal(s.picture.dim[1], 200);
        for (int64_t k = 0; k < s.count; k++) {
            int32_t name = s.objects[k].name;
            assert_true(name == 3 || name == 500 || name == 1200);
            assert_true(s.objects[k].box[2] <= 75 &&
                        s.objects[k].box[3] <= 75); // turned, stretched
        }
    }
}

static void scene_jpeg_holds_the_pixels_given(void **state) {
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
static void scene_reports_out_of_memory(void **state) {
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
        cmocka_unit_test(scene_boxes_and_areas_fit_disjoint_masks),
        cmocka_unit_test(scene_masks_lie_on_their_objects),
        cmocka_unit_test(scene_mirrors_only_where_allowed),
        cmocka_unit_test(scene_obeys_its_options),
        cmocka_unit_test(scene_jpeg_holds_the_pixels_given),
        cmocka_unit_test(scene_reports_out_of_memory),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
