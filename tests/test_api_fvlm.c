// SPDX-License-Identifier: Apache-2.0
// The public C API with an F-VLM: a small one with random adapters on the CLIP that the repository
// ships.
#include "lexmask.h"
#include "models/fvlm/fvlm.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"

#include <glob.h>
#include <math.h>
#include <string.h>

static lexmask_status name_boxes_file(lexmask_session *by, const char *path, const float *boxes,
                                      size_t count, int *labels, float *scores,
                                      lexmask_error *error) {
    lexmask_picture from = lexmask_picture_file(path);
    return lexmask_name_boxes(by, &from, boxes, count, labels, scores, error);
}

#define FOLDER "tests/golden/fvlm/pair"
#define API_OK(call)                                                                               \
    do {                                                                                           \
        if ((call) != LEXMASK_OK) fail_msg("%s: %s", #call, err.text);                             \
    } while (0)

static char picture[512];
static lexmask_model *model;
static lexmask_names *names;
static lexmask_error err;

static lexmask_session_options plain(void) {
    lexmask_session_options options;
    lexmask_session_options_init(&options);
    options.threads = 1;
    return options;
}

static lexmask_result *run(const lexmask_session_options *options) {
    lexmask_session *session;
    lexmask_result *result;
    API_OK(lexmask_session_new(model, names, options, &session, &err));
    API_OK(lexmask_run_file(session, picture, &result, &err));
    lexmask_session_free(session); // results stay valid
    return result;
}

static void kind(void **state) {
    (void)state;
    assert_true(lexmask_model_is_fvlm(model));
    assert_int_equal(lexmask_model_class_count(model), 0);
    assert_null(lexmask_model_class_at(model, 0));
    assert_int_equal(lexmask_names_count(names), 3);
}

static void detections(void **state) {
    (void)state;
    lexmask_session_options options = plain();
    lexmask_result *result = run(&options);
    size_t count = lexmask_result_count(result);
    assert_true(count > 0 && count <= 30);
    for (size_t i = 0; i < count; i++) {
        const lexmask_detection *d = lexmask_result_at(result, i);
        if (i) assert_true(d->score <= lexmask_result_at(result, i - 1)->score);
        assert_true(d->score1 >= 0 && d->score1 <= 1 && d->score2 >= 0 && d->score2 <= 1);
        assert_string_equal(d->name, lexmask_names_at(names, (size_t)d->label));
        assert_int_equal(d->top_count, 3);
        assert_true(d->top_score[0] >= d->score);
        for (int k = 0; k < 4; k++) assert_true(isfinite(d->box[k]) && d->box[k] >= 0);
    }
    assert_true(lexmask_result_proposal_count(result) > 0);
    assert_null(lexmask_result_scores(result));
    const char *rle;
    API_OK(lexmask_result_rle(result, 0, &rle, &err));
    lexmask_result_free(result);
}

// Stored scores, fused again, give the reported scores.
static void kept_scores(void **state) {
    (void)state;
    lexmask_session_options options = plain();
    options.keep_scores = 1, options.alpha = 0.2, options.beta = 0.6;
    lexmask_result *result = run(&options);
    const lexmask_scores *s = lexmask_result_scores(result);
    assert_non_null(s);
    assert_int_equal(s->columns, 4);
    const lexmask_detection *best = lexmask_result_at(result, 0);
    double most = 0;
    for (size_t i = 0; i < s->count; i++) {
        double fused[4], sum = 0;
        for (int t = 0; t < 4; t++) {
            double w = t == 0 ? 0.2 : 0.6; // the model was trained on "red heart"
            double p1 = (double)s->score1[4 * i + (size_t)t],
                   p2 = (double)s->score2[4 * i + (size_t)t];
            fused[t] = t < 3 ? pow(p1, 1 - w) * pow(p2, w) : p1;
            sum += fused[t];
        }
        for (int t = 0; t < 3; t++)
            most = fmax(most, fused[t] / sum * sqrt((double)s->objectness[i]));
    }
    ASSERT_WITHIN(fabs(most - (double)best->score), 1e-5);
    lexmask_result_free(result);
}

static void assert_same(const lexmask_result *a, const lexmask_result *b) {
    assert_true(lexmask_result_count(a) > 0);
    assert_int_equal(lexmask_result_count(a), lexmask_result_count(b));
    for (size_t i = 0; i < lexmask_result_count(a); i++) {
        const lexmask_detection *x = lexmask_result_at(a, i), *y = lexmask_result_at(b, i);
        const char *mask_x, *mask_y;
        assert_memory_equal(x->box, y->box, sizeof x->box);
        assert_true(x->score == y->score && x->label == y->label && x->score2 == y->score2);
        API_OK(lexmask_result_rle(a, i, &mask_x, &err));
        API_OK(lexmask_result_rle(b, i, &mask_y, &err));
        assert_string_equal(mask_x, mask_y);
    }
}

// One run with each_score gives what two runs by one score each give.
static void each_score(void **state) {
    (void)state;
    lexmask_session_options options = plain(), first, second;
    options.score = 0.01;
    first = second = options;
    first.score2 = "none", second.alpha = second.beta = 1;
    options.each_score = 1;
    lexmask_result *result = run(&options), *by_first = run(&first), *by_second = run(&second);
    assert_same(lexmask_result_alone(result, 1), by_first);
    assert_same(lexmask_result_alone(result, 2), by_second);
    assert_ptr_equal(lexmask_result_pixels(lexmask_result_alone(result, 1)),
                     lexmask_result_pixels(result));
    assert_null(lexmask_result_alone(result, 0));
    assert_null(lexmask_result_alone(result, 3));
    assert_null(lexmask_result_alone(by_first, 1));
    assert_null(lexmask_result_alone(NULL, 1));
    lexmask_result_free(result);
    lexmask_result_free(by_first);
    lexmask_result_free(by_second);
}

static void modes(void **state) {
    (void)state;
    static const char *const words[] = {"none", "crop", "embed", "dense", "maskcls"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        lexmask_session_options options = plain();
        options.score2 = words[i], options.score = 0;
        lexmask_result *result = run(&options);
        assert_true(lexmask_result_count(result) > 0);
        float second = lexmask_result_at(result, 0)->score2;
        assert_true(i ? second >= 0 : second < 0);
        lexmask_result_free(result);
    }
}

// Names in the file use beta: with alpha and beta 0, score 2 has no effect.
static void novel_names(void **state) {
    (void)state;
    static const char text[] = "pizza\n";
    lexmask_session_options options = plain();
    options.novel = temporary_file("novel.txt", text, sizeof text - 1);
    options.alpha = 0, options.beta = 1, options.keep_scores = 1, options.score = 0;
    lexmask_result *result = run(&options);
    for (size_t i = 0; i < lexmask_result_count(result); i++) {
        const lexmask_detection *d = lexmask_result_at(result, i);
        float part = d->label == 1 ? d->score2 : d->score1;
        assert_true(part > 0 && d->score > 0);
    }
    lexmask_result_free(result);
}

static void remember(void *user, lexmask_log_level level, const char *text) {
    assert_int_equal(level, LEXMASK_LOG_WARNING);
    snprintf(user, 256, "%s", text);
}

// A file of novel names that were not requested is reported.
static void strange_novel_names(void **state) {
    (void)state;
    static const char text[] = "pizzza\n";
    char said[256] = "";
    lexmask_session_options options = plain();
    options.novel = temporary_file("novel.txt", text, sizeof text - 1);
    options.log = remember, options.log_user = said;
    lexmask_result_free(run(&options));
    assert_non_null(strstr(said, "novel.txt: none of its names is among those requested"));
}

static void given_boxes(void **state) {
    (void)state;
    const float boxes[8] = {10, 10, 60, 60, 100, 50, 300, 200};
    int labels[2] = {9, 9};
    float scores[2] = {-1, -1};
    lexmask_session *session;
    lexmask_session_options options = plain();
    API_OK(lexmask_session_new(model, names, &options, &session, &err));
    API_OK(name_boxes_file(session, picture, boxes, 2, labels, scores, &err));
    for (int i = 0; i < 2; i++)
        assert_true(labels[i] >= -1 && labels[i] < 3 && scores[i] > 0 && scores[i] <= 1);
    API_OK(name_boxes_file(session, picture, NULL, 0, NULL, NULL, &err));
    lexmask_session_free(session);
}

static void refuse(const lexmask_session_options *options, const char *part) {
    lexmask_session *session = NULL;
    assert_int_equal(lexmask_session_new(model, names, options, &session, &err), LEXMASK_EINVAL);
    if (!strstr(err.text, part)) fail_msg("expected '%s' in: %s", part, err.text);
}

static void misuse(void **state) {
    (void)state;
    lexmask_session_options options = plain();
    options.score2 = "attnpool";
    refuse(&options, "attnpool needs a ResNet");
    options.score2 = "guess";
    refuse(&options, "guess");
    options = plain(), options.alpha = 2;
    refuse(&options, "alpha");
    options = plain(), options.mode = LEXMASK_MODE_CLOSED;
    refuse(&options, "closed");
}

static int setup(void **state) {
    (void)state;
    glob_t found;
    lexmask_model_options options;
    lexmask_names_options words;
    if (glob("demo/pictures/*", 0, NULL, &found)) return 1;
    snprintf(picture, sizeof picture, "%s", found.gl_pathv[0]);
    globfree(&found);
    lexmask_model_options_init(&options);
    options.folder = FOLDER, options.threads = 1;
    lexmask_names_options_init(&words);
    words.text = "red heart,pizza,cat", words.use_cache = 0, words.threads = 1;
    if (lexmask_model_open(&options, &model, &err) ||
        lexmask_names_new(model, &words, &names, &err))
        fprintf(stderr, "%s\n", err.text);
    return names == NULL;
}

static int teardown(void **state) {
    lexmask_names_free(names);
    lexmask_model_close(model);
    return temporary_teardown(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kind),
        cmocka_unit_test(detections),
        cmocka_unit_test(kept_scores),
        cmocka_unit_test(each_score),
        cmocka_unit_test(modes),
        cmocka_unit_test(novel_names),
        cmocka_unit_test(strange_novel_names),
        cmocka_unit_test(given_boxes),
        cmocka_unit_test(misuse),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
