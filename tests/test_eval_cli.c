// SPDX-License-Identifier: Apache-2.0
// `lexmask eval` as a user types it: pycocotools' lines, JSON, tables, curves, and how it says no.
#include "io/coco/coco.h"
#include "io/image/image.h"
#include "io/json.h"
#include "tests/support/program.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEAD                                                                                       \
    "{\"images\":[{\"id\":1,\"width\":100,\"height\":100}],\"categories\":[{\"id\":3,\"name\":"    \
    "\"cat \xe2\x98\xba\"},{\"id\":5,\"name\":\"a/b\\u001b[1m\"},{\"id\":9}],\"annotations\":"
#define TRUTH                                                                                      \
    HEAD "[{\"id\":1,\"image_id\":1,\"category_id\":3,\"bbox\":[1,1,10,10],\"area\":100,"          \
         "\"segmentation\":[[1,1,11,1,11,11,1,11]],\"iscrowd\":0},{\"id\":2,\"image_id\":1,"       \
         "\"category_id\":5,\"bbox\":[30,30,40,40],\"area\":1600,\"segmentation\":[[30,30,70,30,"  \
         "70,70,30,70]]}]}"
#define FOUND                                                                                      \
    "[{\"image_id\":1,\"category_id\":3,\"bbox\":[1,1,10,10],\"score\":0.9},{\"image_id\":1,"      \
    "\"category_id\":5,\"bbox\":[60,60,20,20],\"score\":0.8}]"

static io_json stats_of(const char *text, io_json *document) {
    tn_error err = {0};
    io_json list;
    ASSERT_OK(io_json_read(temporary_text("printed.json", text), 0, document, &err), err);
    ASSERT_OK(io_json_get(document, "stats", IO_JSON_ARRAY, &list, &err), err);
    assert_int_equal(io_json_count(&list), 12);
    return list;
}

static double number_at(const io_json *list, size_t i) {
    tn_error err = {0};
    io_json value;
    double number = NAN;
    ASSERT_OK(io_json_at(list, i, IO_JSON_NUMBER, &value, &err), err);
    ASSERT_OK(io_json_as_number(&value, &number, &err), err);
    return number;
}

static void the_twelve_lines_are_pycocotools(void **state) {
    (void)state;
    test_run run = test_lexmask("eval --gt %s --results %s", temporary_text("gt.json", TRUTH),
                                temporary_text("found.json", FOUND));
    ASSERT_CODE(run, 0);
    assert_string_equal(
        run.out,
        " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.500\n"
        " Average Precision  (AP) @[ IoU=0.50      | area=   all | maxDets=100 ] = 0.500\n"
        " Average Precision  (AP) @[ IoU=0.75      | area=   all | maxDets=100 ] = 0.500\n"
        " Average Precision  (AP) @[ IoU=0.50:0.95 | area= small | maxDets=100 ] = 1.000\n"
        " Average Precision  (AP) @[ IoU=0.50:0.95 | area=medium | maxDets=100 ] = 0.000\n"
        " Average Precision  (AP) @[ IoU=0.50:0.95 | area= large | maxDets=100 ] = -1.000\n"
        " Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets=  1 ] = 0.500\n"
        " Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets= 10 ] = 0.500\n"
        " Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.500\n"
        " Average Recall     (AR) @[ IoU=0.50:0.95 | area= small | maxDets=100 ] = 1.000\n"
        " Average Recall     (AR) @[ IoU=0.50:0.95 | area=medium | maxDets=100 ] = 0.000\n"
        " Average Recall     (AR) @[ IoU=0.50:0.95 | area= large | maxDets=100 ] = -1.000\n");
    assert_string_equal(run.err, "");
    test_run_free(&run);
}

static void tables_tell_areas_and_classes(void **state) {
    (void)state;
    const char *gt = temporary_text("gt.json", TRUTH), *found = temporary_text("found.json", FOUND);
    test_run run = test_lexmask("eval --gt %s --results %s --per-class --type segm", gt, found);
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "\narea         AP   AP50   AP75    AR1   AR10  AR100\n");
    ASSERT_SAYS(run.out, "\nlarge         -      -      -      -      -      -\n");
    ASSERT_SAYS(run.out, "       3  cat \xe2\x98\xba          1  1.000  1.000");
    ASSERT_SAYS(run.out, "       5  a/b?[1m        1  0.000"); // no escape reaches the terminal
    ASSERT_SAYS(run.out, "       9                 0      -");
    test_run_free(&run);
    run = test_lexmask("eval --gt %s --results %s --per-class --json", gt, found);
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "\"classes\": [{\"id\": 3, \"name\": \"cat ");
    ASSERT_SAYS(run.out, "\"areas\": {\"all\": {\"AP\": 0.4999");
    io_json document, list = stats_of(run.out, &document);
    (void)list;
    io_json_close(&document);
    test_run_free(&run);
}

static void curves_are_drawn(void **state) {
    (void)state;
    static const char *const names[] = {"precision_recall", "areas", "class_3_cat____",
                                        "class_5_a_b__1m"};
    test_run run = test_lexmask("eval --gt %s --results %s --plots %s/new/curves",
                                temporary_text("gt.json", TRUTH),
                                temporary_text("found.json", FOUND), temporary_folder());
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.err, "4 pictures");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[512];
        tn_tensor image;
        tn_error err = {0};
        snprintf(path, sizeof path, "%s/new/curves/%s.png", temporary_folder(), names[i]);
        ASSERT_OK(io_image_read(path, 0, &image, &err), err);
        assert_true(image.dim[0] == 640 && image.dim[1] == 960);
        size_t ink = 0;
        for (int64_t k = 0; k < tn_count(&image); k++) ink += tn_u8(&image)[k] != 255;
        assert_true(ink > 10000);
        tn_free(image.data);
    }
    test_run_free(&run);
    run = test_lexmask("eval --gt %s --results %s --plots %s/gt.json",
                       temporary_text("gt.json", TRUTH), temporary_text("found.json", FOUND),
                       temporary_folder());
    ASSERT_CODE(run, 1);
    ASSERT_SAYS(run.err, "gt.json");
    test_run_free(&run);
}

static void published_figures_come_out_in_full(void **state) {
    (void)state;
    if (access(SHARED_DATA "/coco_eval", R_OK) != 0) SKIP("no " SHARED_DATA "/coco_eval");
    static const char *const kinds[] = {"bbox", "segm"};
    tn_error err = {0};
    io_json expected;
    ASSERT_OK(io_json_read(SHARED_DATA "/coco_eval/expected_stats.json", 0, &expected, &err), err);
    for (int k = 0; k < 2; k++)
        for (int threads = 1; threads <= 3; threads += 2) {
            test_run run =
                test_lexmask("eval --gt " SHARED_DATA
                             "/coco_eval/instances_val2014_100.json --results " SHARED_DATA
                             "/coco_eval/instances_val2014_fake%s100_results.json --type %s --json "
                             "--threads %d",
                             kinds[k], kinds[k], threads);
            ASSERT_CODE(run, 0);
            io_json document, got = stats_of(run.out, &document), want;
            ASSERT_OK(io_json_get(&expected, kinds[k], IO_JSON_ARRAY, &want, &err), err);
            for (size_t i = 0; i < 12; i++)
                ASSERT_WITHIN(fabs(number_at(&got, i) - number_at(&want, i)), 1e-12);
            io_json_close(&document);
            test_run_free(&run);
        }
    io_json_close(&expected);
}

// pycocotools with catIds, imgIds and useCats = 0.
static void splits_and_recall_are_pycocotools(void **state) {
    (void)state;
    if (access(SHARED_DATA "/coco_eval", R_OK) != 0) SKIP("no " SHARED_DATA "/coco_eval");
    static const struct {
        const char *group, *part, *name;
        double value;
    } wanted[] = {
        {"split", "AP", "novel", 0.47075069874387837},
        {"split", "AP", "base", 0.5261608169909529},
        {"split", "AP", "all", 0.5118306139960198},
        {"split", "AP50", "novel", 0.6753915761732333},
        {"split", "AP50", "base", 0.7216523286312435},
        {"split", "AP50", "all", 0.7096883409265856},
        {"recall", NULL, "AR@100", 0.6558139534883721},
        {"recall", NULL, "AR@1000", 0.6558139534883721},
        {"recall", NULL, "R50@100", 0.8563611491108071},
    };
    test_run run = test_lexmask("eval --gt " SHARED_DATA
                                "/coco_eval/instances_val2014_100.json --results " SHARED_DATA
                                "/coco_eval/instances_val2014_fakebbox100_results.json --json "
                                "--split coco-ovd --recall");
    ASSERT_CODE(run, 0);
    tn_error err = {0};
    io_json document, list = stats_of(run.out, &document), group, part;
    (void)list;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        double value = NAN;
        ASSERT_OK(io_json_get(&document, wanted[i].group, IO_JSON_OBJECT, &group, &err), err);
        if (wanted[i].part)
            ASSERT_OK(io_json_get(&group, wanted[i].part, IO_JSON_OBJECT, &part, &err), err);
        ASSERT_OK(io_json_number(wanted[i].part ? &part : &group, wanted[i].name, &value, &err),
                  err);
        ASSERT_WITHIN(fabs(value - wanted[i].value), 1e-12);
    }
    io_json_close(&document);
    test_run_free(&run);
}

static void base_and_novel_names_come_from_files(void **state) {
    (void)state;
    const char *gt = temporary_text("gt.json", TRUTH),
               *base = temporary_text("base.txt", "# mine\ncat \xe2\x98\xba\n");
    test_run run = test_lexmask("eval --gt %s --results %s --base %s --recall", gt,
                                temporary_text("found.json", FOUND), base);
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "\nnovel         2  0.000  0.000\nbase          1  1.000  1.000\n");
    ASSERT_SAYS(run.out, "\nthe best 1000 a picture      0.500  0.500  1.000  0.000      -\n");
    test_run_free(&run);
    run = test_lexmask("eval --gt %s --results %s --base %s --novel %s",
                       temporary_text("gt.json", TRUTH), temporary_text("found.json", FOUND),
                       temporary_text("base.txt", "cat \xe2\x98\xba"),
                       temporary_text("novel.txt", "\n\ndog\n"));
    ASSERT_CODE(run, 1);
    ASSERT_SAYS(run.err, "novel.txt: line 3: the data set has no category 'dog'");
    test_run_free(&run);
    run = test_lexmask("eval --gt %s --results %s --split coco-ovd",
                       temporary_text("gt.json", TRUTH), temporary_text("found.json", FOUND));
    ASSERT_CODE(run, 1);
    ASSERT_SAYS(run.err, "no category is called 'person'");
    test_run_free(&run);
}

static void lvis_lines_are_the_packages(void **state) {
    (void)state;
    const char *gt = temporary_text(
        "gt.json",
        "{\"images\":[{\"id\":1,\"neg_category_ids\":[5],\"not_exhaustive_category_ids\":[]}],"
        "\"categories\":[{\"id\":3,\"frequency\":\"c\"},{\"id\":5,\"frequency\":\"f\"}],"
        "\"annotations\":[{\"id\":1,\"image_id\":1,\"category_id\":3,\"bbox\":[1,1,10,10],"
        "\"area\":100}]}");
    const char *found = temporary_text("found.json", FOUND);
    test_run run = test_lexmask("eval --gt %s --results %s --lvis --per-class", gt, found);
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=300 "
                         "catIds=  c] = 1.000\n");
    ASSERT_SAYS(run.out, "\narea         AP   AP50   AP75  AR300\n");
    test_run_free(&run);
    run = test_lexmask("eval --gt %s --results %s --lvis --json", gt, found);
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "\"APc\": 0.99999999999999");
    ASSERT_SAYS(run.out, "\"APf\": -1.0");
    test_run_free(&run);
    run = test_lexmask("eval --gt %s --results %s --lvis", temporary_text("gt.json", TRUTH), found);
    ASSERT_CODE(run, 1);
    ASSERT_SAYS(run.err, "picture 1 has no \"neg_category_ids\"");
    test_run_free(&run);
}

#define PARTY(file)                                                                                \
    "{\"images\":[{\"id\":1,\"file_name\":\"" file "\"},{\"id\":2,\"file_name\":\"no.png\"}],"     \
    "\"categories\":[{\"id\":3,\"name\":\"rocket\"},{\"id\":5,\"name\":\"guitar\"},{\"id\":9}],"   \
    "\"annotations\":[{\"id\":1,\"image_id\":1,\"category_id\":3,\"bbox\":[207,22,76,91],"         \
    "\"area\":5000},{\"id\":2,\"image_id\":1,\"category_id\":5,\"bbox\":[305,371,66,67],"          \
    "\"area\":4000}]}"
#define MODEL " --model demo/pair --pictures demo/pictures --no-cache --threads 1"

// With a split, a category without a name and a picture without its names are not looked at.
static void a_model_is_evaluated(void **state) {
    (void)state;
    const char *gt = temporary_text("gt.json", PARTY("party.png"));
    const char *base = temporary_text("base.txt", "guitar\n"),
               *novel = temporary_text("novel.txt", "rocket\n");
    test_run run = test_lexmask("eval --data %s --base %s --novel %s --recall --proposals 60" MODEL
                                " --results-out %s/out.json",
                                gt, base, novel, temporary_folder());
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "\nall           2  1.000  1.000\n");
    ASSERT_SAYS(run.out, "\nrecall of the proposals        AR    R50    ARs    ARm    ARl\n");
    test_run_free(&run);
    run = test_lexmask("eval --gt %s --results %s/out.json --base %s --json", gt,
                       temporary_folder(), base);
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "\"base\": 0.99999999999999978, \"all\"");
    test_run_free(&run);
    run = test_lexmask("eval --gt %s" MODEL " --results-out %s/out.json", gt, temporary_folder());
    ASSERT_CODE(run, 1);
    ASSERT_SAYS(run.err, "category 9 has no name to look for");
    test_run_free(&run);
}

// The second picture's file is not there, and what is in it would halve the recall.
static void the_first_pictures_alone_are_looked_at(void **state) {
    (void)state;
    static const char two[] =
        "{\"images\":[{\"id\":8,\"file_name\":\"party.png\"},{\"id\":2,\"file_name\":\"no.png\"}],"
        "\"categories\":[{\"id\":3,\"name\":\"rocket\"}],\"annotations\":["
        "{\"id\":1,\"image_id\":2,\"category_id\":3,\"bbox\":[1,2,30,40],\"area\":1200},"
        "{\"id\":2,\"image_id\":8,\"category_id\":3,\"bbox\":[207,22,76,91],\"area\":5000}]}";
    const char *gt = temporary_text("two.json", two);
    test_run run = test_lexmask("eval --gt %s --limit 1 --recall --proposals 60" MODEL
                                " --results-out %s/out.json",
                                gt, temporary_folder());
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "| area=   all | maxDets=100 ] = 1.000\n");
    test_run_free(&run);
    run = test_lexmask("report --gt %s --limit 1" MODEL, gt);
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "accuracy                           1.00         1\n");
    test_run_free(&run);
    run = test_lexmask("eval --gt %s --limit 2" MODEL " --results-out %s/out.json", gt,
                       temporary_folder());
    ASSERT_CODE(run, 1);
    ASSERT_SAYS(run.err, "demo/pictures/no.png: no such picture");
    test_run_free(&run);
}

// A model's results carry the ids that are text, and an absolute file_name is opened as it is.
static void text_ids_and_absolute_names_are_evaluated(void **state) {
    (void)state;
    char folder[1024], text[2048];
    assert_non_null(getcwd(folder, sizeof folder));
    snprintf(
        text, sizeof text,
        "\xef\xbb\xbf{\"images\":[{\"id\":\"party\",\"file_name\":\"%s/demo/pictures/party.png\"}],"
        "\"categories\":[{\"id\":\"r\",\"name\":\"rocket\"}],\"annotations\":["
        "{\"id\":\"a\",\"image_id\":\"party\",\"category_id\":\"r\",\"bbox\":[207,22,76,91]}]}",
        folder);
    const char *gt = temporary_text("text.json", text);
    test_run run =
        test_lexmask("eval --gt %s" MODEL " --proposals 60 --results-out %s/text_out.json", gt,
                     temporary_folder());
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "IoU=0.50      | area=   all | maxDets=100 ] = 1.000\n");
    ASSERT_SAYS(
        run.err,
        "annotations without \"area\": 1; it was computed from the mask (0) or the box (1)");
    test_run_free(&run);
    run = test_lexmask("eval --gt %s --results %s/text_out.json -q", gt, temporary_folder());
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "IoU=0.50      | area=   all | maxDets=100 ] = 1.000\n");
    assert_string_equal(run.err, "");
    test_run_free(&run);
    run = test_lexmask("report --gt %s" MODEL, gt);
    ASSERT_CODE(run, 0);
    test_run_free(&run);
}

static void names_of_lvis_are_read_as_plain_words(void **state) {
    (void)state;
    static const char two[] =
        "{\"images\":[{\"id\":8,\"file_name\":\"party.png\"}],\"categories\":["
        "{\"id\":3,\"name\":\"rocket_(toy)\"},{\"id\":4,\"name\":\"rocket "
        "(toy)\"}],\"annotations\":["
        "{\"id\":2,\"image_id\":8,\"category_id\":3,\"bbox\":[207,22,76,91],\"area\":5000}]}";
    const char *gt = temporary_text("lvis.json", two);
    test_run run = test_lexmask("report --gt %s" MODEL, gt);
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    run = test_lexmask("report --gt %s --names-style lvis" MODEL, gt); // they are the same now
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.err,
                "categories whose name is to CLIP the same text as an earlier one's: 1, the "
                "first \"rocket (toy)\"; it is one with \"rocket_(toy)\"");
    test_run_free(&run);
}

static void broken_pictures_are_told(void **state) {
    (void)state;
    temporary_text("broken.png", "no picture");
    temporary_text("no.png", "");
    test_run run = test_lexmask(
        "eval --data %s --base %s --novel %s --model demo/pair --pictures "
        "%s --no-cache --results-out %s/out.json",
        temporary_text("gt.json", PARTY("broken.png")), temporary_text("base.txt", "guitar"),
        temporary_text("novel.txt", "rocket"), temporary_folder(), temporary_folder());
    ASSERT_CODE(run, 1);
    ASSERT_SAYS(run.err, "broken.png");
    ASSERT_SAYS(run.err, "1 pictures could not be read");
    ASSERT_SAYS(run.out, "\nall           2  0.000  0.000\n");
    test_run_free(&run);
    run = test_lexmask("eval --data %s --base %s" MODEL " --results-out /nowhere/out.json",
                       temporary_text("gt.json", PARTY("nothing.png")),
                       temporary_text("base.txt", "guitar"));
    ASSERT_CODE(run, 1);
    ASSERT_SAYS(run.err, "category 9 has no name");
    test_run_free(&run);
    run = test_lexmask("eval --data %s --base %s --novel %s" MODEL " --results-out %s/out.json",
                       temporary_text("gt.json", PARTY("nothing.png")),
                       temporary_text("base.txt", "guitar"), temporary_text("novel.txt", "rocket"),
                       temporary_folder());
    ASSERT_CODE(run, 1);
    ASSERT_SAYS(run.err, "demo/pictures/nothing.png: no such picture");
    test_run_free(&run);
}

static void what_is_left_out_is_told(void **state) {
    (void)state;
    const char *strange =
        "[{\"image_id\":1,\"category_id\":77,\"bbox\":[1,1,10,10],\"score\":0.9}]";
    const char *gt = temporary_text("gt.json", TRUTH),
               *found = temporary_text("found.json", strange);
    test_run run = test_lexmask("eval --gt %s --results %s", gt, found);
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.err, "1 of 1 results are of categories that");
    test_run_free(&run);
    run = test_lexmask("eval --gt %s --results %s -q", gt, found);
    assert_string_equal(run.err, "");
    test_run_free(&run);
}

static void boxes_taken_as_masks_are_told(void **state) {
    (void)state;
    test_run run =
        test_lexmask("eval --gt %s --results %s --type segm", temporary_text("gt.json", TRUTH),
                     temporary_text("found.json", FOUND));
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.err, "2 of 2 results have no segmentation");
    test_run_free(&run);
}

static void broken_files_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *truth, *results, *more, *why;
    } cases[] = {
        {TRUTH, "", "", "found.json"},
        {TRUTH, "[{\"image_id\":1", "", "found.json"},
        {TRUTH, "{\"a\":1}", "", "found.json"},
        {TRUTH, "[{\"image_id\":1,\"category_id\":3,\"bbox\":[1,1,10,10]}]", "", "score"},
        {TRUTH, "[{\"image_id\":1,\"category_id\":3,\"bbox\":[1,1,10],\"score\":1}]", "",
         "box of left"},
        {TRUTH, "[{\"image_id\":1,\"category_id\":3,\"bbox\":[1,1,1,\"x\"],\"score\":1}]", "",
         "found.json"},
        {TRUTH, "[{\"image_id\":2,\"category_id\":3,\"bbox\":[1,1,10,10],\"score\":1}]", "",
         "result 1 is in picture 2"},
        {TRUTH,
         "[{\"image_id\":1,\"category_id\":3,\"segmentation\":{\"size\":[100,100],\"counts\":"
         "\"05\"},\"score\":1}]",
         " --type segm", "runs of 5 pixels"},
        {"", FOUND, "", "gt.json"},
        {"{\"images\":[", FOUND, "", "gt.json"},
        {"[]", FOUND, "", "gt.json"},
        {"{\"categories\":[]}", FOUND, "", "gt.json"},
        {HEAD "[{\"id\":1,\"image_id\":1,\"category_id\":3,\"area\":5}]}", FOUND, "",
         "annotation 1 (picture 1) has no \"bbox\""},
        {HEAD "[{\"id\":1,\"image_id\":1,\"category_id\":3,\"area\":5,\"bbox\":[1,1,2,2]}]}", FOUND,
         " --type segm", "annotation 1 (picture 1) has no \"segmentation\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        test_run run =
            test_lexmask("eval --gt %s --results %s%s", temporary_text("gt.json", cases[i].truth),
                         temporary_text("found.json", cases[i].results), cases[i].more);
        if (run.code != 1 || !strstr(run.err, cases[i].why) || run.out[0])
            fail_msg("case %zu: exit code %d, expected 1 and '%s':\n%s", i, run.code, cases[i].why,
                     run.err);
        test_run_free(&run);
    }
    test_run run = test_lexmask("eval --gt /nowhere/gt.json --results /nowhere/found.json");
    ASSERT_CODE(run, 1);
    ASSERT_SAYS(run.err, "/nowhere/gt.json");
    test_run_free(&run);
}

// The detector's own classes are found among the categories by name; others are left out.
static void closed_mode_is_evaluated_by_the_names_of_classes(void **state) {
    (void)state;
    const char *gt = temporary_text(
        "gt.json", "{\"images\":[{\"id\":1,\"file_name\":\"party.png\"}],\"categories\":[{\"id\":4,"
                   "\"name\":\"none such\"},{\"id\":7,\"name\":\"object\"}],\"annotations\":[]}");
    test_run run = test_lexmask("eval --gt %s --model demo/pair --mode closed --pictures "
                                "demo/pictures --results-out %s/c.json",
                                gt, temporary_folder());
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    tn_error err = {0};
    io_coco *results;
    ASSERT_OK(io_coco_results_open(temporary_path("c.json"), 0, &results, &err), err);
    assert_true(results->object_count > 5);
    for (size_t i = 0; i < results->object_count; i++)
        assert_int_equal(results->objects[i].category_id, 7);
    io_coco_close(results);
    run = test_lexmask("eval --gt %s --model demo/pair --mode closed --pictures demo/pictures "
                       "--results-out %s/c.json",
                       temporary_text("none.json",
                                      "{\"images\":[],\"categories\":[{\"id\":4,\"name\":\"none "
                                      "such\"}],\"annotations\":[]}"),
                       temporary_folder());
    ASSERT_CODE(run, 1);
    ASSERT_SAYS(run.err, "none of the detector's classes is a category of the annotations");
    test_run_free(&run);
}

static void misuse_is_explained(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"eval", "--gt FILE"},
        {"eval --gt a.json", "--results FILE"},
        {"eval --gt a --results b --type mask", "bbox|segm"},
        {"eval --gt a --results b --agnostic --per-class", "--agnostic"},
        {"eval --gt a --results b --lvis --split coco-ovd", "--lvis"},
        {"eval --gt a --results b --split lvis", "coco-ovd"},
        {"eval --gt a --results b --split coco-ovd --base c", "not both"},
        {"eval --gt a --results b --novel c", "--novel goes with --base"},
        {"eval --gt a --results b --base c --agnostic", "--agnostic"},
        {"eval --gt a --results b --model c", "not both"},
        {"eval --gt a --results b --pictures c", "go with a model"},
        {"eval --gt a --results b --limit 5", "--limit goes with a model"},
        {"eval --gt a --model b", "--pictures DIR"},
        {"eval --gt a --model b --pictures c", "--results-out FILE"},
        {"eval --gt a --clip b --pictures c --results-out d", "--detector FILE"},
        {"eval --gt a --results b --threads -1", "--threads"},
        {"eval --gt a --result b", "did you mean --results?"},
        {"eval a.json b.json", "no such argument"},
    };
    test_misuse(cases, sizeof cases / sizeof *cases);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_twelve_lines_are_pycocotools),
        cmocka_unit_test(tables_tell_areas_and_classes),
        cmocka_unit_test(curves_are_drawn),
        cmocka_unit_test(published_figures_come_out_in_full),
        cmocka_unit_test(splits_and_recall_are_pycocotools),
        cmocka_unit_test(base_and_novel_names_come_from_files),
        cmocka_unit_test(lvis_lines_are_the_packages),
        cmocka_unit_test(a_model_is_evaluated),
        cmocka_unit_test(the_first_pictures_alone_are_looked_at),
        cmocka_unit_test(text_ids_and_absolute_names_are_evaluated),
        cmocka_unit_test(names_of_lvis_are_read_as_plain_words),
        cmocka_unit_test(broken_pictures_are_told),
        cmocka_unit_test(what_is_left_out_is_told),
        cmocka_unit_test(boxes_taken_as_masks_are_told),
        cmocka_unit_test(broken_files_are_refused),
        cmocka_unit_test(closed_mode_is_evaluated_by_the_names_of_classes),
        cmocka_unit_test(misuse_is_explained),
    };
    return cmocka_run_group_tests(tests, NULL, temporary_teardown);
}
