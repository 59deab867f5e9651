// SPDX-License-Identifier: Apache-2.0
// Broken safetensors, indices and folders; every format cut anywhere, with any byte changed, and
// without memory. (Broken archives and pickles: test_torch_broken.c.)
#include "io/file.h"
#include "io/weights/weights.h"
#include "tests/support/broken.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GOLDEN "tests/golden/weights/"
#define ODD "tests/golden/odd_weights/"

static const char *const formats[] = {
    GOLDEN "state.safetensors", GOLDEN "zip.pth",     GOLDEN "script.pt",     GOLDEN "legacy.pth",
    GOLDEN "views.pth",         ODD "lightning.ckpt", ODD "module_legacy.pt",
};
#define FORMATS (sizeof formats / sizeof *formats)

// A file of this header and so many bytes of data, all zero.
static const char *safetensors_with(const char *header, size_t data) {
    static uint8_t bytes[8192];
    size_t n = strlen(header);
    assert_true(8 + n + data <= sizeof bytes);
    memset(bytes, 0, sizeof bytes);
    bytes[0] = (uint8_t)n, bytes[1] = (uint8_t)(n >> 8);
    memcpy(bytes + 8, header, n);
    return temporary_file("broken.safetensors", bytes, 8 + n + data);
}

static void safetensors_with_a_broken_header(void **state) {
    (void)state;
#define A "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}"
    static const struct {
        const char *header;
        size_t data;
        const char *part;
    } cases[] = {
        {"", 0, "line 1"},
        {"{", 0, "line 1"},
        {"nonsense", 0, "not a weight file"},
        {"[]", 0, "not a weight file"},
        {"{} {}", 0, "line 1"},
        {"{" A "," A "}", 8, "duplicate"},
        {"{\"a\":1}", 0, "expected an object"},
        {"{\"a\":{}}", 0, "no 'dtype'"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "no 'data_offsets'"},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8, "no 'shape'"},
        {"{\"a\":{\"dtype\":7,\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "expected a string"},
        {"{\"a\":{\"dtype\":\"F31\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "type F31"},
        {"{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[8],\"data_offsets\":[0,8]}}", 8,
         "not supported"},
        {"{\"a\":{\"dtype\":\"U64\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8, "not supported"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]}}", 8, "expected an array"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8, "-2"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]}}", 8, "an integer"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[\"2\"],\"data_offsets\":[0,8]}}", 8, "an integer"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,2],\"data_offsets\":[0,8]}}", 8,
         "7 dimensions"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8, "expected 12"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,8]}}", 8, "expected 4"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,8]}}", 8, "expected 0"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,8]}}", 8,
         "overflows"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]}}", 0,
         "overflows"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2147483648,2147483648,4],\"data_offsets\":[0,0]}}",
         0, "overflows"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[9223372036854775808],\"data_offsets\":[0,8]}}", 8,
         "line 1"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", 8, "1 numbers"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4,8]}}", 8, "3 numbers"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":8}}", 8, "expected an array"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, "a part of"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}", 8, "-8"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[1,9]}}", 8, "a part of"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,9223372036854775807]}}", 8,
         "a part of"},
        {"{" A "}", 7, "a part of"},
        {"{" A "}", 9, "9 bytes of data after the header, expected 8"},
        {"{}", 1, "expected 0"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12, "with a gap"},
        {"{" A ",\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12, "inside"},
        {"{" A ",\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "inside"},
        {"{" A ",\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[9,13]}}", 13, "a gap"},
        {"{\"__metadata__\":[]," A "}", 8, "expected an object"},
        {"{\"__metadata__\":{\"format\":1}," A "}", 8, "__metadata__.format: expected a string"},
        {"{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}," A "}", 8, "duplicate"},
        {"{\"a\\u0000b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "line 1"},
        {"{\"a\xff\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "line 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        broken_weights(cases[i].header, safetensors_with(cases[i].header, cases[i].data),
                       cases[i].part);
#undef A
    broken_or_good_weights("a gap of nothing", safetensors_with("{}", 0));
}

static void safetensors_with_a_broken_length(void **state) {
    (void)state;
    static const struct {
        const char *name;
        uint8_t bytes[12];
        const char *part;
    } cases[] = {
        {"behind the end", {3, 0, 0, 0, 0, 0, 0, 0, '{', '}'}, "only 2 follow"},
        {"at the limit", {0, 0xe1, 0xf5, 0x05, 0, 0, 0, 0, '{', '}'}, "only 2 follow"},
        {"over the limit", {1, 0xe1, 0xf5, 0x05, 0, 0, 0, 0, '{', '}'}, "at most 100000000"},
        {"4 GiB", {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, '{', '}'}, "at most"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        broken_weights(cases[i].name, temporary_file("length.safetensors", cases[i].bytes, 10),
                       cases[i].part);
}

static void files_of_no_weight_format(void **state) {
    (void)state;
    static const struct {
        const char *name, *bytes;
        size_t count;
        const char *part;
    } cases[] = {
        {"empty", "", 0, "is empty"},
        {"one byte", "x", 1, "not a weight file: starts with 78"},
        {"text", "hello, world", 12, "not a weight file"},
        {"a picture", "\x89PNG\r\n\x1a\n", 8, "not a weight file"},
        {"HTML", "<!DOCTYPE html>", 15, "not a weight file"},
        {"gzip", "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", 10, "not a weight file"},
        {"a pointer of Git LFS", "version https://git-lfs.github.com/spec/v1\n", 43, "Git LFS"},
        {"zeros", "\0\0\0\0\0\0\0\0\0\0", 10, "not a weight file"},
        {"JSON that is no index", "{\"a\": 1}", 8, "no 'weight_map'"},
        {"JSON cut", "{\"weight_map\": {", 16, "line 1"},
        {"an array", "[1, 2]", 6, "not a weight file"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        broken_weights(cases[i].name, temporary_file("odd.bin", cases[i].bytes, cases[i].count),
                       cases[i].part);
    static char tar[512] = "folder/";
    memcpy(tar + 257, "ustar", 5);
    broken_weights("tar", temporary_file("odd.bin", tar, sizeof tar), "a tar archive");
    broken_weights("absent", temporary_path("absent.pth"), "cannot open");
    broken_weights("a device", "/dev/null", "expected a file");
    broken_weights("no access to a name", "tests/golden/weights/zip.pth/x", "cannot open");
}

static void indices_that_are_broken(void **state) {
    (void)state;
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"{\"weight_map\": []}", "weight_map: expected an object"},
        {"{\"weight_map\": {}}", "weight_map: empty"},
        {"{\"weight_map\": {\"a\": 1}}", "weight_map.a: expected a string"},
        {"{\"weight_map\": {\"a\": \"\"}}", "a file beside the index"},
        {"{\"weight_map\": {\"a\": \"../a.safetensors\"}}", "a file beside the index"},
        {"{\"weight_map\": {\"a\": \"/etc/passwd\"}}", "a file beside the index"},
        {"{\"weight_map\": {\"a\": \"..\"}}", "expected a file"},
        {"{\"weight_map\": {\"a\": \"x.json\"}}", "not a weight file"}, // the index itself
        {"{\"weight_map\": {\"a\": \"gone.safetensors\"}}", "gone.safetensors: cannot open"},
        {"{\"weight_map\": {\"b\": \"one.safetensors\"}}", "no tensor 'b'"},
        {"{\"weight_map\": {\"a\": \"one.safetensors\", \"b\": \"one.safetensors\"}}",
         "no tensor 'b'"},
        {"{\"weight_map\": {\"a\": \"one.safetensors\", \"b\": \"two.safetensors\"}}",
         "two.safetensors: there is no tensor 'b'"},
        {"{\"weight_map\": {\"a\": \"one.safetensors\", \"c\": \"cut.safetensors\"}}",
         "cut.safetensors"},
    };
    static const char one[] = "\66\0\0\0\0\0\0\0"
                              "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}"
                              "1234";
    temporary_file("one.safetensors", one, sizeof one - 1);
    temporary_file("two.safetensors", one, sizeof one - 1);
    temporary_file("cut.safetensors", one, sizeof one - 2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = temporary_file("x.json", cases[i].text, strlen(cases[i].text));
        tn_error err = {0};
        io_weights *file = NULL;
        tn_status status = io_weights_open(path, &file, &err);
        io_weights_close(file);
        if (status != TN_EFORMAT && status != TN_EIO)
            fail_msg("%s: %s (%s)", cases[i].text, tn_status_name(status), err.text);
        if (!strstr(err.text, cases[i].part))
            fail_msg("%s: expected '%s' in: %s", cases[i].text, cases[i].part, err.text);
    }
    const char *both = "{\"weight_map\": {\"a\": \"two.safetensors\", \"x\": \"one.safetensors\"}}";
    broken_weights("two shards with one name", temporary_file("x.json", both, strlen(both)), NULL);
}

static void folders_without_weights(void **state) {
    (void)state;
    const char *folder = temporary_path("folder[1]*");
    assert_int_equal(mkdir(folder, 0777), 0);
    broken_weights("empty folder", folder, "no weights in this folder");
    temporary_file("folder[1]*/notes.txt", "x", 1);
    broken_weights("folder of text", folder, "no weights in this folder");
    temporary_file("folder[1]*/open_clip_a.safetensors", "x", 1);
    tn_error err = {0};
    io_weights *file = NULL;
    assert_int_equal(io_weights_open(folder, &file, &err), TN_EFORMAT);
    assert_non_null(strstr(err.text, "open_clip_a.safetensors: not a weight file"));
    temporary_file("folder[1]*/open_clip_b.safetensors", "x", 1);
    assert_int_equal(io_weights_open(folder, &file, &err), TN_EINVAL);
    assert_non_null(strstr(err.text, "give one of them"));
    temporary_file("folder[1]*/model.safetensors", "", 0); // comes first
    assert_int_equal(io_weights_open(folder, &file, &err), TN_EFORMAT);
    assert_non_null(strstr(err.text, "model.safetensors: the file is empty"));
    broken_weights("a folder called as a file", temporary_path("folder[1]*/none"), "cannot open");
}

static const char *copy_of(const char *path, io_map *map) {
    tn_error err = {0};
    ASSERT_OK(io_map_open(path, map, &err), err);
    return temporary_file("copy.bin", map->bytes, map->count);
}

static void every_format_truncated_anywhere(void **state) {
    (void)state;
    for (size_t i = 0; i < FORMATS; i++) {
        io_map map;
        const char *path = copy_of(formats[i], &map);
        for (size_t n = map.count; n-- > 0;) {
            char name[128];
            snprintf(name, sizeof name, "%s cut to %zu bytes", formats[i], n);
            assert_int_equal(truncate(path, (off_t)n), 0);
            broken_weights(name, path, NULL);
        }
        io_map_close(&map);
    }
}

// Some changes leave the file good: elements, checksums, padding. Nothing may crash or take long.
static void every_format_with_any_byte_changed(void **state) {
    (void)state;
    static const uint8_t changes[] = {0x01, 0x80, 0xff};
    for (size_t i = 0; i < FORMATS; i++) {
        io_map map;
        const char *path = copy_of(formats[i], &map);
        int fd = open(path, O_WRONLY);
        assert_true(fd >= 0);
        for (size_t at = 0; at < map.count; at++) {
            for (size_t k = 0; k < sizeof changes; k++) {
                char name[128];
                uint8_t changed = map.bytes[at] ^ changes[k];
                snprintf(name, sizeof name, "%s with byte %zu as %02x", formats[i], at, changed);
                assert_int_equal(pwrite(fd, &changed, 1, (off_t)at), 1);
                broken_or_good_weights(name, path);
            }
            assert_int_equal(pwrite(fd, &map.bytes[at], 1, (off_t)at), 1);
        }
        close(fd);
        io_map_close(&map);
    }
}

static void every_format_without_memory(void **state) {
    (void)state;
    for (size_t i = 0; i < FORMATS; i++) assert_true(broken_memory_weights(formats[i]) >= 3);
    assert_true(broken_memory_weights(GOLDEN "sharded") >= 8);
    assert_true(broken_memory_weights(GOLDEN "training.pt") >= 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(safetensors_with_a_broken_header),
        cmocka_unit_test(safetensors_with_a_broken_length),
        cmocka_unit_test(files_of_no_weight_format),
        cmocka_unit_test(indices_that_are_broken),
        cmocka_unit_test(folders_without_weights),
        cmocka_unit_test(every_format_truncated_anywhere),
        cmocka_unit_test(every_format_with_any_byte_changed),
        cmocka_unit_test(every_format_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, temporary_teardown);
}
