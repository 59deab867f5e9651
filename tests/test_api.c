// SPDX-License-Identifier: Apache-2.0
// The public C API with the pair of models that the repository ships.
#include "api/internal.h"
#include "io/image/image.h"
#include "tests/support/test.h"

#include <glob.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static lexmask_status name_boxes_file(lexmask_session *by, const char *path, const float *boxes,
                                      size_t count, int *labels, float *scores,
                                      lexmask_error *error) {
    lexmask_picture from = lexmask_picture_file(path);
    return lexmask_name_boxes(by, &from, boxes, count, labels, scores, error);
}

#define API_OK(call)                                                                               \
    do {                                                                                           \
        if ((call) != LEXMASK_OK) fail_msg("%s: %s", #call, err.text);                             \
    } while (0)

static char picture[512];
static lexmask_model *model;
static lexmask_names *names;

static lexmask_session *new_session(int proposals) {
    lexmask_error err = {0};
    lexmask_session *session = NULL;
    lexmask_session_options options;
    lexmask_session_options_init(&options);
    options.proposals = proposals, options.threads = 1;
    API_OK(lexmask_session_new(model, names, &options, &session, &err));
    return session;
}

static void assert_same(const lexmask_result *a, const lexmask_result *b) {
    assert_int_equal(lexmask_result_count(a), lexmask_result_count(b));
    for (size_t i = 0; i < lexmask_result_count(a); i++) {
        const lexmask_detection *x = lexmask_result_at(a, i), *y = lexmask_result_at(b, i);
        assert_memory_equal(x->box, y->box, sizeof x->box);
        assert_memory_equal(&x->score, &y->score, sizeof x->score);
        assert_string_equal(x->name, y->name);
    }
}

static void a_file_and_its_pixels_give_the_same(void **state) {
    (void)state;
    lexmask_error err = {0};
    lexmask_session *session = new_session(40);
    lexmask_result *from_file, *from_pixels;
    API_OK(lexmask_run_file(session, picture, &from_file, &err));
    assert_true(lexmask_result_count(from_file) > 0);
    tn_tensor image;
    assert_int_equal(io_image_read(picture, 0, &image, NULL), TN_OK);
    size_t h = (size_t)image.dim[0], w = (size_t)image.dim[1], stride = 4 * w + 12;
    uint8_t *bgra = calloc(h, stride);
    for (size_t y = 0; y < h; y++)
        for (size_t x = 0; x < w; x++)
            for (size_t c = 0; c < 3; c++)
                bgra[y * stride + 4 * x + c] = tn_u8(&image)[(y * w + x) * 3 + 2 - c];
    API_OK(lexmask_run_pixels(session, bgra, (int)w, (int)h, stride, LEXMASK_PIXELS_BGRA,
                              &from_pixels, &err));
    assert_same(from_file, from_pixels);
    free(bgra);
    tn_free(image.data);
    lexmask_session_free(session); // results stay valid
    int width, height;
    lexmask_result_size(from_file, &width, &height);
    assert_true((size_t)width == w && (size_t)height == h);
    const char *rle;
    API_OK(lexmask_result_rle(from_file, 0, &rle, &err));
    assert_true(strlen(rle) > 2);
    uint8_t *mask = malloc(w * h);
    API_OK(lexmask_result_mask(from_file, 0, mask, 0, &err));
    size_t inside = 0;
    for (size_t i = 0; i < w * h; i++) inside += mask[i];
    assert_true(inside > 0 && inside < w * h);
    assert_int_equal(lexmask_result_mask(from_file, 0, mask, 1, &err), LEXMASK_EINVAL);
    assert_int_equal(lexmask_result_mask(from_file, 99999, mask, 0, &err), LEXMASK_EINVAL);
    free(mask);
    lexmask_result_free(from_file);
    lexmask_result_free(from_pixels);
}

static void *run_alone(void *argument) {
    lexmask_error err = {0};
    lexmask_session *session = new_session(20);
    API_OK(lexmask_run_file(session, picture, argument, &err));
    lexmask_session_free(session);
    return NULL;
}

static void threads_share_a_model(void **state) {
    (void)state;
    lexmask_result *result[3];
    pthread_t thread[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, run_alone, &result[i]), 0);
    for (int i = 0; i < 3; i++) pthread_join(thread[i], NULL);
    for (int i = 1; i < 3; i++) assert_same(result[0], result[i]);
    for (int i = 0; i < 3; i++) lexmask_result_free(result[i]);
}

static long memory_kb(bool resident) {
    long all = 0, there = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (fscanf(file, "%ld %ld", &all, &there) != 2) all = there = 0;
    fclose(file);
    return (resident ? there : all) * (sysconf(_SC_PAGESIZE) / 1024);
}

static long resident_kb(void) {
    return memory_kb(true);
}

enum { READERS = 4, MOST_READ = 64 };

typedef struct reader {
    pthread_t thread;
    const lexmask_result *result;
    const char *text[MOST_READ];
} reader;

static void *read_masks(void *argument) {
    lexmask_error err = {0};
    reader *r = argument;
    for (size_t i = 0; i < MOST_READ && i < lexmask_result_count(r->result); i++)
        API_OK(lexmask_result_rle(r->result, i, &r->text[i], &err));
    return NULL;
}

// All threads get the same text, computed once; the result keeps neither threads nor working
// memory.
static void threads_share_a_result(void **state) {
    (void)state;
    lexmask_error err = {0};
    lexmask_session *session = new_session(40);
    lexmask_result *result;
    reader readers[READERS];
    API_OK(lexmask_run_file(session, picture, &result, &err));
    lexmask_result_free(result);
    long before = memory_kb(false);
    API_OK(lexmask_run_file(session, picture, &result, &err));
    assert_true(memory_kb(false) - before < 256 * 1024);
    lexmask_session_free(session);
    assert_true(lexmask_result_count(result) > 1);
    for (int i = 0; i < READERS; i++) {
        readers[i] = (reader){.result = result};
        assert_int_equal(pthread_create(&readers[i].thread, NULL, read_masks, &readers[i]), 0);
    }
    for (int i = 0; i < READERS; i++) pthread_join(readers[i].thread, NULL);
    for (int i = 0; i < READERS; i++)
        for (size_t k = 0; k < lexmask_result_count(result) && k < MOST_READ; k++) {
            assert_non_null(readers[i].text[k]);
            assert_ptr_equal(readers[i].text[k], readers[0].text[k]);
        }
    lexmask_result_free(result);
}

// As for a detector without a mask head.
static void a_result_may_have_boxes_alone(void **state) {
    (void)state;
    tn_error failure;
    lexmask_error err = {0};
    lexmask_session *session = new_session(1);
    float box[4] = {1, 2, 30, 40}, score[1] = {0.75f};
    int32_t label[1] = {1};
    uint8_t mask[50 * 60];
    const char *text;
    tn_tensor image;
    md_found found = {.count = 1,
                      .height = 50,
                      .width = 60,
                      .boxes = tn_view(box, TN_F32, TN_DIMS(1, 4)),
                      .scores = tn_view(score, TN_F32, TN_DIMS(1)),
                      .labels = tn_view(label, TN_I32, TN_DIMS(1))};
    lexmask_result *result;
    ASSERT_OK(tn_new_heap(&image, TN_U8, TN_DIMS(50, 60, 3), &failure), failure);
    ASSERT_OK(api_result_new(session, &image, &found, &result, &failure), failure);
    assert_false(lexmask_result_has_masks(result));
    assert_int_equal(lexmask_result_mask(result, 0, mask, 0, &err), LEXMASK_EUNSUPPORTED);
    assert_int_equal(lexmask_result_rle(result, 0, &text, &err), LEXMASK_EUNSUPPORTED);
    assert_int_equal(lexmask_result_proposal_count(result), 0);
    const lexmask_detection *d = lexmask_result_at(result, 0);
    assert_true(d->score == 0.75f && d->name_score == 0.75f && d->objectness == 1);
    assert_true(d->score1 == -1 && d->score2 == -1 && d->novel == -1 && d->top_count == 0);
    assert_string_equal(d->name, lexmask_names_at(names, 1));
    lexmask_result_free(result);
    lexmask_session_free(session);
}

static void memory_stays_flat(void **state) {
    (void)state;
    lexmask_error err = {0};
    lexmask_session *session = new_session(5);
    uint8_t pixels[64 * 64] = {0};
    long after_few = 0;
    for (int i = 0; i < 60; i++) {
        lexmask_result *result;
        for (int k = 0; k < 64 * 64; k++) pixels[k] = (uint8_t)(k * (i + 1) * 31);
        API_OK(lexmask_run_pixels(session, pixels, 64, 64, 0, LEXMASK_PIXELS_GREY, &result, &err));
        lexmask_result_free(result);
        if (i == 19) after_few = resident_kb();
    }
    lexmask_session_free(session);
    assert_true(resident_kb() - after_few < 4096);
}

static int stop(void *user, double done) {
    (void)done;
    return ++*(int *)user > 1;
}

static void a_callback_cancels(void **state) {
    (void)state;
    lexmask_error err = {0};
    int calls = 0;
    lexmask_session *session;
    lexmask_session_options options;
    lexmask_session_options_init(&options);
    options.clip_batch = 4, options.progress = stop, options.progress_user = &calls;
    API_OK(lexmask_session_new(model, names, &options, &session, &err));
    lexmask_result *result = NULL;
    assert_int_equal(lexmask_run_file(session, picture, &result, &err), LEXMASK_ECANCELLED);
    assert_null(result);
    assert_true(calls > 1);
    lexmask_session_free(session);
}

static void errors_have_texts(void **state) {
    (void)state;
    lexmask_error err = {0};
    lexmask_session *session = new_session(5);
    lexmask_result *result = NULL;
    uint8_t pixel[3] = {0};
    assert_int_equal(lexmask_run_file(session, "no/such.jpg", &result, &err), LEXMASK_EIO);
    assert_non_null(strstr(err.text, "no/such.jpg"));
    assert_int_equal(lexmask_run_pixels(session, NULL, 1, 1, 0, LEXMASK_PIXELS_RGB, &result, &err),
                     LEXMASK_EINVAL);
    assert_int_equal(lexmask_run_pixels(session, pixel, 0, 1, 0, LEXMASK_PIXELS_RGB, &result, &err),
                     LEXMASK_EINVAL);
    assert_int_equal(lexmask_run_pixels(session, pixel, 1, 1, 2, LEXMASK_PIXELS_RGB, &result, &err),
                     LEXMASK_EINVAL);
    assert_int_equal(
        lexmask_run_pixels(session, pixel, 100000, 100000, 0, LEXMASK_PIXELS_RGB, &result, &err),
        LEXMASK_EINVAL);
    assert_int_equal(lexmask_run_pixels(session, pixel, 1, 1, 0, (lexmask_pixels)77, &result, &err),
                     LEXMASK_EINVAL);
    assert_null(result);
    lexmask_session_free(session);
    lexmask_session_options options;
    lexmask_session_options_init(&options);
    API_OK(lexmask_session_new(model, NULL, &options, &session, &err));
    assert_int_equal(lexmask_run_file(session, picture, &result, &err), LEXMASK_EINVAL);
    assert_non_null(strstr(err.text, "no names"));
    lexmask_session_free(session);
    lexmask_model_options model_options;
    lexmask_model_options_init(&model_options);
    lexmask_model *none = NULL;
    model_options.clip = "demo/pair/clip"; // without a detector
    assert_int_equal(lexmask_model_open(&model_options, &none, &err), LEXMASK_EINVAL);
    model_options.clip = NULL;
    model_options.folder = "demo/pair", model_options.device = "abacus";
    assert_int_equal(lexmask_model_open(&model_options, &none, &err), LEXMASK_EDEVICE);
    assert_non_null(strstr(err.text, "abacus"));
    assert_null(none);
    model_options.device = "cpu", model_options.use_tokenizer = 0;
    API_OK(lexmask_model_open(&model_options, &none, &err));
    lexmask_names_options words;
    lexmask_names_options_init(&words);
    words.text = "pizza";
    lexmask_names *no_names = NULL;
    assert_int_equal(lexmask_names_new(none, &words, &no_names, &err), LEXMASK_EINVAL);
    assert_non_null(strstr(err.text, "without a tokenizer"));
    lexmask_model_close(none);
}

static void names_are_the_same_in_every_form(void **state) {
    (void)state;
    lexmask_error err = {0};
    static const char *const list[] = {"pizza|slice of pizza", "red heart"};
    lexmask_names *made[2];
    lexmask_names_options options;
    lexmask_names_options_init(&options);
    options.use_cache = 0, options.threads = 1;
    options.names = list, options.count = 2;
    API_OK(lexmask_names_new(model, &options, &made[0], &err));
    options.names = NULL, options.text = "pizza|slice of pizza, red heart";
    API_OK(lexmask_names_new(model, &options, &made[1], &err));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(lexmask_names_count(made[i]), 2);
        assert_string_equal(lexmask_names_at(made[i], 0), "pizza");
        assert_string_equal(lexmask_names_at(made[i], 1), "red heart");
        assert_null(lexmask_names_at(made[i], 2));
        lexmask_names_free(made[i]);
    }
    options.text = "pizza,,";
    assert_int_equal(lexmask_names_new(model, &options, &made[0], &err), LEXMASK_EINVAL);
}

// Boxes from a detection mostly get the same names again: only the crops differ.
static void given_boxes_get_names(void **state) {
    (void)state;
    lexmask_error err = {0};
    lexmask_session *session = new_session(40);
    lexmask_result *result;
    API_OK(lexmask_run_file(session, picture, &result, &err));
    size_t count = lexmask_result_count(result), same = 0;
    float box[4];
    assert_int_equal(lexmask_result_proposal_count(result), 40);
    assert_int_equal(lexmask_result_proposal_at(result, 39, box), 1);
    assert_true(box[0] >= 0 && box[2] > box[0]);
    assert_int_equal(lexmask_result_proposal_at(result, 40, box), 0);
    float boxes[100][4], scores[100];
    int labels[100];
    assert_true(count > 0 && count <= 100);
    for (size_t i = 0; i < count; i++)
        memcpy(boxes[i], lexmask_result_at(result, i)->box, sizeof boxes[i]);
    API_OK(name_boxes_file(session, picture, boxes[0], count, labels, scores, &err));
    for (size_t i = 0; i < count; i++) {
        assert_true(labels[i] >= -1 && labels[i] < (int)lexmask_names_count(names));
        assert_true(scores[i] > 0 && scores[i] <= 1);
        same += labels[i] == lexmask_result_at(result, i)->label;
    }
    assert_true(2 * same > count);
    API_OK(name_boxes_file(session, picture, NULL, 0, NULL, NULL, &err));
    boxes[0][2] = NAN;
    assert_int_equal(name_boxes_file(session, picture, boxes[0], 1, labels, scores, &err),
                     LEXMASK_EINVAL);
    assert_int_equal(name_boxes_file(session, "no/such.jpg", boxes[1], 0, labels, scores, &err),
                     LEXMASK_EIO);
    lexmask_result_free(result);
    lexmask_session_free(session);
}

static int open_all(void **state) {
    (void)state;
    glob_t found;
    lexmask_error err = {0};
    if (glob("demo/pictures/*.[jp][pn]g", 0, NULL, &found) != 0) return -1;
    snprintf(picture, sizeof picture, "%s", found.gl_pathv[0]);
    globfree(&found);
    lexmask_model_options options;
    lexmask_model_options_init(&options);
    options.folder = "demo/pair", options.threads = 1;
    API_OK(lexmask_model_open(&options, &model, &err));
    lexmask_names_options wanted;
    lexmask_names_options_init(&wanted);
    wanted.file = "demo/names.txt", wanted.use_cache = 0, wanted.threads = 1;
    API_OK(lexmask_names_new(model, &wanted, &names, &err));
    return 0;
}

static int close_all(void **state) {
    (void)state;
    lexmask_names_free(names);
    lexmask_model_close(model);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_and_its_pixels_give_the_same),
        cmocka_unit_test(threads_share_a_model),
        cmocka_unit_test(threads_share_a_result),
        cmocka_unit_test(a_result_may_have_boxes_alone),
        cmocka_unit_test(memory_stays_flat),
        cmocka_unit_test(a_callback_cancels),
        cmocka_unit_test(errors_have_texts),
        cmocka_unit_test(names_are_the_same_in_every_form),
        cmocka_unit_test(given_boxes_get_names),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
