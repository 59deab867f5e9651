// SPDX-License-Identifier: Apache-2.0
// The rest of the C API: pictures from memory, polygons, embeddings, new names for a session,
// number types, evaluation, one result read by two threads.
#include "io/file.h"
#include "lexmask.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"

#include <glob.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define API_OK(call)                                                                               \
    do {                                                                                           \
        if ((call) != LEXMASK_OK) fail_msg("%s: %s", #call, err.text);                             \
    } while (0)

static lexmask_error err;
static char path[512];

typedef struct opened {
    lexmask_model *model;
    lexmask_names *names;
    lexmask_session *session;
} opened;

static lexmask_names *names_of(const lexmask_model *model, const char *text) {
    lexmask_names *names;
    lexmask_names_options words;
    lexmask_names_options_init(&words);
    words.text = text, words.use_cache = 0, words.threads = 1;
    API_OK(lexmask_names_new(model, &words, &names, &err));
    return names;
}

static opened open_pair(const char *folder, const char *dtype, const char *text) {
    opened o = {0};
    lexmask_model_options from;
    lexmask_session_options how;
    lexmask_model_options_init(&from);
    lexmask_session_options_init(&how);
    from.folder = folder, from.dtype = dtype, from.threads = 1;
    how.threads = 1, how.proposals = 20, how.score = 0;
    API_OK(lexmask_model_open(&from, &o.model, &err));
    if (text) o.names = names_of(o.model, text);
    API_OK(lexmask_session_new(o.model, o.names, &how, &o.session, &err));
    return o;
}

static void close_pair(opened *o) {
    lexmask_session_free(o->session);
    lexmask_names_free(o->names);
    lexmask_model_close(o->model);
}

static void same(const lexmask_result *a, const lexmask_result *b) {
    assert_true(lexmask_result_count(a) > 0);
    assert_int_equal(lexmask_result_count(a), lexmask_result_count(b));
    for (size_t i = 0; i < lexmask_result_count(a); i++) {
        const lexmask_detection *x = lexmask_result_at(a, i), *y = lexmask_result_at(b, i);
        assert_memory_equal(x->box, y->box, sizeof x->box);
        assert_true(!memcmp(&x->score, &y->score, sizeof x->score) && x->label == y->label);
    }
}

static void pictures_from_memory(void **state) {
    (void)state;
    opened o = open_pair("demo/pair", "f32", "pizza,red heart");
    lexmask_result *file, *bytes, *pixels;
    int width, height, labels[3];
    float scores[3];
    io_map map;
    tn_error failure = {0};
    ASSERT_OK(io_map_open(path, &map, &failure), failure);
    API_OK(lexmask_run_file(o.session, path, &file, &err));
    API_OK(lexmask_run_bytes(o.session, map.bytes, map.count, &bytes, &err));
    same(file, bytes);
    lexmask_result_size(file, &width, &height);
    const uint8_t *rgb = lexmask_result_pixels(file);
    API_OK(lexmask_run_pixels(o.session, rgb, width, height, 0, LEXMASK_PIXELS_RGB, &pixels, &err));
    same(file, pixels);
    const float *box = lexmask_result_at(file, 0)->box;
    lexmask_picture from[3] = {lexmask_picture_file(path),
                               lexmask_picture_bytes(map.bytes, map.count),
                               lexmask_picture_pixels(rgb, width, height, 0, LEXMASK_PIXELS_RGB)};
    for (int i = 0; i < 3; i++)
        API_OK(lexmask_name_boxes(o.session, &from[i], box, 1, labels + i, scores + i, &err));
    assert_true(labels[0] == labels[1] && labels[0] == labels[2]);
    assert_true(!memcmp(scores, scores + 1, sizeof *scores) &&
                !memcmp(scores, scores + 2, sizeof *scores));
    lexmask_result *none = NULL;
    assert_int_equal(lexmask_run_bytes(o.session, map.bytes, 20, &none, &err), LEXMASK_EFORMAT);
    from[0].bytes = map.bytes; // a path as well
    assert_int_equal(lexmask_run(o.session, &from[0], &none, &err), LEXMASK_EINVAL);
    assert_null(none);
    io_map_close(&map);
    lexmask_result_free(file), lexmask_result_free(bytes), lexmask_result_free(pixels);
    close_pair(&o);
}

// Twice the area of a mask's rings, holes being negative, is twice its number of pixels.
static void polygons(void **state) {
    (void)state;
    opened o = open_pair("demo/pair", "f32", "pizza,red heart");
    lexmask_result *result;
    API_OK(lexmask_run_file(o.session, path, &result, &err));
    int width, height;
    lexmask_result_size(result, &width, &height);
    uint8_t *mask = malloc((size_t)width * (size_t)height);
    for (size_t i = 0; i < lexmask_result_count(result); i++) {
        const lexmask_polygons *p, *again;
        int64_t area = 0, pixels = 0;
        API_OK(lexmask_result_polygons(result, i, &p, &err));
        API_OK(lexmask_result_polygons(result, i, &again, &err));
        assert_ptr_equal(p, again);
        API_OK(lexmask_result_mask(result, i, mask, 0, &err));
        for (int k = 0; k < width * height; k++) pixels += mask[k];
        for (size_t r = 0; r < p->count; r++) {
            int64_t ring = 0;
            const int32_t *last = p->points + 2 * (p->first[r + 1] - 1);
            for (size_t k = p->first[r]; k < p->first[r + 1]; last = p->points + 2 * k++)
                ring +=
                    (int64_t)last[0] * p->points[2 * k + 1] - (int64_t)p->points[2 * k] * last[1];
            assert_true((ring > 0) == (p->outer[r] < 0));
            area += ring;
        }
        assert_int_equal(area, 2 * pixels);
    }
    const lexmask_polygons *none;
    assert_int_equal(lexmask_result_polygons(result, 99999, &none, &err), LEXMASK_EINVAL);
    free(mask);
    lexmask_result_free(result);
    close_pair(&o);
}

static double dot(const float *a, const float *b, size_t width) {
    double sum = 0;
    for (size_t i = 0; i < width; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

static void embeddings_of(const char *folder) {
    opened o = open_pair(folder, "f32", NULL); // needs no names
    size_t d = lexmask_model_embedding_size(o.model);
    assert_true(d > 0);
    static const char *const texts[] = {"a photo of a pizza", "a photo of a red heart"};
    float *e = malloc(6 * d * sizeof *e);
    lexmask_result *result = NULL;
    int width, height;
    lexmask_picture picture = lexmask_picture_file(path);
    API_OK(lexmask_embed_texts(o.session, texts, 2, e, &err));
    API_OK(lexmask_embed_picture(o.session, &picture, e + 2 * d, &err));
    assert_int_equal(lexmask_run(o.session, &picture, &result, &err), LEXMASK_EINVAL);
    assert_non_null(strstr(err.text, "no names"));
    lexmask_names *names = names_of(o.model, "pizza");
    API_OK(lexmask_session_set_names(o.session, names, &err));
    API_OK(lexmask_run(o.session, &picture, &result, &err));
    lexmask_result_size(result, &width, &height);
    const float boxes[8] = {10, 10, 80, 60, 50, 40, 90, 90};
    API_OK(lexmask_embed_boxes(o.session, &picture, boxes, 2, e + 3 * d, &err));
    API_OK(lexmask_embed_boxes(o.session, &picture, boxes + 4, 1, e + 5 * d, &err));
    for (size_t i = 0; i < 6; i++) ASSERT_WITHIN(fabs(dot(e + i * d, e + i * d, d) - 1), 1e-4);
    assert_memory_equal(e + 4 * d, e + 5 * d, d * sizeof *e); // alone or in a batch
    assert_true(dot(e, e + d, d) < 0.999 && dot(e + 2 * d, e + 3 * d, d) < 0.9999);
    API_OK(lexmask_embed_boxes(o.session, &picture, NULL, 0, e, &err));
    free(e);
    lexmask_result_free(result);
    close_pair(&o);
    lexmask_names_free(names);
}

static void embeddings(void **state) {
    (void)state;
    embeddings_of("demo/pair");
    embeddings_of("tests/golden/fvlm/pair");
    assert_int_equal(lexmask_model_embedding_size(NULL), 0);
}

// New names in an old session give what a new session gives.
static void new_names(void **state) {
    (void)state;
    static const char *const folders[] = {"demo/pair", "tests/golden/fvlm/pair"};
    for (int i = 0; i < 2; i++) {
        opened o = open_pair(folders[i], "f32", "pizza,red heart,guitar"), fresh;
        lexmask_result *a, *b;
        lexmask_names *other = names_of(o.model, "rocket,cat");
        API_OK(lexmask_session_set_names(o.session, other, &err));
        API_OK(lexmask_run_file(o.session, path, &a, &err));
        fresh = open_pair(folders[i], "f32", "rocket,cat");
        API_OK(lexmask_run_file(fresh.session, path, &b, &err));
        same(a, b);
        assert_int_equal(lexmask_session_set_names(o.session, NULL, &err), LEXMASK_EINVAL);
        lexmask_result_free(a), lexmask_result_free(b);
        close_pair(&o);
        close_pair(&fresh);
        lexmask_names_free(other);
    }
}

// bfloat16 is used by the products: close to float32, but not equal.
static void number_types(void **state) {
    (void)state;
    opened exact = open_pair("demo/pair", "f32", "pizza"),
           half = open_pair("demo/pair", "bf16", "pizza");
    size_t d = lexmask_model_embedding_size(exact.model);
    float *e = malloc(2 * d * sizeof *e);
    lexmask_picture picture = lexmask_picture_file(path);
    API_OK(lexmask_embed_picture(exact.session, &picture, e, &err));
    API_OK(lexmask_embed_picture(half.session, &picture, e + d, &err));
    assert_true(dot(e, e + d, d) > 0.99);
    assert_memory_not_equal(e, e + d, d * sizeof *e);
    free(e);
    close_pair(&exact);
    close_pair(&half);
}

static const lexmask_result *shared;

static void *read_masks(void *user) {
    const char **rle = user;
    lexmask_error failure = {0};
    const lexmask_polygons *p;
    for (size_t i = 0; i < lexmask_result_count(shared); i++)
        if (lexmask_result_rle(shared, i, &rle[i], &failure) ||
            lexmask_result_polygons(shared, i, &p, &failure))
            rle[i] = NULL;
    return NULL;
}

static void two_threads_read_a_result(void **state) {
    (void)state;
    opened o = open_pair("demo/pair", "f32", "pizza,red heart");
    lexmask_result *result;
    API_OK(lexmask_run_file(o.session, path, &result, &err));
    size_t count = lexmask_result_count(result);
    const char **a = calloc(2 * count + 1, sizeof *a), **b = a + count;
    pthread_t other;
    shared = result;
    assert_int_equal(pthread_create(&other, NULL, read_masks, a), 0);
    read_masks(b);
    pthread_join(other, NULL);
    for (size_t i = 0; i < count; i++) assert_true(a[i] && a[i] == b[i]);
    free(a);
    lexmask_result_free(result);
    close_pair(&o);
}

static void evaluation(void **state) {
    (void)state;
    static const char truth[] =
        "{\"images\":[{\"id\":1,\"width\":100,\"height\":100}],\"categories\":[{\"id\":1,\"name\":"
        "\"a\"}],\"annotations\":[{\"id\":1,\"image_id\":1,\"category_id\":1,\"bbox\":[10,10,50,50]"
        ","
        "\"area\":2500,\"iscrowd\":0}]}";
    static const char results[] =
        "[{\"image_id\":1,\"category_id\":1,\"bbox\":[10,10,50,40],\"score\":0.9}]"; // IoU 0.8
    char gt[512];
    snprintf(gt, sizeof gt, "%s", temporary_file("gt.json", truth, sizeof truth - 1));
    const char *found = temporary_file("results.json", results, sizeof results - 1);
    lexmask_figures figures;
    lexmask_figures_init(&figures);
    API_OK(lexmask_evaluate_coco(gt, found, 0, 1, &figures, &err));
    ASSERT_WITHIN(fabs(figures.ap50 - 1), 1e-9);
    ASSERT_WITHIN(fabs(figures.ap - 0.7), 1e-9); // 0.5, 0.55, … 0.8 of ten thresholds
    ASSERT_WITHIN(fabs(figures.ar100 - 0.7), 1e-9);
    assert_true(figures.ap_small == -1);
    struct {
        size_t size;
        double ap;
        unsigned char behind[64];
    } shorter;
    memset(&shorter, 0x5a, sizeof shorter);
    shorter.size = sizeof(size_t) + sizeof(double);
    API_OK(lexmask_evaluate_coco(gt, found, 0, 1, (void *)&shorter, &err));
    ASSERT_WITHIN(fabs(shorter.ap - 0.7), 1e-9);
    for (int i = 0; i < 64; i++) assert_int_equal(shorter.behind[i], 0x5a);
    assert_int_equal(lexmask_evaluate_coco(gt, "no/such", 0, 1, &figures, &err), LEXMASK_EIO);
}

static int setup(void **state) {
    (void)state;
    glob_t found;
    if (glob("demo/pictures/*.[jp][pn]g", 0, NULL, &found)) return 1;
    snprintf(path, sizeof path, "%s", found.gl_pathv[0]);
    globfree(&found);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_from_memory), cmocka_unit_test(polygons),
        cmocka_unit_test(embeddings),           cmocka_unit_test(new_names),
        cmocka_unit_test(number_types),         cmocka_unit_test(two_threads_read_a_result),
        cmocka_unit_test(evaluation),
    };
    return cmocka_run_group_tests(tests, setup, temporary_teardown);
}
