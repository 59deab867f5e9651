// SPDX-License-Identifier: Apache-2.0
// JSON with its errors, .npy both ways, SHA-256.
#include "io/file.h"
#include "io/json.h"
#include "io/npy.h"
#include "tests/support/broken.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

#define GOLDEN "tests/golden/npy/"

static const char good[] = "{\"name\": \"clip\", \"vision\": {\"width\": 768, \"rate\": 1e-5,\n"
                           " \"norm\": true, \"none\": null, \"sizes\": [3, 4.5, \"x\"]}}";

static void json_values(void **state) {
    (void)state;
    tn_error err = {0};
    io_json doc, vision, sizes, third;
    const char *text = NULL;
    int64_t width = 0, absent = 7;
    double rate = 0, real = 0;
    bool norm = false;
    ASSERT_OK(io_json_parse("\xef\xbb\xbf{}", 5, "mark.json", &doc, &err), err);
    io_json_close(&doc);
    ASSERT_OK(io_json_parse(good, strlen(good), "good.json", &doc, &err), err);
    ASSERT_OK(io_json_string(&doc, "name", &text, &err), err);
    assert_string_equal(text, "clip");
    ASSERT_OK(io_json_get(&doc, "vision", IO_JSON_OBJECT, &vision, &err), err);
    ASSERT_OK(io_json_int(&vision, "width", 1, 4096, &width, &err), err);
    ASSERT_OK(io_json_number(&vision, "rate", &rate, &err), err);
    ASSERT_OK(io_json_bool(&vision, "norm", &norm, &err), err);
    assert_true(width == 768 && rate == 1e-5 && norm);
    assert_true(io_json_has(&vision, "rate") && !io_json_has(&vision, "none"));
    ASSERT_OK(io_json_maybe_int(&vision, "none", 0, 1, &absent, &err), err);
    ASSERT_OK(io_json_maybe_int(&vision, "absent", 0, 1, &absent, &err), err);
    assert_int_equal(absent, 7);
    ASSERT_OK(io_json_get(&vision, "sizes", IO_JSON_ARRAY, &sizes, &err), err);
    assert_int_equal(io_json_count(&sizes), 3);
    ASSERT_OK(io_json_at(&sizes, 1, IO_JSON_NUMBER, &third, &err), err);
    ASSERT_OK(io_json_as_number(&third, &real, &err), err);
    assert_true(real == 4.5);
    io_json_close(&doc);
}

static void json_values_of_the_wrong_kind(void **state) {
    (void)state;
    tn_error err = {0};
    io_json doc, vision, sizes, third;
    const char *text = NULL;
    int64_t n;
    ASSERT_OK(io_json_parse(good, strlen(good), "good.json", &doc, &err), err);
    ASSERT_OK(io_json_get(&doc, "vision", IO_JSON_OBJECT, &vision, &err), err);
    ASSERT_OK(io_json_get(&vision, "sizes", IO_JSON_ARRAY, &sizes, &err), err);
    assert_int_equal(io_json_string(&vision, "width", &text, &err), TN_EFORMAT);
    assert_string_equal(err.text, "good.json: vision.width: expected a string, found an integer");
    assert_int_equal(io_json_int(&vision, "width", 1, 512, &n, &err), TN_EFORMAT);
    assert_string_equal(err.text, "good.json: vision.width: 768, expected 1 to 512");
    assert_int_equal(io_json_at(&sizes, 2, IO_JSON_NUMBER, &third, &err), TN_EFORMAT);
    assert_string_equal(err.text, "good.json: vision.sizes[2]: expected a number, found a string");
    assert_int_equal(io_json_at(&sizes, 3, IO_JSON_ANY, &third, &err), TN_EFORMAT);
    assert_string_equal(err.text, "good.json: vision.sizes: 3 elements, expected more than 3");
    assert_int_equal(io_json_maybe_int(&sizes, "a", 0, 1, &n, &err), TN_EFORMAT);
    assert_string_equal(err.text, "good.json: vision.sizes: expected an object, found an array");
    assert_int_equal(io_json_get(&doc, "text", IO_JSON_ANY, &third, &err), TN_EFORMAT);
    assert_string_equal(err.text, "good.json: top level: there is no 'text'");
    assert_int_equal(io_json_int(&vision, "rate", 0, 1, &n, &err), TN_EFORMAT);
    assert_int_equal(io_json_maybe_int(&doc, "name", 0, 1, &n, &err), TN_EFORMAT);
    io_json_close(&doc);
}

static void json_text_that_is_broken(void **state) {
    (void)state;
    char deep[400] = "";
    memset(deep, '[', 100), memset(deep + 100, ']', 100);
    const struct {
        const char *text, *part;
    } cases[] = {
        {"", "line 1"},
        {"nonsense", "line 1, column"},
        {"{", "line 1, column"},
        {"{\"a\": 1,}", "line 1, column"},
        {"{\n \"a\": 1\n \"b\": 2}", "line 3, column"},
        {"{\"a\": 1, \"a\": 2}", "duplicate"},
        {"{\"a\": 99999999999999999999}", "line 1"},
        {"{\"a\": 1e999}", "line 1"},
        {"{\"a\": NaN}", "line 1, column 9: NaN is not JSON; Python's json.dump writes it"},
        {"[\n-Infinity]", "-Infinity is not JSON"},
        {"[Infinity]", "Infinity is not JSON"},
        {"[Infinite]", "invalid token near 'Infinite'"},
        {"{\"a\": \"\\u0000\"}", "line 1"},
        {"{\"a\": \"\xff\"}", "line 1"},
        {"{\"a\": \"\\ud800\"}", "line 1"},
        {"{\"a\": 'b'}", "line 1"},
        {"{} {}", "line 1"},
        {"{\"a\": \"unfinished", "line 1"},
        {"{\"a\": \"unfinished\\", "line 1"},
        {deep, "line 1, column 65: nested deeper"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tn_error err = {0};
        io_json doc = {0};
        const char *path = temporary_file("broken.json", cases[i].text, strlen(cases[i].text));
        tn_status status = io_json_read(path, 0, &doc, &err);
        broken_is_refused(cases[i].text, path, status, &err, cases[i].part);
    }
    tn_error err = {0};
    io_json doc;
    const char *path = temporary_file("large.json", "{}        ", 10);
    broken_is_refused("too large", path, io_json_read(path, 9, &doc, &err), &err, "at most 9");
    path = temporary_path("none.json");
    broken_is_refused("absent", path, io_json_read(path, 0, &doc, &err), &err, "cannot open");
}

static void check_counting(const char *path, int rank, const int64_t *dim) {
    tn_error err = {0};
    tn_tensor t = {0};
    float value;
    ASSERT_OK(io_npy_read(path, &t, &err), err);
    assert_int_equal(t.rank, rank);
    assert_true(tn_has_shape(&t, rank, dim));
    for (int64_t i = 0; i < tn_count(&t); i++) {
        const char *at = (const char *)t.data + (size_t)i * tn_dtype_size(t.dtype);
        tn_convert(at, t.dtype, &value, TN_F32, 1);
        float want = t.dtype == TN_BOOL ? (float)(i > 0) : (float)i;
        if (value != want) fail_msg("%s: element %d is %g", path, (int)i, (double)value);
    }
    tn_free(t.data);
}

static void npy_of_every_type_and_order(void **state) {
    (void)state;
    static const char *const types[] = {"f4", "f2", "f8", "i1", "i2", "i4", "i8", "u1"};
    char path[128];
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        snprintf(path, sizeof path, GOLDEN "%s.npy", types[i]);
        check_counting(path, TN_DIMS(2, 3));
        snprintf(path, sizeof path, GOLDEN "%s_fortran.npy", types[i]);
        check_counting(path, TN_DIMS(2, 3, 4));
    }
    check_counting(GOLDEN "bool.npy", TN_DIMS(2, 3));
    check_counting(GOLDEN "version2.npy", TN_DIMS(2, 3));
    check_counting(GOLDEN "version3.npy", TN_DIMS(2, 3));
    check_counting(GOLDEN "scalar.npy", 0, NULL);
    check_counting(GOLDEN "row.npy", TN_DIMS(5));
    check_counting(GOLDEN "empty.npy", TN_DIMS(0, 3));
    check_counting(GOLDEN "six.npy", TN_DIMS(1, 2, 1, 2, 1, 2));
}

// What numpy.save wrote, read and written again, is the same file.
static void npy_is_written_as_numpy_does(void **state) {
    (void)state;
    static const char *const names[] = {"f4", "f2", "f8",   "i1",     "i2",  "i4",
                                        "i8", "u1", "bool", "scalar", "row", "six"};
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        tn_error err = {0};
        tn_tensor t;
        io_map is, want;
        snprintf(path, sizeof path, GOLDEN "%s.npy", names[i]);
        const char *copy = temporary_path("copy.npy");
        ASSERT_OK(io_npy_read(path, &t, &err), err);
        ASSERT_OK(io_npy_write(copy, &t, &err), err);
        ASSERT_OK(io_map_open(path, &want, &err), err);
        ASSERT_OK(io_map_open(copy, &is, &err), err);
        assert_int_equal(is.count, want.count);
        assert_memory_equal(is.bytes, want.bytes, want.count);
        io_map_close(&is);
        io_map_close(&want);
        tn_free(t.data);
    }
}

static void npy_that_cannot_be_written(void **state) {
    (void)state;
    tn_error err = {0};
    uint16_t halves[2] = {0};
    int before = temporary_count();
    tn_tensor t = tn_view(halves, TN_BF16, TN_DIMS(2));
    assert_int_equal(io_npy_write(temporary_path("brain.npy"), &t, &err), TN_EUNSUPPORTED);
    t.dtype = TN_F16;
    assert_int_equal(io_npy_write(temporary_path("no/such/folder.npy"), &t, &err), TN_EIO);
    assert_int_equal(temporary_count(), before);
}

// A file of format version 1 with this header.
static const char *npy_with(const char *header, size_t data) {
    static uint8_t bytes[2048];
    size_t n = strlen(header);
    memset(bytes, 0, sizeof bytes);
    memcpy(bytes, "\x93NUMPY\x01\x00", 8);
    bytes[8] = (uint8_t)(n & 255), bytes[9] = (uint8_t)(n >> 8);
    memcpy(bytes + 10, header, n);
    return temporary_file("broken.npy", bytes, 10 + n + data);
}

static void refuse_npy(const char *name, const char *path, const char *part) {
    tn_error err = {0};
    tn_tensor t;
    broken_is_refused(name, path, io_npy_read(path, &t, &err), &err, part);
}

static void npy_that_is_broken(void **state) {
    (void)state;
    static const struct {
        const char *header;
        size_t data;
        const char *part;
    } cases[] = {
        {"", 0, "expected '{'"},
        {"nonsense", 0, "expected '{'"},
        {"{", 0, "a key in quotes"},
        {"{}", 0, "no 'descr'"},
        {"{'descr': '<f4', 'fortran_order': False}", 0, "no 'shape'"},
        {"{'descr': '<f4', 'shape': (1,)}", 4, "no 'fortran_order'"},
        {"{'descr': '<f4', 'descr': '<f4'}", 0, "'descr' occurs twice"},
        {"{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}", 4, "True or False"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}", 4, "'more'"},
        {"{'descr': '<f4' 'fortran_order': False, 'shape': (1,)}", 4, "',' or '}'"},
        {"{'descr' '<f4'}", 4, "':'"},
        {"{'descr': 4}", 4, "a type"},
        {"{'descr': ''}", 4, "a type"},
        {"{'descr': '<f4", 4, "a type"},
        {"{'descr': 'float32'}", 4, "a type"},
        {"{'descr': '|f4'}", 4, "not supported"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", 4, "not supported"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': 1}", 4, "a shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1}", 4, "',' or ')'"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", 4, "a size"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1.0,)}", 4, "',' or ')'"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", 4, "2^63"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", 4,
         "overflows"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904,)}", 4,
         "overflows"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,)}", 4, "4 bytes"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", 7, "7 bytes"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", 9, "9 bytes"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x", 8, "the end"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refuse_npy(cases[i].header, npy_with(cases[i].header, cases[i].data), cases[i].part);
    refuse_npy("big endian", GOLDEN "bad_big_endian.npy", "'>f4'");
    refuse_npy("complex", GOLDEN "bad_complex.npy", "'<c8'");
    refuse_npy("unsigned", GOLDEN "bad_unsigned.npy", "'<u4'");
    refuse_npy("record", GOLDEN "bad_record.npy", "records");
    refuse_npy("text", GOLDEN "bad_text.npy", "'<U1'");
    refuse_npy("rank", GOLDEN "bad_rank.npy", "more than 6");
    refuse_npy("version", temporary_file("a.npy", "\x93NUMPY\x09\x00\x00\x00", 10), "version 9");
    refuse_npy("picture", temporary_file("a.npy", "\x89PNG\r\n\x1a\n....", 12), "not a .npy");
    refuse_npy("folder", "tests/golden", "expected a file");
}

static void npy_truncated_anywhere(void **state) {
    (void)state;
    static const char *const names[] = {GOLDEN "f4.npy", GOLDEN "version2.npy",
                                        GOLDEN "f8_fortran.npy"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        tn_error err = {0};
        io_map whole;
        ASSERT_OK(io_map_open(names[i], &whole, &err), err);
        for (size_t n = 0; n < whole.count; n++)
            refuse_npy("cut", temporary_file("cut.npy", whole.bytes, n), NULL);
        io_map_close(&whole);
    }
}

static void npy_without_memory(void **state) {
    (void)state;
    tn_error err = {0};
    tn_tensor t;
    tn_alloc_fail_after(1);
    tn_status status = io_npy_read(GOLDEN "f4.npy", &t, &err);
    tn_alloc_fail_after(0);
    assert_int_equal(status, TN_ENOMEM);
    assert_non_null(strstr(err.text, "f4.npy"));
}

static void real_embeddings(void **state) {
    (void)state;
    tn_error err = {0};
    tn_tensor t = {0};
    tn_status status = io_npy_read(
        SHARED_DATA "/clip_text_embeddings/vitb32_detic/coco_clip_a+cname.npy", &t, &err);
    if (status == TN_EIO) SKIP("%s", err.text);
    ASSERT_OK(status, err);
    assert_true(t.dtype == TN_F16 && tn_has_shape(&t, TN_DIMS(80, 512)));
    for (int row = 0; row < 80; row++) {
        float values[512];
        double square = 0;
        tn_convert((uint16_t *)t.data + 512 * row, TN_F16, values, TN_F32, 512);
        for (int i = 0; i < 512; i++) square += (double)values[i] * (double)values[i];
        assert_true(sqrt(square) > 5 && sqrt(square) < 15); // not normalised: about 10
    }
    tn_free(t.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_values),
        cmocka_unit_test(json_values_of_the_wrong_kind),
        cmocka_unit_test(json_text_that_is_broken),
        cmocka_unit_test(npy_of_every_type_and_order),
        cmocka_unit_test(npy_is_written_as_numpy_does),
        cmocka_unit_test(npy_that_cannot_be_written),
        cmocka_unit_test(npy_that_is_broken),
        cmocka_unit_test(npy_truncated_anywhere),
        cmocka_unit_test(npy_without_memory),
        cmocka_unit_test(real_embeddings),
    };
    return cmocka_run_group_tests(tests, NULL, temporary_teardown);
}
