// SPDX-License-Identifier: Apache-2.0
// F-VLM model folders with dumps of PyTorch's results for a picture: the committed small ones, and
// any in LEXMASK_FVLM_DUMPS (tools/reference/parity_fvlm.py writes full-size ones). Prints its
// measurements:
//   FOLDER unit.dense 200 boxes 1.2e-05       largest difference / largest value, after the mean
//                                             over the boxes is subtracted from both
//   FOLDER detections 93 of 93, scores 2e-06, boxes 3e-04
#include "models/clip/clip_scene.h"
#include "models/fvlm/fvlm_parts.h"
#include "tests/support/test.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define UNIT_BAR 1e-3
#define MISSING 0.005 // share of detections that may differ because a score is close to a threshold
#define SAME_BOX 0.02 // pixels
#define SAME_SCORE 1e-3 // relative to the largest

static kn_ctx *kn;
static tn_arena step;
static tn_error err;
static nn_ctx cx;

typedef struct dump {
    char name[512];
    md_fvlm *model;
    io_weights *file;
} dump;

static tn_tensor read_tensor(const dump *d, const char *name) {
    const io_tensor *t = io_weights_find(d->file, name);
    tn_tensor x;
    if (!t) fail_msg("%s: no '%s'", d->name, name);
    ASSERT_OK(tn_new(&step, &x, t->dtype, t->rank, t->dim, &err), err);
    memcpy(x.data, t->data, tn_bytes(&x));
    return x;
}

static void subtract_mean(tn_tensor *x) {
    int64_t rows = x->dim[0], d = x->dim[1];
    for (int64_t k = 0; k < d; k++) {
        double mean = 0;
        for (int64_t i = 0; i < rows; i++) mean += (double)tn_f32(x)[i * d + k] / (double)rows;
        for (int64_t i = 0; i < rows; i++) tn_f32(x)[i * d + k] -= (float)mean;
    }
}

static int units; // compared
static int apart; // dumps with unmatched detections

static void unit(const dump *d, const char *name, md_score2 mode, int positions) {
    char full[64];
    size_t mark = tn_arena_mark(&step);
    snprintf(full, sizeof full, "unit.%s", name);
    if (!io_weights_find(d->file, full)) return;
    d->model->config.score2_positions = positions;
    tn_tensor picture = read_tensor(d, "picture"), given = read_tensor(d, "given");
    tn_tensor want = read_tensor(d, full), x, y;
    md_fvlm_features features;
    md_frame frame = md_fvlm_frame(&d->model->config, picture.dim[0], picture.dim[1]);
    ASSERT_OK(md_fvlm_input(&cx, d->model, &frame, &picture, &x), err);
    ASSERT_OK(md_fvlm_frozen(&cx, d->model, &x, mode, &features), err);
    md_fvlm_boxes boxes = {.boxes = &given, .image = &picture, .frame = &frame};
    ASSERT_OK(tn_new(&step, &y, TN_F32, 2, want.dim, &err), err);
    ASSERT_OK(md_fvlm_score2_embed(&cx, d->model, &features, mode, &boxes, &y), err);
    subtract_mean(&y);
    subtract_mean(&want);
    double error = test_relative_error(tn_f32(&y), tn_f32(&want), (size_t)tn_count(&want));
    printf("%s %s %d boxes %.2g\n", d->name, full, (int)want.dim[0], error);
    ASSERT_WITHIN(error, UNIT_BAR);
    units++;
    tn_arena_reset(&step, mark);
}

static double worst(const float *a, const float *b, int count) {
    return test_max_difference(a, b, (size_t)count);
}

// Prints the detection nearest to an unmatched one of the reference.
static void print_missed(const dump *d, const md_found *found, const float *box, float score,
                         int32_t name) {
    double nearest = INFINITY, of_score = 0;
    for (int64_t k = 0; k < found->count; k++) {
        double away = worst(tn_f32(&found->boxes) + 4 * k, box, 4);
        if (tn_i32(&found->labels)[k] != name || !(away < nearest)) continue;
        nearest = away, of_score = fabs((double)tn_f32(&found->scores)[k] - (double)score);
    }
    printf("%s missed name %d, score %.4g: the nearest is %.2g px and %.2g of a score away\n",
           d->name, (int)name, (double)score, nearest, of_score);
}

// Counts the reference's detections that are matched, each once.
static void detections(const dump *d) {
    int32_t class_of[256];
    uint8_t base[256] = {0};
    tn_tensor picture = read_tensor(d, "picture"), text = read_tensor(d, "text");
    tn_tensor boxes = read_tensor(d, "boxes"), names = read_tensor(d, "names"),
              scores = read_tensor(d, "scores");
    const md_fvlm_config *c = md_fvlm_settings(d->model);
    bool background = c->background_kind == MD_BACKGROUND_TEXT;
    assert_true(text.dim[0] <= 256);
    for (int32_t i = 0; i < 256; i++) class_of[i] = i;
    for (int64_t t = 0; t < text.dim[0]; t++) base[t] = t % 2 == 0;
    md_vocabulary vocabulary = {.classes = text.dim[0] - background,
                                .background = background,
                                .rows = text.dim[0],
                                .embedding = text,
                                .class_of = class_of};
    md_fvlm_options options = md_fvlm_default_options(d->model);
    md_found found;
    options.base = base;
    ASSERT_OK(md_fvlm_detect(&cx, d->model, &vocabulary, &picture, &options, &found, NULL), err);
    int64_t met = 0;
    double of_score = 0, of_box = 0;
    for (int64_t i = 0; i < boxes.dim[0]; i++) {
        int64_t before = met;
        for (int64_t k = 0; k < found.count && met == before; k++) {
            double box = worst(tn_f32(&found.boxes) + 4 * k, tn_f32(&boxes) + 4 * i, 4);
            double score = worst(tn_f32(&found.scores) + k, tn_f32(&scores) + i, 1);
            if (tn_i32(&found.labels)[k] != tn_i32(&names)[i] || !(box <= SAME_BOX)) continue;
            if (!(score <= SAME_SCORE * (double)tn_f32(&scores)[0])) continue;
            tn_i32(&found.labels)[k] = -1; // matched
            of_score = fmax(of_score, score), of_box = fmax(of_box, box);
            met++;
        }
        if (met == before)
            print_missed(d, &found, tn_f32(&boxes) + 4 * i, tn_f32(&scores)[i], tn_i32(&names)[i]);
    }
    printf("%s detections %d of %d (found %d), scores %.2g, boxes %.2g\n", d->name, (int)met,
           (int)boxes.dim[0], (int)found.count, of_score, of_box);
    double most = boxes.dim[0] < 100 ? 0 : fmax(1, MISSING * (double)boxes.dim[0]);
    if ((double)(boxes.dim[0] - met) > most || (double)(found.count - met) > most) apart++;
}

static void check_folder(const char *folder, const char *name) {
    char path[1024];
    dump d = {0};
    snprintf(path, sizeof path, "%.500s/%.300s/case.safetensors", folder, name);
    tn_error none;
    if (io_weights_open(path, &d.file, &none) != TN_OK) return;
    *strrchr(path, '/') = 0;
    snprintf(d.name, sizeof d.name, "%.300s", name);
    ASSERT_OK(md_fvlm_open(&(md_fvlm_open_options){.folder = path}, kn, &d.model, &err), err);
    unit(&d, "crop", MD_SCORE2_CROP, 1);
    unit(&d, "embed_own", MD_SCORE2_EMBED, 1);
    unit(&d, "embed_scene", MD_SCORE2_EMBED, 0);
    unit(&d, "dense", MD_SCORE2_DENSE, 1);
    unit(&d, "maskcls", MD_SCORE2_MASKCLS, 1);
    unit(&d, "attnpool", MD_SCORE2_ATTNPOOL, 1);
    detections(&d);
    tn_arena_reset(&step, 0);
    md_fvlm_close(d.model);
    io_weights_close(d.file);
}

static void check_all(const char *folder) {
    struct dirent **list;
    apart = 0;
    int count = scandir(folder, &list, NULL, alphasort);
    if (count < 0) fail_msg("%s: no such folder", folder);
    for (int i = 0; i < count; i++) {
        check_folder(folder, list[i]->d_name);
        free(list[i]);
    }
    free(list);
    assert_int_equal(apart, 0); // after all have been reported
}

static void test_golden(void **state) {
    (void)state;
    units = 0;
    check_all("tests/golden/fvlm");
    assert_true(units >= 15);
}

static void test_given(void **state) {
    (void)state;
    const char *folder = getenv("LEXMASK_FVLM_DUMPS");
    if (!folder) return;
    units = 0;
    check_all(folder);
    assert_true(units > 0);
}

static int setup(void **state) {
    (void)state;
    if (kn_open("cpu", NULL, 2, &kn, &err) || tn_arena_init_large(&step, &err)) return 1;
    cx = (nn_ctx){.kn = kn, .step = &step, .err = &err};
    return 0;
}

static int teardown(void **state) {
    (void)state;
    tn_arena_deinit(&step);
    kn_close(kn);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden), cmocka_unit_test(test_given)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
