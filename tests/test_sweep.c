// SPDX-License-Identifier: Apache-2.0
// Kept scores: written and read, what is refused, and detections from them as a model makes them.
#include "eval/sweep.h"
#include "kernels/rules.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PICTURES = 5, MOST = 12, T = 4, COLUMNS = T + 1 };

static tn_error err;
static tn_pool *pool;
static int64_t ids[T] = {3, 1, 9, 7};
static uint8_t base[T] = {1, 0, 0, 1};
static const int64_t boxes_of[PICTURES] = {12, 0, 1, 7, 9};

static uint64_t state_of_random;
static double uniform(void) {
    state_of_random = state_of_random * 6364136223846793005u + 1442695040888963407u;
    return (double)(state_of_random >> 33) / (double)(1u << 31);
}

static io_scores_head usual_head(void) {
    return (io_scores_head){.classes = T,
                            .category_ids = ids,
                            .base = base,
                            .background = true,
                            .has_score2 = true,
                            .alpha = 0.35,
                            .beta = 0.65,
                            .objectness = 0.5,
                            .renormalise = true,
                            .score = 0.1,
                            .nms = 0.4,
                            .soft = 0.2,
                            .inside = 0.75,
                            .top = 6};
}

// Rows of softmax(scale * cosine).
static void random_rows(int64_t count, double scale, float *p) {
    for (int64_t i = 0; i < count; i++, p += COLUMNS) {
        double z[COLUMNS], sum = 0;
        for (int t = 0; t < COLUMNS; t++) sum += exp(z[t] = scale * uniform());
        for (int t = 0; t < COLUMNS; t++) p[t] = (float)(exp(z[t]) / sum);
    }
}

static void random_boxes(int64_t count, float *boxes, float *objectness) {
    for (int64_t i = 0; i < count; i++, boxes += 4) {
        boxes[0] = (float)(uniform() * 20), boxes[1] = (float)(uniform() * 20);
        boxes[2] = boxes[0] + (float)(20 + uniform() * 20);
        boxes[3] = boxes[1] + (float)(20 + uniform() * 20);
        if (uniform() < 0.05) boxes[2] = boxes[0]; // empty: never a detection
        objectness[i] = (float)uniform();
    }
}

// The same random scores at every call, at a scale.
static const char *write_scores(const char *name, const io_scores_head *head, double scale1,
                                double scale2) {
    const char *folder = temporary_path(name);
    io_scores_writer writer;
    float boxes[MOST * 4], objectness[MOST], p1[MOST * COLUMNS], p2[MOST * COLUMNS];
    state_of_random = 5;
    ASSERT_OK(io_scores_writer_open(&writer, folder, head, &err), err);
    for (int i = 0; i < PICTURES; i++) {
        random_boxes(boxes_of[i], boxes, objectness);
        random_rows(boxes_of[i], scale1, p1);
        random_rows(boxes_of[i], scale2, p2);
        ASSERT_OK(
            io_scores_writer_add(&writer, 100 - i, boxes_of[i], boxes, objectness, p1, p2, &err),
            err);
    }
    ASSERT_OK(io_scores_writer_commit(&writer, &err), err);
    return folder;
}

static void scores_are_read_as_written(void **state) {
    (void)state;
    io_scores s;
    io_scores_head head = usual_head();
    ASSERT_OK(io_scores_open(write_scores("read", &head, 5, 5), &s, &err), err);
    assert_int_equal(s.count, 29);
    assert_true(s.head.classes == T && s.head.background && s.head.renormalise);
    assert_memory_equal(s.head.category_ids, ids, sizeof ids);
    assert_memory_equal(s.head.base, base, sizeof base);
    assert_true(s.head.alpha == 0.35 && s.head.beta == 0.65 && s.head.objectness == 0.5 &&
                s.head.score == 0.1 && s.head.nms == 0.4 && s.head.top == 6);
    assert_true(s.head.soft == 0.2 && s.head.inside == 0.75);
    assert_int_equal(((int64_t *)s.pictures.data)[28], 96);
    float boxes[MOST * 4], objectness[MOST];
    state_of_random = 5;
    random_boxes(12, boxes, objectness);
    assert_memory_equal(s.boxes.data, boxes, sizeof boxes);
    assert_memory_equal(s.objectness.data, objectness, sizeof objectness);
    io_scores_close(&s);
}

// The best `top` of n candidates, of which each fades once a better one of its name is taken, if
// none of those contains it. keep: in the order of their scores, then in that of their choice.
static int64_t take_best(const ev_setting *how, const float *boxes, const int32_t *names,
                         float *scores, int64_t n, int32_t *keep) {
    int32_t taken[MOST * T];
    int64_t count = 0;
    for (int64_t left = n; left > 0 && count < how->rules.top; left--) {
        int64_t at = 0;
        for (int64_t i = 1; i < left; i++)
            if (scores[keep[i]] > scores[keep[at]]) at = i;
        int32_t one = keep[at];
        bool part = false;
        memmove(keep + at, keep + at + 1, (size_t)(left - at - 1) * sizeof *keep);
        if (!(scores[one] > (float)how->rules.score)) break;
        for (int64_t k = 0; k < count && how->rules.inside < 1; k++)
            part |= names[taken[k]] == names[one] &&
                    kn_share_within(boxes + 4 * one, boxes + 4 * taken[k]) > how->rules.inside;
        if (part) continue;
        taken[count++] = one;
        for (int64_t i = 0; i < left - 1 && how->rules.soft < 1; i++) {
            float iou = kn_iou(boxes + 4 * one, boxes + 4 * keep[i]);
            if (names[keep[i]] == names[one] && (double)iou > how->rules.soft)
                scores[keep[i]] *= 1 - iou;
        }
    }
    memcpy(keep, taken, (size_t)count * sizeof *keep);
    return count;
}

// One picture as models/fvlm does it: nn_fuse, kn_nms within names, the best.
static int64_t by_the_model(kn_ctx *kn, const io_scores *s, const ev_setting *how, int64_t from,
                            int64_t count, int32_t *box_of, int32_t *name_of, float *score_of) {
    float fused[MOST * COLUMNS], boxes[MOST * T * 4], scores[MOST * T];
    int32_t names[MOST * T], rows[MOST * T], keep[MOST * T];
    tn_tensor p1 = tn_slice(&s->score1, from, count), p2 = tn_slice(&s->score2, from, count);
    tn_tensor objectness = tn_slice(&s->objectness, from, count);
    tn_tensor y = tn_view(fused, TN_F32, TN_DIMS(count, COLUMNS));
    nn_fuse(kn, &how->fusion, T, s->head.base, &p1, &p2, &objectness, &y);
    int64_t n = 0;
    for (int64_t i = 0; i < count; i++) {
        const float *box = tn_f32(&s->boxes) + 4 * (from + i);
        if (box[2] - box[0] < 1e-2f) continue;
        for (int t = 0; t < T; t++) {
            if (!(fused[i * COLUMNS + t] > (float)how->rules.score)) continue;
            memcpy(boxes + 4 * n, box, 4 * sizeof *box);
            scores[n] = fused[i * COLUMNS + t], names[n] = t, rows[n++] = (int32_t)i;
        }
    }
    tn_tensor b = tn_view(boxes, TN_F32, TN_DIMS(n, 4)), q = tn_view(scores, TN_F32, TN_DIMS(n));
    tn_tensor g = tn_view(names, TN_I32, TN_DIMS(n)), k = tn_view(keep, TN_I32, TN_DIMS(n));
    int64_t kept = kn_nms(kn, how->rules.nms, &b, &q, &g, &k);
    kept = take_best(how, boxes, names, scores, kept, keep);
    for (int64_t i = 0; i < kept; i++)
        box_of[i] = rows[keep[i]], name_of[i] = names[keep[i]], score_of[i] = scores[keep[i]];
    return kept;
}

static int by_picture_best_first(const void *a, const void *b) {
    const io_coco_object *x = a, *y = b;
    if (x->image_id != y->image_id) return x->image_id < y->image_id ? -1 : 1;
    return x->score < y->score ? 1 : x->score > y->score ? -1 : 0;
}

static void compare(kn_ctx *kn, const io_scores *s, const ev_sweep_found *found,
                    const ev_setting *how) {
    io_coco_object *results = found->results;
    size_t count = found->count, at = 0;
    qsort(results, count, sizeof *results, by_picture_best_first);
    for (int picture = PICTURES - 1; picture >= 0; picture--) { // ids fall, results rise
        int64_t from = 0;
        int32_t box[MOST * T], name[MOST * T];
        float score[MOST * T];
        for (int i = 0; i < picture; i++) from += boxes_of[i];
        int64_t kept = by_the_model(kn, s, how, from, boxes_of[picture], box, name, score);
        for (int64_t i = 0; i < kept; i++, at++) {
            assert_true(at < count);
            assert_int_equal(results[at].image_id, 100 - picture);
            assert_int_equal(results[at].category_id, ids[name[i]]);
            ASSERT_WITHIN(fabs(results[at].score - (double)score[i]), 1e-6);
            assert_true(results[at].box[0] == (double)tn_f32(&s->boxes)[4 * (from + box[i])]);
        }
    }
    assert_int_equal(at, count);
    assert_true(count > 0);
}

// Name after name, by picture, best first; ids count.
static void check_order(const ev_sweep_found *found) {
    for (size_t i = 0; i < found->count; i++) {
        const io_coco_object *one = &found->results[i], *last = one - 1;
        assert_int_equal(one->id, (int)i + 1);
        if (i == 0 || one->category_id != last->category_id) continue;
        assert_true(one->image_id >= last->image_id);
        if (one->image_id == last->image_id) assert_true(one->score <= last->score);
    }
}

enum { SETTINGS = 64 };

static void make_settings(const io_scores_head *head, ev_setting how[SETTINGS]) {
    static const double weights[] = {0, 0.35, 0.65, 1};
    for (int i = 0; i < SETTINGS; i++) {
        how[i] = ev_setting_of(head);
        how[i].fusion.alpha = weights[i % 4], how[i].fusion.beta = weights[i / 4 % 4];
        how[i].fusion.renormalise = i / 16 % 2, how[i].fusion.objectness = i / 32 ? 0.5 : 0;
        how[i].rules.score = i % 3 ? 0.1 : 0.02, how[i].rules.top = i % 5 ? 6 : 100;
        how[i].rules.nms = i % 3 ? 0.4 : 0.8;
        how[i].rules.soft = i % 7 < 3 ? 1 : 0.1 * (i % 7 - 2),
        how[i].rules.inside = i % 4 < 2 ? 1 : 0.5;
    }
}

// One thread tries them one by one, several try as many as fit at once.
static void sweep_detections_equal_the_models(void **state) {
    (void)state;
    kn_ctx *kn;
    io_scores s;
    ev_setting how[SETTINGS];
    io_scores_head head = usual_head();
    ASSERT_OK(kn_open("cpu", "ref", 1, &kn, &err), err);
    ASSERT_OK(io_scores_open(write_scores("model", &head, 5, 5), &s, &err), err);
    make_settings(&s.head, how);
    for (int threads = 0; threads < 2; threads++) {
        ev_sweep *sweep;
        ev_sweep_found found = {0};
        ASSERT_OK(ev_sweep_open(&s, NULL, threads ? pool : NULL, &sweep, &err), err);
        for (size_t first = 0, done; first < SETTINGS; first += done) {
            size_t want = threads ? SETTINGS - first : 1;
            ASSERT_OK(ev_sweep_run(sweep, how + first, want, &done, &err), err);
            assert_int_equal(done, threads ? EV_SWEEP_MAX_SETTINGS : 1);
            for (size_t k = 0; k < done; k++) {
                ASSERT_OK(ev_sweep_results(sweep, k, &found, &err), err);
                check_order(&found);
                compare(kn, &s, &found, &how[first + k]);
            }
        }
        tn_free(found.results);
        ev_sweep_close(sweep);
    }
    io_scores_close(&s);
    kn_close(kn);
}

static ev_sweep_found detect(ev_sweep *sweep, const ev_setting *how) {
    ev_sweep_found found = {0};
    size_t done;
    ASSERT_OK(ev_sweep_run(sweep, how, 1, &done, &err), err);
    ASSERT_OK(ev_sweep_results(sweep, 0, &found, &err), err);
    return found;
}

// Scores of 0 are never found, whatever the weights; without a threshold everything else is.
static void sweep_of_nothing(void **state) {
    (void)state;
    io_scores_writer writer;
    io_scores s;
    ev_sweep *sweep;
    io_scores_head head = usual_head();
    static const float box[4] = {0, 0, 9, 9}, sure[1] = {1};
    static const float one[COLUMNS] = {0, 0.5f, 0, 0.5f, 0}, two[COLUMNS] = {0.5f, 0.5f, 0, 0, 0};
    ASSERT_OK(io_scores_writer_open(&writer, temporary_path("zeros"), &head, &err), err);
    ASSERT_OK(io_scores_writer_add(&writer, 1, 1, box, sure, one, two, &err), err);
    ASSERT_OK(io_scores_writer_commit(&writer, &err), err);
    ASSERT_OK(io_scores_open(temporary_path("zeros"), &s, &err), err);
    ASSERT_OK(ev_sweep_open(&s, NULL, pool, &sweep, &err), err);
    static const double weights[] = {0, 1e-7, 0.5, 1 - 1e-7, 1};
    for (int i = 0; i < 5; i++) {
        ev_setting how = ev_setting_of(&head);
        how.fusion.alpha = how.fusion.beta = weights[i];
        how.rules.score = 0, how.fusion.renormalise = i % 2;
        ev_sweep_found found = detect(sweep, &how);
        assert_int_equal(found.count, weights[i] == 0 || weights[i] == 1 ? 2 : 1);
        for (size_t k = 0; k < found.count; k++) assert_true(found.results[k].score > 0.4);
        tn_free(found.results);
    }
    ev_sweep_close(sweep);
    io_scores_close(&s);
}

// Twice the scale of kept scores is what scores of twice the scale give.
static void sweep_changes_scales(void **state) {
    (void)state;
    io_scores narrow, wide;
    ev_sweep *from_narrow, *from_wide;
    io_scores_head head = usual_head();
    ASSERT_OK(io_scores_open(write_scores("narrow", &head, 4, 3), &narrow, &err), err);
    ASSERT_OK(io_scores_open(write_scores("wide", &head, 8, 1.5), &wide, &err), err);
    ASSERT_OK(ev_sweep_open(&narrow, NULL, pool, &from_narrow, &err), err);
    ASSERT_OK(ev_sweep_open(&wide, NULL, pool, &from_wide, &err), err);
    ev_setting how = ev_setting_of(&head), scaled = how;
    scaled.scale1 = 2, scaled.scale2 = 0.5;
    for (int round = 0; round < 2; round++) { // and back again
        ev_sweep_found a = detect(from_narrow, &scaled), b = detect(from_wide, &how);
        assert_int_equal(a.count, b.count);
        for (size_t i = 0; i < a.count; i++) {
            assert_int_equal(a.results[i].category_id, b.results[i].category_id);
            ASSERT_WITHIN(fabs(a.results[i].score - b.results[i].score), 1e-5);
        }
        tn_free(a.results);
        tn_free(b.results);
        a = detect(from_narrow, &how);
        tn_free(a.results);
    }
    ev_sweep_close(from_narrow);
    ev_sweep_close(from_wide);
    io_scores_close(&narrow);
    io_scores_close(&wide);
}

static void sweep_with_one_score(void **state) {
    (void)state;
    io_scores s;
    ev_sweep *sweep;
    io_scores_head head = usual_head();
    head.has_score2 = false;
    ASSERT_OK(io_scores_open(write_scores("one", &head, 5, 5), &s, &err), err);
    assert_null(s.score2.data);
    ASSERT_OK(ev_sweep_open(&s, (uint8_t[T]){0}, NULL, &sweep, &err), err);
    ev_setting how = ev_setting_of(&head);
    ev_sweep_found found = detect(sweep, &how);
    assert_true(found.count > 0);
    tn_free(found.results);
    ev_sweep_close(sweep);
    io_scores_close(&s);
}

#define GOOD(ids, base, more)                                                                      \
    "{\"version\":1,\"category_ids\":" ids ",\"base\":" base                                       \
    ",\"background\":true,\"score2\":true,\"renormalise\":true,\"beta\":0.65," more

static void broken_scores_are_refused(void **state) {
    (void)state;
    static const char tail[] =
        "\"alpha\":0.35,\"objectness\":0.5,\"score\":0.1,\"nms\":0.4,\"top\":6}";
    static const struct {
        const char *head, *why;
    } cases[] = {
        {"", "scores.json"},
        {"[]", "scores.json: top level: expected an object"},
        {"{\"version\":2}", "scores.json: version"},
        {GOOD("[]", "[]", ""), "scores.json: category_ids: expected at least one"},
        {GOOD("[3,1,9,3]", "[1,0,0,1]", ""), "category_ids: 3 is listed twice"},
        {GOOD("[3,1,9,\"7\"]", "[1,0,0,1]", ""), "category_ids[3]"},
        {GOOD("[3,1,9,7]", "[1,0,0]", ""), "base: 3 flags, expected 4"},
        {GOOD("[3,1,9,7]", "[1,0,0,2]", ""), "base[3]"},
        {GOOD("[3,1,9,7]", "[1,0,0,1]", "\"alpha\":1.5,\"objectness\":0}"), "alpha: 1.5, expected"},
        {GOOD("[3,1,9,7]", "[1,0,0,1]", "\"alpha\":0.5,\"objectness\":0}"), "score"},
        {GOOD("[3,1,9,7]", "[1,0,0,1]", "\"soft\":-1,"), "soft: -1, expected 0 to 1"},
        {GOOD("[3,1,9,7]", "[1,0,0,1]", "\"inside\":2,"), "inside: 2, expected 0 to 1"},
        {GOOD("[3,1,9]", "[1,0,0]", ""), "score1.npy: float32 [29,5], expected float32 [29,4]"},
    };
    io_scores_head head = usual_head();
    io_scores s;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024], path[600];
        const char *folder = write_scores("broken", &head, 5, 5);
        bool whole = cases[i].head[0] && cases[i].head[strlen(cases[i].head) - 1] == ',';
        snprintf(text, sizeof text, "%s%s", cases[i].head, whole ? tail : "");
        snprintf(path, sizeof path, "%s/scores.json", folder);
        FILE *file = fopen(path, "wb");
        fputs(text, file);
        fclose(file);
        tn_status status = io_scores_open(folder, &s, &err);
        if (status != TN_EFORMAT || !strstr(err.text, cases[i].why))
            fail_msg("case %zu: %s, expected %s", i, status ? err.text : "was read", cases[i].why);
    }
}

// An array is replaced by a wrong one.
static void broken_arrays_are_refused(void **state) {
    (void)state;
    static float wrong[29 * 5];
    static const struct {
        const char *name;
        int rank;
        int64_t dim[2];
        float value;
        const char *why;
    } cases[] = {
        {"boxes.npy", 2, {29, 3}, 0, "boxes.npy: float32 [29,3], expected float32 [29,4]"},
        {"boxes.npy", 2, {28, 4}, 0, "boxes.npy: float32 [28,4], expected float32 [29,4]"},
        {"boxes.npy", 2, {29, 4}, NAN, "boxes.npy: row 2: nan, expected a finite number"},
        {"objectness.npy", 1, {29}, 2, "objectness.npy: row 9: 2, expected a probability"},
        {"score1.npy", 2, {29, 5}, -0.5f, "score1.npy: row 1: -0.5, expected a probability"},
        {"score2.npy", 2, {29, 5}, NAN, "score2.npy: row 1: nan, expected a probability"},
        {"score2.npy", 1, {29}, 0, "score2.npy: float32 [29], expected float32 [29,5]"},
        {"pictures.npy", 1, {29}, 0, "pictures.npy: float32 [29], expected int64 of any length"},
    };
    io_scores_head head = usual_head();
    io_scores s;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[600];
        const char *folder = write_scores("broken", &head, 5, 5);
        snprintf(path, sizeof path, "%s/%s", folder, cases[i].name);
        wrong[9] = cases[i].value;
        tn_tensor t = tn_view(wrong, TN_F32, cases[i].rank, cases[i].dim);
        ASSERT_OK(io_npy_write(path, &t, &err), err);
        tn_status status = io_scores_open(folder, &s, &err);
        if (status != TN_EFORMAT || !strstr(err.text, cases[i].why))
            fail_msg("case %zu: %s, expected %s", i, status ? err.text : "was read", cases[i].why);
    }
    char path[600];
    snprintf(path, sizeof path, "%s/score2.npy", write_scores("broken", &head, 5, 5));
    unlink(path);
    assert_int_equal(io_scores_open(temporary_path("broken"), &s, &err), TN_EIO);
    assert_int_equal(io_scores_open("/nowhere/scores", &s, &err), TN_EIO);
}

static void sweep_refuses_scattered_pictures(void **state) {
    (void)state;
    io_scores_writer writer;
    io_scores s;
    ev_sweep *sweep;
    io_scores_head head = usual_head();
    float row[COLUMNS] = {1}, box[4] = {0, 0, 9, 9};
    ASSERT_OK(io_scores_writer_open(&writer, temporary_path("twice"), &head, &err), err);
    for (int i = 0; i < 3; i++)
        ASSERT_OK(io_scores_writer_add(&writer, i % 2, 1, box, row, row, row, &err), err);
    ASSERT_OK(io_scores_writer_commit(&writer, &err), err);
    ASSERT_OK(io_scores_open(temporary_path("twice"), &s, &err), err);
    assert_int_equal(ev_sweep_open(&s, NULL, NULL, &sweep, &err), TN_EFORMAT);
    assert_non_null(strstr(err.text, "the boxes of picture 0 are not contiguous (rows 0 and 2)"));
    io_scores_close(&s);
    assert_int_equal(io_scores_writer_open(&writer, "/proc/nowhere", &head, &err), TN_EIO);
}

static void sweep_reports_out_of_memory(void **state) {
    (void)state;
    io_scores_head head = usual_head();
    const char *folder = write_scores("memory", &head, 5, 5);
    tn_status status = TN_ENOMEM;
    for (int64_t n = 1; status != TN_OK; n++) {
        io_scores s = {0};
        ev_sweep *sweep = NULL;
        ev_sweep_found found = {0};
        size_t done;
        tn_alloc_fail_after(n);
        status = io_scores_open(folder, &s, &err);
        if (status == TN_OK) status = ev_sweep_open(&s, NULL, pool, &sweep, &err);
        ev_setting how = ev_setting_of(&head);
        if (status == TN_OK) status = ev_sweep_run(sweep, &how, 1, &done, &err);
        if (status == TN_OK) status = ev_sweep_results(sweep, 0, &found, &err);
        tn_alloc_fail_after(0);
        assert_true((status == TN_OK || status == TN_ENOMEM) && n < 200);
        tn_free(found.results);
        ev_sweep_close(sweep);
        io_scores_close(&s);
    }
}

static int open_all(void **state) {
    (void)state;
    return tn_pool_open(3, &pool, &err);
}

static int close_all(void **state) {
    tn_pool_close(pool);
    return temporary_teardown(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_read_as_written),
        cmocka_unit_test(sweep_detections_equal_the_models),
        cmocka_unit_test(sweep_of_nothing),
        cmocka_unit_test(sweep_changes_scales),
        cmocka_unit_test(sweep_with_one_score),
        cmocka_unit_test(broken_scores_are_refused),
        cmocka_unit_test(broken_arrays_are_refused),
        cmocka_unit_test(sweep_refuses_scattered_pictures),
        cmocka_unit_test(sweep_reports_out_of_memory),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
