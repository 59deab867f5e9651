// SPDX-License-Identifier: Apache-2.0
// Detection: RoIAlign, suppression, box codec, selection, pasted masks.
#include "tests/support/ops.h"

#include "tensor/rng.h"

#include <math.h>
#include <string.h>

// Boxes in a picture, some reaching outside, the last ones thin or without area.
static tn_tensor random_boxes(uint64_t seed, int64_t count, double height, double width) {
    tn_tensor t = guarded_new(TN_F32, TN_DIMS(count, 4));
    tn_rng rng = tn_rng_new(seed, 7);
    for (int64_t i = 0; i < count; i++) {
        float *box = tn_f32(&t) + 4 * i;
        double w = width * tn_rng_uniform(&rng, 0.02, 0.8),
               h = height * tn_rng_uniform(&rng, 0.02, 0.8);
        double x = tn_rng_uniform(&rng, -0.2 * w, width - 0.8 * w);
        double y = tn_rng_uniform(&rng, -0.2 * h, height - 0.8 * h);
        if (i > 4 && i == count - 1) w = 0;
        if (i > 4 && i == count - 2) h = 0.01;
        box[0] = (float)x, box[1] = (float)y, box[2] = (float)(x + w), box[3] = (float)(y + h);
    }
    return t;
}

static tn_tensor random_index(uint64_t seed, int64_t count, int64_t below) {
    tn_tensor t = guarded_new(TN_I32, TN_DIMS(count));
    for (int64_t i = 0; i < count; i++) tn_i32(&t)[i] = (int32_t)op_pick(seed, (uint64_t)i, below);
    return t;
}

// ---- RoIAlign ----------------------------------------------------------------------------------

// in: rois, image, map, then the levels.
static void run_roi_align(kn_ctx *cx, const tn_tensor *in, tn_tensor *out, const void *cfg) {
    kn_roi_align given = *(const kn_roi_align *)cfg;
    given.level = in + 3;
    kn_roi_align_fwd(cx, &given, &in[0], &in[1], given.levels > 1 ? &in[2] : NULL, out);
}

static void roi_align_agrees(void **state) {
    (void)state;
    static const double scale[] = {0.5, 0.25, 0.125};
    uint64_t seed = 0;
    EACH(int64_t, regions, 0, 1, 7, 9, 65)
    EACH(int64_t, channels, 1, 3, 5, 17, 64, 100)
    EACH(int, ratio, 0, 1, 2, 3)
    for (int aligned = 0; aligned < 2; aligned++) {
        char what[96];
        guarded_free();
        int levels = 1 + (int)op_pick(++seed, 1, 3);
        int64_t ph = 1 + op_pick(seed, 2, 7), pw = 1 + op_pick(seed, 3, 7),
                n = 1 + op_pick(seed, 4, 2);
        kn_roi_align cfg = {
            .sampling_ratio = *ratio, .aligned = aligned, .levels = levels, .scale = scale};
        snprintf(what, sizeof what, "RoIAlign %d regions to %dx%d, C %d, ratio %d, %d levels%s",
                 (int)*regions, (int)ph, (int)pw, (int)*channels, *ratio, levels,
                 aligned ? ", aligned" : "");
        op_case c = {.what = what,
                     .run = run_roi_align,
                     .cfg = &cfg,
                     .inputs = 3 + levels,
                     .keep = 1,
                     .out = op_shape(TN_F32, TN_DIMS(*regions, ph, pw, *channels))};
        // Coordinates up to 40 are rounded four times; neighbours differ by up to 2 on two axes.
        c.absolute = EPS * 40 * 4 * 2;
        c.in[0] = random_boxes(seed, *regions, 50, 70);
        c.in[1] = random_index(seed + 500, *regions, n);
        c.in[2] = random_index(seed + 600, *regions, levels);
        for (int i = 0; i < levels; i++)
            c.in[3 + i] = guarded_random(seed + 700 + (uint64_t)i, -1, 1,
                                         TN_DIMS(n, (25 >> i) + 1, 35 >> i, *channels));
        op_check(&c);
    }
}

// Bilinear samples of a plane are exact, and so is their mean: the value at the bin's centre.
static void roi_align_is_exact_on_an_affine_picture(void **state) {
    (void)state;
    const double scale = 0.25;
    for (int l = 0; l < levels_count(); l++)
        for (int ratio = 0; ratio < 4; ratio++)
            for (int aligned = 0; aligned < 2; aligned++) {
                guarded_free();
                tn_tensor x = guarded_new(TN_F32, TN_DIMS(1, 30, 40, 2));
                for (int i = 0; i < 30 * 40; i++) {
                    tn_f32(&x)[2 * i] = (float)(3 + 0.5 * (i / 40) - 0.25 * (i % 40));
                    tn_f32(&x)[2 * i + 1] = (float)(i / 40);
                }
                tn_tensor rois = guarded_new(TN_F32, TN_DIMS(8, 4)), image = random_index(1, 8, 1);
                tn_rng rng = tn_rng_new(5, 5);
                for (int i = 0; i < 8; i++) {
                    float *roi = tn_f32(&rois) + 4 * i;
                    roi[0] = (float)tn_rng_uniform(&rng, 4, 60),
                    roi[1] = (float)tn_rng_uniform(&rng, 4, 50);
                    roi[2] = roi[0] + (float)tn_rng_uniform(&rng, 8, 80);
                    roi[3] = roi[1] + (float)tn_rng_uniform(&rng, 8, 60);
                }
                tn_tensor y = guarded_new(TN_F32, TN_DIMS(8, 5, 3, 2));
                kn_roi_align_fwd(levels_at(l)->cx[TWO_THREADS],
                                 &(kn_roi_align){ratio, aligned, 1, &x, &scale}, &rois, &image,
                                 NULL, &y);
                for (int i = 0; i < 8 * 5 * 3; i++) {
                    const float *roi = tn_f32(&rois) + 4 * (i / 15);
                    double shift = aligned ? 0.5 : 0;
                    double left = roi[0] * scale - shift, top = roi[1] * scale - shift;
                    double across = left + (i % 3 + 0.5) * (roi[2] - roi[0]) * scale / 3;
                    double down = top + (i / 3 % 5 + 0.5) * (roi[3] - roi[1]) * scale / 5;
                    ASSERT_WITHIN(fabs(tn_f32(&y)[2 * i] - (3 + 0.5 * down - 0.25 * across)),
                                  200 * EPS);
                    ASSERT_WITHIN(fabs(tn_f32(&y)[2 * i + 1] - down), 200 * EPS);
                }
            }
}

static void roi_align_survives_any_box(void **state) {
    (void)state;
    const double scale = 0.25;
    const float boxes[] = {-1e30f, -1e30f, 1e30f, 1e30f, 5,         5,         1,        1,
                           1e9f,   1e9f,   2e9f,  2e9f,  -50,       -50,       -40,      -40,
                           0,      0,      0,     0,     1e-30f,    1e-30f,    1e-30f,   1e-30f,
                           NAN,    0,      5,     5,     -INFINITY, -INFINITY, INFINITY, INFINITY};
    for (int l = 0; l < levels_count(); l++)
        for (int aligned = 0; aligned < 2; aligned++) {
            guarded_free();
            tn_tensor x = guarded_random(1, -1, 1, TN_DIMS(1, 9, 9, 17));
            tn_tensor rois = guarded_new(TN_F32, TN_DIMS(8, 4)), image = random_index(1, 8, 1);
            tn_tensor y = guarded_new(TN_F32, TN_DIMS(8, 2, 2, 17));
            memcpy(rois.data, boxes, sizeof boxes);
            kn_roi_align_fwd(levels_at(l)->cx[ONE_THREAD],
                             &(kn_roi_align){2, aligned, 1, &x, &scale}, &rois, &image, NULL, &y);
            // Far away on any side, or nowhere: nothing is sampled.
            for (int region = 2; region < 8; region++)
                for (int i = 0; i < 68; i++)
                    if (region == 2 || region == 3 || region >= 6)
                        assert_true(tn_f32(&y)[region * 68 + i] == 0);
            guarded_check();
        }
}

// ---- suppression -------------------------------------------------------------------------------

typedef struct suppression {
    double threshold;
    bool groups;
} suppression;

// in: boxes, scores, group. out: the kept, then -1.
static void run_nms(kn_ctx *cx, const tn_tensor *in, tn_tensor *out, const void *cfg) {
    const suppression *s = cfg;
    int64_t kept = kn_nms(cx, s->threshold, &in[0], &in[1], s->groups ? &in[2] : NULL, out);
    assert_true(kept >= 0 && kept <= out->dim[0]);
    for (int64_t i = kept; i < out->dim[0]; i++) tn_i32(out)[i] = -1;
}

// Written from the definition, in double, independently of the backends.
static double iou(const float *a, const float *b) {
    double w = fmin(a[2], b[2]) - fmax(a[0], b[0]), h = fmin(a[3], b[3]) - fmax(a[1], b[1]);
    double both = w > 0 && h > 0 ? w * h : 0;
    double all = ((double)a[2] - a[0]) * ((double)a[3] - a[1]) +
                 ((double)b[2] - b[0]) * ((double)b[3] - b[1]) - both;
    return all > 0 ? both / all : 0;
}

// The kept boxes are in order, overlap each other little enough, and each suppressed box overlaps a
// better kept one.
static void expect_greedy(const tn_tensor *in, const suppression *s, const tn_tensor *keep) {
    const float *box = tn_f32(&in[0]), *score = tn_f32(&in[1]);
    const int32_t *group = s->groups ? tn_i32(&in[2]) : NULL, *kept = tn_i32(keep);
    int64_t count = keep->dim[0], n = 0;
    while (n < count && kept[n] >= 0) n++;
#define MEET(i, j) (!group || group[i] == group[j])
#define BEFORE(i, j) (score[i] > score[j] || (score[i] == score[j] && (i) < (j)))
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < i; j++) {
            assert_true(BEFORE(kept[j], kept[i]));
            if (MEET(kept[i], kept[j]))
                assert_true(iou(box + 4 * kept[i], box + 4 * kept[j]) <= s->threshold + 1e-6);
        }
    for (int64_t i = 0; i < count; i++) {
        bool explained = false;
        for (int64_t j = 0; j < n; j++)
            explained |=
                kept[j] == i || (MEET(i, kept[j]) && BEFORE(kept[j], i) &&
                                 iou(box + 4 * i, box + 4 * kept[j]) > s->threshold - 1e-6);
        assert_true(explained);
    }
}

static void suppression_agrees(void **state) {
    (void)state;
    uint64_t seed = 0;
    EACH(int64_t, count, 0, 1, 7, 8, 9, 63, 64, 65, 300, 600)
    EACH(double, threshold, 0, 0.3, 0.5, 0.7, 1)
    for (int groups = 0; groups < 2; groups++) {
        guarded_free();
        suppression s = {*threshold, groups};
        op_case c = {.what = "suppression",
                     .run = run_nms,
                     .cfg = &s,
                     .inputs = 3,
                     .out = op_shape(TN_I32, TN_DIMS(*count))};
        c.in[0] = random_boxes(++seed, *count, 60, 60);
        c.in[1] = guarded_random(seed + 500, 0, 1, TN_DIMS(*count));
        c.in[2] = random_index(seed + 600, groups ? *count : 0, 5);
        for (int64_t i = 0; i < *count; i++) // equal scores, equal boxes, empty boxes
            if (i % 3 == 1) {
                tn_f32(&c.in[1])[i] = tn_f32(&c.in[1])[i / 2];
                if (i % 2) memcpy(tn_f32(&c.in[0]) + 4 * i, tn_f32(&c.in[0]) + 4 * (i / 2), 16);
            }
        op_check(&c);
        for (int l = 0; l < levels_count(); l++) {
            tn_tensor keep = guarded_new(TN_I32, TN_DIMS(*count));
            run_nms(levels_at(l)->cx[TWO_THREADS], c.in, &keep, &s);
            expect_greedy(c.in, &s, &keep);
        }
    }
}

// Integer coordinates times a power of two, so that some overlaps equal the threshold; areas are
// normal, subnormal, or partly infinite.
static void suppression_agrees_at_any_scale(void **state) {
    (void)state;
    enum { COUNT = 300 };
    uint64_t seed = 0;
    EACH(double, scale, 1, 0x1p-66, 0x1p-74, 0x1p58)
    EACH(double, threshold, -0.1, 0, 0.25, 0.5, 0.7) {
        guarded_free();
        suppression s = {*threshold, false};
        op_case c = {.what = "suppression at a scale",
                     .run = run_nms,
                     .cfg = &s,
                     .inputs = 3,
                     .out = op_shape(TN_I32, TN_DIMS(COUNT))};
        c.in[0] = random_boxes(++seed, COUNT, 20, 20);
        for (int i = 0; i < 4 * COUNT; i++)
            tn_f32(&c.in[0])[i] = (float)(rint((double)tn_f32(&c.in[0])[i]) * *scale);
        c.in[1] = guarded_random(seed + 500, 0, 1, TN_DIMS(COUNT));
        c.in[2] = guarded_new(TN_I32, TN_DIMS(0));
        op_check(&c);
    }
}

static void suppression_does_not_depend_on_the_order(void **state) {
    (void)state;
    enum { COUNT = 200 };
    suppression s = {0.4, true};
    for (int l = 0; l < levels_count(); l++)
        for (uint64_t seed = 1; seed <= 5; seed++) {
            guarded_free();
            tn_tensor in[] = {random_boxes(seed, COUNT, 60, 60),
                              guarded_random(seed, 0, 1, TN_DIMS(COUNT)),
                              random_index(seed, COUNT, 3)};
            tn_tensor other[] = {guarded_copy(&in[0]), guarded_copy(&in[1]), guarded_copy(&in[2])};
            int to[COUNT]; // new index of each box
            for (int i = 0; i < COUNT; i++) to[i] = i;
            for (int i = COUNT - 1; i > 0; i--) {
                int j = (int)op_pick(seed, (uint64_t)i, i + 1), kept = to[i];
                to[i] = to[j], to[j] = kept;
            }
            for (int i = 0; i < COUNT; i++) {
                memcpy(tn_f32(&other[0]) + 4 * to[i], tn_f32(&in[0]) + 4 * i, 16);
                tn_f32(&other[1])[to[i]] = tn_f32(&in[1])[i];
                tn_i32(&other[2])[to[i]] = tn_i32(&in[2])[i];
            }
            tn_tensor a = guarded_new(TN_I32, TN_DIMS(COUNT)), b = guarded_copy(&a);
            run_nms(levels_at(l)->cx[ONE_THREAD], in, &a, &s);
            run_nms(levels_at(l)->cx[ONE_THREAD], other, &b, &s);
            for (int i = 0; i < COUNT; i++) {
                int32_t from = tn_i32(&a)[i];
                assert_int_equal(tn_i32(&b)[i], from < 0 ? -1 : to[from]);
            }
        }
}

static void suppression_survives_nan_and_infinity(void **state) {
    (void)state;
    guarded_free();
    suppression s = {0.5, false};
    op_case c = {.what = "suppression of strange boxes",
                 .run = run_nms,
                 .cfg = &s,
                 .inputs = 3,
                 .out = op_shape(TN_I32, TN_DIMS(70))};
    c.in[0] = random_boxes(1, 70, 60, 60);
    c.in[1] = guarded_random(2, 0, 1, TN_DIMS(70));
    c.in[2] = guarded_new(TN_I32, TN_DIMS(0));
    for (int i = 0; i < 70; i += 7) {
        tn_f32(&c.in[1])[i] = i % 2 ? NAN : i % 4 ? INFINITY : -INFINITY;
        tn_f32(&c.in[0])[4 * i + i % 4] = i % 3 ? NAN : INFINITY;
    }
    op_check(&c);
}

// ---- boxes -------------------------------------------------------------------------------------

typedef struct codec {
    double weights[4], clip;
} codec;

static void run_decode(kn_ctx *cx, const tn_tensor *in, tn_tensor *out, const void *cfg) {
    const codec *c = cfg;
    kn_box_decode_fwd(cx, c->weights, c->clip, &in[0], &in[1], out);
}

static void decoding_agrees(void **state) {
    (void)state;
    uint64_t seed = 0;
    EACH(int64_t, count, 0, 1, 7, 8, 9, 63, 64, 65)
    EACH(int64_t, types, 1, 2, 5, 91) {
        guarded_free();
        codec coder = {{1, 1, 1, 1}, log(1000.0 / 16)};
        if (*types > 1) memcpy(coder.weights, (double[]){10, 10, 5, 5}, sizeof coder.weights);
        op_case c = {.what = "box decode",
                     .run = run_decode,
                     .cfg = &coder,
                     .inputs = 2,
                     .single = true,
                     .out = op_shape(TN_F32, TN_DIMS(*count, 4 * *types)),
                     // Sizes up to 80 * 62.5, rounded a few times and subtracted.
                     .absolute = EPS * 80 * 62.5 * 4};
        c.in[0] = random_boxes(++seed, *count, 100, 100);
        c.in[1] = guarded_random(seed + 500, -5, 5, TN_DIMS(*count, 4 * *types));
        op_check(&c);
    }
}

static void decoding_undoes_encoding(void **state) {
    (void)state;
    const double weights[] = {10, 10, 5, 5};
    for (int l = 0; l < levels_count(); l++) {
        guarded_free();
        tn_tensor anchors = random_boxes(1, 65, 100, 100), truth = random_boxes(2, 65, 100, 100);
        tn_tensor deltas = guarded_new(TN_F32, TN_DIMS(65, 4)),
                  y = guarded_new(TN_F32, TN_DIMS(65, 4));
        for (int i = 0; i < 63; i++) { // the last two have no area
            const float *a = tn_f32(&anchors) + 4 * i, *t = tn_f32(&truth) + 4 * i;
            float *d = tn_f32(&deltas) + 4 * i;
            for (int axis = 0; axis < 2; axis++) {
                double size = (double)a[2 + axis] - a[axis], want = (double)t[2 + axis] - t[axis];
                double centre = a[axis] + size / 2, aim = t[axis] + want / 2;
                d[axis] = (float)(weights[axis] * (aim - centre) / size);
                d[2 + axis] = (float)(weights[2 + axis] * log(want / size));
            }
        }
        memset(tn_f32(&deltas) + 4 * 63, 0, 32);
        kn_box_decode_fwd(levels_at(l)->cx[ONE_THREAD], weights, log(1000.0 / 16), &anchors,
                          &deltas, &y);
        ASSERT_WITHIN(test_max_difference(y.data, truth.data, 63 * 4), 64 * 100 * EPS);
    }
}

static void run_clip(kn_ctx *cx, const tn_tensor *in, tn_tensor *out, const void *cfg) {
    (void)cfg;
    if (out->data != in[0].data) memcpy(out->data, in[0].data, tn_bytes(out));
    kn_box_clip(cx, 50, 70.5, out);
}

static void clipping_agrees(void **state) {
    (void)state;
    EACH(int64_t, count, 0, 1, 7, 8, 9, 65) {
        guarded_free();
        op_case c = {.what = "box clip",
                     .run = run_clip,
                     .inputs = 1,
                     .single = true,
                     .out = op_shape(TN_F32, TN_DIMS(*count, 4)),
                     .alias = 1};
        c.in[0] = guarded_random(1, -40, 120, TN_DIMS(*count, 4));
        op_check(&c);
    }
}

static void run_topk(kn_ctx *cx, const tn_tensor *in, tn_tensor *out, const void *cfg) {
    (void)cfg;
    kn_topk(cx, &in[0], out);
}

static void selection_agrees(void **state) {
    (void)state;
    uint64_t seed = 0;
    EACH(int64_t, count, 1, 7, 64, 65, 1000, 3000)
    EACH(int64_t, k, 0, 1, 2, 7, 64, 999, 1000)
    for (int kind = 0; kind < 3; kind++) {
        if (*k > *count) continue;
        guarded_free();
        op_case c = {
            .what = "top k", .run = run_topk, .inputs = 1, .out = op_shape(TN_I32, TN_DIMS(*k))};
        c.in[0] = guarded_random(++seed, -1, 1, TN_DIMS(*count));
        for (int64_t i = 0; i < *count; i++) {
            float *x = tn_f32(&c.in[0]) + i;
            if (kind > 0) *x = floorf(*x * 4); // many are equal, some -0
            if (kind > 1 && i % 5 == 0) *x = i % 3 ? NAN : i % 2 ? INFINITY : -INFINITY;
        }
        op_check(&c);
    }
}

// ---- masks -------------------------------------------------------------------------------------

// Half of the values equal the threshold: every level must round as `ref` does.
static void check_paste(uint64_t seed, int64_t regions, int64_t m, int64_t height, int64_t width) {
    guarded_free();
    tn_tensor masks = guarded_random(seed, 0, 1, TN_DIMS(regions, m, m));
    tn_tensor boxes = random_boxes(seed + 1, regions, (double)height, (double)width);
    if (regions > 6) {
        const float strange[] = {5,     5,     1,     1,     -1e9f, -1e9f, 1e9f, 1e9f,
                                 1e30f, 1e30f, 2e30f, 2e30f, NAN,   0,     9,    9};
        memcpy(tn_f32(&boxes) + 4, strange, sizeof strange);
    }
    for (int64_t i = 0; i < tn_count(&masks); i += 2) tn_f32(&masks)[i] = 0.5f;
    tn_tensor expected = guarded_new(TN_U8, TN_DIMS(regions, height, width));
    kn_mask_paste_fwd(levels_at(0)->cx[ONE_THREAD], 0.5, &masks, &boxes, &expected);
    for (int l = 0; l < levels_count(); l++) {
        for (int turn = 0; turn < 2 * LEVEL_THREADS; turn++) {
            tn_tensor y = guarded_new(TN_U8, TN_DIMS(regions, height, width));
            kn_mask_paste_fwd(levels_at(l)->cx[turn / 2], 0.5, &masks, &boxes, &y);
            assert_memory_equal(y.data, expected.data, tn_bytes(&y));
        }
    }
    guarded_check();
}

static void pasting_agrees(void **state) {
    (void)state;
    uint64_t seed = 0;
    EACH(int64_t, regions, 0, 1, 7, 20)
    EACH(int64_t, m, 1, 2, 7, 14, 28) {
        check_paste(++seed, *regions, *m, 1, 1);
        check_paste(++seed, *regions, *m, 33, 65);
        check_paste(++seed, *regions, *m, 90, 47);
    }
}

// A mask of ones covers the middle of its box: the border of zeros moves the edge inwards.
static void a_full_mask_fills_its_box(void **state) {
    (void)state;
    for (int l = 0; l < levels_count(); l++) {
        guarded_free();
        tn_tensor masks = guarded_random(1, 1, 1, TN_DIMS(1, 28, 28)),
                  boxes = guarded_new(TN_F32, TN_DIMS(1, 4));
        tn_tensor y = guarded_new(TN_U8, TN_DIMS(1, 60, 80));
        memcpy(boxes.data, (float[]){10, 20, 66, 48}, 16);
        kn_mask_paste_fwd(levels_at(l)->cx[ONE_THREAD], 0.5, &masks, &boxes, &y);
        for (int row = 0; row < 60; row++)
            for (int i = 0; i < 80; i++) {
                bool inside = row >= 21 && row < 47 && i >= 12 && i < 64;
                bool outside = row < 18 || row > 49 || i < 8 || i > 68;
                if (inside) assert_int_equal(tn_u8(&y)[row * 80 + i], 1);
                if (outside) assert_int_equal(tn_u8(&y)[row * 80 + i], 0);
            }
    }
}

static void something_was_compared(void **state) {
    (void)state;
    guarded_free();
    printf("%d comparisons at %d levels\n", op_checked(), levels_count());
    assert_true(op_checked() >= 460 * levels_count());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roi_align_agrees),
        cmocka_unit_test(roi_align_is_exact_on_an_affine_picture),
        cmocka_unit_test(roi_align_survives_any_box),
        cmocka_unit_test(suppression_agrees),
        cmocka_unit_test(suppression_agrees_at_any_scale),
        cmocka_unit_test(suppression_does_not_depend_on_the_order),
        cmocka_unit_test(suppression_survives_nan_and_infinity),
        cmocka_unit_test(decoding_agrees),
        cmocka_unit_test(decoding_undoes_encoding),
        cmocka_unit_test(clipping_agrees),
        cmocka_unit_test(selection_agrees),
        cmocka_unit_test(pasting_agrees),
        cmocka_unit_test(a_full_mask_fills_its_box),
        cmocka_unit_test(something_was_compared),
    };
    return cmocka_run_group_tests(tests, levels_setup, levels_teardown);
}
