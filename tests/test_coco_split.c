// SPDX-License-Identifier: Apache-2.0
// Base and novel categories: the built-in split, splits from files, and what is refused.
#include "io/coco/coco_split.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"

#include <string.h>
#include <unistd.h>

static tn_error err;

#define DATA                                                                                       \
    "{\"images\":[{\"id\":1},{\"id\":2},{\"id\":3},{\"id\":4}],\"categories\":["                   \
    "{\"id\":5,\"name\":\"cat\"},{\"id\":6,\"name\":\"tea pot\"},{\"id\":7,\"name\":\"dog\"},"     \
    "{\"id\":8}],\"annotations\":[{\"id\":1,\"image_id\":1,\"category_id\":5},"                    \
    "{\"id\":2,\"image_id\":2,\"category_id\":7},{\"id\":3,\"image_id\":9,\"category_id\":5},"     \
    "{\"id\":4,\"image_id\":4,\"category_id\":6},{\"id\":5,\"image_id\":4,\"category_id\":6}]}"

static io_coco *data(const char *text) {
    io_coco *coco;
    ASSERT_OK(io_coco_read(text, strlen(text), "data", false, 0, &coco, &err), err);
    return coco;
}

static void ids_are(const io_coco_split *split, const io_coco *coco, io_part part, size_t count,
                    const int64_t *wanted) {
    int64_t *ids;
    size_t n;
    ASSERT_OK(io_coco_split_ids(split, coco, part, &ids, &n, &err), err);
    assert_int_equal(n, count);
    for (size_t i = 0; i < n; i++) assert_int_equal(ids[i], wanted[i]);
    tn_free(ids);
}

static void files_split(void **state) {
    (void)state;
    io_coco *coco = data(DATA);
    io_coco_split split;
    const char *base = temporary_file("base.txt", "\xef\xbb\xbf# mine\r\n\n tea pot \r\n", 23);
    ASSERT_OK(io_coco_split_files(base, NULL, coco, &split, &err), err);
    assert_true(split.base == 1 && split.novel == 3);
    ids_are(&split, coco, IO_PART_BASE, 1, (int64_t[]){6});
    ids_are(&split, coco, IO_PART_NOVEL, 3, (int64_t[]){5, 7, 8});
    io_coco_split_deinit(&split);
    ASSERT_OK(io_coco_split_files(base, temporary_file("novel.txt", "cat", 3), coco, &split, &err),
              err);
    assert_true(split.base == 1 && split.novel == 1);
    ids_are(&split, coco, IO_PART_NONE, 2, (int64_t[]){5, 6});
    int64_t *images;
    size_t count; // picture 2 has a dog, picture 3 nothing
    ASSERT_OK(io_coco_split_images(&split, coco, &images, &count, &err), err);
    assert_true(count == 2 && images[0] == 1 && images[1] == 4);
    tn_free(images);
    io_coco_split_deinit(&split);
    io_coco_close(coco);
}

static void invalid_splits_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *base, *novel, *why;
    } cases[] = {
        {"", NULL, "base.txt: no names, expected one a line"},
        {"\n# cat\n \t\n", NULL, "base.txt: no names"},
        {"cat\nbird\n", NULL, "base.txt: line 2: the data set has no category 'bird'"},
        {"Cat\n", NULL, "line 1: the data set has no category 'Cat'"},
        {"cat, dog\n", NULL, "'cat, dog'"},
        {"cat\n\ncat\n", NULL, "base.txt: line 3: 'cat' is listed twice"},
        {"cat", "dog\ncat", "novel.txt: line 2: 'cat' is listed twice, in base and in novel"},
        {"cat", "", "novel.txt: no names"},
        {"\xff\xfe\n", NULL, "line 1"},
        {"[\"cat\"]", NULL, "line 1"},
    };
    io_coco *coco = data(DATA);
    io_coco_split split;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *base = temporary_file("base.txt", cases[i].base, strlen(cases[i].base));
        const char *novel =
            cases[i].novel ? temporary_file("novel.txt", cases[i].novel, strlen(cases[i].novel))
                           : NULL;
        tn_status status = io_coco_split_files(base, novel, coco, &split, &err);
        if (status != TN_EFORMAT || !strstr(err.text, cases[i].why))
            fail_msg("case %zu: %s, expected %s", i, status ? err.text : "was read", cases[i].why);
        assert_null(split.part);
    }
    assert_int_equal(
        io_coco_split_files(temporary_file("base.txt", "cat\0dog", 7), NULL, coco, &split, &err),
        TN_EFORMAT);
    assert_non_null(strstr(err.text, "a zero byte at offset 3"));
    assert_int_equal(io_coco_split_files("/nowhere/base", NULL, coco, &split, &err), TN_EIO);
    assert_non_null(strstr(err.text, "/nowhere/base"));
    assert_int_equal(io_coco_split_named("lvis", coco, &split, &err), TN_EINVAL);
    assert_int_equal(io_coco_split_named("coco-ovd", coco, &split, &err), TN_EFORMAT);
    assert_non_null(strstr(err.text, "no category is called 'person'"));
    io_coco_close(coco);
}

static void the_built_in_split_is_48_and_17(void **state) {
    (void)state;
    assert_int_equal(io_coco_ovd_part("cat"), IO_PART_NOVEL);
    assert_int_equal(io_coco_ovd_part("skateboard"), IO_PART_NOVEL);
    assert_int_equal(io_coco_ovd_part("refrigerator"), IO_PART_BASE);
    assert_int_equal(io_coco_ovd_part("hot dog"), IO_PART_NONE); // one of the 15 ignored categories
    const char *file = SHARED_DATA "/coco_eval/instances_val2014_100.json";
    if (access(file, R_OK) != 0) SKIP("no %s", file);
    io_coco *coco;
    io_coco_split split;
    ASSERT_OK(io_coco_open(file, 0, &coco, &err), err);
    ASSERT_OK(io_coco_split_named("coco-ovd", coco, &split, &err), err);
    assert_true(split.base == 48 && split.novel == 17);
    io_coco_split_deinit(&split);
    io_coco_close(coco);
}

static void memory_may_run_out(void **state) {
    (void)state;
    io_coco *coco = data(DATA);
    const char *base = temporary_file("base.txt", "cat", 3);
    tn_status status = TN_ENOMEM;
    for (int64_t n = 1; status != TN_OK; n++) {
        io_coco_split split = {0};
        int64_t *ids = NULL, *images = NULL;
        size_t count;
        tn_alloc_fail_after(n);
        status = io_coco_split_files(base, NULL, coco, &split, &err);
        if (status == TN_OK)
            status = io_coco_split_ids(&split, coco, IO_PART_BASE, &ids, &count, &err);
        if (status == TN_OK) status = io_coco_split_images(&split, coco, &images, &count, &err);
        tn_alloc_fail_after(0);
        assert_true((status == TN_OK || status == TN_ENOMEM) && n < 50);
        tn_free(ids);
        tn_free(images);
        io_coco_split_deinit(&split);
    }
    io_coco_close(coco);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_split),
        cmocka_unit_test(invalid_splits_are_refused),
        cmocka_unit_test(the_built_in_split_is_48_and_17),
        cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, temporary_teardown);
}
