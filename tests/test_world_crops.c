// SPDX-License-Identifier: Apache-2.0
// Crops of made-up pictures, as contrastive training sees them.
#include "tests/support/world.h"
#include "train/world/crops.h"

#include <math.h>
#include <string.h>

static tr_crop_maker crops;

static int open_all(void **state) {
    tn_error err = {0};
    if (world_open(state)) return -1;
    if (!glyphs || tr_crop_maker_open(glyphs, &crops, &err) == TN_OK) return 0;
    print_error("%s\n", err.text);
    return -1;
}

static int close_all(void **state) {
    tr_crop_maker_close(&crops);
    return world_close(state);
}

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

static void crops_depend_only_on_number_and_name(void **state) {
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
static void crops_centre_the_object(void **state) {
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crops_depend_only_on_number_and_name),
        cmocka_unit_test(crops_are_bytes_in_0_to_1_and_show_something),
        cmocka_unit_test(crops_centre_the_object),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
