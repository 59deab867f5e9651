// SPDX-License-Identifier: Apache-2.0
// Selection against a plain implementation that compares all pairs, for all combinations of rules;
// fusion of two scores in both forms; rows and best of a list.
#include "kernels/rules.h"
#include "nn/fuse.h"
#include "nn/pick.h"
#include "nn/select.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

enum { BOXES = 60, LABELS = 5, MOST = BOXES * LABELS };

static tn_error err;
static uint64_t state_of_random;

static double uniform(void) {
    state_of_random = state_of_random * 6364136223846793005u + 1442695040888963407u;
    return (double)(state_of_random >> 33) / (double)(1u << 31);
}

// Few different scores and positions, so that many are equal.
static int64_t random_candidates(float least, float *boxes, nn_candidate *list) {
    int64_t n = 0;
    for (int i = 0; i < BOXES; i++) {
        float *b = boxes + 4 * i;
        b[0] = floorf((float)(uniform() * 12)) * 4, b[1] = floorf((float)(uniform() * 12)) * 4;
        b[2] = b[0] + 4 + floorf((float)(uniform() * 5)) * 6;
        b[3] = b[1] + 4 + floorf((float)(uniform() * 5)) * 6;
        for (int t = 0; t < LABELS; t++) {
            float score = floorf((float)(uniform() * 40)) / 40;
            if (score > least) list[n++] = (nn_candidate){score, i, t};
        }
    }
    return n;
}

static bool is_better(const nn_candidate *a, const nn_candidate *b) {
    if (a->score != b->score) return a->score > b->score;
    return a->box != b->box ? a->box < b->box : a->label < b->label;
}

static int by_score(const void *a, const void *b) {
    return is_better(a, b) ? -1 : is_better(b, a);
}

static bool meet(const nn_select_rules *rules, const nn_candidate *a, const nn_candidate *b) {
    return rules->agnostic || a->label == b->label;
}

// Plain greedy suppression, in order of score.
static int64_t plain_suppression(const nn_select_rules *rules, const float *boxes,
                                 nn_candidate *list, int64_t n) {
    int64_t left = 0;
    qsort(list, (size_t)n, sizeof *list, by_score);
    if (rules->best && n > rules->best) n = rules->best;
    for (int64_t i = 0; i < n; i++) {
        bool goes = false;
        for (int64_t k = 0; k < left; k++)
            goes |= meet(rules, &list[k], &list[i]) &&
                    (double)kn_iou(boxes + 4 * list[k].box, boxes + 4 * list[i].box) > rules->nms;
        if (!goes) list[left++] = list[i];
    }
    return left;
}

static int64_t plain(const nn_select_rules *rules, const float *boxes, nn_candidate *list,
                     int64_t n, nn_candidate *out) {
    int64_t kept = 0;
    n = plain_suppression(rules, boxes, list, n);
    while (n && kept < rules->top) {
        qsort(list, (size_t)n, sizeof *list, by_score);
        nn_candidate one = list[0];
        memmove(list, list + 1, (size_t)--n * sizeof *list);
        if (!(one.score > (float)rules->score)) break;
        bool part = false;
        for (int64_t k = 0; k < kept; k++)
            part |= meet(rules, &out[k], &one) &&
                    kn_share_within(boxes + 4 * one.box, boxes + 4 * out[k].box) > rules->inside;
        if (part) continue;
        out[kept++] = one;
        for (int64_t i = 0; i < n; i++) {
            float iou = kn_iou(boxes + 4 * one.box, boxes + 4 * list[i].box);
            if (!meet(rules, &one, &list[i]) || !((double)iou > rules->soft)) continue;
            list[i].score =
                rules->logarithms ? list[i].score + log1pf(-iou) : list[i].score * (1 - iou);
        }
    }
    return kept;
}

static nn_select_rules mix(int i) {
    return (nn_select_rules){.score = i % 2 ? 0.3 : 0,
                             .nms = i / 2 % 3 ? 0.2 * (i / 2 % 3) : 1,
                             .soft = i / 6 % 2 ? 0.1 : 1,
                             .inside = i / 12 % 2 ? 0.7 : 1,
                             .top = i / 24 % 2 ? 7 : MOST,
                             .best = i / 48 % 2 ? 25 : 0,
                             .agnostic = i / 96 % 2,
                             .logarithms = i / 192 % 2};
}

static void select_keeps_what_a_plain_search_keeps(void **state) {
    (void)state;
    float boxes[4 * BOXES];
    nn_candidate list[MOST], same[MOST], kept[MOST], wanted[MOST];
    size_t bytes;
    int64_t sum = 0, cut = 0;
    state_of_random = 3;
    assert_true(nn_select_bytes(MOST, LABELS, &bytes));
    void *scratch = tn_alloc(bytes);
    for (int i = 0; i < 384 * 3; i++) {
        nn_select_rules rules = mix(i % 384);
        int64_t n = random_candidates((float)rules.score, boxes, list);
        if (rules.logarithms) {
            for (int64_t k = 0; k < n; k++) list[k].score = logf(list[k].score);
            rules.score = rules.score > 0 ? log(rules.score) : -100;
        }
        memcpy(same, list, (size_t)n * sizeof *list);
        int64_t expected = plain(&rules, boxes, same, n, wanted);
        int64_t got = nn_select(&rules, boxes, list, n, LABELS, scratch, kept);
        assert_int_equal(got, expected);
        assert_memory_equal(kept, wanted, (size_t)got * sizeof *kept);
        sum += got, cut += got == rules.top;
    }
    assert_true(sum > 10000 && cut > 100);
    tn_free(scratch);
}

static void select_of_nothing_and_of_too_much(void **state) {
    (void)state;
    nn_select_rules rules = nn_select_hard(0, 0.5, 10);
    nn_candidate none[1];
    char scratch[256];
    size_t bytes;
    assert_true(nn_select_bytes(0, 0, &bytes) && bytes <= sizeof scratch);
    assert_int_equal(nn_select(&rules, NULL, none, 0, 0, scratch, none), 0);
    assert_false(nn_select_bytes((int64_t)INT32_MAX + 1, 1, &bytes));
}

// Best first, with the rows of the boxes; running out of memory is reported.
static void select_rows_gives_tensors(void **state) {
    (void)state;
    float boxes[] = {0, 0, 10, 10, 1, 0, 11, 10, 50, 50, 60, 60};
    tn_tensor given = tn_view(boxes, TN_F32, TN_DIMS(3, 4));
    tn_arena step;
    ASSERT_OK(tn_arena_init(&step, 1 << 20, &err), err);
    nn_ctx cx = {.step = &step, .err = &err};
    nn_select_rules rules = nn_select_hard(0.1, 0.5, 10);
    nn_candidate *list;
    nn_selected out;
    for (int64_t n = 1, done = 0; !done; n++) {
        tn_arena_reset(&step, 0);
        tn_alloc_fail_after(n);
        tn_status status = nn_candidates_new(&cx, 3, 1, &list);
        if (status == TN_OK) {
            list[0] = (nn_candidate){0.5f, 1, 0}, list[1] = (nn_candidate){0.6f, 0, 0};
            list[2] = (nn_candidate){0.9f, 2, 1};
            status = nn_select_rows(&cx, &rules, &given, list, 3, 2, &out);
        }
        tn_alloc_fail_after(0);
        assert_true(status == TN_OK || status == TN_ENOMEM);
        done = status == TN_OK;
    }
    assert_int_equal(out.rows.dim[0], 2);
    assert_memory_equal(out.rows.data, ((int32_t[]){2, 0}), 8);
    assert_memory_equal(out.labels.data, ((int32_t[]){1, 0}), 8);
    assert_memory_equal(out.scores.data, ((float[]){0.9f, 0.6f}), 8);
    assert_memory_equal(tn_f32(&out.boxes), boxes + 8, 16);
    assert_memory_equal(tn_f32(&out.boxes) + 4, boxes, 16);
    tn_arena_deinit(&step);
}

static void geometric_mean_agrees_with_its_logarithm(void **state) {
    (void)state;
    for (double w = 0; w <= 1; w += 0.125)
        for (double p = 0.01; p < 1; p += 0.07) {
            double q = 1 - p / 2, mean = nn_geometric_mean(p, q, w);
            double by_logs =
                exp((double)nn_geometric_mean_log(logf((float)p), logf((float)q), (float)w));
            assert_true(fabs(mean - by_logs) < 1e-6 && mean >= fmin(p, q) - 1e-9 &&
                        mean <= fmax(p, q) + 1e-9);
        }
    assert_true(nn_geometric_mean(0.25, 1, 0.5) == 0.5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(select_keeps_what_a_plain_search_keeps),
        cmocka_unit_test(select_of_nothing_and_of_too_much),
        cmocka_unit_test(select_rows_gives_tensors),
        cmocka_unit_test(geometric_mean_agrees_with_its_logarithm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
