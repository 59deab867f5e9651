// SPDX-License-Identifier: Apache-2.0
// The same bits through every weight format: tests/golden/weights holds one state in each of them,
// written by PyTorch (tools/reference/dump_weights.py), and what is in it.
#include "io/file.h"
#include "io/weights/safetensors.h"
#include "tests/support/expected_weights.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"

#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define GOLDEN "tests/golden/weights/"

static void safetensors(void **state) {
    (void)state;
    expected_weights(GOLDEN "state.safetensors", GOLDEN "expected.json", "safetensors");
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
    expected_weights(GOLDEN "sharded/model.safetensors.index.json", GOLDEN "expected.json",
                     "safetensors");
    expected_weights(GOLDEN "sharded", GOLDEN "expected.json", "safetensors"); // the folder
    expected_weights(GOLDEN "sharded/", GOLDEN "expected.json", "safetensors");
}

static void torch_zip(void **state) {
    (void)state;
    expected_weights(GOLDEN "zip.pth", GOLDEN "expected.json", ZIP);
    expected_weights(GOLDEN "training.pt", GOLDEN "expected.json", ZIP); // "module." and more
}

static void torch_zip_of_later_pickle_protocols(void **state) {
    (void)state;
    expected_weights(GOLDEN "protocol3.pth", GOLDEN "expected.json", ZIP);
    expected_weights(GOLDEN "protocol4.pth", GOLDEN "expected.json", ZIP);
    expected_weights(GOLDEN "protocol5.pth", GOLDEN "expected.json", ZIP);
}

static void torchscript(void **state) {
    (void)state;
    expected_weights(GOLDEN "script.pt", GOLDEN "script.json", "TorchScript archive");
}

static void torch_legacy(void **state) {
    (void)state;
    expected_weights(GOLDEN "legacy.pth", GOLDEN "expected.json", LEGACY);
    expected_weights(GOLDEN "training_legacy.pt", GOLDEN "expected.json", LEGACY);
}

static void torch_legacy_with_views_of_storages(void **state) {
    (void)state;
    expected_weights(GOLDEN "views.pth", GOLDEN "views.json", LEGACY);
}

static void copy_into(const char *from, const char *name) {
    tn_error err = {0};
    io_map map;
    ASSERT_OK(io_map_open(from, &map, &err), err);
    temporary_file(name, map.bytes, map.count);
    io_map_close(&map);
}

static void folders_and_indices_of_any_format(void **state) {
    (void)state;
    static const char index[] = "{\"weight_map\": {\"special.f32\": \"pytorch_model.bin\"}}";
    assert_int_equal(mkdir(temporary_path("bin"), 0777), 0);
    assert_int_equal(mkdir(temporary_path("openclip"), 0777), 0);
    copy_into(GOLDEN "zip.pth", "bin/pytorch_model.bin");
    expected_weights(temporary_path("bin"), GOLDEN "expected.json", ZIP);
    const char *path = temporary_file("bin/any name", index, sizeof index - 1);
    expected_weights(path, GOLDEN "expected.json", ZIP);
    copy_into(GOLDEN "legacy.pth", "openclip/open_clip_pytorch_model.bin");
    expected_weights(temporary_path("openclip"), GOLDEN "expected.json", LEGACY);
    copy_into(GOLDEN "state.safetensors", "openclip/open_clip_model.safetensors"); // preferred
    expected_weights(temporary_path("openclip"), GOLDEN "expected.json", "safetensors");
}

// Headers without padding are allowed; who reads the elements need not know.
static void elements_are_aligned_whatever_the_header(void **state) {
    (void)state;
    char bytes[128] = {0};
    const double value = 0.1;
    for (int spaces = 0; spaces < 8; spaces++) {
        tn_error err = {0};
        io_weights *file = NULL;
        int n = snprintf(bytes + 8, sizeof bytes - 8,
                         "{\"a\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]}}%*s",
                         spaces, "");
        bytes[0] = (char)n;
        memcpy(bytes + 8 + n, &value, 8);
        const char *path = temporary_file("odd.safetensors", bytes, 16 + (size_t)n);
        ASSERT_OK(io_weights_open(path, &file, &err), err);
        const io_tensor *a = io_weights_find(file, "a");
        assert_int_equal((uintptr_t)a->data % 8, 0);
        assert_memory_equal(a->data, &value, 8);
        io_weights_close(file);
    }
}

// Whatever format it came from, it is written as the published library writes it.
static void safetensors_write_equals_the_published_library(void **state) {
    (void)state;
    static const char *const from[] = {GOLDEN "state.safetensors", GOLDEN "sharded",
                                       GOLDEN "zip.pth", GOLDEN "training_legacy.pt"};
    const io_text_pair meta = {"format", "pt"};
    for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
        tn_error err = {0};
        io_weights *file = NULL;
        const char *copy = temporary_path("copy.safetensors");
        ASSERT_OK(io_weights_open(from[i], &file, &err), err);
        ASSERT_OK(io_safetensors_write(copy, io_weights_at(file, 0), io_weights_count(file), &meta,
                                       1, IO_AS_STORED, &err),
                  err);
        io_weights_close(file);
        assert_true(test_same_file(copy, GOLDEN "state.safetensors"));
    }
}

static void safetensors_write_keeps_names_and_metadata(void **state) {
    (void)state;
    tn_error err = {0};
    io_weights *file = NULL;
    const float one = 1;
    const uint8_t yes = 1;
    const io_tensor tensors[] = {
        {.name = "a \"quoted\" \\ name\n\x01", .dtype = TN_F32, .data = &one},
        {.name = "größe", .dtype = TN_BOOL, .rank = 1, .dim = {1}, .data = &yes},
    };
    const io_text_pair meta[] = {{"z", "last"}, {"bn_eps", "0\t"}, {"", ""}};
    const char *path = temporary_path("names.safetensors");
    ASSERT_OK(io_safetensors_write(path, tensors, 2, meta, 3, IO_AS_STORED, &err), err);
    ASSERT_OK(io_weights_open(path, &file, &err), err);
    assert_int_equal(io_weights_count(file), 2);
    assert_non_null(io_weights_find(file, tensors[0].name));
    assert_non_null(io_weights_find(file, tensors[1].name));
    assert_string_equal(io_weights_meta(file, "z"), "last");
    assert_string_equal(io_weights_meta(file, "bn_eps"), "0\t");
    assert_string_equal(io_weights_meta(file, ""), "");
    io_weights_close(file);
    path = temporary_path("nothing.safetensors");
    ASSERT_OK(io_safetensors_write(path, NULL, 0, NULL, 0, IO_AS_STORED, &err), err);
    ASSERT_OK(io_weights_open(path, &file, &err), err);
    assert_int_equal(io_weights_count(file), 0);
    io_weights_close(file);
}

static void safetensors_write_converts_floats(void **state) {
    (void)state;
    enum { N = 40000 }; // more than one chunk
    static float values[N], back[N];
    static const int64_t integers[2] = {1, INT64_MAX};
    tn_error err = {0};
    io_weights *file = NULL;
    for (int i = 0; i < N; i++) values[i] = (float)i * 0.37f - 5000;
    values[7] = -INFINITY, values[8] = NAN;
    const io_tensor tensors[] = {
        {.name = "w", .dtype = TN_F32, .rank = 2, .dim = {4, N / 4}, .data = values},
        {.name = "n", .dtype = TN_I64, .rank = 1, .dim = {2}, .data = integers},
    };
    const char *path = temporary_path("half.safetensors");
    ASSERT_OK(io_safetensors_write(path, tensors, 2, NULL, 0, TN_F16, &err), err);
    ASSERT_OK(io_weights_open(path, &file, &err), err);
    const io_tensor *w = io_weights_find(file, "w"), *n = io_weights_find(file, "n");
    assert_int_equal(w->dtype, TN_F16);
    assert_true(w->rank == 2 && w->dim[0] == 4 && w->dim[1] == N / 4);
    assert_int_equal(n->dtype, TN_I64);
    assert_memory_equal(n->data, integers, sizeof integers);
    tn_convert(w->data, TN_F16, back, TN_F32, N);
    assert_true(isinf(back[7]) && back[7] < 0 && isnan(back[8]));
    for (int i = 0; i < N; i++)
        if (i != 7 && i != 8) ASSERT_WITHIN(fabs((double)back[i] - (double)values[i]), 4);
    io_weights_close(file);
    values[N - 1] = 1e5f; // beyond the largest half, 65504
    int before = temporary_count();
    assert_int_equal(io_safetensors_write(temporary_path("x"), tensors, 2, NULL, 0, TN_F16, &err),
                     TN_EINVAL);
    assert_string_equal(strrchr(err.text, ':'),
                        ": tensor 'w' has values that are too large for float16");
    assert_int_equal(temporary_count(), before);
}

static void safetensors_write_refuses_bad_input(void **state) {
    (void)state;
    tn_error err = {0};
    const float one = 1;
    const io_tensor twice[] = {{.name = "a", .data = &one}, {.name = "a", .data = &one}};
    const io_tensor reserved = {.name = "__metadata__", .data = &one};
    const io_tensor no_text = {.name = "\xff", .data = &one};
    const io_text_pair keys[] = {{"a", "1"}, {"a", "2"}}, no_value = {"a", "\xc3"};
    const char *path = temporary_path("refused.safetensors");
    int before = temporary_count();
    assert_int_equal(io_safetensors_write(path, twice, 2, NULL, 0, -1, &err), TN_EINVAL);
    assert_int_equal(io_safetensors_write(path, &reserved, 1, NULL, 0, -1, &err), TN_EINVAL);
    assert_int_equal(io_safetensors_write(path, &no_text, 1, NULL, 0, -1, &err), TN_EINVAL);
    assert_int_equal(io_safetensors_write(path, twice, 1, keys, 2, -1, &err), TN_EINVAL);
    assert_int_equal(io_safetensors_write(path, twice, 1, &no_value, 1, -1, &err), TN_EINVAL);
    assert_int_equal(io_safetensors_write("/no/folder/x", twice, 1, NULL, 0, -1, &err), TN_EIO);
    assert_int_equal(temporary_count(), before);
}

// As on a full disk: the system takes 4096 bytes of a file and no more.
static void safetensors_write_failure_leaves_the_old_file(void **state) {
    (void)state;
    static const float many[5000];
    tn_error err = {0};
    const io_tensor tensor = {.name = "a", .dtype = TN_F32, .rank = 1, .dim = {5000}, .data = many};
    const char *path = temporary_file("old.safetensors", "old", 3);
    int before = temporary_count();
    struct rlimit all, few;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &all), 0);
    few = (struct rlimit){.rlim_cur = 4096, .rlim_max = all.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &few), 0);
    tn_status status = io_safetensors_write(path, &tensor, 1, NULL, 0, -1, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(status, TN_EIO);
    assert_non_null(strstr(err.text, "old.safetensors"));
    assert_int_equal(temporary_count(), before);
    io_map map;
    ASSERT_OK(io_map_open(path, &map, &err), err);
    assert_int_equal(map.count, 3);
    io_map_close(&map);
}

static void safetensors_write_reports_out_of_memory(void **state) {
    (void)state;
    const float one = 1;
    const io_tensor tensor = {.name = "a", .dtype = TN_F32, .data = &one};
    const io_text_pair meta = {"format", "pt"};
    const char *path = temporary_path("memory.safetensors");
    int before = temporary_count(), failures = 0;
    tn_status status = TN_ENOMEM;
    for (int n = 1; status != TN_OK && n < 100; n++) {
        tn_error err = {0};
        tn_alloc_fail_after(n);
        status = io_safetensors_write(path, &tensor, 1, &meta, 1, TN_F16, &err);
        tn_alloc_fail_after(0);
        if (status == TN_OK) break;
        assert_int_equal(status, TN_ENOMEM);
        assert_int_equal(temporary_count(), before);
        failures++;
    }
    assert_int_equal(status, TN_OK);
    assert_true(failures >= 5);
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
        cmocka_unit_test(folders_and_indices_of_any_format),
        cmocka_unit_test(elements_are_aligned_whatever_the_header),
        cmocka_unit_test(safetensors_write_equals_the_published_library),
        cmocka_unit_test(safetensors_write_keeps_names_and_metadata),
        cmocka_unit_test(safetensors_write_converts_floats),
        cmocka_unit_test(safetensors_write_refuses_bad_input),
        cmocka_unit_test(safetensors_write_failure_leaves_the_old_file),
        cmocka_unit_test(safetensors_write_reports_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, temporary_teardown);
}
