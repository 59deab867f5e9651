// SPDX-License-Identifier: Apache-2.0
// Pictures in: the same bytes as PIL (tools/reference/dump_images.py). Pictures out: what was
// written comes back.
#include "io/image/image.h"
#include "tests/support/golden.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <zlib.h>

#define GOLDEN "tests/golden/images.bin"

typedef struct picture_case {
    char name[100];
    const uint8_t *file, *pixels;
    size_t count;
    int64_t h, w;
} picture_case;

static picture_case next_case(golden *g) {
    picture_case c;
    golden_text(g, c.name, sizeof c.name);
    c.count = golden_u32(g);
    c.file = golden_bytes(g, c.count);
    c.h = golden_u32(g);
    c.w = golden_u32(g);
    c.pixels = golden_bytes(g, (size_t)(3 * c.h * c.w));
    return c;
}

static void every_kind_of_picture_gives_pils_bytes(void **state) {
    (void)state;
    golden g;
    golden_open(&g, GOLDEN);
    int count = 0, wrong = 0;
    for (; golden_more(&g); count++) {
        picture_case c = next_case(&g);
        tn_tensor t;
        tn_error err;
        if (io_image_decode(c.file, c.count, c.name, 0, &t, &err) != TN_OK) {
            print_error("%s\n", err.text);
            wrong++;
            continue;
        }
        if (!tn_has_shape(&t, 3, (int64_t[]){c.h, c.w, 3}) ||
            memcmp(t.data, c.pixels, tn_bytes(&t)) != 0) {
            print_error("%s: other pixels\n", c.name);
            wrong++;
        }
        tn_free(t.data);
    }
    golden_close(&g);
    assert_true(count > 100);
    assert_int_equal(wrong, 0);
}

static void real_photos_give_pils_bytes(void **state) {
    (void)state;
    if (access(SHARED_DATA "/coco_mini", R_OK) != 0) SKIP("no " SHARED_DATA "/coco_mini");
    FILE *list = fopen("tests/golden/photos.txt", "r");
    assert_non_null(list);
    char name[100], path[200];
    unsigned want;
    int count = 0;
    for (; fscanf(list, "%99s %x", name, &want) == 2; count++) {
        snprintf(path, sizeof path, SHARED_DATA "/coco_mini/%s", name);
        tn_tensor t;
        tn_error err;
        ASSERT_OK(io_image_read(path, 0, &t, &err), err);
        unsigned got = (unsigned)crc32(0, t.data, (uInt)tn_bytes(&t));
        if (got != want) fail_msg("%s: crc %08x, expected %08x", path, got, want);
        tn_free(t.data);
    }
    fclose(list);
    assert_true(count > 400);
}

static void the_pixel_limit_is_exact(void **state) {
    (void)state;
    golden g;
    golden_open(&g, GOLDEN);
    while (golden_more(&g)) {
        picture_case c = next_case(&g);
        if (c.h * c.w == 1) continue;
        tn_tensor t;
        tn_error err;
        ASSERT_OK(io_image_decode(c.file, c.count, c.name, c.h * c.w, &t, &err), err);
        tn_free(t.data);
        assert_int_equal(io_image_decode(c.file, c.count, c.name, c.h * c.w - 1, &t, &err),
                         TN_ENOMEM);
        assert_non_null(strstr(err.text, "expected at most"));
    }
    golden_close(&g);
}

// Every allocation of ours fails in turn: a status each time, and (under ASan) no leak.
static void memory_may_run_out_anywhere(void **state) {
    (void)state;
    golden g;
    golden_open(&g, GOLDEN);
    while (golden_more(&g)) {
        picture_case c = next_case(&g);
        tn_status status = TN_ENOMEM;
        for (int64_t n = 1; status != TN_OK; n++) {
            tn_tensor t;
            tn_error err = {0};
            tn_alloc_fail_after(n);
            status = io_image_decode(c.file, c.count, c.name, 0, &t, &err);
            tn_alloc_fail_after(0);
            assert_true(status == TN_OK || status == TN_ENOMEM);
            if (status == TN_OK)
                tn_free(t.data);
            else
                assert_memory_equal(err.text, c.name, strlen(c.name));
            assert_true(n < 100);
        }
    }
    golden_close(&g);
}

// A picture that was written and read again, in memory of the caller.
static tn_tensor written_and_read(const tn_tensor *image) {
    const char *path = temporary_path("back.png");
    tn_error err;
    ASSERT_OK(io_png_write(path, image, &err), err);
    tn_tensor back;
    ASSERT_OK(io_image_read(path, 0, &back, &err), err);
    unlink(path);
    return back;
}

static void what_is_written_comes_back(void **state) {
    (void)state;
    uint8_t pixels[5 * 7 * 4];
    for (int i = 0; i < 5 * 7 * 4; i++) pixels[i] = (uint8_t)(i * 37);
    for (int channels = 1; channels <= 4; channels++) {
        if (channels == 2) continue;
        tn_tensor t = tn_view(pixels, TN_U8, channels == 1 ? 2 : 3, (int64_t[]){5, 7, channels});
        tn_tensor back = written_and_read(&t);
        assert_true(tn_has_shape(&back, 3, (int64_t[]){5, 7, 3}));
        for (int i = 0; i < 5 * 7; i++)
            for (int c = 0; c < 3; c++) {
                int want = channels == 1 ? pixels[i] : pixels[i * channels + c];
                if (channels == 4) {
                    double alpha = pixels[i * 4 + 3] / 255.0;
                    want = (int)(want * alpha + 255 * (1 - alpha) + 0.5);
                }
                assert_int_equal(tn_u8(&back)[i * 3 + c], want);
            }
        tn_free(back.data);
    }
    int32_t labels[6] = {0, 255, 256, 65535, 0x1234, 511};
    tn_tensor t = tn_view(labels, TN_I32, 2, (int64_t[]){2, 3}), back = written_and_read(&t);
    for (int i = 0; i < 6; i++) assert_int_equal(tn_u8(&back)[3 * i], labels[i] >> 8);
    tn_free(back.data);
}

static void a_picture_that_cannot_be_written_leaves_nothing(void **state) {
    (void)state;
    char path[64];
    snprintf(path, sizeof path, "%s/x.png", temporary_folder());
    tn_error err;
    int32_t labels[2] = {1, 65536};
    tn_tensor t = tn_view(labels, TN_I32, 2, (int64_t[]){1, 2});
    assert_int_equal(io_png_write(path, &t, &err), TN_EINVAL);
    assert_non_null(strstr(err.text, "label 65536 at row 0, column 1"));
    t.dim[1] = 0;
    assert_int_equal(io_png_write(path, &t, &err), TN_EINVAL);
    t.dim[1] = 1;
    assert_int_equal(io_png_write("/nowhere/x.png", &t, &err), TN_EIO);
    assert_non_null(strstr(err.text, "/nowhere/x.png"));
    tn_status status = TN_ENOMEM;
    for (int64_t n = 1; status != TN_OK; n++) {
        tn_alloc_fail_after(n);
        status = io_png_write(path, &t, &err);
        tn_alloc_fail_after(0);
        assert_true(status == TN_OK || status == TN_ENOMEM);
        assert_int_equal(access(path, F_OK) == 0, status == TN_OK);
    }
    assert_int_equal(unlink(path), 0);
    assert_int_equal(temporary_count(), 0); // nothing else is left
}

// A limit on the size of files is what a full disk is: writes end with an error.
static void a_full_disk_leaves_the_old_file(void **state) {
    (void)state;
    const char *path = temporary_text("old.png", "old");
    uint8_t *pixels = tn_alloc(300 * 300);
    for (uint32_t i = 0; i < 300 * 300; i++) pixels[i] = (uint8_t)(i * i * 2654435761u >> 24);
    tn_tensor t = tn_view(pixels, TN_U8, 2, (int64_t[]){300, 300});
    struct rlimit old, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 20000;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    tn_error err;
    tn_status status = io_png_write(path, &t, &err);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(status, TN_EIO);
    assert_non_null(strstr(err.text, path));
    io_map map;
    ASSERT_OK(io_map_open(path, &map, &err), err);
    assert_int_equal(map.count, 3);
    io_map_close(&map);
    unlink(path);
    tn_free(pixels);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_picture_gives_pils_bytes),
        cmocka_unit_test(real_photos_give_pils_bytes),
        cmocka_unit_test(the_pixel_limit_is_exact),
        cmocka_unit_test(memory_may_run_out_anywhere),
        cmocka_unit_test(what_is_written_comes_back),
        cmocka_unit_test(a_picture_that_cannot_be_written_leaves_nothing),
        cmocka_unit_test(a_full_disk_leaves_the_old_file),
    };
    return cmocka_run_group_tests(tests, NULL, temporary_teardown);
}
