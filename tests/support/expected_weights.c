// SPDX-License-Identifier: Apache-2.0
#include "tests/support/expected_weights.h"

#include "io/json.h"
#include "io/weights/weights.h"
#include "tests/support/test.h"

#include <string.h>

static unsigned hex_digit(char c) {
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void check_bytes(const char *path, const io_tensor *t, size_t bytes, const char *hex) {
    assert_int_equal(strlen(hex), 2 * bytes);
    for (size_t i = 0; i < bytes; i++) {
        unsigned want = hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1]);
        unsigned is = ((const uint8_t *)t->data)[i];
        if (is != want)
            fail_msg("%s: %s: byte %zu is %02x, expected %02x", path, t->name, i, is, want);
    }
}

static void check_tensor(const char *path, const io_weights *file, const io_json *want) {
    tn_error err = {0};
    const char *dtype = NULL, *hex = NULL;
    io_json shape, size;
    const io_tensor *t = io_weights_find(file, want->key);
    if (!t) fail_msg("%s: there is no tensor '%s'", path, want->key);
    ASSERT_OK(io_json_string(want, "dtype", &dtype, &err), err);
    assert_string_equal(tn_dtype_name(t->dtype), dtype);
    ASSERT_OK(io_json_get(want, "shape", IO_JSON_ARRAY, &shape, &err), err);
    assert_int_equal(t->rank, io_json_count(&shape));
    size_t bytes = tn_dtype_size(t->dtype);
    for (int i = 0; i < t->rank; i++) {
        int64_t n = -1;
        ASSERT_OK(io_json_at(&shape, (size_t)i, IO_JSON_INTEGER, &size, &err), err);
        ASSERT_OK(io_json_as_int(&size, 0, 1000, &n, &err), err);
        assert_int_equal(t->dim[i], n);
        bytes *= (size_t)n;
    }
    assert_int_equal((uintptr_t)t->data % tn_dtype_size(t->dtype), 0);
    ASSERT_OK(io_json_string(want, "hex", &hex, &err), err);
    check_bytes(path, t, bytes, hex);
}

void expected_weights(const char *path, const char *expected, const char *format) {
    tn_error err = {0};
    io_weights *file = NULL;
    io_json want = {0}, tensor;
    ASSERT_OK(io_weights_open(path, &file, &err), err);
    ASSERT_OK(io_json_read(expected, 0, &want, &err), err);
    assert_string_equal(io_weights_format(file), format);
    assert_int_equal(io_weights_count(file), io_json_count(&want));
    for (size_t i = 1; i < io_weights_count(file); i++)
        assert_true(strcmp(io_weights_at(file, i - 1)->name, io_weights_at(file, i)->name) < 0);
    for (void *at = NULL; io_json_each(&want, &at, &tensor);) check_tensor(path, file, &tensor);
    assert_null(io_weights_find(file, "no such tensor"));
    io_json_close(&want);
    io_weights_close(file);
}
