// SPDX-License-Identifier: Apache-2.0
// LVIS's figures against the lvis package: random sets (tools/reference/dump_lvis.py), and what
// is refused.
#include "eval/lvis.h"
#include "tests/support/golden.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

#include <zlib.h>

static tn_error err;
static tn_pool *pool;

static io_coco *next_file(golden *g, bool results) {
    uLongf length = golden_u32(g);
    uint32_t packed = golden_u32(g);
    uint8_t *text = tn_alloc(length);
    io_coco *file;
    assert_int_equal(uncompress(text, &length, golden_bytes(g, packed), packed), Z_OK);
    ASSERT_OK(io_coco_read(text, length, results ? "results" : "truth", results,
                           IO_COCO_SHAPES | IO_COCO_LVIS, &file, &err),
              err);
    tn_free(text);
    return file;
}

static void check(golden *g, int number, bool masks, const io_coco *truth, const io_coco *results) {
    double want[EV_LVIS_STATS], got[EV_LVIS_STATS];
    memcpy(want, golden_bytes(g, sizeof want), sizeof want);
    ev_coco_options o = {.masks = masks, .lvis = true};
    for (int round = 0; round < 2; round++) {
        ev_coco c;
        ASSERT_OK(ev_coco_evaluate(truth, results->objects, results->object_count, &o,
                                   round ? pool : NULL, &c, &err),
                  err);
        ASSERT_OK(ev_lvis_stats(truth, &c, got, &err), err);
        for (int i = 0; i < EV_LVIS_STATS; i++)
            if (!(fabs(got[i] - want[i]) <= 1e-12))
                fail_msg("set %d, %s, %s: %.17g, expected %.17g", number, masks ? "masks" : "boxes",
                         ev_lvis_names[i], got[i], want[i]);
        ev_coco_deinit(&c);
    }
}

static void lvis_random_sets_as_the_package(void **state) {
    (void)state;
    golden g;
    golden_open(&g, "tests/golden/lvis.bin");
    int count = 0;
    for (; golden_more(&g); count++) {
        io_coco *truth = next_file(&g, false), *results = next_file(&g, true);
        check(&g, count, false, truth, results);
        check(&g, count, true, truth, results);
        io_coco_close(truth);
        io_coco_close(results);
    }
    golden_close(&g);
    assert_int_equal(count, 40);
}

#define IMAGE(lists) "{\"images\":[{\"id\":1" lists "}],"
#define LISTS ",\"neg_category_ids\":[5],\"not_exhaustive_category_ids\":[]"
#define CATEGORY "\"categories\":[{\"id\":3,\"frequency\":\"r\"},{\"id\":5,\"frequency\":\"f\"}],"
#define OBJECTS                                                                                    \
    "\"annotations\":[{\"id\":1,\"image_id\":1,\"category_id\":3,\"bbox\":[1,1,4,4],\"area\":16}]" \
    "}"

static tn_status run(const char *truth, const char *results, ev_coco *c,
                     double stats[EV_LVIS_STATS]) {
    io_coco *a = NULL, *b = NULL;
    tn_status status = io_coco_read(truth, strlen(truth), "a", false, IO_COCO_LVIS, &a, &err);
    if (status == TN_OK) status = io_coco_read(results, strlen(results), "b", true, 0, &b, &err);
    ev_coco_options o = {.lvis = true};
    if (status == TN_OK)
        status = ev_coco_evaluate(a, b->objects, b->object_count, &o, pool, c, &err);
    if (status == TN_OK) {
        status = ev_lvis_stats(a, c, stats, &err);
        ev_coco_deinit(c);
    }
    io_coco_close(a);
    io_coco_close(b);
    return status;
}

static void lvis_small_case(void **state) {
    (void)state;
    ev_coco c;
    double stats[EV_LVIS_STATS];
    ASSERT_OK(run(IMAGE(LISTS) CATEGORY OBJECTS,
                  "[{\"image_id\":1,\"category_id\":3,\"score\":1,\"bbox\":[1,1,4,4]},"
                  "{\"image_id\":1,\"category_id\":5,\"score\":1,\"bbox\":[1,1,4,4]}]",
                  &c, stats),
              err);
    ASSERT_WITHIN(fabs(stats[0] - 1), 1e-12);
    ASSERT_WITHIN(fabs(stats[6] - 1), 1e-12);
    assert_true(stats[7] == -1 && stats[8] == -1 && stats[5] == -1);
    char text[2048];
    ev_lvis_text(stats, text, sizeof text);
    assert_non_null(strstr(text, " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | "
                                 "maxDets=300 catIds=  r] = 1.000\n"));
    assert_non_null(strstr(text, " Average Recall     (AR) @[ IoU=0.50:0.95 | area=     l | "
                                 "maxDets=300 catIds=all] = -1.000\n"));
}

static void lvis_refuses_files_without_its_fields(void **state) {
    (void)state;
    static const struct {
        const char *truth, *why;
    } cases[] = {
        {IMAGE("") CATEGORY OBJECTS, "picture 1 has no \"neg_category_ids\""},
        {IMAGE(",\"neg_category_ids\":[]") CATEGORY OBJECTS,
         "picture 1 has no \"not_exhaustive_category_ids\""},
        {IMAGE(",\"neg_category_ids\":5") CATEGORY OBJECTS, "a: line 1, byte"},
        {IMAGE(",\"neg_category_ids\":[\"\"]") CATEGORY OBJECTS, "a: line 1, byte"},
        {IMAGE(",\"neg_category_ids\":[1.5]") CATEGORY OBJECTS, "a: line 1, byte"},
        {IMAGE(LISTS) "\"categories\":[{\"id\":3}]," OBJECTS, "category 3 has no \"frequency\""},
        {IMAGE(LISTS) "\"categories\":[{\"id\":3,\"frequency\":\"x\"}]," OBJECTS,
         "a frequency of \"r\", \"c\" or \"f\""},
        {IMAGE(LISTS) "\"categories\":[{\"id\":3,\"frequency\":7}]," OBJECTS, "a: line 1, byte"},
        {IMAGE(LISTS) CATEGORY "\"annotations\":[{\"id\":1,\"image_id\":1,\"category_id\":3,"
                               "\"bbox\":[1,1,4,4],\"area\":16,\"ignore\":2}]}",
         "a: line 1, byte"},
        {IMAGE(LISTS) CATEGORY "\"annotations\":[{\"id\":1,\"image_id\":1,\"category_id\":3,"
                               "\"area\":16}]}",
         "annotation 1 (picture 1) has no \"bbox\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ev_coco c;
        double stats[EV_LVIS_STATS];
        tn_status status = run(cases[i].truth, "[]", &c, stats);
        if (status != TN_EFORMAT || !strstr(err.text, cases[i].why))
            fail_msg("case %zu: %s, expected %s", i, status ? err.text : "was read", cases[i].why);
    }
}

static void lvis_reports_out_of_memory(void **state) {
    (void)state;
    tn_status status = TN_ENOMEM;
    for (int64_t n = 1; status != TN_OK; n++) {
        ev_coco c;
        double stats[EV_LVIS_STATS];
        tn_alloc_fail_after(n);
        status =
            run(IMAGE(LISTS) CATEGORY OBJECTS,
                "[{\"image_id\":1,\"category_id\":3,\"score\":1,\"bbox\":[1,1,4,4]}]", &c, stats);
        tn_alloc_fail_after(0);
        assert_true((status == TN_OK || status == TN_ENOMEM) && n < 300);
    }
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
        cmocka_unit_test(lvis_random_sets_as_the_package),
        cmocka_unit_test(lvis_small_case),
        cmocka_unit_test(lvis_refuses_files_without_its_fields),
        cmocka_unit_test(lvis_reports_out_of_memory),
    };
    return cmocka_run_group_tests(tests, open_pool, close_pool);
}
