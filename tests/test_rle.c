// SPDX-License-Identifier: Apache-2.0
// Run-length masks against pycocotools (tools/reference/dump_rle.py), and refused input.
#include "io/coco/rle.h"
#include "tests/support/golden.h"
#include "tests/support/test.h"

#include <string.h>

#include <zlib.h>

#define GOLDEN "tests/golden/rle.bin"

static tn_arena arena;
static tn_error err;

typedef struct piece { // text in the golden file
    const char *bytes;
    size_t length;
} piece;

static piece next_piece(golden *g) {
    size_t length = golden_u32(g);
    return (piece){(const char *)golden_bytes(g, length), length};
}

static void next_doubles(golden *g, double *to, size_t count) {
    memcpy(to, golden_bytes(g, 8 * count), 8 * count);
}

static io_rle from_piece(piece p, uint32_t h, uint32_t w) {
    io_rle rle;
    ASSERT_OK(io_rle_from_text(p.bytes, p.length, h, w, &arena, &rle, &err), err);
    return rle;
}

static void assert_same_text(const io_rle *rle, piece want) {
    char *text;
    size_t length;
    ASSERT_OK(io_rle_to_text(rle, &arena, &text, &length, &err), err);
    if (length != want.length || memcmp(text, want.bytes, length) != 0)
        fail_msg("%s, expected %.*s", text, (int)want.length, want.bytes);
}

static void check_mask(golden *g) {
    uint32_t h = golden_u32(g), w = golden_u32(g), box[4];
    uint8_t *bytes = (uint8_t *)golden_bytes(g, (size_t)h * w), back[6000];
    tn_tensor mask = tn_view(bytes, TN_U8, 2, (int64_t[]){h, w});
    piece want = next_piece(g);
    io_rle rle;
    ASSERT_OK(io_rle_encode(&mask, &arena, &rle, &err), err);
    assert_same_text(&rle, want);
    io_rle read = from_piece(want, h, w);
    assert_int_equal(read.count, rle.count);
    assert_memory_equal(read.counts, rle.counts, rle.count * sizeof(uint32_t));
    tn_tensor decoded = tn_view(back, TN_U8, 2, (int64_t[]){h, w});
    io_rle_decode(&rle, &decoded);
    assert_memory_equal(back, bytes, (size_t)h * w);
    assert_int_equal(io_rle_area(&rle), golden_u32(g));
    io_rle_box(&rle, box);
    for (int i = 0; i < 4; i++) assert_int_equal(box[i], golden_u32(g));
}

static void check_polygon(golden *g) {
    uint32_t h = golden_u32(g), w = golden_u32(g), points = golden_u32(g);
    double xy[100];
    next_doubles(g, xy, 2 * points);
    io_rle rle;
    ASSERT_OK(io_rle_from_polygon(xy, points, h, w, &arena, &rle, &err), err);
    assert_same_text(&rle, next_piece(g));
}

static void check_merge(golden *g) {
    uint32_t h = golden_u32(g), w = golden_u32(g), n = golden_u32(g), intersect = golden_u32(g);
    io_rle parts[8], merged;
    for (uint32_t i = 0; i < n; i++) parts[i] = from_piece(next_piece(g), h, w);
    ASSERT_OK(io_rle_merge(parts, n, intersect, &arena, &merged, &err), err);
    assert_same_text(&merged, next_piece(g));
}

// The API's results are double[m][n] for m masks (or boxes) and n others.
static void check_mask_iou(golden *g) {
    uint32_t h = golden_u32(g), w = golden_u32(g), m = golden_u32(g), n = golden_u32(g);
    io_rle a[8], b[8];
    for (uint32_t i = 0; i < m; i++) a[i] = from_piece(next_piece(g), h, w);
    for (uint32_t i = 0; i < n; i++) b[i] = from_piece(next_piece(g), h, w);
    const uint8_t *crowd = golden_bytes(g, n);
    for (uint32_t i = 0; i < m; i++)
        for (uint32_t j = 0; j < n; j++) {
            double want;
            next_doubles(g, &want, 1);
            assert_true(io_rle_iou(&a[i], &b[j], crowd[j]) == want);
        }
}

static void check_box_iou(golden *g) {
    uint32_t m = golden_u32(g), n = golden_u32(g);
    double a[8][4], b[8][4];
    next_doubles(g, a[0], 4 * m);
    next_doubles(g, b[0], 4 * n);
    const uint8_t *crowd = golden_bytes(g, n);
    for (uint32_t i = 0; i < m; i++)
        for (uint32_t j = 0; j < n; j++) {
            double want;
            next_doubles(g, &want, 1);
            assert_true(io_box_iou(a[i], b[j], crowd[j]) == want);
        }
}

static uint64_t mix(uint64_t x) { // splitmix64's output function
    x += 0x9E3779B97F4A7C15;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
    x = (x ^ x >> 27) * 0x94D049BB133111EB;
    return x ^ x >> 31;
}

// The dump's random_mask: down the columns, the value changes wherever mix is divisible by a
// period.
static void random_mask(uint32_t number, uint8_t *bytes, int64_t *h, int64_t *w) {
    static const uint64_t periods[] = {2, 5, 30, 500};
    uint64_t base = (uint64_t)number << 20, period = periods[mix(base + 2) % 4];
    *h = (int64_t)(mix(base) % 40) + 1;
    *w = (int64_t)(mix(base + 1) % 40) + 1;
    uint8_t value = 0;
    for (int64_t i = 0; i < *h * *w; i++) {
        value ^= mix(base + 3 + (uint64_t)i) % period == 0;
        bytes[i % *h * *w + i / *h] = value;
    }
}

static void check_random(golden *g) {
    uint32_t first = golden_u32(g), count = golden_u32(g), crc = 0;
    for (uint32_t i = first; i < first + count; i++) {
        uint8_t bytes[1600];
        int64_t h, w;
        random_mask(i, bytes, &h, &w);
        tn_tensor mask = tn_view(bytes, TN_U8, 2, (int64_t[]){h, w});
        io_rle rle;
        char *text;
        size_t length;
        tn_arena_reset(&arena, 0);
        ASSERT_OK(io_rle_encode(&mask, &arena, &rle, &err), err);
        ASSERT_OK(io_rle_to_text(&rle, &arena, &text, &length, &err), err);
        crc = (uint32_t)crc32(crc, (const Bytef *)text, (uInt)length);
    }
    assert_int_equal(crc, golden_u32(g));
}

static void skip_photos(golden *g) { // tests/test_coco.c reads the annotations
    char name[64];
    golden_text(g, name, sizeof name);
    golden_bytes(g, 4 * (size_t)golden_u32(g));
}

static void everything_equals_pycocotools(void **state) {
    (void)state;
    static const struct {
        char kind;
        void (*check)(golden *g);
        int least;
    } kinds[] = {{'m', check_mask, 190},    {'p', check_polygon, 170}, {'u', check_merge, 60},
                 {'i', check_mask_iou, 25}, {'b', check_box_iou, 25},  {'r', check_random, 100},
                 {'c', skip_photos, 2}};
    int done[7] = {0};
    golden g;
    golden_open(&g, GOLDEN);
    while (golden_more(&g)) {
        char kind = (char)*golden_bytes(&g, 1);
        int k = 0;
        while (k < 7 && kinds[k].kind != kind) k++;
        assert_true(k < 7);
        tn_arena_reset(&arena, 0);
        kinds[k].check(&g);
        done[k]++;
    }
    golden_close(&g);
    for (int k = 0; k < 7; k++) assert_true(done[k] >= kinds[k].least);
}

static void any_value_but_zero_is_one(void **state) {
    (void)state;
    uint8_t odd[12] = {0, 7, 255, 0, 0, 9, 1, 0, 3, 0, 0, 2}, plain[12];
    for (int i = 0; i < 12; i++) plain[i] = odd[i] != 0;
    tn_tensor a = tn_view(odd, TN_U8, 2, (int64_t[]){3, 4}),
              b = tn_view(plain, TN_BOOL, 2, (int64_t[]){3, 4});
    io_rle x, y;
    ASSERT_OK(io_rle_encode(&a, &arena, &x, &err), err);
    ASSERT_OK(io_rle_encode(&b, &arena, &y, &err), err);
    assert_int_equal(x.count, y.count);
    assert_memory_equal(x.counts, y.counts, x.count * sizeof(uint32_t));
}

static void bad_text_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"", "is empty"},
        {"52", "expected 3 x 4 = 12"},
        {"99", "expected 3 x 4 = 12"},
        {"P", "ends inside the number at character 0"},
        {"5P", "ends inside the number at character 1"},
        {"5 7", "byte 0x20 at character 1"},
        {"5\x7f", "byte 0x7f at character 1"},
        {"5\xff", "byte 0xff at character 1"},
        {"5p", "byte 0x70 at character 1"},
        {"O", "a run of -1 at character 0"},
        {"12O", "a run of -1"},
        {"oooooooo0", "over 32 bits"},
        {"oooooo?", "a run of"},
        {"1oooooo3", "expected 3 x 4"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        io_rle rle;
        size_t mark = tn_arena_mark(&arena);
        tn_status status =
            io_rle_from_text(bad[i].text, strlen(bad[i].text), 3, 4, &arena, &rle, &err);
        if (status != TN_EFORMAT || !strstr(err.text, bad[i].why))
            fail_msg("%s: %s, expected %s", bad[i].text, err.text, bad[i].why);
        assert_int_equal(tn_arena_mark(&arena), mark);
    }
}

static void bad_counts_sizes_and_points_are_refused(void **state) {
    (void)state;
    io_rle rle, other;
    uint32_t counts[] = {5, 6, UINT32_MAX};
    assert_int_equal(io_rle_from_counts(counts, 2, 3, 4, &arena, &rle, &err), TN_EFORMAT);
    assert_int_equal(io_rle_from_counts(counts, 3, 3, 4, &arena, &rle, &err), TN_EFORMAT);
    assert_int_equal(io_rle_from_counts(counts, 0, 0, 0, &arena, &rle, &err), TN_EFORMAT);
    assert_int_equal(io_rle_from_counts(counts, 2, 65536, 65536, &arena, &rle, &err), TN_EFORMAT);
    assert_int_equal(io_rle_from_text("0", 1, UINT32_MAX, UINT32_MAX, &arena, &rle, &err),
                     TN_EFORMAT);
    ASSERT_OK(io_rle_from_counts(counts, 2, 11, 1, &arena, &rle, &err), err);
    ASSERT_OK(io_rle_from_counts(counts, 2, 1, 11, &arena, &other, &err), err);
    assert_int_equal(io_rle_merge((io_rle[]){rle, other}, 2, false, &arena, &rle, &err), TN_EINVAL);
    assert_true(io_rle_iou(&rle, &other, false) == -1);
    double odd[] = {0.0 / 0.0, 1.0 / 0.0, -1.0 / 0.0, 1.1e8, -1e300};
    for (int i = 0; i < 5; i++) {
        double xy[] = {1, 1, 3, odd[i], 3, 3};
        assert_int_equal(io_rle_from_polygon(xy, 3, 9, 9, &arena, &rle, &err), TN_EFORMAT);
        assert_non_null(strstr(err.text, "coordinate 3"));
    }
    double far[] = {-1e8, -1e8, 1e8, -1e8, 1e8, 1e8, -1e8, 1e8}; // fast at any distance
    ASSERT_OK(io_rle_from_polygon(far, 4, 50, 70, &arena, &rle, &err), err);
    assert_int_equal(io_rle_area(&rle), 50 * 70);
    ASSERT_OK(io_rle_from_polygon(far, 0, 50, 70, &arena, &rle, &err), err);
    assert_int_equal(io_rle_area(&rle), 0);
    ASSERT_OK(io_rle_from_box((double[]){2, 3, 4, 5}, 50, 70, &arena, &rle, &err), err);
    uint32_t box[4];
    io_rle_box(&rle, box);
    assert_memory_equal(box, ((uint32_t[]){2, 3, 4, 5}), sizeof box);
}

static void runs_of_no_length_change_nothing(void **state) {
    (void)state;
    uint32_t plain[] = {3, 4, 5}, odd[] = {3, 2, 0, 2, 5, 0, 0};
    io_rle a, b, merged;
    ASSERT_OK(io_rle_from_counts(plain, 3, 3, 4, &arena, &a, &err), err);
    ASSERT_OK(io_rle_from_counts(odd, 7, 3, 4, &arena, &b, &err), err);
    assert_true(io_rle_iou(&a, &b, false) == 1);
    ASSERT_OK(io_rle_merge((io_rle[]){b, b}, 2, true, &arena, &merged, &err), err);
    assert_int_equal(merged.count, 3);
    assert_memory_equal(merged.counts, plain, sizeof plain);
    uint32_t box[4], same[4];
    io_rle_box(&a, box);
    io_rle_box(&b, same);
    assert_memory_equal(box, same, sizeof box);
}

static tn_status make_all(void) {
    uint8_t bytes[12] = {0, 1, 1, 0, 0, 1};
    tn_tensor mask = tn_view(bytes, TN_U8, 2, (int64_t[]){3, 4});
    io_rle a, b, c;
    char *text;
    size_t length;
    TN_TRY(io_rle_encode(&mask, &arena, &a, &err));
    TN_TRY(io_rle_to_text(&a, &arena, &text, &length, &err));
    TN_TRY(io_rle_from_text(text, length, 3, 4, &arena, &b, &err));
    TN_TRY(io_rle_from_box((double[]){1, 1, 2, 2}, 3, 4, &arena, &c, &err));
    return io_rle_merge((io_rle[]){a, b, c}, 3, false, &arena, &a, &err);
}

static void memory_may_run_out_anywhere(void **state) {
    (void)state;
    tn_status status = TN_ENOMEM;
    for (int64_t n = 1; status != TN_OK; n++) {
        tn_arena_reset(&arena, 0);
        tn_alloc_fail_after(n);
        status = make_all();
        tn_alloc_fail_after(0);
        assert_true(status == TN_OK || status == TN_ENOMEM);
        assert_true(n < 50);
    }
}

static int open_arena(void **state) {
    (void)state;
    return tn_arena_init(&arena, 1 << 24, &err);
}

static int close_arena(void **state) {
    (void)state;
    tn_arena_deinit(&arena);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_equals_pycocotools),
        cmocka_unit_test(any_value_but_zero_is_one),
        cmocka_unit_test(bad_text_is_refused),
        cmocka_unit_test(bad_counts_sizes_and_points_are_refused),
        cmocka_unit_test(runs_of_no_length_change_nothing),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };
    return cmocka_run_group_tests(tests, open_arena, close_arena);
}
