// SPDX-License-Identifier: Apache-2.0
// The classification report against scikit-learn's (tools/reference/dump_report.py), the names that
// results give to boxes, and what is refused.
#include "eval/report.h"
#include "tests/support/golden.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

#include <zlib.h>

static tn_error err;

// The next packed text, with a 0 behind it, from tn_alloc.
static char *next_text(golden *g, size_t *count) {
    uLongf length = golden_u32(g);
    uint32_t packed = golden_u32(g);
    char *text = tn_alloc(length + 1);
    assert_int_equal(uncompress((Bytef *)text, &length, golden_bytes(g, packed), packed), Z_OK);
    text[length] = 0;
    *count = length;
    return text;
}

static void check_row(golden *g, int number, const ev_report_row *row) {
    double want[3];
    memcpy(want, golden_bytes(g, sizeof want), sizeof want);
    if (!(fabs(row->precision - want[0]) <= 1e-12 && fabs(row->recall - want[1]) <= 1e-12 &&
          fabs(row->f1 - want[2]) <= 1e-12))
        fail_msg("set %d: %.17g %.17g %.17g, expected %.17g %.17g %.17g", number, row->precision,
                 row->recall, row->f1, want[0], want[1], want[2]);
}

static void check_set(golden *g, int number) {
    size_t length;
    char *text = next_text(g, &length), *page;
    io_coco *truth;
    ev_report report;
    ASSERT_OK(io_coco_read(text, length, "truth", false, 0, &truth, &err), err);
    tn_free(text);
    text = next_text(g, &length);
    int64_t *named = tn_alloc_zero(truth->object_count, sizeof *named);
    ASSERT_OK(io_coco_named_read(temporary_file("named.json", text, length), truth, named, &err),
              err);
    tn_free(text);
    int digits = (int)golden_u32(g);
    ASSERT_OK(ev_report_make(truth, named, golden_u32(g), &report, &err), err);
    text = next_text(g, &length);
    ASSERT_OK(ev_report_text(&report, digits, &page, &err), err);
    assert_string_equal(page, text);
    tn_free(text);
    tn_free(page);
    assert_int_equal(golden_u32(g), report.count + 3);
    for (size_t i = 0; i < report.count; i++) check_row(g, number, &report.rows[i]);
    check_row(g, number, &report.micro);
    check_row(g, number, &report.macro);
    check_row(g, number, &report.weighted);
    ev_report_deinit(&report);
    // Written and read again, they are the same names.
    int64_t *again = tn_alloc_zero(truth->object_count, sizeof *again);
    ASSERT_OK(io_coco_named_write(temporary_path("again.json"), truth, named, NULL, &err), err);
    ASSERT_OK(io_coco_named_read(temporary_path("again.json"), truth, again, &err), err);
    for (size_t i = 0; i < truth->object_count; i++) assert_int_equal(again[i], named[i]);
    tn_free(named);
    tn_free(again);
    io_coco_close(truth);
}

static void report_equals_scikit_learn(void **state) {
    (void)state;
    golden g;
    golden_open(&g, "tests/golden/report.bin");
    int count = 0;
    for (; golden_more(&g); count++) check_set(&g, count);
    golden_close(&g);
    assert_int_equal(count, 32);
}

#define HEAD                                                                                       \
    "{\"images\":[{\"id\":1},{\"id\":2}],\"categories\":[{\"id\":7,\"name\":\"dog\\u0007\"},"      \
    "{\"id\":3,\"name\":\"cat\"},{\"id\":9}],\"annotations\":["
#define TRUTH                                                                                      \
    HEAD "{\"id\":1,\"image_id\":1,\"category_id\":3,\"bbox\":[0,0,10,10]},"                       \
         "{\"id\":2,\"image_id\":1,\"category_id\":7,\"bbox\":[20,0,10,10]},"                      \
         "{\"id\":3,\"image_id\":2,\"category_id\":9,\"bbox\":[0,0,10,10]},"                       \
         "{\"id\":4,\"image_id\":2,\"category_id\":3,\"bbox\":[0,0,10,10],\"iscrowd\":1}]}"

static io_coco *read_file(const char *text, bool results) {
    io_coco *file;
    ASSERT_OK(io_coco_read(text, strlen(text), "file", results, 0, &file, &err), err);
    return file;
}

#define FOUND(image, category, box, score)                                                         \
    "{\"image_id\":" #image ",\"category_id\":" #category ",\"bbox\":" box ",\"score\":" #score "}"

static void report_names_boxes_by_overlapping_results(void **state) {
    (void)state;
    io_coco *truth = read_file(TRUTH, false);
    // The best of those that overlap by half: not the best of all, not the one that overlaps most,
    // of equals the first, none of an unknown category.
    io_coco *results = read_file(
        "[" FOUND(1, 9, "[0,0,10,4.9]", 0.9) "," FOUND(1, 3, "[0,0,10,10]", 0.5) "," FOUND(
            1, 7, "[0,0,10,5]", 0.6) "," FOUND(1, 9, "[0,0,10,5]",
                                               0.6) "," FOUND(1, 88, "[0,0,10,10]", 1) "]",
        true);
    int64_t named[4];
    ASSERT_OK(ev_name_by_results(truth, results, 0.5, named, &err), err);
    assert_int_equal(named[0], 0);
    assert_int_equal(named[1], IO_COCO_UNNAMED);
    assert_int_equal(named[2], IO_COCO_UNNAMED);
    assert_int_equal(named[3], EV_LEFT_OUT);
    ASSERT_OK(ev_name_by_results(truth, results, 0.49, named, &err), err);
    assert_int_equal(named[0], 2);
    ASSERT_OK(ev_name_by_results(truth, results, 0.51, named, &err), err);
    assert_int_equal(named[0], 1);
    ev_report report;
    ASSERT_OK(ev_report_make(truth, named, true, &report, &err), err);
    assert_true(report.boxes == 3 && report.right == 1 && report.unnamed == 2);
    assert_int_equal(report.matrix[0], 1);         // cat, named cat
    assert_int_equal(report.matrix[1 * 4 + 3], 1); // dog, unnamed
    char *page;
    ASSERT_OK(ev_report_text(&report, 2, &page, &err), err);
    assert_non_null(strstr(page, "\n        dog?       0.00      0.00      0.00         1\n"));
    assert_non_null(strstr(page, "\n           9       0.00      0.00      0.00         1\n"));
    tn_free(page);
    ev_report_deinit(&report);
    io_coco_close(results);
    io_coco_close(truth);
}

static void report_refuses_broken_names(void **state) {
    (void)state;
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "line 1, byte 0"},
        {"{}", "line 1, byte 0"},
        {"[", "line 1"},
        {"[1]", "line 1, byte 1"},
        {"[{}]", "an entry with \"annotation_id\""},
        {"[{\"category_id\":3}]", "an entry with \"annotation_id\""},
        {"[{\"annotation_id\":null,\"category_id\":3}]", "an entry with \"annotation_id\""},
        {"[{\"annotation_id\":8,\"category_id\":3}]", "an annotation of the data set, not 8"},
        {"[\n{\"annotation_id\":1,\"category_id\":4}]", "line 2"},
        {"[{\"annotation_id\":1,\"category_id\":4}]", "a category of the data set, not 4"},
        {"[{\"annotation_id\":1},{\"annotation_id\":1}]", "annotation 1 only once"},
        {"[{\"annotation_id\":1.5,\"category_id\":3}]", "line 1"},
        {"[{\"annotation_id\":\"1\",\"category_id\":3}]", "line 1"},
        {"[{\"annotation_id\":1,\"category_id\":3}] x", "line 1"},
        {"[{\"annotation_id\":99999999999999999999}]", "line 1"},
    };
    io_coco *truth = read_file(TRUTH, false);
    int64_t named[4];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tn_status status = io_coco_named_read(
            temporary_file("named.json", cases[i].text, strlen(cases[i].text)), truth, named, &err);
        if (status != TN_EFORMAT || !strstr(err.text, cases[i].why) ||
            !strstr(err.text, "named.json: "))
            fail_msg("case %zu: %s, expected %s", i, status ? err.text : "was read", cases[i].why);
    }
    assert_int_equal(io_coco_named_read("/nowhere/named.json", truth, named, &err), TN_EIO);
    const float score[4] = {0.5f, NAN, 1};
    assert_int_equal(io_coco_named_write("/nowhere/named.json", truth, named, score, &err), TN_EIO);
    io_coco_close(truth);
}

static void report_refuses_results_without_boxes(void **state) {
    (void)state;
    static const struct {
        const char *truth, *results, *why;
    } cases[] = {
        {TRUTH, "[{\"image_id\":3,\"category_id\":3,\"bbox\":[0,0,1,1],\"score\":1}]",
         "result 1 is in picture 3"},
        {TRUTH, "[{\"image_id\":1,\"category_id\":3,\"segmentation\":[],\"score\":1}]",
         "result 1 has no \"bbox\""},
        {HEAD "{\"id\":5,\"image_id\":1,\"category_id\":3}]}", "[]",
         "annotation 5 (picture 1) has no \"bbox\""},
        {HEAD "]}", "[]", "no annotation that could be named"},
        {HEAD "{\"id\":4,\"image_id\":2,\"category_id\":3,\"bbox\":[0,0,1,1],\"iscrowd\":1}]}",
         "[]", "no annotation that could be named"},
        {HEAD "{\"id\":4,\"image_id\":2,\"category_id\":8,\"bbox\":[0,0,1,1]}]}", "[]",
         "annotation 4 is of category 8, which is not in the data set"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        io_coco *truth = read_file(cases[i].truth, false);
        io_coco *results = read_file(cases[i].results, true);
        int64_t named[4];
        ev_report report = {0};
        tn_status status = ev_name_by_results(truth, results, 0.5, named, &err);
        if (status == TN_OK) status = ev_report_make(truth, named, false, &report, &err);
        if (status != TN_EFORMAT || !strstr(err.text, cases[i].why))
            fail_msg("case %zu: %s, expected %s", i, status ? err.text : "was read", cases[i].why);
        io_coco_close(truth);
        io_coco_close(results);
    }
}

static void report_reports_out_of_memory(void **state) {
    (void)state;
    io_coco *truth = read_file(TRUTH, false);
    io_coco *results = read_file("[" FOUND(1, 3, "[0,0,10,10]", 0.5) "]", true);
    tn_status status = TN_ENOMEM;
    for (int64_t n = 1; status != TN_OK; n++) {
        int64_t named[4];
        ev_report report = {0};
        char *page = NULL;
        tn_alloc_fail_after(n);
        status = ev_name_by_results(truth, results, 0.5, named, &err);
        if (status == TN_OK) status = ev_report_make(truth, named, false, &report, &err);
        if (status == TN_OK) status = ev_report_text(&report, 2, &page, &err);
        tn_alloc_fail_after(0);
        assert_true((status == TN_OK || status == TN_ENOMEM) && n < 100);
        ev_report_deinit(&report);
        tn_free(page);
    }
    io_coco_close(truth);
    io_coco_close(results);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(report_equals_scikit_learn),
        cmocka_unit_test(report_names_boxes_by_overlapping_results),
        cmocka_unit_test(report_refuses_broken_names),
        cmocka_unit_test(report_refuses_results_without_boxes),
        cmocka_unit_test(report_reports_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, temporary_teardown);
}
