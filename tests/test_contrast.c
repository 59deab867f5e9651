// SPDX-License-Identifier: Apache-2.0
// A model that knows its training names, through the C API: they compete with the requested names,
// other requested names are reported, and the model is found without a path.
#include "lexmask.h"
#include "tests/support/contrast_model.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

static lexmask_status name_boxes_file(lexmask_session *by, const char *path, const float *boxes,
                                      size_t count, int *labels, float *scores,
                                      lexmask_error *error) {
    lexmask_picture from = lexmask_picture_file(path);
    return lexmask_name_boxes(by, &from, boxes, count, labels, scores, error);
}

static char said[2048];

static void remember(void *user, lexmask_log_level level, const char *text) {
    (void)user, (void)level;
    strcat(strcat(said, text), "\n");
}

static lexmask_error err;
static lexmask_model *model;
static lexmask_names *names;
static lexmask_session *session;

static int agnostic;

static double overlap(const lexmask_detection *a, const lexmask_detection *b) {
    double w = fmin(a->box[2], b->box[2]) - fmax(a->box[0], b->box[0]);
    double h = fmin(a->box[3], b->box[3]) - fmax(a->box[1], b->box[1]);
    double both = w > 0 && h > 0 ? w * h : 0;
    double one = (double)(a->box[2] - a->box[0]) * (double)(a->box[3] - a->box[1]);
    double other = (double)(b->box[2] - b->box[0]) * (double)(b->box[3] - b->box[1]);
    return both / (one + other - both);
}

// Boxes are named by CLIP only.
static void open_all(const char *text, int contrast) {
    lexmask_model_options from; // no folder: $LEXMASK_MODEL
    lexmask_names_options words;
    lexmask_session_options how;
    *said = 0;
    lexmask_model_options_init(&from);
    from.threads = 1;
    lexmask_names_options_init(&words);
    words.text = text, words.background = "none", words.use_cache = 0, words.threads = 1;
    words.contrast = contrast, words.log = remember;
    lexmask_session_options_init(&how);
    how.threads = 1, how.score2 = "crop", how.alpha = how.beta = 1, how.score = 0;
    how.agnostic = agnostic, how.nms = agnostic ? 0.1 : -1;
    if (lexmask_model_open(&from, &model, &err) || lexmask_names_new(model, &words, &names, &err) ||
        lexmask_session_new(model, names, &how, &session, &err))
        fail_msg("%s", err.text);
}

static void close_all(void) {
    lexmask_session_free(session);
    lexmask_names_free(names);
    lexmask_model_close(model);
}

// The names of the picture's pizza and guitar.
static void name_both(const char *text, int contrast, int labels[2], float scores[2]) {
    static const float boxes[8] = {210, 195, 275, 261, 305, 371, 371, 438};
    open_all(text, contrast);
    if (name_boxes_file(session, CONTRAST_PICTURE, boxes, 2, labels, scores, &err))
        fail_msg("%s", err.text);
    close_all();
}

static void one_name_does_not_name_everything(void **state) {
    (void)state;
    int labels[2];
    float scores[2];
    name_both("pizza", 0, labels, scores);
    assert_int_equal(labels[1], 0); // there is no other name
    ASSERT_WITHIN(1 - (double)scores[1], 1e-6);
    name_both("pizza", 1, labels, scores);
    assert_int_equal(labels[0], 0);
    assert_int_equal(labels[1], -1);
    assert_true(scores[0] > 0.5f);
    assert_string_equal(said, "");
}

// Competing names are not duplicated: requesting all of them gives the same with and without
// contrast.
static void all_names_are_the_same_with_and_without(void **state) {
    (void)state;
    int with[2], without[2];
    float scores[2], same[2];
    const char *all = "rocket,guitar,Pizza|pie,red heart,unicorn,penguin";
    name_both(all, 1, with, scores);
    name_both(all, 0, without, same);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(with[i], without[i]);
        assert_true(scores[i] == same[i]);
    }
    assert_int_equal(with[0], 2);
    assert_int_equal(with[1], 1);
}

static void unknown_names_are_reported(void **state) {
    (void)state;
    int labels[2];
    float scores[2];
    name_both("guitars,carburetor,pizza", 1, labels, scores);
    assert_string_equal(said, "'guitars' is not among the 6 names that this model was trained on: "
                              "did you mean 'guitar'?\n'carburetor' is not among the 6 names that "
                              "this model was trained on\n");
    name_both("aa,bb,cc,dd,ee,ff,gg", 1, labels, scores);
    assert_non_null(strstr(said, "nor are 2 more of the given names\n"));
    assert_null(strstr(said, "'ff'"));
}

static void only_what_was_asked_for_is_given(void **state) {
    (void)state;
    lexmask_result *result;
    open_all("pizza,unicorn,red heart", 1);
    if (lexmask_run_file(session, CONTRAST_PICTURE, &result, &err)) fail_msg("%s", err.text);
    assert_true(lexmask_result_count(result) > 3);
    for (size_t i = 0; i < lexmask_result_count(result); i++) {
        const lexmask_detection *d = lexmask_result_at(result, i);
        assert_in_range(d->label, 0, 2);
        assert_string_equal(d->name, lexmask_names_at(names, (size_t)d->label));
        assert_int_equal(d->novel, d->label < 2); // base_names has only the red heart
        assert_int_equal(d->top_count, 3);
        assert_true(d->top_score[0] + d->top_score[1] + d->top_score[2] < 1);
    }
    lexmask_result_free(result);
    close_all();
}

// Class-agnostic: each box is reported once, and no two overlap much, whatever their names.
static void each_box_once(void **state) {
    (void)state;
    lexmask_result *result;
    agnostic = 1;
    open_all("pizza,unicorn,red heart,guitar,penguin,rocket", 1);
    agnostic = 0;
    if (lexmask_run_file(session, CONTRAST_PICTURE, &result, &err)) fail_msg("%s", err.text);
    size_t count = lexmask_result_count(result);
    assert_true(count > 1 && count <= 20); // the model proposes 20
    for (size_t i = 0; i < count; i++) {
        const lexmask_detection *a = lexmask_result_at(result, i);
        // There is no background, so only the objectness is left in the score.
        ASSERT_WITHIN(fabs((double)a->score - sqrt((double)a->objectness)), 1e-5);
        for (size_t k = 0; k < i; k++)
            assert_true(overlap(a, lexmask_result_at(result, k)) <= 0.1001);
    }
    lexmask_result_free(result);
    close_all();
}

static int setup(void **state) {
    (void)state;
    contrast_model_write(temporary_path(""), "names.txt");
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_name_does_not_name_everything),
        cmocka_unit_test(all_names_are_the_same_with_and_without),
        cmocka_unit_test(unknown_names_are_reported),
        cmocka_unit_test(only_what_was_asked_for_is_given),
        cmocka_unit_test(each_box_once),
    };
    return cmocka_run_group_tests(tests, setup, temporary_teardown);
}
