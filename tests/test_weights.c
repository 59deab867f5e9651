// SPDX-License-Identifier: Apache-2.0
// The same bits through every weight format: tests/golden/weights holds one state in each of them,
// written by PyTorch (tools/reference/dump_weights.py), and what is in it.
#include "io/json.h"
#include "io/weights.h"
#include "tests/test.h"

#include <string.h>

#define GOLDEN "tests/golden/weights/"

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

static void check_file(const char *path, const char *expected, io_weights_format kind) {
    tn_error err = {0};
    io_weights *file = NULL;
    io_json want = {0}, tensor;
    ASSERT_OK(io_weights_open(path, &file, &err), err);
    ASSERT_OK(io_json_read(expected, 0, &want, &err), err);
    assert_int_equal(io_weights_kind(file), kind);
    assert_int_equal(io_weights_count(file), io_json_count(&want));
    for (size_t i = 1; i < io_weights_count(file); i++)
        assert_true(strcmp(io_weights_at(file, i - 1)->name, io_weights_at(file, i)->name) < 0);
    for (void *at = NULL; io_json_each(&want, &at, &tensor);) check_tensor(path, file, &tensor);
    assert_null(io_weights_find(file, "no such tensor"));
    io_json_close(&want);
    io_weights_close(file);
}

static void safetensors(void **state) {
    (void)state;
    check_file(GOLDEN "state.safetensors", GOLDEN "expected.json", IO_SAFETENSORS);
    tn_error err = {0};
    io_weights *file = NULL;
    ASSERT_OK(io_weights_open(GOLDEN "state.safetensors", &file, &err), err);
    assert_string_equal(io_weights_meta(file, "format"), "pt");
    assert_null(io_weights_meta(file, "something else"));
    assert_string_equal(io_weights_path(file), GOLDEN "state.safetensors");
    io_weights_close(file);
}

static void sharded_safetensors(void **state) {
    (void)state;
    check_file(GOLDEN "sharded/model.safetensors.index.json", GOLDEN "expected.json",
               IO_SAFETENSORS);
    check_file(GOLDEN "sharded", GOLDEN "expected.json", IO_SAFETENSORS); // the folder
    check_file(GOLDEN "sharded/", GOLDEN "expected.json", IO_SAFETENSORS);
}

static void torch_zip(void **state) {
    (void)state;
    check_file(GOLDEN "zip.pth", GOLDEN "expected.json", IO_TORCH_ZIP);
    check_file(GOLDEN "training.pt", GOLDEN "expected.json", IO_TORCH_ZIP); // "module." and more
}

static void torch_zip_of_later_pickle_protocols(void **state) {
    (void)state;
    check_file(GOLDEN "protocol3.pth", GOLDEN "expected.json", IO_TORCH_ZIP);
    check_file(GOLDEN "protocol4.pth", GOLDEN "expected.json", IO_TORCH_ZIP);
    check_file(GOLDEN "protocol5.pth", GOLDEN "expected.json", IO_TORCH_ZIP);
}

static void torchscript(void **state) {
    (void)state;
    check_file(GOLDEN "script.pt", GOLDEN "script.json", IO_TORCHSCRIPT);
}

static void torch_legacy(void **state) {
    (void)state;
    check_file(GOLDEN "legacy.pth", GOLDEN "expected.json", IO_TORCH_LEGACY);
    check_file(GOLDEN "training_legacy.pt", GOLDEN "expected.json", IO_TORCH_LEGACY);
}

static void torch_legacy_with_views_of_storages(void **state) {
    (void)state;
    check_file(GOLDEN "views.pth", GOLDEN "views.json", IO_TORCH_LEGACY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(safetensors),
        cmocka_unit_test(sharded_safetensors),
        cmocka_unit_test(torch_zip),
        cmocka_unit_test(torch_zip_of_later_pickle_protocols),
        cmocka_unit_test(torchscript),
        cmocka_unit_test(torch_legacy),
        cmocka_unit_test(torch_legacy_with_views_of_storages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
