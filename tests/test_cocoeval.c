// SPDX-License-Identifier: Apache-2.0
// COCO's evaluation against pycocotools: random sets (tools/reference/dump_cocoeval.py) and the
// figures that were published with the COCO API.
#include "eval/cocoeval.h"
#include "tests/support/golden.h"
#include "tests/support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

static tn_error err;
static tn_pool *pool;

typedef struct chosen {
    int64_t ids[32];
    uint32_t count;
} chosen;

static chosen next_chosen(golden *g) {
    chosen c = {.count = golden_u32(g)};
    assert_true(c.count <= 32);
    memcpy(c.ids, golden_bytes(g, 8 * c.count), 8 * c.count);
    return c;
}

static io_coco *next_file(golden *g, bool results) {
    uLongf length = golden_u32(g);
    uint32_t packed = golden_u32(g);
    uint8_t *text = tn_alloc(length);
    assert_int_equal(uncompress(text, &length, golden_bytes(g, packed), packed), Z_OK);
    io_coco *file;
    ASSERT_OK(io_coco_read(text, length, results ? "results" : "truth", results, IO_COCO_SHAPES,
                           &file, &err),
              err);
    tn_free(text);
    return file;
}

static size_t cells(const ev_coco *c) {
    return c->category_count * EV_AREAS * EV_LIMITS * EV_IOUS;
}

static uint32_t crc_of(const double *values, size_t count) {
    return (uint32_t)crc32(0, (const Bytef *)values, (uInt)(count * sizeof *values));
}

// One evaluation of the golden file; pool or not, the bits are the same.
static void check(golden *g, int number, bool masks, const io_coco *truth, const io_coco *results) {
    ev_coco_options o = {.masks = masks, .agnostic = golden_u32(g)};
    for (int i = 0; i < EV_LIMITS; i++) o.limits[i] = (int)golden_u32(g);
    chosen images = next_chosen(g), categories = next_chosen(g);
    if (images.count) o.images = images.ids, o.image_count = images.count;
    if (categories.count) o.categories = categories.ids, o.category_count = categories.count;
    double stats[EV_STATS];
    memcpy(stats, golden_bytes(g, sizeof stats), sizeof stats);
    uint32_t precision = golden_u32(g), recall = golden_u32(g);
    for (int round = 0; round < 2; round++) {
        ev_coco c;
        ASSERT_OK(ev_coco_evaluate(truth, results->objects, results->object_count, &o,
                                   round ? pool : NULL, &c, &err),
                  err);
        for (int i = 0; i < EV_STATS; i++)
            if (!(fabs(c.stats[i] - stats[i]) <= 1e-12))
                fail_msg("set %d, %s, figure %d: %.17g, expected %.17g", number,
                         masks ? "masks" : "boxes", i, c.stats[i], stats[i]);
        if (crc_of(c.precision, cells(&c) * EV_RECALLS) != precision)
            fail_msg("set %d, %s: other precisions", number, masks ? "masks" : "boxes");
        if (crc_of(c.recall, cells(&c)) != recall)
            fail_msg("set %d, %s: other recalls", number, masks ? "masks" : "boxes");
        ev_coco_deinit(&c);
    }
}

// The same figures without ranges of area, but for those of small, medium and large.
static void check_all_sizes(bool masks, const io_coco *truth, const io_coco *results) {
    ev_coco c[2];
    for (int i = 0; i < 2; i++) {
        ev_coco_options o = {.masks = masks, .all_sizes = i};
        ASSERT_OK(
            ev_coco_evaluate(truth, results->objects, results->object_count, &o, NULL, &c[i], &err),
            err);
    }
    for (int k = 0; k < EV_STATS; k++) {
        bool by_area = k % 6 >= 3;
        assert_true(c[1].stats[k] == (by_area ? -1 : c[0].stats[k]));
    }
    ev_coco_deinit(&c[0]);
    ev_coco_deinit(&c[1]);
}

static void evaluate_random_sets_as_pycocotools(void **state) {
    (void)state;
    golden g;
    golden_open(&g, "tests/golden/cocoeval.bin");
    int count = 0;
    for (; golden_more(&g); count++) {
        io_coco *truth = next_file(&g, false), *results = next_file(&g, true);
        check(&g, count, false, truth, results);
        check(&g, count, true, truth, results);
        check_all_sizes(count % 2, truth, results);
        io_coco_close(truth);
        io_coco_close(results);
    }
    golden_close(&g);
    assert_int_equal(count, 60);
}

// "bbox":[…12…] of expected_stats.json.
static void expected_stats(const char *kind, double stats[EV_STATS]) {
    char *text;
    size_t length;
    ASSERT_OK(io_read_text(SHARED_DATA "/coco_eval/expected_stats.json", 0, &text, &length, &err),
              err);
    char *at = strstr(text, kind);
    assert_non_null(at);
    at = strchr(at, '[') + 1;
    for (int i = 0; i < EV_STATS; i++, at++) stats[i] = strtod(at, &at);
    tn_free(text);
}

static void evaluate_gives_published_figures(void **state) {
    (void)state;
    if (access(SHARED_DATA "/coco_eval", R_OK) != 0) SKIP("no " SHARED_DATA "/coco_eval");
    for (int masks = 0; masks < 2; masks++) {
        double want[EV_STATS];
        expected_stats(masks ? "\"segm\":" : "\"bbox\":", want);
        ev_coco_options o = {.masks = masks};
        ev_coco c;
        ASSERT_OK(ev_coco_evaluate_files(
                      SHARED_DATA "/coco_eval/instances_val2014_100.json",
                      masks ? SHARED_DATA "/coco_eval/instances_val2014_fakesegm100_results.json"
                            : SHARED_DATA "/coco_eval/instances_val2014_fakebbox100_results.json",
                      &o, pool, &c, &err),
                  err);
        for (int i = 0; i < EV_STATS; i++)
            if (!(fabs(c.stats[i] - want[i]) <= 1e-12))
                fail_msg("figure %d: %.17g, expected %.17g", i, c.stats[i], want[i]);
        ev_coco_deinit(&c);
    }
}

#define HEAD                                                                                       \
    "{\"images\":[{\"id\":1,\"width\":10,\"height\":10},{\"id\":2}],\"categories\":[{\"id\":1}],"
#define TRUTH                                                                                      \
    HEAD "\"annotations\":[{\"id\":1,\"image_id\":1,\"category_id\":1,\"bbox\":[1,1,4,4],"         \
         "\"area\":16,\"segmentation\":[[1,1,5,1,5,5,1,5]]}]}"
#define FOUND "\"image_id\":1,\"category_id\":1,\"score\":1"

static tn_status run(const char *truth, const char *results, ev_coco_options o, ev_coco *c) {
    io_coco *a = NULL, *b = NULL;
    tn_status status = io_coco_read(truth, strlen(truth), "a", false, IO_COCO_SHAPES, &a, &err);
    if (status == TN_OK)
        status = io_coco_read(results, strlen(results), "b", true, IO_COCO_SHAPES, &b, &err);
    if (status == TN_OK)
        status = ev_coco_evaluate(a, b->objects, b->object_count, &o, pool, c, &err);
    io_coco_close(a);
    io_coco_close(b);
    return status;
}

static void evaluate_small_cases(void **state) {
    (void)state;
    ev_coco c;
    ASSERT_OK(run(TRUTH, "[{" FOUND ",\"bbox\":[1,1,4,4]}]", (ev_coco_options){0}, &c), err);
    for (int i = 0; i < EV_STATS; i++) {
        bool absent = i == 4 || i == 5 || i == 10 || i == 11; // nothing medium, nothing large
        ASSERT_WITHIN(fabs(c.stats[i] - (absent ? -1 : 1)), 1e-12);
    }
    assert_int_equal(c.truths, 1);
    assert_int_equal(c.results, 1);
    assert_int_equal(c.category_ids[0], 1);
    char text[1200];
    ev_coco_text(&c, text, sizeof text);
    assert_non_null(strstr(text, " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | "
                                 "maxDets=100 ] = 1.000\n"));
    assert_non_null(strstr(text, " Average Recall     (AR) @[ IoU=0.50:0.95 | area= large | "
                                 "maxDets=100 ] = -1.000\n"));
    ev_coco_text(&c, text, 10);
    assert_int_equal(strlen(text), 9);
    ev_coco_deinit(&c);
    ASSERT_OK(run(TRUTH, "[]", (ev_coco_options){.masks = true}, &c), err); // nothing found
    assert_true(c.stats[0] == 0 && c.stats[8] == 0 && c.stats[5] == -1);
    ev_coco_deinit(&c);
    ASSERT_OK(run("{\"images\":[]}", "[]", (ev_coco_options){0}, &c), err); // nothing at all
    for (int i = 0; i < EV_STATS; i++) assert_true(c.stats[i] == -1);
    ev_coco_deinit(&c);
    ASSERT_OK(run(TRUTH, "[{" FOUND ",\"bbox\":[1,1,4,4]}]", (ev_coco_options){.masks = true}, &c),
              err);
    assert_true(c.stats[0] > 0.999); // a box is a mask
    ev_coco_deinit(&c);
    ASSERT_OK(run(HEAD "\"annotations\":[{\"id\":0,\"image_id\":1,\"category_id\":1,\"area\":16,"
                       "\"bbox\":[1,1,4,4]}]}",
                  "[{" FOUND ",\"bbox\":[1,1,4,4]}]", (ev_coco_options){0}, &c),
              err);
    assert_true(c.stats[0] == 0); // the oddity about id 0
    assert_int_equal(c.zero_ids, 1);
    ev_coco_deinit(&c);
}

static void files_as_people_have_them_give_the_same_figures(void **state) {
    (void)state;
    static const char *const truths[] = {
        "\xef\xbb\xbf" HEAD "\"annotations\":[{\"id\":7,\"image_id\":1,\"category_id\":1,\"bbox\":"
        "[1,1,4,4],\"segmentation\":[[1,1,5,1,5,5,1,5]]}]}", // no area
        "{\"images\":[{\"id\":\"1\",\"width\":10,\"height\":10}],\"categories\":[{\"id\":1}],"
        "\"annotations\":[{\"id\":7,\"image_id\":\"1\",\"category_id\":1,\"bbox\":[1,1,4,4],"
        "\"area\":16,\"segmentation\":[[1,1,5,1,5,5,1,5]]}]}",
    };
    for (size_t i = 0; i < sizeof truths / sizeof *truths; i++)
        for (int masks = 0; masks < 2; masks++) {
            ev_coco_options o = {.masks = masks};
            ev_coco a, b;
            const char *found =
                "[{\"image_id\":\"1\",\"category_id\":1,\"score\":1,\"bbox\":[1,1,4,3]"
                ",\"segmentation\":[[1,1,5,1,5,4,1,4]]}]";
            ASSERT_OK(run(TRUTH, found, o, &a), err);
            ASSERT_OK(run(truths[i], found, o, &b), err);
            assert_true(a.stats[0] > 0 && a.stats[3] > 0); // small: the area is known
            assert_memory_equal(a.stats, b.stats, sizeof a.stats);
            ev_coco_deinit(&a);
            ev_coco_deinit(&b);
        }
}

static void evaluate_refuses_bad_input(void **state) {
    (void)state;
    static const struct {
        const char *truth, *results;
        bool masks;
        const char *why;
    } cases[] = {
        {TRUTH, "[{\"image_id\":3,\"category_id\":1,\"score\":1,\"bbox\":[1,1,4,4]}]", false,
         "result 1 is in picture 3"},
        {TRUTH, "[{" FOUND ",\"bbox\":[1,1,4,4]},{" FOUND ",\"segmentation\":[]}]", false,
         "result 2 has no \"bbox\""},
        {TRUTH, "[{" FOUND ",\"segmentation\":[]},{" FOUND ",\"bbox\":[1,1,4,4]}]", false,
         "result 2 has no \"segmentation\""},
        {TRUTH, "[{\"image_id\":\"1.jpg\",\"category_id\":1,\"score\":1,\"bbox\":[1,1,4,4]}]",
         false, "result 1 is in picture 1.jpg, which is not in the annotations"},
        {HEAD "\"annotations\":[{\"id\":7,\"image_id\":1,\"category_id\":1,\"area\":1}]}", "[]",
         false, "annotation 7 (picture 1) has no \"bbox\""},
        {HEAD "\"annotations\":[{\"id\":7,\"image_id\":1,\"category_id\":1,\"area\":1}]}", "[]",
         true, "annotation 7 (picture 1) has no \"segmentation\""},
        {TRUTH, "[{" FOUND ",\"segmentation\":{\"size\":[10,10],\"counts\":\"05\"}}]", true,
         "result 1 (picture 1): runs of 5 pixels, expected 10 x 10"},
        {TRUTH, "[{" FOUND ",\"segmentation\":{\"size\":[10,10],\"counts\":\"0 5\"}}]", true,
         "result 1 (picture 1): run-length text: byte 0x20"},
        {TRUTH, "[{" FOUND ",\"segmentation\":{\"size\":[70000,70000],\"counts\":[0]}}]", true,
         "70000 rows"},
        {TRUTH, "[{" FOUND ",\"segmentation\":[[1,1,4,4],[1,1,5,1,5,5]]}]", true, "one kind"},
        {TRUTH, "[{" FOUND ",\"segmentation\":[[1e300,1,5,1,5,5]]}]", true, "coordinate 0"},
        {TRUTH, "[{\"image_id\":2,\"category_id\":1,\"score\":1,\"segmentation\":[[1,1,5,1,5,5]]}]",
         true, "result 1 (picture 2): the picture has no width and height"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ev_coco c;
        tn_status status =
            run(cases[i].truth, cases[i].results, (ev_coco_options){.masks = cases[i].masks}, &c);
        if (status != TN_EFORMAT || !strstr(err.text, cases[i].why))
            fail_msg("case %zu: %s, expected %s", i, status ? err.text : "was read", cases[i].why);
    }
    ev_coco c;
    assert_int_equal(run(TRUTH, "[]", (ev_coco_options){.limits = {10, 1, 100}}, &c), TN_EINVAL);
    assert_int_equal(run(TRUTH, "[]", (ev_coco_options){.limits = {0, 1, 100}}, &c), TN_EINVAL);
    ev_coco_options o = {0};
    assert_int_equal(ev_coco_evaluate_files("/nowhere/a", "/nowhere/b", &o, pool, &c, &err),
                     TN_EIO);
    assert_non_null(strstr(err.text, "/nowhere/a"));
}

static void evaluate_reports_out_of_memory(void **state) {
    (void)state;
    io_coco *truth, *results;
    const char *found = "[{" FOUND ",\"bbox\":[1,1,4,4]}]";
    ASSERT_OK(io_coco_read(TRUTH, strlen(TRUTH), "a", false, IO_COCO_SHAPES, &truth, &err), err);
    ASSERT_OK(io_coco_read(found, strlen(found), "b", true, IO_COCO_SHAPES, &results, &err), err);
    tn_status status = TN_ENOMEM;
    for (int64_t n = 1; status != TN_OK; n++) {
        ev_coco c;
        ev_coco_options o = {.masks = true};
        tn_alloc_fail_after(n);
        status = ev_coco_evaluate(truth, results->objects, 1, &o, pool, &c, &err);
        tn_alloc_fail_after(0);
        assert_true(status == TN_OK || status == TN_ENOMEM);
        if (status == TN_OK) ev_coco_deinit(&c);
        assert_true(n < 200);
    }
    io_coco_close(truth);
    io_coco_close(results);
}

static int open_pool(void **state) {
    (void)state;
    return tn_pool_open(3, &pool, &err);
}

static int close_pool(void **state) {
    (void)state;
    tn_pool_close(pool);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evaluate_random_sets_as_pycocotools),
        cmocka_unit_test(evaluate_gives_published_figures),
        cmocka_unit_test(evaluate_small_cases),
        cmocka_unit_test(files_as_people_have_them_give_the_same_figures),
        cmocka_unit_test(evaluate_refuses_bad_input),
        cmocka_unit_test(evaluate_reports_out_of_memory),
    };
    return cmocka_run_group_tests(tests, open_pool, close_pool);
}
