// SPDX-License-Identifier: Apache-2.0
// Masks as polygons: known shapes, and over random masks the rule that makes a mask of them again.
#include "io/coco/rings.h"
#include "tests/support/test.h"

#include <string.h>

static io_rings rings_of(const char *const *rows, int height, int width) {
    static uint8_t pixels[4096];
    io_rings rings;
    tn_error err = {0};
    for (int i = 0; i < height * width; i++) pixels[i] = rows[i / width][i % width] == '#';
    tn_tensor mask = tn_view(pixels, TN_U8, TN_DIMS(height, width));
    ASSERT_OK(io_rings_trace(&mask, &rings, &err), err);
    return rings;
}

static void square(void **state) {
    (void)state;
    static const int32_t want[] = {1, 1, 3, 1, 3, 3, 1, 3}; // clockwise from the upper left corner
    io_rings r = rings_of((const char *const[]){"....", ".##.", ".##."}, 3, 4);
    assert_int_equal(r.count, 1);
    assert_int_equal(r.points, 4);
    assert_memory_equal(r.point, want, sizeof want);
    assert_int_equal(r.outer[0], -1);
    io_rings_deinit(&r);
}

// Two parts, one with two holes of which one holds an island.
static void holes_and_islands(void **state) {
    (void)state;
    io_rings r =
        rings_of((const char *const[]){"########.##", "#......#.##", "#.####.#...", "#.#..#.#...",
                                       "#.####.#...", "#......#...", "########..."},
                 7, 11);
    int outers = 0;
    assert_int_equal(r.count, 5);
    for (size_t i = 0; i < r.count; i++) {
        outers += r.outer[i] < 0;
        if (r.outer[i] >= 0) assert_int_equal(r.outer[r.outer[i]], -1);
    }
    assert_int_equal(outers, 3);
    // The island's hole is the island's, not the frame's.
    assert_int_not_equal(r.outer[3], r.outer[4]);
    io_rings_deinit(&r);
}

static void corners_keep_apart(void **state) {
    (void)state;
    io_rings r = rings_of((const char *const[]){"#.", ".#"}, 2, 2);
    assert_int_equal(r.count, 2);
    assert_true(r.outer[0] == -1 && r.outer[1] == -1);
    io_rings_deinit(&r);
}

static void nothing(void **state) {
    (void)state;
    io_rings r = rings_of((const char *const[]){"...", "..."}, 2, 3);
    assert_int_equal(r.count, 0);
    io_rings_deinit(&r);
}

// Even-odd: how many upright edges lie at the left of the pixel's centre.
static bool fills(const io_rings *r, int x, int y) {
    int crossings = 0;
    for (size_t i = 0; i < r->count; i++) {
        const int32_t *last = r->point + 2 * (r->first[i + 1] - 1);
        for (size_t k = r->first[i]; k < r->first[i + 1]; k++) {
            const int32_t *p = r->point + 2 * k;
            int low = p[1] < last[1] ? p[1] : last[1], high = p[1] < last[1] ? last[1] : p[1];
            assert_true((p[0] == last[0]) != (p[1] == last[1])); // along one axis
            crossings += p[0] == last[0] && p[0] <= x && low <= y && y < high;
            last = p;
        }
    }
    return crossings % 2;
}

static void random_masks(void **state) {
    (void)state;
    uint32_t seed = 7;
    for (int round = 0; round < 400; round++) {
        uint8_t pixels[17 * 13];
        io_rings r;
        tn_error err = {0};
        for (size_t i = 0; i < sizeof pixels; i++)
            pixels[i] = ((seed = seed * 1664525 + 1013904223) >> 24) % 8 < 1 + (uint32_t)round % 7;
        tn_tensor mask = tn_view(pixels, TN_U8, TN_DIMS(17, 13));
        ASSERT_OK(io_rings_trace(&mask, &r, &err), err);
        for (int y = 0; y < 17; y++)
            for (int x = 0; x < 13; x++)
                if (fills(&r, x, y) != pixels[y * 13 + x])
                    fail_msg("round %d: pixel %d %d", round, x, y);
        for (size_t i = 0; i < r.count; i++)
            if (r.outer[i] >= 0) assert_int_equal(r.outer[r.outer[i]], -1);
        io_rings_deinit(&r);
    }
}

static void many_rings(void **state) {
    (void)state;
    static uint8_t pixels[100 * 100];
    io_rings r;
    tn_error err = {0};
    for (int i = 0; i < 100 * 100; i++) pixels[i] = (i % 100) % 2 && (i / 100) % 2;
    tn_tensor mask = tn_view(pixels, TN_U8, TN_DIMS(100, 100));
    ASSERT_OK(io_rings_trace(&mask, &r, &err), err);
    assert_int_equal(r.count, 2500);
    for (size_t i = 0; i < r.count; i++) assert_int_equal(r.first[i], 4 * i);
    io_rings_deinit(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(square),       cmocka_unit_test(holes_and_islands),
        cmocka_unit_test(nothing),      cmocka_unit_test(corners_keep_apart),
        cmocka_unit_test(random_masks), cmocka_unit_test(many_rings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
