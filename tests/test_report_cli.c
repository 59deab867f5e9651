// SPDX-License-Identifier: Apache-2.0
// `lexmask report` as a user types it: from results, from names, from a model, and how it says no.
#include "io/image/image.h"
#include "io/json.h"
#include "tests/support/program.h"

#include <math.h>
#include <string.h>

#define CATEGORIES                                                                                 \
    "\"categories\":[{\"id\":3,\"name\":\"rocket\"},{\"id\":5,\"name\":\"guitar\"},"               \
    "{\"id\":8,\"name\":\"unicorn\"},{\"id\":9,\"name\":\"pizza\"}]"
// The demo's picture, as lexmask detect finds it.
#define TRUTH(file)                                                                                \
    "{\"images\":[{\"id\":1,\"file_name\":\"" file "\"}]," CATEGORIES ",\"annotations\":["         \
    "{\"id\":1,\"image_id\":1,\"category_id\":3,\"bbox\":[207,22,76,91]},"                         \
    "{\"id\":2,\"image_id\":1,\"category_id\":5,\"bbox\":[305,371,66,67]},"                        \
    "{\"id\":3,\"image_id\":1,\"category_id\":8,\"bbox\":[313,199,89,91]},"                        \
    "{\"id\":4,\"image_id\":1,\"category_id\":8,\"bbox\":[0,0,9,9],\"iscrowd\":1}]}"
#define NAMED                                                                                      \
    "[{\"annotation_id\":1,\"category_id\":3},{\"annotation_id\":2,\"category_id\":8},"            \
    "{\"annotation_id\":3,\"category_id\":8}]"
#define FOUND                                                                                      \
    "[{\"image_id\":1,\"category_id\":3,\"bbox\":[207,22,76,91],\"score\":0.9},"                   \
    "{\"image_id\":1,\"category_id\":8,\"bbox\":[313,199,89,60],\"score\":0.8}]"

static void names_give_scikit_learns_table(void **state) {
    (void)state;
    test_run run =
        test_lexmask("report --gt %s --named %s", temporary_text("gt.json", TRUTH("party.png")),
                     temporary_text("named.json", NAMED));
    ASSERT_CODE(run, 0);
    assert_string_equal(run.out, "              precision    recall  f1-score   support\n"
                                 "\n"
                                 "      rocket       1.00      1.00      1.00         1\n"
                                 "      guitar       0.00      0.00      0.00         1\n"
                                 "     unicorn       0.50      1.00      0.67         1\n"
                                 "\n"
                                 "    accuracy                           0.67         3\n"
                                 "   macro avg       0.50      0.67      0.56         3\n"
                                 "weighted avg       0.50      0.67      0.56         3\n");
    assert_string_equal(run.err, "");
    test_run_free(&run);
    run = test_lexmask("report --gt %s --named %s --digits 4 --all-classes",
                       temporary_text("gt.json", TRUTH("party.png")),
                       temporary_text("named.json", NAMED));
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "\n       pizza     0.0000    0.0000    0.0000         0\n");
    ASSERT_SAYS(run.out, "\n   macro avg     0.3750    0.5000    0.4167         3\n");
    test_run_free(&run);
}

static void base_and_novel_names_apart(void **state) {
    (void)state;
    const char *gt = temporary_text("gt.json", TRUTH("party.png")),
               *named = temporary_text("named.json", NAMED),
               *base = temporary_text("base.txt", "rocket\nguitar\n");
    test_run run = test_lexmask("report --gt %s --named %s --base %s", gt, named, base);
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "\nnames       boxes  named right"
                         "\nnovel           1         1.00"
                         "\nbase            2         0.50"
                         "\nall             3         0.67\n");
    test_run_free(&run);
    run = test_lexmask("report --gt %s --named %s --base %s --json", gt, named, base);
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "\"base\": {\"boxes\": 2, \"right\": 1, \"accuracy\": 0.5}");
    test_run_free(&run);
    // A part without boxes has nothing to be right about.
    run = test_lexmask("report --gt %s --named %s --base %s --novel %s", gt, named, base,
                       temporary_text("novel.txt", "pizza\n"));
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "\nnovel           0            -");
    ASSERT_SAYS(run.out, "\nall             2         0.50\n");
    test_run_free(&run);
}

static void results_name_boxes(void **state) {
    (void)state;
    const char *gt = temporary_text("gt.json", TRUTH("party.png")),
               *found = temporary_text("found.json", FOUND);
    test_run run = test_lexmask("report --gt %s --results %s --matrix %s/m.png --named-out %s/n",
                                gt, found, temporary_folder(), temporary_folder());
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "\n   micro avg       1.00      0.67      0.80         3\n");
    ASSERT_SAYS(run.out, "\naccuracy 0.67: 2 of 3 boxes; 1 have no name\n");
    char path[512];
    snprintf(path, sizeof path, "%s/m.png", temporary_folder());
    tn_tensor image;
    tn_error err = {0};
    ASSERT_OK(io_image_read(path, 0, &image, &err), err);
    assert_true(image.dim[0] > 100 && image.dim[1] > 100);
    tn_free(image.data);
    test_run_free(&run);
    run = test_lexmask("report --gt %s --named %s/n --json", gt, temporary_folder());
    ASSERT_CODE(run, 0);
    io_json document, average;
    double value = 0;
    ASSERT_OK(io_json_parse(run.out, strlen(run.out), "printed", &document, &err), err);
    ASSERT_OK(io_json_number(&document, "accuracy", &value, &err), err);
    ASSERT_WITHIN(fabs(value - 2.0 / 3), 1e-15);
    ASSERT_OK(io_json_get(&document, "micro avg", IO_JSON_OBJECT, &average, &err), err);
    ASSERT_OK(io_json_number(&average, "f1-score", &value, &err), err);
    ASSERT_WITHIN(fabs(value - 0.8), 1e-15);
    io_json_close(&document);
    ASSERT_SAYS(run.out, "\"matrix\": [[1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]]");
    test_run_free(&run);
    run = test_lexmask("report --gt %s --results %s --iou 0.7", gt, found);
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "accuracy 0.33: 1 of 3 boxes; 2 have no name\n");
    test_run_free(&run);
}

static void a_model_names_boxes(void **state) {
    (void)state;
    test_run run = test_lexmask("report --gt %s --model demo/pair --pictures demo/pictures "
                                "--no-cache --threads 1 --named-out %s/named.json",
                                temporary_text("gt.json", TRUTH("party.png")), temporary_folder());
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "    accuracy                           1.00         3\n");
    test_run_free(&run);
    run = test_lexmask("report --gt %s --named %s/named.json",
                       temporary_text("gt.json", TRUTH("party.png")), temporary_folder());
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "    accuracy                           1.00         3\n");
    test_run_free(&run);
    // A broken picture is told; of this one no other is left.
    temporary_text("broken.png", "no picture");
    run = test_lexmask("report --gt %s --model demo/pair --pictures %s --no-cache",
                       temporary_text("gt.json", TRUTH("broken.png")), temporary_folder());
    ASSERT_CODE(run, 1);
    ASSERT_SAYS(run.err, "broken.png");
    ASSERT_SAYS(run.err, "no annotation that could be named");
    test_run_free(&run);
    run = test_lexmask("report --gt %s --model demo/pair --pictures demo/pictures",
                       temporary_text("gt.json", TRUTH("nothing.png")));
    ASSERT_CODE(run, 1);
    ASSERT_SAYS(run.err, "demo/pictures/nothing.png: no such picture");
    test_run_free(&run);
}

static void broken_files_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *truth, *named, *why;
    } cases[] = {
        {TRUTH("a"), "[{\"annotation_id\":7}]", "named.json: line 1"},
        {TRUTH("a"), "", "named.json"},
        {"", NAMED, "gt.json"},
        {"{\"images\":[],\"annotations\":[]}", "[]", "gt.json: no annotation"},
        {"{\"images\":[]," CATEGORIES ",\"annotations\":[{\"id\":1}]}", "[]", "gt.json: line 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        test_run run =
            test_lexmask("report --gt %s --named %s", temporary_text("gt.json", cases[i].truth),
                         temporary_text("named.json", cases[i].named));
        if (run.code != 1 || !strstr(run.err, cases[i].why) || run.out[0])
            fail_msg("case %zu: exit code %d, expected 1 and '%s':\n%s", i, run.code, cases[i].why,
                     run.err);
        test_run_free(&run);
    }
}

static void misuse_is_explained(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"report", "--gt FILE"},
        {"report --gt a", "--results FILE, --named FILE, or --model DIR"},
        {"report --gt a --results b --named c", "one of them"},
        {"report --gt a --model b", "--pictures DIR"},
        {"report --gt a --detector b --pictures c", "--clip FILE"},
        {"report --gt a --model b --clip c --pictures d", "one or the other"},
        {"report --gt a --named b --pictures c", "--pictures goes with a model"},
        {"report --gt a --named b --novel c", "--novel goes with --base"},
        {"report --gt a --named b --digits 99", "--digits"},
        {"report --gt a --results b --iou 2", "--iou"},
    };
    test_misuse(cases, sizeof cases / sizeof *cases);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_give_scikit_learns_table),
        cmocka_unit_test(base_and_novel_names_apart),
        cmocka_unit_test(results_name_boxes),
        cmocka_unit_test(a_model_names_boxes),
        cmocka_unit_test(broken_files_are_refused),
        cmocka_unit_test(misuse_is_explained),
    };
    return cmocka_run_group_tests(tests, NULL, temporary_teardown);
}
