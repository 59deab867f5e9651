// SPDX-License-Identifier: Apache-2.0
// Matching, sampling and targets against torchvision with the same boxes and choices
// (tools/reference/dump_targets.py), and the sampler's guarantees.
#include "models/detector/targets.h"

#include "io/weights/weights.h"
#include "tests/support/test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static io_weights *file;
static tn_arena arena;
static tn_pool *pool;
static tn_error err;

static bool find(const char *kind, int number, const char *name, tn_tensor *out) {
    char full[64];
    snprintf(full, sizeof full, "%s.%d.%s", kind, number, name);
    const io_tensor *t = io_weights_find(file, full);
    if (t) *out = tn_view((void *)(uintptr_t)t->data, t->dtype, t->rank, t->dim);
    return t;
}

static tn_tensor get(const char *kind, int number, const char *name) {
    tn_tensor t;
    if (!find(kind, number, name, &t)) fail_msg("no %s.%d.%s", kind, number, name);
    return t;
}

static double difference(const tn_tensor *a, const tn_tensor *b) {
    assert_int_equal(a->dtype, b->dtype);
    assert_int_equal(tn_count(a), tn_count(b));
    double worst = 0;
    for (int64_t i = 0; i < tn_count(a); i++) {
        double x, y;
        tn_convert((char *)a->data + (size_t)i * tn_dtype_size(a->dtype), a->dtype, &x, TN_F64, 1);
        tn_convert((char *)b->data + (size_t)i * tn_dtype_size(b->dtype), b->dtype, &y, TN_F64, 1);
        double d = fabs(x - y) / (1 + fabs(y));
        if (!(d <= worst)) worst = d;
    }
    return worst;
}

static void same_ints(const tn_tensor *a, const tn_tensor *b) {
    assert_int_equal(tn_count(a), tn_count(b));
    for (int64_t i = 0; i < tn_count(a); i++)
        if (tn_i32(a)[i] != tn_i32(b)[i])
            fail_msg("element %lld is %d, expected %d", (long long)i, tn_i32(a)[i], tn_i32(b)[i]);
}

static tn_tensor zero_labels(int64_t n) {
    tn_tensor t;
    ASSERT_OK(tn_new(&arena, &t, TN_I32, TN_DIMS(n), &err), err);
    memset(t.data, 0, tn_bytes(&t));
    return t;
}

// Keeps the rows of x [N,4] in index; the others become 0.
static void only_rows(const tn_tensor *x, const tn_tensor *index, tn_tensor *rows) {
    int64_t n = index->dim[0], at = 0;
    size_t row = 4 * tn_dtype_size(x->dtype);
    ASSERT_OK(tn_new(&arena, rows, x->dtype, TN_DIMS(n, 4), &err), err);
    for (int64_t i = 0; i < x->dim[0]; i++) {
        const char *from = (char *)x->data + (size_t)i * row;
        if (at < n && tn_i32(index)[at] == i) {
            memcpy((char *)rows->data + (size_t)at++ * row, from, row);
            continue;
        }
        for (size_t k = 0; k < row; k++) assert_int_equal(from[k], 0);
    }
    assert_int_equal(at, n);
}

static double sum(const tn_tensor *x) {
    double total = 0;
    for (int64_t i = 0; i < tn_count(x); i++)
        total += x->dtype == TN_F32 ? (double)((float *)x->data)[i] : ((double *)x->data)[i];
    return total;
}

static void anchors_equal_torchvision(void **state) {
    (void)state;
    md_assignment how = md_rpn_assignment();
    tn_tensor anchors;
    int n = 0;
    for (; find("rpn", n, "anchors", &anchors); n++) {
        md_truth truth = {get("rpn", n, "truth"), {0}, NULL};
        truth.labels = zero_labels(truth.boxes.dim[0]);
        tn_tensor label = get("rpn", n, "label"), positive = get("rpn", n, "positive"), rows;
        md_choice fed = {.index = get("rpn", n, "choice")};
        for (int twice = 0; twice < 2; twice++) {
            md_rpn_targets t;
            tn_dtype dtype = twice ? TN_F64 : TN_F32;
            ASSERT_OK(md_rpn_targets_make(pool, &arena, &how, &anchors, &truth, NULL, &fed, dtype,
                                          &t, &err),
                      err);
            for (int64_t i = 0; i < anchors.dim[0]; i++) {
                int32_t m = tn_i32(&t.match)[i];
                assert_int_equal(m >= 0 ? 1 : m == MD_BELOW ? 0 : -1, tn_i32(&label)[i]);
            }
            tn_tensor wanted = get("rpn", n, twice ? "deltas64" : "deltas");
            only_rows(&t.deltas, &positive, &rows);
            ASSERT_WITHIN(difference(&rows, &wanted), twice ? 1e-14 : 1e-6);
            int64_t p = positive.dim[0];
            assert_int_equal(t.choice.positives, p);
            assert_true(sum(&t.weight) == (double)fed.index.dim[0]);
            assert_true(sum(&t.objectness) == (double)p && sum(&t.delta_weight) == 4.0 * (double)p);
        }
    }
    assert_int_equal(n, 6);
}

static void regions_equal_torchvision(void **state) {
    (void)state;
    md_assignment how = md_roi_assignment();
    tn_tensor proposals;
    int n = 0;
    for (; find("roi", n, "proposals", &proposals); n++) {
        md_truth truth = {get("roi", n, "truth"), get("roi", n, "labels"), NULL};
        md_choice fed = {.index = get("roi", n, "choice")};
        tn_tensor label = get("roi", n, "label"), positive = get("roi", n, "positive");
        tn_tensor match = get("roi", n, "match"), rows;
        for (int twice = 0; twice < 2; twice++) {
            md_roi_targets t;
            ASSERT_OK(md_roi_targets_make(pool, &arena, &how, &proposals, &truth, 9, NULL, &fed,
                                          twice ? TN_F64 : TN_F32, &t, &err),
                      err);
            same_ints(&t.label, &label);
            same_ints(&t.positive, &positive);
            same_ints(&t.mask_box, &match);
            only_rows(&t.deltas, &positive, &rows);
            tn_tensor wanted = get("roi", n, twice ? "deltas64" : "deltas");
            ASSERT_WITHIN(difference(&rows, &wanted), twice ? 1e-14 : 2e-6);
            assert_true(sum(&t.box_weight) == 4.0 * (double)positive.dim[0]);
            for (int64_t i = 0; i < positive.dim[0]; i++)
                assert_memory_equal(tn_f32(&t.mask_rois) + 4 * i,
                                    tn_f32(&t.rois) + 4 * tn_i32(&positive)[i], 16);
        }
    }
    assert_int_equal(n, 6);
}

static void overlaps_equal_torchvision(void **state) {
    (void)state;
    const io_tensor *at[3];
    for (int i = 0; i < 3; i++)
        assert_non_null(at[i] =
                            io_weights_find(file, (const char *[]){"iou.a", "iou.b", "iou.y"}[i]));
    tn_tensor a = tn_view((void *)(uintptr_t)at[0]->data, TN_F32, 2, at[0]->dim);
    tn_tensor b = tn_view((void *)(uintptr_t)at[1]->data, TN_F32, 2, at[1]->dim), y;
    ASSERT_OK(tn_new(&arena, &y, TN_F32, TN_DIMS(a.dim[0], b.dim[0]), &err), err);
    md_iou_matrix(&a, &b, &y);
    assert_memory_equal(y.data, at[2]->data, tn_bytes(&y));
}

static void masks_equal_torchvision(void **state) {
    (void)state;
    for (int n = 0; n < 2; n++) {
        tn_tensor masks = get("mask", n, "masks"), rois = get("mask", n, "rois");
        tn_tensor box = get("mask", n, "box"), y;
        io_rle rle[4];
        for (int64_t i = 0; i < 4; i++) {
            tn_tensor one = tn_slice(&masks, i, 1);
            one = tn_reshape(&one, 2, masks.dim + 1);
            ASSERT_OK(io_rle_encode(&one, &arena, &rle[i], &err), err);
        }
        for (int twice = 0; twice < 2; twice++) {
            tn_tensor wanted = get("mask", n, twice ? "y64" : "y");
            ASSERT_OK(md_mask_targets(&arena, rle, 4, &rois, &box, wanted.dim[1],
                                      twice ? TN_F64 : TN_F32, &y, &err),
                      err);
            ASSERT_WITHIN(difference(&y, &wanted), twice ? 1e-13 : 2e-6);
        }
    }
}

// Encoding and decoding are inverse.
static void boxes_come_back(void **state) {
    (void)state;
    tn_rng rng = tn_rng_new(3, 0);
    for (int i = 0; i < 1000; i++) {
        float from[4], to[4];
        double d[4];
        for (int k = 0; k < 2; k++) {
            from[k] = (float)tn_rng_uniform(&rng, 0, 500);
            to[k] = (float)tn_rng_uniform(&rng, 0, 500);
            from[k + 2] = from[k] + (float)tn_rng_uniform(&rng, 0.5, 500);
            to[k + 2] = to[k] + (float)tn_rng_uniform(&rng, 0.5, 500);
        }
        md_box_encode_f64(md_roi_weights, from, to, d);
        for (int k = 0; k < 2; k++) {
            double size = (double)from[k + 2] - (double)from[k];
            double centre = (double)from[k] + size / 2 + d[k] / md_roi_weights[k] * size;
            double half = exp(d[k + 2] / md_roi_weights[k + 2]) * size / 2;
            ASSERT_WITHIN(fabs(centre - half - (double)to[k]), 1e-9);
            ASSERT_WITHIN(fabs(centre + half - (double)to[k + 2]), 1e-9);
        }
    }
}

static void sampler_is_balanced_and_fair(void **state) {
    (void)state;
    enum { N = 60 };
    tn_tensor label;
    ASSERT_OK(tn_new(&arena, &label, TN_I32, TN_DIMS(N), &err), err);
    for (int i = 0; i < N; i++) tn_i32(&label)[i] = i % 3 - 1; // 20 of each
    int taken[N] = {0};
    for (uint64_t round = 0; round < 3000; round++) {
        tn_rng rng = tn_rng_new(1, round);
        md_choice c;
        ASSERT_OK(md_sample(&arena, &(md_sampler){16, 0.25}, &rng, &label, &c, &err), err);
        assert_true(c.positives == 4 && c.index.dim[0] == 16);
        for (int i = 0; i < 16; i++) {
            int32_t at = tn_i32(&c.index)[i];
            assert_true(!i || at > tn_i32(&c.index)[i - 1]);
            assert_true(at % 3 != 0);
            taken[at]++;
        }
        tn_arena_reset(&arena, 0);
        ASSERT_OK(tn_new(&arena, &label, TN_I32, TN_DIMS(N), &err), err); // where it was
    }
    for (int i = 0; i < N; i++) { // expected 1800 and 600, five standard deviations
        if (i % 3 == 1) assert_in_range(taken[i], 1660, 1940);
        if (i % 3 == 2) assert_in_range(taken[i], 490, 710);
    }
}

static void sampler_takes_all_of_too_few_boxes(void **state) {
    (void)state;
    static const struct {
        int positive, negative, count;
        double share;
        int wanted_positive, wanted;
    } cases[] = {{0, 0, 8, 0.5, 0, 0},  {3, 0, 8, 0.5, 3, 3},   {0, 3, 8, 0.5, 0, 3},
                 {9, 9, 8, 0.5, 4, 8},  {2, 50, 8, 0.5, 2, 8},  {50, 2, 8, 0.5, 4, 6},
                 {5, 5, 0, 0.5, 0, 0},  {5, 5, 8, 0.0, 0, 5},   {9, 9, 8, 1.0, 8, 8},
                 {9, 9, 7, 0.25, 1, 7}, {1, 1, 100, 0.25, 1, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int32_t label[128];
        int n = 0;
        for (int k = 0; k < cases[i].positive; k++) label[n++] = k + 1;
        for (int k = 0; k < cases[i].negative; k++) label[n++] = 0;
        label[n++] = -1;
        tn_tensor labels = tn_view(label, TN_I32, TN_DIMS(n));
        tn_rng rng = tn_rng_new(5, i);
        md_choice c;
        ASSERT_OK(md_sample(&arena, &(md_sampler){cases[i].count, cases[i].share}, &rng, &labels,
                            &c, &err),
                  err);
        assert_int_equal(c.positives, cases[i].wanted_positive);
        assert_int_equal(c.index.dim[0], cases[i].wanted);
    }
}

// Many blocks, more than one thread.
static void any_number_of_threads_gives_the_same(void **state) {
    (void)state;
    enum { N = 20000, G = 7 };
    tn_rng rng = tn_rng_new(8, 0);
    tn_tensor boxes, truth, match[2];
    ASSERT_OK(tn_new(&arena, &boxes, TN_F32, TN_DIMS(N, 4), &err), err);
    ASSERT_OK(tn_new(&arena, &truth, TN_F32, TN_DIMS(G, 4), &err), err);
    for (int64_t i = 0; i < N + G; i++) {
        float *b = i < N ? tn_f32(&boxes) + 4 * i : tn_f32(&truth) + 4 * (i - N);
        for (int k = 0; k < 2; k++) {
            b[k] = (float)tn_rng_below(&rng, 60);
            b[k + 2] = b[k] + 1 + (float)tn_rng_below(&rng, 40);
        }
    }
    for (int t = 0; t < 2; t++) {
        tn_pool *p;
        ASSERT_OK(tn_pool_open(t ? 4 : 1, &p, &err), err);
        ASSERT_OK(tn_new(&arena, &match[t], TN_I32, TN_DIMS(N), &err), err);
        ASSERT_OK(md_match(p, &arena, &(md_matcher){2, 0.3, true}, &truth, &boxes, &match[t], &err),
                  err);
        tn_pool_close(p);
    }
    same_ints(&match[0], &match[1]);
    // No IoU reaches 2, so a match is the box with the highest IoU of all blocks.
    bool most[N] = {false};
    for (int g = 0; g < G; g++) {
        float best = -1;
        for (int64_t i = 0; i < N; i++)
            best = fmaxf(best, md_box_iou(tn_f32(&truth) + 4 * g, tn_f32(&boxes) + 4 * i));
        for (int64_t i = 0; i < N; i++)
            most[i] |= md_box_iou(tn_f32(&truth) + 4 * g, tn_f32(&boxes) + 4 * i) == best;
    }
    for (int64_t i = 0; i < N; i++) assert_int_equal(tn_i32(&match[0])[i] >= 0, most[i]);
}

static tn_status all_of_it(void) {
    tn_tensor anchors = get("rpn", 2, "anchors"), proposals = get("roi", 2, "proposals"), y;
    md_truth truth = {get("roi", 2, "truth"), get("roi", 2, "labels"), NULL};
    md_assignment rpn = md_rpn_assignment(), roi = md_roi_assignment();
    tn_rng rng = tn_rng_new(1, 1);
    md_rpn_targets a;
    md_roi_targets b;
    TN_TRY(md_rpn_targets_make(pool, &arena, &rpn, &anchors, &truth, &rng, NULL, TN_F32, &a, &err));
    TN_TRY(md_roi_targets_make(pool, &arena, &roi, &proposals, &truth, 9, &rng, NULL, TN_F32, &b,
                               &err));
    const uint32_t whole[] = {0, 96 * 128};
    io_rle rle[5];
    for (int i = 0; i < 5; i++) rle[i] = (io_rle){96, 128, 2, whole};
    return md_mask_targets(&arena, rle, 5, &b.mask_rois, &b.mask_box, 28, TN_F32, &y, &err);
}

static void memory_may_run_out_anywhere(void **state) {
    (void)state;
    tn_status status = TN_ENOMEM;
    for (int64_t n = 1; status != TN_OK; n++) {
        tn_arena_reset(&arena, 0);
        tn_alloc_fail_after(n);
        status = all_of_it();
        tn_alloc_fail_after(0);
        assert_true(status == TN_OK || status == TN_ENOMEM);
        assert_true(n < 60);
    }
}

static int fresh(void **state) {
    (void)state;
    tn_arena_reset(&arena, 0);
    return 0;
}

static int set_up(void **state) {
    (void)state;
    return io_weights_open("tests/golden/targets.safetensors", &file, &err) ||
           tn_arena_init(&arena, 1 << 26, &err) || tn_pool_open(2, &pool, &err);
}

static int tear_down(void **state) {
    (void)state;
    tn_pool_close(pool);
    tn_arena_deinit(&arena);
    io_weights_close(file);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(anchors_equal_torchvision, fresh),
        cmocka_unit_test_setup(regions_equal_torchvision, fresh),
        cmocka_unit_test_setup(overlaps_equal_torchvision, fresh),
        cmocka_unit_test_setup(masks_equal_torchvision, fresh),
        cmocka_unit_test_setup(boxes_come_back, fresh),
        cmocka_unit_test_setup(sampler_is_balanced_and_fair, fresh),
        cmocka_unit_test_setup(sampler_takes_all_of_too_few_boxes, fresh),
        cmocka_unit_test_setup(any_number_of_threads_gives_the_same, fresh),
        cmocka_unit_test_setup(memory_may_run_out_anywhere, fresh),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
