// SPDX-License-Identifier: Apache-2.0
// `lexmask eval --sweep` as a user types it.
#include "io/image.h"
#include "io/json.h"
#include "io/scores.h"
#include "tests/program.h"

#include <math.h>
#include <string.h>

// Two pictures with a cat (base) and a dog (novel) each. Score 1 knows cats alone, score 2 dogs
// alone: cats want alpha 0, dogs beta 1.
#define OBJECT(id, image, category, x)                                                             \
    "{\"id\":" #id ",\"image_id\":" #image ",\"category_id\":" #category ",\"bbox\":[" #x          \
    ",10,20,20],\"area\":400}"
#define TRUTH                                                                                      \
    "{\"images\":[{\"id\":1},{\"id\":2}],\"categories\":[{\"id\":3,\"name\":\"cat\"},{\"id\":5,"   \
    "\"name\":\"dog\"}],\"annotations\":[" OBJECT(1, 1, 3, 10) "," OBJECT(2, 1, 5, 50) "," OBJECT( \
        3, 2, 3, 10) "," OBJECT(4, 2, 5, 50) "]}"

static tn_error err;

static const char *file_of(const char *name, const char *text) {
    static char path[4][512];
    static int next;
    char *out = path[next++ % 4];
    snprintf(out, sizeof path[0], "%s/%s", test_folder(), name);
    FILE *file = fopen(out, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
    return out;
}

static const char *scores_of(int64_t picture) {
    static char folder[512];
    static int64_t ids[2] = {3, 5};
    static uint8_t base[2] = {1, 0};
    snprintf(folder, sizeof folder, "%s/scores", test_folder());
    io_scores_head head = {.classes = 2,
                           .category_ids = ids,
                           .base = base,
                           .background = true,
                           .has_score2 = true,
                           .alpha = 0.5,
                           .beta = 0.5,
                           .score = 0.05,
                           .nms = 0.5,
                           .top = 100};
    // A cat, a dog, and nothing: boxes, then score 1 and score 2.
    static const float boxes[3][4] = {{10, 10, 30, 30}, {50, 10, 70, 30}, {80, 60, 99, 80}};
    static const float objectness[3] = {0.9f, 0.9f, 0.9f};
    static const float score1[3][3] = {
        {0.9f, 0.05f, 0.05f}, {0.3f, 0.1f, 0.6f}, {0.2f, 0.5f, 0.3f}};
    static const float score2[3][3] = {{0.1f, 0.2f, 0.7f}, {0.1f, 0.8f, 0.1f}, {0.8f, 0.1f, 0.1f}};
    io_scores_writer writer;
    ASSERT_OK(io_scores_writer_open(&writer, folder, &head, &err), err);
    for (int64_t i = 1; i <= picture; i++)
        ASSERT_OK(
            io_scores_writer_add(&writer, i, 3, boxes[0], objectness, score1[0], score2[0], &err),
            err);
    ASSERT_OK(io_scores_writer_commit(&writer, &err), err);
    return folder;
}

static void weights_are_tried(void **state) {
    (void)state;
    const char *gt = file_of("gt.json", TRUTH), *base = file_of("base.txt", "cat");
    test_run run = test_lexmask("eval --gt %s --sweep --scores %s --base %s --alphas 0,1 --betas "
                                "0,1 --plots %s/plots",
                                gt, scores_of(2), base, test_folder());
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "  alpha   beta scale1 scale2  power  score      AP   AP50  novel   base");
    ASSERT_SAYS(run.out,
                "\n      0      0      1      1      0   0.05    0.750  0.750  0.500  1.000\n");
    ASSERT_SAYS(run.out,
                "\n*     0      1      1      1      0   0.05    1.000  1.000  1.000  1.000\n");
    ASSERT_SAYS(run.out,
                "\n      1      0      1      1      0   0.05    0.450  0.450  0.500  0.400\n");
    ASSERT_SAYS(run.err, "4 settings in");
    test_run_free(&run);
    static const char *const names[] = {"sweep", "sweep_novel", "sweep_base"};
    for (int i = 0; i < 3; i++) {
        char path[512];
        tn_tensor image;
        snprintf(path, sizeof path, "%s/plots/%s.png", test_folder(), names[i]);
        ASSERT_OK(io_image_read(path, 0, &image, &err), err);
        assert_true(image.dim[0] == 640 && image.dim[1] == 960);
        tn_free(image.data);
    }
}

static void other_things_are_tried_too(void **state) {
    (void)state;
    test_run run = test_lexmask("eval --gt %s --sweep --scores %s --alphas 0 --betas 1 --scales1 "
                                "0.5,1 --scales2 1,2 --powers 0,1 --thresholds 0.05,0.95 --json",
                                file_of("gt.json", TRUTH), scores_of(2));
    ASSERT_CODE(run, 0);
    io_json document, settings, one;
    double value = 0;
    int good = 0;
    ASSERT_OK(io_json_parse(run.out, strlen(run.out), "printed", &document, &err), err);
    ASSERT_OK(io_json_get(&document, "settings", IO_JSON_ARRAY, &settings, &err), err);
    assert_int_equal(io_json_count(&settings), 16);
    for (size_t i = 0; i < 16; i++) {
        ASSERT_OK(io_json_at(&settings, i, IO_JSON_OBJECT, &one, &err), err);
        ASSERT_OK(io_json_number(&one, "AP", &value, &err), err);
        good += value > 0.9;
        if (value > 0.9) {
            ASSERT_OK(io_json_number(&one, "score", &value, &err), err);
            assert_true(value == 0.05);
        }
    }
    assert_int_equal(good, 8);
    io_json_close(&document);
    test_run_free(&run);
    // As it was run, in the file's own words: a grid of weights.
    run = test_lexmask("eval --gt %s --sweep --scores %s", file_of("gt.json", TRUTH), scores_of(2));
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.err, "36 settings in");
    test_run_free(&run);
}

static void what_does_not_fit_is_refused(void **state) {
    (void)state;
    const char *gt = file_of("gt.json", TRUTH);
    test_run run = test_lexmask("eval --gt %s --sweep --scores %s", gt, scores_of(3));
    ASSERT_CODE(run, 1);
    ASSERT_SAYS(run.err, "is in picture 3, which the annotations do not have");
    test_run_free(&run);
    const char *other = file_of("other.json", "{\"images\":[{\"id\":1},{\"id\":2}],\"categories\":"
                                              "[{\"id\":3,\"name\":\"cat\"}],\"annotations\":[]}");
    run = test_lexmask("eval --gt %s --sweep --scores %s", other, scores_of(2));
    ASSERT_CODE(run, 1);
    ASSERT_SAYS(run.err, "of category 5, which the annotations do not have");
    test_run_free(&run);
    run = test_lexmask("eval --gt %s --sweep --scores /nowhere", gt);
    ASSERT_CODE(run, 1);
    ASSERT_SAYS(run.err, "/nowhere/scores.json");
    test_run_free(&run);
    static const char *const lists[][2] = {
        {"--alphas 0,x", "--alphas: '0,x': expected numbers of 0 to 1"},
        {"--alphas 2", "--alphas: '2'"},
        {"--betas 0,,1", "--betas: '0,,1'"},
        {"--scales1 0", "--scales1: '0'"},
        {"--thresholds nan", "--thresholds: 'nan'"},
        {"--powers 1,", "--powers: '1,'"},
    };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        run = test_lexmask("eval --gt %s --sweep --scores %s %s", gt, scores_of(2), lists[i][0]);
        ASSERT_CODE(run, 2);
        ASSERT_SAYS(run.err, lists[i][1]);
        test_run_free(&run);
    }
}

static void misuse_is_explained(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"eval --gt a --sweep", "--scores DIR"},
        {"eval --gt a --scores b", "--scores goes with --sweep"},
        {"eval --gt a --sweep --scores b --results c", "makes its own results"},
        {"eval --gt a --sweep --scores b --type segm", "no masks"},
        {"eval --gt a --sweep --scores b --lvis", "goes without --lvis"},
        {"eval --gt a --sweep --scores b --split coco-ovd --base c", "not both"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        test_run run = test_lexmask("%s", cases[i][0]);
        ASSERT_CODE(run, 2);
        ASSERT_SAYS(run.err, cases[i][1]);
        test_run_free(&run);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_tried),
        cmocka_unit_test(other_things_are_tried_too),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(misuse_is_explained),
    };
    return cmocka_run_group_tests(tests, NULL, test_folder_remove);
}
