// SPDX-License-Identifier: Apache-2.0
// BMP, WebP, GIF, TIFF, AVIF, HEIC and PNG's eXIf: the pixels that they show
// (tools/reference/dump_pictures.py), limits, broken files, and formats that a build leaves out.
#include "io/image/image.h"
#include "tests/support/golden.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GOLDEN "tests/golden/pictures.bin"

typedef struct picture_case {
    char name[100];
    const uint8_t *file, *pixels;
    size_t count;
    int most; // largest difference allowed
    int64_t h, w;
} picture_case;

static picture_case next_case(golden *g) {
    picture_case c;
    golden_text(g, c.name, sizeof c.name);
    c.count = golden_u32(g);
    c.file = golden_bytes(g, c.count);
    c.most = (int)golden_u32(g);
    c.h = golden_u32(g);
    c.w = golden_u32(g);
    c.pixels = golden_bytes(g, (size_t)(3 * c.h * c.w));
    return c;
}

// Whether this build reads the format that a case's name begins with.
static bool is_built(const picture_case *c) {
    char formats[IO_IMAGE_FORMATS_TEXT], format[100];
    snprintf(format, sizeof format, "%.*s", (int)strcspn(c->name, ","), c->name);
    return strstr(io_image_formats(true, formats, sizeof formats), format) != NULL;
}

// Decodes a copy that ends where its block ends, so that ASan sees a step too far.
static tn_status decode(const picture_case *c, size_t count, int64_t max_pixels, tn_tensor *t,
                        tn_error *err) {
    char *block = malloc(count + 1);
    memcpy(block + 1, c->file, count);
    tn_status status = io_image_decode(block + 1, count, c->name, max_pixels, t, err);
    free(block);
    return status;
}

static int largest_difference(const uint8_t *a, const uint8_t *b, int64_t count) {
    int most = 0;
    for (int64_t i = 0; i < count; i++)
        if (abs(a[i] - b[i]) > most) most = abs(a[i] - b[i]);
    return most;
}

static void every_format_shows_its_pixels(void **state) {
    (void)state;
    golden g;
    golden_open(&g, GOLDEN);
    int count = 0, wrong = 0;
    while (golden_more(&g)) {
        picture_case c = next_case(&g);
        tn_tensor t;
        tn_error err = {0};
        tn_status status = decode(&c, c.count, 0, &t, &err);
        if (!is_built(&c)) {
            assert_int_equal(status, TN_EUNSUPPORTED);
            assert_non_null(strstr(err.text, "build lexmask again"));
            continue;
        }
        count++;
        if (status != TN_OK) {
            print_error("%s\n", err.text);
            wrong++;
            continue;
        }
        bool same_shape = tn_has_shape(&t, 3, (int64_t[]){c.h, c.w, 3});
        int most = same_shape ? largest_difference(tn_u8(&t), c.pixels, 3 * c.h * c.w) : 999;
        if (most > c.most) {
            print_error("%s: %lldx%lld, differs by up to %d, allowed %d\n", c.name,
                        (long long)t.dim[1], (long long)t.dim[0], most, c.most);
            wrong++;
        }
        tn_free(t.data);
    }
    golden_close(&g);
    assert_true(count >= 25); // PNG and BMP are always read
    assert_int_equal(wrong, 0);
}

static void the_pixel_limit_is_exact(void **state) {
    (void)state;
    golden g;
    golden_open(&g, GOLDEN);
    while (golden_more(&g)) {
        picture_case c = next_case(&g);
        tn_tensor t;
        tn_error err = {0};
        if (!is_built(&c)) continue;
        // A GIF's frame may be larger than its canvas, an AVIF's stored picture than what it shows.
        ASSERT_OK(decode(&c, c.count, c.h * c.w + 64 * (c.most > 1), &t, &err), err);
        tn_free(t.data);
        tn_status status = decode(&c, c.count, c.h * c.w - 1, &t, &err);
        if (status != TN_ENOMEM || !strstr(err.text, "expected at most"))
            fail_msg("%s: %s (%s)", c.name, status ? err.text : "was read", tn_status_name(status));
    }
    golden_close(&g);
}

// Cut anywhere, a file is read as far as its format allows or refused in one sentence.
static void a_file_that_ends_early_is_refused(void **state) {
    (void)state;
    golden g;
    golden_open(&g, GOLDEN);
    while (golden_more(&g)) {
        picture_case c = next_case(&g);
        if (!is_built(&c)) continue;
        size_t step = c.most > 1 ? c.count / 12 + 1 : c.count / 60 + 1;
        for (size_t count = 12; count < c.count; count += step) {
            tn_tensor t;
            tn_error err = {0};
            tn_status status = decode(&c, count, 0, &t, &err);
            if (status == TN_OK)
                tn_free(t.data);
            else if (strncmp(err.text, c.name, strlen(c.name)) != 0 || strchr(err.text, '\n'))
                fail_msg("%s, %zu bytes: %s", c.name, count, err.text);
            bool half = count < c.count / 2;
            if (half && status == TN_OK) fail_msg("%s, %zu bytes: was read", c.name, count);
        }
    }
    golden_close(&g);
}

// Bytes changed at random: a status or pixels, never more than the limit, and under ASan no leak.
static void a_file_with_changed_bytes_does_no_harm(void **state) {
    (void)state;
    golden g;
    golden_open(&g, GOLDEN);
    uint64_t random = 88172645463325252u;
    while (golden_more(&g)) {
        picture_case c = next_case(&g);
        if (!is_built(&c)) continue;
        uint8_t *copy = malloc(c.count);
        for (int round = 0; round < (c.most > 1 ? 10 : 60); round++) {
            memcpy(copy, c.file, c.count);
            for (int i = 0; i < 1 + round % 3; i++) {
                random ^= random << 13, random ^= random >> 7, random ^= random << 17;
                // Headers are where lies are told.
                size_t reach = round % 2 && c.count > 300 ? 300 : c.count;
                copy[8 + random % (reach - 8)] = (uint8_t)(random >> 40);
            }
            picture_case broken = c;
            broken.file = copy;
            tn_tensor t;
            tn_error err = {0};
            tn_status status = decode(&broken, c.count, 1 << 20, &t, &err);
            if (status == TN_OK) {
                assert_true(t.dim[0] * t.dim[1] <= 1 << 20);
                tn_free(t.data);
            } else if (!err.text[0] || strchr(err.text, '\n')) {
                fail_msg("%s: '%s'", c.name, err.text);
            }
        }
        free(copy);
    }
    golden_close(&g);
}

static void memory_may_run_out_anywhere(void **state) {
    (void)state;
    golden g;
    golden_open(&g, GOLDEN);
    while (golden_more(&g)) {
        picture_case c = next_case(&g);
        tn_status status = TN_ENOMEM;
        if (!is_built(&c)) continue;
        for (int64_t n = 1; status != TN_OK; n++) {
            tn_tensor t;
            tn_error err = {0};
            tn_alloc_fail_after(n);
            status = io_image_decode(c.file, c.count, c.name, 0, &t, &err);
            tn_alloc_fail_after(0);
            if (status != TN_OK && status != TN_ENOMEM) fail_msg("%s: %s", c.name, err.text);
            if (status == TN_OK) tn_free(t.data);
            assert_true(n < 100);
        }
    }
    golden_close(&g);
}

static void says(const char *what, const void *bytes, size_t count, tn_status want,
                 const char *why) {
    tn_tensor t;
    tn_error err = {0};
    char *block = malloc(count);
    memcpy(block, bytes, count);
    tn_status status = io_image_decode(block, count, "x.pic", 0, &t, &err);
    free(block);
    if (status == TN_EUNSUPPORTED && strstr(err.text, "build lexmask again")) return; // left out
    if (status != want || !strstr(err.text, why) || strncmp(err.text, "x.pic: ", 7) != 0)
        fail_msg("%s: %s (%s), expected %s (%s)", what, status ? err.text : "was read",
                 tn_status_name(status), why, tn_status_name(want));
    if (status == TN_OK) tn_free(t.data);
}

#define BMP_HEAD(w, h, bits, compression)                                                          \
    {                                                                                              \
        'B', 'M', 0, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0, (w)&255, (w) >> 8 & 255,       \
            (w) >> 16 & 255, (w) >> 24 & 255, (h)&255, (h) >> 8 & 255, (h) >> 16 & 255,            \
            (h) >> 24 & 255, 1, 0, (bits), 0, (compression), 0, 0, 0, [57] = 0                     \
    }

static void headers_that_lie_are_refused_before_memory_is_taken(void **state) {
    (void)state;
    const uint8_t huge[] = BMP_HEAD(0x7fffffff, 0x7fffffff, 24, 0), none[] = BMP_HEAD(0, 1, 24, 0),
                  negative[] = BMP_HEAD(-1, 1, 24, 0), lowest[] = BMP_HEAD(1, INT32_MIN, 24, 0),
                  odd[] = BMP_HEAD(1, 1, 7, 0), wrong[] = BMP_HEAD(1, 1, 24, 1),
                  jpeg[] = BMP_HEAD(1, 1, 24, 4), few[] = BMP_HEAD(2, 1, 24, 0);
    says("BMP, huge", huge, sizeof huge, TN_ENOMEM, "expected at most 100000000");
    says("BMP, none", none, sizeof none, TN_EFORMAT, "0x1 pixels");
    says("BMP, negative", negative, sizeof negative, TN_EFORMAT, "-1x1 pixels");
    says("BMP, lowest", lowest, sizeof lowest, TN_ENOMEM, "1x2147483648 pixels");
    says("BMP, 7 bit", odd, sizeof odd, TN_EFORMAT, "byte 28: 7 bits a pixel");
    says("BMP, runs of 24 bit", wrong, sizeof wrong, TN_EFORMAT, "compression 1");
    says("BMP, JPEG", jpeg, sizeof jpeg, TN_EUNSUPPORTED, "a JPEG or PNG within");
    says("BMP, 4 bytes of 8", few, sizeof few, TN_EFORMAT, "expected at least 62");
    const uint8_t gif[] = {'G', 'I', 'F', '8', '9', 'a', 255, 255, 255,  255, 0x80,
                           0,   0,   0,   0,   0,   1,   1,   1,   0x2c, 0,   0,
                           0,   0,   255, 255, 255, 255, 0,   2,   0,    0x3b};
    says("GIF, huge", gif, sizeof gif, TN_ENOMEM, "GIF: 65535x65535 pixels");
    says("GIF, no frame", "GIF89a\1\0\1\0\0\0\0\x3b", 14, TN_EFORMAT, "no picture");
    // 2^31 square, in one strip.
    const uint8_t tiff[] = "II*\0\x08\0\0\0\x05\0"
                           "\0\1\4\0\1\0\0\0\xff\xff\xff\x7f"
                           "\1\1\4\0\1\0\0\0\xff\xff\xff\x7f"
                           "\x06\1\3\0\1\0\0\0\1\0\0\0"
                           "\x11\1\4\0\1\0\0\0\x08\0\0\0"
                           "\x17\1\4\0\1\0\0\0\x08\0\0\0"
                           "\0\0\0";
    says("TIFF, huge", tiff, sizeof tiff, TN_ENOMEM, "TIFF: 2147483647x2147483647 pixels");
    says("TIFF, nothing", "II*\0\xff\xff\xff\x7f....", 12, TN_EFORMAT, "TIFF: near byte");
    says("TIFF, cut", "MM\0*....", 8, TN_EFORMAT, "TIFF: near byte");
    // A canvas of 16384 square with nothing on it: larger than the limit.
    says("WebP, huge", "RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\x3f\0\xff\x3f\0", 30,
         TN_EFORMAT, "WebP: ");
    says("WebP, cut", "RIFF1234WEBPVP8 ", 16, TN_EFORMAT, "WebP: data ends early");
    says("AVIF, cut",
         "\0\0\0\x1c"
         "ftypavif\0\0\0\0avifmif1",
         24, TN_EFORMAT, "AVIF: ");
    says("HEIC, cut",
         "\0\0\0\x18"
         "ftypheic\0\0\0\0heicmif1",
         24, TN_EFORMAT, "HEIC: ");
    says("JPEG XL", "\xff\x0a........", 10, TN_EUNSUPPORTED,
         "a JPEG XL picture, expected JPEG, PNG");
}

static void formats_are_named_and_found_by_their_endings(void **state) {
    (void)state;
    char text[IO_IMAGE_FORMATS_TEXT], missing[IO_IMAGE_FORMATS_TEXT];
    io_image_formats(true, text, sizeof text);
    io_image_formats(false, missing, sizeof missing);
    assert_non_null(strstr(text, "JPEG, PNG, PPM, PGM, BMP"));
    static const char *const optional[] = {"WebP", "GIF", "TIFF", "AVIF", "HEIC"};
    for (size_t i = 0; i < 5; i++) // each in one of the two
        assert_true(!strstr(text, optional[i]) != !strstr(missing, optional[i]));
    assert_true(!*missing || strstr(missing, "-dev)"));
    assert_true(io_image_has_ending("a.b/c.JPG") && io_image_has_ending("x.tif") &&
                io_image_has_ending("x.heif") && io_image_has_ending("x.WebP"));
    assert_false(io_image_has_ending("jpg") || io_image_has_ending("x.jp") ||
                 io_image_has_ending("x.") || io_image_has_ending("x.jpg ") ||
                 io_image_has_ending("x.txt") || io_image_has_ending("x.jp2"));
    assert_string_equal(io_image_recognise("GIF89a", 6)->package, "libgif-dev");
    assert_null(io_image_recognise("GIF", 3));
    char small[8]; // is cut, not left
    assert_string_equal(io_image_formats(true, small, sizeof small), "JPEG, P");
}

#define ODD SHARED_DATA "/odd/exif6.png"

static void a_png_of_the_field_is_turned(void **state) {
    (void)state;
    if (access(ODD, R_OK) != 0) SKIP("no " ODD);
    tn_tensor t;
    tn_error err;
    ASSERT_OK(io_image_read(ODD, 0, &t, &err), err);
    assert_true(tn_has_shape(&t, 3, (int64_t[]){64, 32, 3}));
    tn_free(t.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_shows_its_pixels),
        cmocka_unit_test(the_pixel_limit_is_exact),
        cmocka_unit_test(a_file_that_ends_early_is_refused),
        cmocka_unit_test(a_file_with_changed_bytes_does_no_harm),
        cmocka_unit_test(memory_may_run_out_anywhere),
        cmocka_unit_test(headers_that_lie_are_refused_before_memory_is_taken),
        cmocka_unit_test(formats_are_named_and_found_by_their_endings),
        cmocka_unit_test(a_png_of_the_field_is_turned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
