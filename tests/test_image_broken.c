// SPDX-License-Identifier: Apache-2.0
// Pictures that are broken: each gives one sentence with name, place and what is wrong, at once,
// and takes no memory for what a header merely claims.
#include "io/image/image.h"
#include "tests/support/golden.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <zlib.h>

static tn_error err;

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

// Decodes a copy that ends where its block ends, so that ASan sees a step too far.
static tn_status decode(const void *bytes, size_t count) {
    char *block = tn_alloc(count + 1);
    memcpy(block + (count ? 0 : 1), bytes, count);
    tn_tensor t = {0};
    double before = seconds();
    tn_status status = io_image_decode(block, count, "x.pic", 0, &t, &err);
    if (seconds() - before > 1) fail_msg("took %g s", seconds() - before);
    tn_free(block);
    if (status == TN_OK) tn_free(t.data);
    return status;
}

static void refused(const char *what, const void *bytes, size_t count, tn_status want,
                    const char *why) {
    tn_status status = decode(bytes, count);
    if (status != want || !strstr(err.text, why) || strncmp(err.text, "x.pic: ", 7) != 0 ||
        strchr(err.text, '\n'))
        fail_msg("%s: %s (%s), expected %s (%s)", what, status ? err.text : "was read",
                 tn_status_name(status), why, tn_status_name(want));
}

// A file that a test builds.
typedef struct build {
    uint8_t bytes[4096];
    size_t count;
} build;

static void put(build *b, const void *bytes, size_t count) {
    assert_true(count <= sizeof b->bytes - b->count);
    memcpy(b->bytes + b->count, bytes, count);
    b->count += count;
}

static void put_u32(build *b, uint32_t v) {
    put(b, (uint8_t[]){(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v}, 4);
}

static void put_chunk(build *b, const char *kind, const void *body, size_t count) {
    put_u32(b, (uint32_t)count);
    size_t from = b->count;
    put(b, kind, 4);
    put(b, body, count);
    put_u32(b, (uint32_t)crc32(0, b->bytes + from, (uInt)(b->count - from)));
}

typedef struct png_header {
    uint32_t w, h;
    uint8_t depth, colour, compression, filter, interlace;
} png_header;

static build png_begin(png_header p) {
    build b = {0}, body = {0};
    put(&b, "\x89PNG\r\n\x1a\n", 8);
    put_u32(&body, p.w);
    put_u32(&body, p.h);
    put(&body, (uint8_t[]){p.depth, p.colour, p.compression, p.filter, p.interlace}, 5);
    put_chunk(&b, "IHDR", body.bytes, body.count);
    return b;
}

static void put_packed(build *b, const char *kind, const uint8_t *raw, size_t count) {
    uint8_t packed[3000];
    uLongf length = sizeof packed;
    assert_int_equal(compress2(packed, &length, raw, (uLong)count, 9), Z_OK);
    put_chunk(b, kind, packed, length);
}

static void png_headers(void **state) {
    (void)state;
    static const struct {
        const char *what;
        png_header head;
        tn_status status;
        const char *why;
    } cases[] = {
        {"0x0", {0, 0, 8, 2, 0, 0, 0}, TN_EFORMAT, "PNG: near byte 33 of"},
        {"0 wide", {0, 5, 8, 2, 0, 0, 0}, TN_EFORMAT, "PNG: near byte 33 of"},
        {"0 high", {5, 0, 8, 2, 0, 0, 0}, TN_EFORMAT, "PNG: near byte 33 of"},
        {"100,000 square", {100000, 100000, 8, 2, 0, 0, 0}, TN_ENOMEM, "100000x100000 pixels"},
        {"100,000 square, 1 bit", {100000, 100000, 1, 0, 0, 0, 0}, TN_ENOMEM, "expected at most"},
        {"as large as PNG can be", {0x7fffffff, 0x7fffffff, 16, 6, 0, 0, 1}, TN_ENOMEM, "at most"},
        {"2^31 wide", {0x80000000, 1, 8, 2, 0, 0, 0}, TN_EFORMAT, "PNG: near byte"},
        {"one pixel too many", {100000001, 1, 8, 0, 0, 0, 0}, TN_ENOMEM, "at most 100000000"},
        {"depth 3", {4, 4, 3, 0, 0, 0, 0}, TN_EFORMAT, "PNG: near byte"},
        {"depth 32", {4, 4, 32, 0, 0, 0, 0}, TN_EFORMAT, "PNG: near byte"},
        {"colour 5", {4, 4, 8, 5, 0, 0, 0}, TN_EFORMAT, "PNG: near byte"},
        {"palette of 16 bit", {4, 4, 16, 3, 0, 0, 0}, TN_EFORMAT, "PNG: near byte"},
        {"compression 1", {4, 4, 8, 2, 1, 0, 0}, TN_EFORMAT, "PNG: near byte"},
        {"filter 1", {4, 4, 8, 2, 0, 1, 0}, TN_EFORMAT, "PNG: near byte"},
        {"interlace 2", {4, 4, 8, 2, 0, 0, 2}, TN_EFORMAT, "PNG: near byte"},
        {"palette missing", {4, 4, 8, 3, 0, 0, 0}, TN_EFORMAT, "PLTE"},
        {"no data", {4, 4, 8, 2, 0, 0, 0}, TN_EFORMAT, "PNG: near byte"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        build b = png_begin(cases[i].head);
        if (strcmp(cases[i].what, "no data") != 0) put_chunk(&b, "IDAT", "x", 1);
        put_chunk(&b, "IEND", "", 0);
        refused(cases[i].what, b.bytes, b.count, cases[i].status, cases[i].why);
    }
}

static build small_png(const uint8_t *rows, size_t count) { // 4x4 grey
    build b = png_begin((png_header){4, 4, 8, 0, 0, 0, 0});
    put_packed(&b, "IDAT", rows, count);
    put_chunk(&b, "IEND", "", 0);
    return b;
}

static void png_data(void **state) {
    (void)state;
    uint8_t rows[100] = {0};
    build good = small_png(rows, 20);
    assert_int_equal(decode(good.bytes, good.count), TN_OK);
    build b = small_png(rows, 19);
    refused("a byte too few", b.bytes, b.count, TN_EFORMAT, "PNG: near byte");
    rows[5] = 9;
    b = small_png(rows, 20);
    refused("filter 9", b.bytes, b.count, TN_EFORMAT, "filter");
    b = png_begin((png_header){4, 4, 8, 0, 0, 0, 0});
    put_chunk(&b, "IDAT", "this is not zlib's", 18);
    put_chunk(&b, "IEND", "", 0);
    refused("not compressed", b.bytes, b.count, TN_EFORMAT, "PNG: near byte");
    static const struct {
        const char *what;
        size_t at;
    } changed[] = {{"IHDR", 29}, {"IHDR body", 18}, {"IDAT", 37 + 8}, {"IDAT's kind", 37}};
    for (size_t i = 0; i < 4; i++) { // a changed byte makes the CRC wrong
        b = good;
        b.bytes[changed[i].at] ^= 0x40;
        refused(changed[i].what, b.bytes, b.count, TN_EFORMAT, "PNG: ");
    }
    b = good;
    memcpy(b.bytes + 8, "\x7f\xff\xff\xff", 4);
    refused("a long IHDR", b.bytes, b.count, TN_EFORMAT, "PNG: ");
    b = good;
    memcpy(b.bytes + 33, "\xff\xff\xff\xff", 4);
    refused("an endless chunk", b.bytes, b.count, TN_EFORMAT, "PNG: ");
    b = (build){0};
    put(&b, "\x89PNG\r\n\x1a\n", 8);
    put_chunk(&b, "IEND", "", 0);
    refused("no header", b.bytes, b.count, TN_EFORMAT, "PNG: near byte");
}

// Compressed 1000 to 1: text, a profile, and rows that nobody asked for.
static void png_bombs_take_no_time_and_no_memory(void **state) {
    (void)state;
    size_t size = (size_t)1 << 28, length = size / 200;
    uint8_t *file = tn_alloc(length + 4096), *packed = file + 2048, *zeros = tn_alloc_zero(size, 1);
    uLongf packed_length = (uLongf)length;
    assert_int_equal(compress2(packed, &packed_length, zeros, size, 1), Z_OK);
    tn_free(zeros);
    for (int kind = 0; kind < 3; kind++) {
        build b = png_begin((png_header){4, 4, 8, 0, 0, 0, 0}), tail = {0};
        const char *name = kind == 0 ? "zTXt" : kind == 1 ? "iCCP" : "IDAT";
        const char *prefix = kind == 2 ? "" : "name\0"; // and compression method 0
        size_t extra = kind == 2 ? 0 : 6;
        put_u32(&b, (uint32_t)(packed_length + extra));
        size_t from = b.count;
        put(&b, name, 4);
        put(&b, prefix, extra);
        uint32_t crc = (uint32_t)crc32(0, b.bytes + from, (uInt)(b.count - from));
        crc = (uint32_t)crc32(crc, packed, (uInt)packed_length);
        put_u32(&tail, crc);
        uint8_t rows[20] = {0};
        if (kind != 2) put_packed(&tail, "IDAT", rows, 20);
        put_chunk(&tail, "IEND", "", 0);
        memmove(packed - b.count, b.bytes, b.count);
        memcpy(packed + packed_length, tail.bytes, tail.count);
        tn_status status = decode(packed - b.count, b.count + packed_length + tail.count);
        assert_true(status == TN_OK || (kind == 2 && status == TN_EFORMAT));
    }
    tn_free(file);
}

// Every case of the golden pictures, cut at every byte (each marker and chunk among them).
static void pictures_are_refused_wherever_they_are_cut(void **state) {
    (void)state;
    static const char *const names[] = {"jpeg 4:2:0",
                                        "jpeg progressive",
                                        "jpeg grey",
                                        "jpeg exif 6",
                                        "jpeg restarts",
                                        "jpeg cmyk",
                                        "png rgb",
                                        "png grey 1 bit",
                                        "png rgba interlaced",
                                        "png palette 4 bit with alpha",
                                        "ppm P6",
                                        "ppm P5",
                                        "ppm P6 up to 1023"};
    golden g;
    golden_open(&g, "tests/golden/images.bin");
    int done = 0;
    while (golden_more(&g)) {
        char name[100];
        golden_text(&g, name, sizeof name);
        size_t count = golden_u32(&g);
        const uint8_t *file = golden_bytes(&g, count);
        size_t h = golden_u32(&g), w = golden_u32(&g);
        golden_bytes(&g, 3 * h * w);
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            if (strcmp(name, names[i]) != 0) continue;
            done++;
            for (size_t n = 0; n < count; n++)
                if (decode(file, n) != TN_EFORMAT || strncmp(err.text, "x.pic: ", 7) != 0)
                    fail_msg("%s cut at %zu of %zu: %s", name, n, count, err.text);
        }
    }
    golden_close(&g);
    assert_int_equal(done, sizeof names / sizeof *names);
}

static void changed_bytes_do_no_harm(void **state) {
    (void)state;
    golden g;
    golden_open(&g, "tests/golden/images.bin");
    uint32_t seed = 1;
    while (golden_more(&g)) {
        char name[100];
        golden_text(&g, name, sizeof name);
        size_t count = golden_u32(&g);
        const uint8_t *file = golden_bytes(&g, count);
        size_t h = golden_u32(&g), w = golden_u32(&g);
        golden_bytes(&g, 3 * h * w);
        uint8_t *copy = tn_alloc(count);
        for (int round = 0; round < 30; round++) {
            memcpy(copy, file, count);
            for (int i = 0; i < 3; i++) {
                seed = seed * 1664525 + 1013904223;
                copy[(seed >> 8) % (i ? count : count < 400 ? count : 400)] = (uint8_t)(seed >> 3);
            }
            tn_tensor t = {0};
            tn_status status = io_image_decode(copy, count, name, 1000000, &t, &err);
            if (status == TN_OK) tn_free(t.data);
            assert_true(status == TN_OK || status == TN_EFORMAT || status == TN_ENOMEM ||
                        status == TN_EUNSUPPORTED);
        }
        tn_free(copy);
    }
    golden_close(&g);
}

typedef struct text_case {
    const char *text, *why;
    tn_status status;
} text_case;

static void things_that_are_no_pictures(void **state) {
    (void)state;
    static const text_case cases[] = {
        {"", "empty, expected a picture (JPEG, PNG, ", TN_EFORMAT},
        {"This is a letter, not a picture.", "starts with 54 68 69 73", TN_EFORMAT},
        {"<!DOCTYPE html>", "starts with 3c 21", TN_EFORMAT},
        {"{\"images\":[]}", "starts with 7b 22", TN_EFORMAT},
        {"\xff\xd8", "starts with ff d8,", TN_EFORMAT},
        {"\x89PNG", "starts with 89 50 4e 47,", TN_EFORMAT},
        {"\x89PNG\n\x1a\n....", "starts with 89 50", TN_EFORMAT}, // sent as text
        {"P7\nWIDTH 3\n", "starts with 50 37", TN_EFORMAT},
        {"P", "starts with 50,", TN_EFORMAT},
        {"\xff\x0a......", "a JPEG XL picture, expected JPEG, PNG", TN_EUNSUPPORTED},
        {"BM123456", "BMP: data ends early, in the header", TN_EFORMAT},
        {"P4\n8 1\nx", "a PBM picture", TN_EUNSUPPORTED},
        {"P1\n1 1\n1", "a PBM picture", TN_EUNSUPPORTED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refused(cases[i].text, cases[i].text, strlen(cases[i].text), cases[i].status, cases[i].why);
    tn_tensor t;
    assert_int_equal(io_image_read("/nowhere/x.jpg", 0, &t, &err), TN_EIO);
    assert_non_null(strstr(err.text, "/nowhere/x.jpg"));
    assert_int_equal(io_image_read("/tmp", 0, &t, &err), TN_EIO);
}

static void ppm_headers_and_samples(void **state) {
    (void)state;
    static const text_case cases[] = {
        {"P6", "expected the width", TN_EFORMAT},
        {"P6\n", "data ends early at byte 3, expected the width", TN_EFORMAT},
        {"P6 2", "data ends early at byte 4, expected the height", TN_EFORMAT},
        {"P6 2 2", "data ends early at byte 6, expected the largest value", TN_EFORMAT},
        {"P6 2 2 255", "data ends early", TN_EFORMAT},
        {"P6 2 2 255\n12345678901", "11 bytes behind the header, expected at least 12", TN_EFORMAT},
        {"P6x2 2 255\n", "byte 2: 0x78, expected white space", TN_EFORMAT},
        {"P6 -2 2 255\n", "byte 3: 0x2d, expected the width", TN_EFORMAT},
        {"P6 2x2 255\n", "byte 4: 0x78, expected white space after the width", TN_EFORMAT},
        {"P6 2.5 2 255\n", "byte 4: 0x2e", TN_EFORMAT},
        {"P6 two 2 255\n", "byte 3: 0x74, expected the width", TN_EFORMAT},
        {"P6 0 0 255\n", "0x0 pixels, expected at least 1x1", TN_EFORMAT},
        {"P6 0 5 255\n", "0x5 pixels", TN_EFORMAT},
        {"P6 5 0 255\n", "5x0 pixels", TN_EFORMAT},
        {"P6 100000 100000 255\n", "100000x100000 pixels, expected at most 100000000", TN_ENOMEM},
        {"P5 2147483647 2147483647 65535\n", "pixels, expected at most", TN_ENOMEM},
        {"P6 99999999999999999999 1 255\n", "byte 3: the width is over", TN_EFORMAT},
        {"P6 10000 10000 255\n", "0 bytes behind the header, expected at least 300000000",
         TN_EFORMAT},
        {"P6 2 2 0\n123456789012", "largest value 0, expected 1..65535", TN_EFORMAT},
        {"P6 2 2 65536\n123456789012", "largest value 65536", TN_EFORMAT},
        {"P5 2 2 256\n1234567", "7 bytes behind the header, expected at least 8", TN_EFORMAT},
        {"P5 2 2 9\n\1\2\3\12", "byte 12: sample 10, expected at most 9", TN_EFORMAT},
        {"P2 2 2 9\n1 2 3 10\n", "sample 10, expected at most 9", TN_EFORMAT},
        {"P2 2 2 9\n1 2 3", "expected at least 7", TN_EFORMAT},
        {"P2 2 2 9\n1 2 3     ", "data ends early at byte 19, expected a sample", TN_EFORMAT},
        {"P2 2 2 9\n1 2 x 3", "byte 13: 0x78, expected a sample", TN_EFORMAT},
        {"P2 2 2 9\n1 2 -3 3", "byte 13: 0x2d, expected a sample", TN_EFORMAT},
        {"P3 1 1 255\n1 2 3.5", "byte 16: 0x2e, expected white space after a sample", TN_EFORMAT},
        {"P3 1 1 255 # no samples", "expected", TN_EFORMAT},
        {"P6 # no end of the comment", "expected the width", TN_EFORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refused(cases[i].text, cases[i].text, strlen(cases[i].text), cases[i].status, cases[i].why);
}

// A golden JPEG by name, copied so that it can be changed.
static build golden_jpeg(const char *wanted) {
    golden g;
    build b = {0};
    golden_open(&g, "tests/golden/images.bin");
    while (golden_more(&g)) {
        char name[100];
        golden_text(&g, name, sizeof name);
        size_t count = golden_u32(&g);
        const uint8_t *file = golden_bytes(&g, count);
        if (strcmp(name, wanted) == 0) put(&b, file, count);
        size_t h = golden_u32(&g), w = golden_u32(&g);
        golden_bytes(&g, 3 * h * w);
    }
    golden_close(&g);
    assert_true(b.count > 0);
    return b;
}

// The place of a segment's marker byte.
static size_t segment(const build *b, uint8_t marker) {
    for (size_t at = 2; at + 4 <= b->count && b->bytes[at] == 0xff;
         at += 2 + ((size_t)b->bytes[at + 2] << 8 | b->bytes[at + 3]))
        if (b->bytes[at + 1] == marker) return at + 1;
    fail_msg("no segment 0x%02x", marker);
    return 0;
}

static void remove_segment(build *b, uint8_t marker) {
    size_t at = segment(b, marker) - 1,
           length = 2 + ((size_t)b->bytes[at + 2] << 8 | b->bytes[at + 3]);
    memmove(b->bytes + at, b->bytes + at + length, b->count - at - length);
    b->count -= length;
}

static void jpeg_segments(void **state) {
    (void)state;
    enum { SOF0 = 0xc0, DHT = 0xc4, SOS = 0xda, DQT = 0xdb };
    static const struct {
        const char *what;
        uint8_t marker;
        int offset; // from the marker
        uint8_t value;
        tn_status status;
        const char *why;
    } changes[] = {
        {"no rows, no DNL", SOF0, 4, 0, TN_EFORMAT, "JPEG: near byte"}, // high byte is 0 already
        {"12 bit", SOF0, 3, 12, TN_EUNSUPPORTED, "JPEG: near byte"},
        {"0 components", SOF0, 8, 0, TN_EFORMAT, "JPEG: near byte"},
        {"9 components", SOF0, 8, 9, TN_EFORMAT, "JPEG: near byte"},
        {"sampling 0", SOF0, 10, 0, TN_EFORMAT, "JPEG: near byte"},
        {"sampling 5x5", SOF0, 10, 0x55, TN_EFORMAT, "JPEG: near byte"},
        {"lossless", SOF0, 0, 0xc3, TN_EUNSUPPORTED, "JPEG: near byte"},
        {"hierarchical", SOF0, 0, 0xc5, TN_EUNSUPPORTED, "JPEG: near byte"},
        {"short frame header", SOF0, 2, 9, TN_EFORMAT, "JPEG: near byte"},
        {"table 7", DQT, 3, 7, TN_EFORMAT, "JPEG: near byte"},
        {"code table 9", DHT, 3, 9, TN_EFORMAT, "JPEG: near byte"},
        {"too many codes", DHT, 5, 255, TN_EFORMAT, "JPEG: near byte"},
        {"scan of 7 components", SOS, 3, 7, TN_EFORMAT, "JPEG: near byte"},
        {"scan of unknown component", SOS, 4, 99, TN_EFORMAT, "JPEG: near byte"},
    };
    build good = golden_jpeg("jpeg 4:2:0");
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        build b = good;
        size_t at = segment(&b, changes[i].marker);
        b.bytes[at + (size_t)changes[i].offset] = changes[i].value;
        if (i == 0) b.bytes[at + 5] = 0;
        refused(changes[i].what, b.bytes, b.count, changes[i].status, changes[i].why);
    }
    build b = good;
    memcpy(b.bytes + segment(&b, SOF0) + 4, "\xff\xdc\xff\xdc", 4);
    refused("65500 square", b.bytes, b.count, TN_ENOMEM, "65500x65500 pixels, expected at most");
    memcpy(b.bytes + segment(&b, SOF0) + 4, "\xff\xff\xff\xff", 4);
    refused("65535 square", b.bytes, b.count, TN_EFORMAT, "JPEG: near byte");
    b = good;
    remove_segment(&b, DQT);
    remove_segment(&b, DQT);
    refused("no quantization", b.bytes, b.count, TN_EFORMAT, "JPEG: near byte");
    b = good;
    remove_segment(&b, SOF0);
    refused("no frame", b.bytes, b.count, TN_EFORMAT, "JPEG: near byte");
    for (int i = 0; i < 4; i++) remove_segment(&good, DHT);
    // libjpeg-turbo then takes the standard's tables, as PIL's does: a picture, not an error.
    assert_int_equal(decode(good.bytes, good.count), TN_OK);
    refused("nothing behind the start", "\xff\xd8\xff\xd9", 4, TN_EFORMAT, "JPEG: near byte");
    refused("only the start", "\xff\xd8\xff", 3, TN_EFORMAT, "data ends early, in the header");
}

// A progressive picture's scan again and again: a small file that would be walked for minutes.
static void jpeg_scans_are_limited(void **state) {
    (void)state;
    build good = golden_jpeg("jpeg progressive");
    size_t at = segment(&good, 0xda) - 1, end = at + 2;
    while (!(good.bytes[end] == 0xff && good.bytes[end + 1] >= 0xc0)) end++; // the scan's last byte
    size_t scan = end - at, repeats = 1100;
    uint8_t *file = tn_alloc(good.count + repeats * scan), *to = file + at;
    memcpy(file, good.bytes, at);
    for (size_t i = 0; i < repeats; i++, to += scan) memcpy(to, good.bytes + at, scan);
    memcpy(to, good.bytes + at, good.count - at);
    refused("1100 scans", file, good.count + repeats * scan, TN_EFORMAT, "at most 1000 scans");
    tn_free(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(png_headers),
        cmocka_unit_test(png_data),
        cmocka_unit_test(png_bombs_take_no_time_and_no_memory),
        cmocka_unit_test(pictures_are_refused_wherever_they_are_cut),
        cmocka_unit_test(changed_bytes_do_no_harm),
        cmocka_unit_test(things_that_are_no_pictures),
        cmocka_unit_test(ppm_headers_and_samples),
        cmocka_unit_test(jpeg_segments),
        cmocka_unit_test(jpeg_scans_are_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
