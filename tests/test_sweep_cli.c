// SPDX-License-Identifier: Apache-2.0
// `lexmask eval --sweep` from the command line.
#include "io/coco/coco.h"
#include "io/coco/scores.h"
#include "io/image/image.h"
#include "io/json.h"
#include "tests/support/program.h"

#include <math.h>
#include <string.h>

// Two pictures with a cat (base) and a dog (novel) each. Score 1 knows only cats, score 2 only
// dogs: alpha 0 is best for cats, beta 1 for dogs.
#define OBJECT(id, image, category, x)                                                             \
    "{\"id\":" #id ",\"image_id\":" #image ",\"category_id\":" #category ",\"bbox\":[" #x          \
    ",10,20,20],\"area\":400}"
#define TRUTH                                                                                      \
    "{\"images\":[{\"id\":1},{\"id\":2}],\"categories\":[{\"id\":3,\"name\":\"cat\"},{\"id\":5,"   \
    "\"name\":\"dog\"}],\"annotations\":[" OBJECT(1, 1, 3, 10) "," OBJECT(2, 1, 5, 50) "," OBJECT( \
        3, 2, 3, 10) "," OBJECT(4, 2, 5, 50) "]}"

#define PARTY                                                                                      \
    "{\"images\":[{\"id\":1,\"file_name\":\"party.png\"}],\"categories\":[{\"id\":3,\"name\":"     \
    "\"rocket\"},"                                                                                 \
    "{\"id\":5,\"name\":\"guitar\"},{\"id\":8,\"name\":\"unicorn\"}],\"annotations\":"
#define FVLM " --model tests/golden/fvlm_demo --pictures demo/pictures --no-cache --threads 1"
#define SHIPPED                                                                                    \
    " --model demo/model --no-contrast --score 0.001 --pictures demo/pictures --no-cache "         \
    "--threads 1"

static tn_error err;

static const char *scores_of(int64_t picture) {
    static char folder[512];
    static int64_t ids[2] = {3, 5};
    static uint8_t base[2] = {1, 0};
    snprintf(folder, sizeof folder, "%s/scores", temporary_folder());
    io_scores_head head = {.classes = 2,
                           .category_ids = ids,
                           .base = base,
                           .background = true,
                           .has_score2 = true,
                           .alpha = 0.5,
                           .beta = 0.5,
                           .score = 0.05,
                           .nms = 0.5,
                           .soft = 1,
                           .inside = 1,
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

static void sweep_tries_weights(void **state) {
    (void)state;
    const char *gt = temporary_text("gt.json", TRUTH), *base = temporary_text("base.txt", "cat");
    test_run run = test_lexmask("eval --gt %s --sweep --scores %s --base %s --alphas 0,1 --betas "
                                "0,1 --plots %s/plots",
                                gt, scores_of(2), base, temporary_folder());
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
        snprintf(path, sizeof path, "%s/plots/%s.png", temporary_folder(), names[i]);
        ASSERT_OK(io_image_read(path, 0, &image, &err), err);
        assert_true(image.dim[0] == 640 && image.dim[1] == 960);
        tn_free(image.data);
    }
}

static void sweep_tries_other_settings(void **state) {
    (void)state;
    test_run run = test_lexmask("eval --gt %s --sweep --scores %s --alphas 0 --betas 1 --scales1 "
                                "0.5,1 --scales2 1,2 --powers 0,1 --thresholds 0.05,0.95 --json",
                                temporary_text("gt.json", TRUTH), scores_of(2));
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
    run = test_lexmask("eval --gt %s --sweep --scores %s", temporary_text("gt.json", TRUTH),
                       scores_of(2));
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.err, "36 settings in");
    test_run_free(&run);
}

static void sweep_refuses_mismatched_files(void **state) {
    (void)state;
    const char *gt = temporary_text("gt.json", TRUTH);
    test_run run = test_lexmask("eval --gt %s --sweep --scores %s", gt, scores_of(3));
    ASSERT_CODE(run, 1);
    ASSERT_SAYS(run.err, "is in picture 3, which is not in the annotations");
    test_run_free(&run);
    const char *other =
        temporary_text("other.json", "{\"images\":[{\"id\":1},{\"id\":2}],\"categories\":"
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

// Ground truth from every third detection, slightly shifted.
static const char *truth_of(const char *results) {
    static char text[1 << 16];
    io_coco *found;
    size_t n = 0;
    ASSERT_OK(io_coco_results_open(results, 0, &found, &err), err);
    assert_true(found->object_count >= 30 && found->object_count < 200);
    n += (size_t)sprintf(text + n, "%s", PARTY "[");
    for (size_t i = 0; i < found->object_count; i += 3) {
        const io_coco_object *o = &found->objects[i];
        n += (size_t)sprintf(text + n,
                             "%s{\"id\":%zu,\"image_id\":1,\"category_id\":%lld,\"bbox\":[%g,%g,%g,"
                             "%g],\"area\":%g}",
                             i ? "," : "", i + 1, (long long)o->category_id, o->box[0] + 2,
                             o->box[1], o->box[2] * 0.88, o->box[3], o->box[2] * o->box[3]);
    }
    sprintf(text + n, "]}");
    io_coco_close(found);
    return temporary_text("found_truth.json", text);
}

static double number(const test_run *run, const char *list, const char *key) {
    io_json document, values, one;
    double value = NAN;
    ASSERT_OK(io_json_parse(run->out, strlen(run->out), "printed", &document, &err), err);
    ASSERT_OK(io_json_get(&document, list, IO_JSON_ARRAY, &values, &err), err);
    ASSERT_OK(io_json_at(&values, 0, IO_JSON_ANY, &one, &err), err);
    if (key)
        ASSERT_OK(io_json_number(&one, key, &value, &err), err);
    else
        ASSERT_OK(io_json_as_number(&one, &value, &err), err);
    io_json_close(&document);
    return value;
}

// Stored scores with the weights of the run give the model's detections; returns the annotations
// used for the comparison.
static const char *keep_and_try(const char *gt, const char *results, const char *model,
                                const char *weights) {
    test_run run = test_lexmask("eval --data %s%s --results-out %s --scores %s/kept --sweep %s", gt,
                                model, results, temporary_folder(), weights);
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.err, "1 settings in");
    test_run_free(&run);
    const char *truth = truth_of(results);
    run = test_lexmask("eval --gt %s --results %s --json", truth, results);
    ASSERT_CODE(run, 0);
    double ap = number(&run, "stats", NULL);
    assert_true(ap > 0.05);
    test_run_free(&run);
    run = test_lexmask("eval --gt %s --sweep --scores %s/kept %s --json", truth, temporary_folder(),
                       weights);
    ASSERT_CODE(run, 0);
    ASSERT_WITHIN(fabs(number(&run, "settings", "AP") - ap), 1e-4);
    test_run_free(&run);
    return truth;
}

static void a_models_scores_are_kept(void **state) {
    (void)state;
    char results[512];
    snprintf(results, sizeof results, "%s/out.json", temporary_folder());
    const char *gt = temporary_text("gt.json", PARTY "[]}");
    // The shipped model: it decays scores and drops contained parts.
    keep_and_try(gt, results, SHIPPED, "--alphas 0.8 --betas 0.9");
    const char *truth = keep_and_try(gt, results, FVLM, "--alphas 0.3 --betas 0.7");
    test_run run =
        test_lexmask("eval --data %s" FVLM " --score2 none --results-out %s --scores %s/kept", gt,
                     results, temporary_folder());
    ASSERT_CODE(run, 0);
    test_run_free(&run);
    run =
        test_lexmask("eval --gt %s --sweep --scores %s/kept --scales1 1,2", gt, temporary_folder());
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.err, "2 settings in"); // no weights without a second score
    test_run_free(&run);
    run = test_lexmask("eval --gt %s --sweep --scores %s/kept --betas 0,1", gt, temporary_folder());
    ASSERT_CODE(run, 2);
    ASSERT_SAYS(run.err, "--betas: the kept scores have no score 2");
    test_run_free(&run);
    run = test_lexmask("eval --data %s --model demo/pair --pictures demo/pictures --no-cache "
                       "--results-out %s --scores %s/no",
                       gt, results, temporary_folder());
    ASSERT_CODE(run, 2);
    ASSERT_SAYS(run.err, "--scores is for an F-VLM");
    test_run_free(&run);
    run = test_lexmask("report --gt %s" FVLM, truth);
    ASSERT_CODE(run, 0);
    ASSERT_SAYS(run.out, "macro avg");
    test_run_free(&run);
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
    test_misuse(cases, sizeof cases / sizeof *cases);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sweep_tries_weights),
        cmocka_unit_test(sweep_tries_other_settings),
        cmocka_unit_test(sweep_refuses_mismatched_files),
        cmocka_unit_test(a_models_scores_are_kept),
        cmocka_unit_test(misuse_is_explained),
    };
    return cmocka_run_group_tests(tests, NULL, temporary_teardown);
}
