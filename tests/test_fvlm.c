// SPDX-License-Identifier: Apache-2.0
// F-VLM against the same model in PyTorch (tools/reference/fvlm.py): small random models of every
// pyramid, every intermediate of one picture, every score 2, at every level of the processor.
#include "models/clip/clip_scene.h"
#include "models/fvlm/fvlm_parts.h"
#include "tests/support/levels.h"
#include "tests/support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN "tests/golden/fvlm/"
#define STEP ((size_t)1 << 28)
#define BAR 1e-5 // relative to the largest value, for a stage that gets the reference's input
#define WHOLE                                                                                      \
    1e-3 // for the result of all stages in sequence: the last bits of a
         // proposal change the regions of random maps by that much

static const char *const cases[] = {"vit4", "simple",  "single", "stem",
                                    "deep", "windows", "resnet"};
#define CASES (sizeof cases / sizeof *cases)

typedef struct fixture {
    const char *name;
    kn_ctx *kn;
    md_fvlm *model;
    io_weights *dump;
    tn_arena step;
    nn_ctx cx;
    tn_error err;
} fixture;

static void open_fixture(fixture *f, const char *name, kn_ctx *kn) {
    char path[256];
    *f = (fixture){.name = name, .kn = kn};
    snprintf(path, sizeof path, GOLDEN "%s", name);
    md_fvlm_open_options options = {.folder = path};
    ASSERT_OK(md_fvlm_open(&options, kn, &f->model, &f->err), f->err);
    snprintf(path, sizeof path, GOLDEN "%s/case.safetensors", name);
    ASSERT_OK(io_weights_open(path, &f->dump, &f->err), f->err);
    ASSERT_OK(tn_arena_init(&f->step, STEP, &f->err), f->err);
    f->cx = (nn_ctx){.kn = kn, .step = &f->step, .err = &f->err};
}

static void close_fixture(fixture *f) {
    tn_arena_deinit(&f->step);
    io_weights_close(f->dump);
    md_fvlm_close(f->model);
}

static bool has(const fixture *f, const char *name) {
    return io_weights_find(f->dump, name) != NULL;
}

// As stored, or float32 and channels last where the dump has [N,C,H,W].
static tn_tensor golden(fixture *f, const char *name) {
    const io_tensor *t = io_weights_find(f->dump, name);
    tn_tensor x, y;
    if (!t) fail_msg("%s: the dump has no '%s'", f->name, name);
    ASSERT_OK(tn_new(&f->step, &x, t->dtype, t->rank, t->dim, &f->err), f->err);
    memcpy(x.data, t->data, tn_bytes(&x));
    if (t->rank != 4) return x;
    int64_t n = x.dim[0], c = x.dim[1], hw = x.dim[2] * x.dim[3];
    ASSERT_OK(tn_new(&f->step, &y, TN_F32, TN_DIMS(n, x.dim[2], x.dim[3], c), &f->err), f->err);
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < c; k++)
            for (int64_t p = 0; p < hw; p++)
                tn_f32(&y)[(i * hw + p) * c + k] = tn_f32(&x)[(i * c + k) * hw + p];
    return y;
}

static void same(fixture *f, const char *name, const tn_tensor *got, double bar) {
    char a[128], b[128];
    size_t mark = tn_arena_mark(&f->step);
    tn_tensor want = golden(f, name);
    if (!tn_same_shape(got, &want))
        fail_msg("%s %s: shape %s, expected %s", f->name, name,
                 tn_shape_text(got->rank, got->dim, a, sizeof a),
                 tn_shape_text(want.rank, want.dim, b, sizeof b));
    double error = test_relative_error(tn_f32(got), tn_f32(&want), (size_t)tn_count(&want));
    if (!(error <= bar))
        fail_msg("%s %s at %s: %g, expected at most %g", f->name, name, kn_level(f->kn), error,
                 bar);
    tn_arena_reset(&f->step, mark);
}

static md_vocabulary vocabulary_of(fixture *f, tn_tensor *text, int32_t class_of[8]) {
    bool background = md_fvlm_settings(f->model)->background_kind == MD_BACKGROUND_TEXT;
    for (int32_t i = 0; i < 8; i++) class_of[i] = i;
    return (md_vocabulary){.classes = text->dim[0] - background,
                           .background = background,
                           .rows = text->dim[0],
                           .embedding = *text,
                           .class_of = class_of};
}

// ---- stages ------------------------------------------------------------------------------------

static md_frame look(fixture *f, tn_tensor *picture, tn_tensor *x) {
    *picture = golden(f, "picture");
    md_frame frame = md_fvlm_frame(md_fvlm_settings(f->model), picture->dim[0], picture->dim[1]);
    ASSERT_OK(md_fvlm_input(&f->cx, f->model, &frame, picture, x), f->err);
    return frame;
}

static void stages(fixture *f) {
    const md_fvlm_config *c = md_fvlm_settings(f->model);
    char name[32];
    tn_tensor picture, x, level[MD_FVLM_LEVELS], logits[MD_FVLM_LEVELS], deltas[MD_FVLM_LEVELS];
    md_fvlm_features features;
    md_frame frame = look(f, &picture, &x);
    same(f, "x", &x, 1e-6);
    ASSERT_OK(md_fvlm_frozen(&f->cx, f->model, &x, MD_SCORE2_NONE, &features), f->err);
    for (int i = 0; i < c->pyramid_taps; i++) {
        snprintf(name, sizeof name, "map%d", i);
        same(f, name, &features.map[i], BAR);
    }
    ASSERT_OK(md_fvlm_pyramid(&f->cx, f->model, &features, level), f->err);
    ASSERT_OK(md_fvlm_rpn(&f->cx, f->model, level, logits, deltas), f->err);
    for (int i = 0; i < MD_FVLM_LEVELS; i++) {
        snprintf(name, sizeof name, "level%d", i);
        same(f, name, &level[i], BAR);
        snprintf(name, sizeof name, "logits%d", i);
        same(f, name, &logits[i], BAR);
        snprintf(name, sizeof name, "deltas%d", i);
        same(f, name, &deltas[i], BAR);
    }
    (void)frame;
}

static void test_stages(void **state) {
    (void)state;
    for (int l = 0; l < levels_count(); l++)
        for (size_t i = 0; i < CASES; i++) {
            fixture f;
            open_fixture(&f, cases[i], levels_at(l)->cx[TWO_THREADS]);
            stages(&f);
            close_fixture(&f);
        }
}

// Two pictures in one batch give the same bits as each alone.
static void test_batches(void **state) {
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        fixture f;
        open_fixture(&f, cases[i], levels_at(levels_count() - 1)->cx[TWO_THREADS]);
        tn_tensor picture, x, two;
        md_fvlm_features one, both;
        tn_tensor level[MD_FVLM_LEVELS], levels[MD_FVLM_LEVELS];
        look(&f, &picture, &x);
        int64_t dim[4] = {2, x.dim[1], x.dim[2], 3};
        ASSERT_OK(tn_new(&f.step, &two, TN_F32, 4, dim, &f.err), f.err);
        memset(two.data, 0, tn_bytes(&two));
        memcpy((char *)two.data + tn_bytes(&x), x.data, tn_bytes(&x));
        ASSERT_OK(md_fvlm_frozen(&f.cx, f.model, &x, MD_SCORE2_NONE, &one), f.err);
        ASSERT_OK(md_fvlm_frozen(&f.cx, f.model, &two, MD_SCORE2_NONE, &both), f.err);
        ASSERT_OK(md_fvlm_pyramid(&f.cx, f.model, &one, level), f.err);
        ASSERT_OK(md_fvlm_pyramid(&f.cx, f.model, &both, levels), f.err);
        for (int k = 0; k < MD_FVLM_LEVELS; k++)
            assert_memory_equal((char *)levels[k].data + tn_bytes(&level[k]), level[k].data,
                                tn_bytes(&level[k]));
        close_fixture(&f);
    }
}

// ---- score 2 -----------------------------------------------------------------------------------

static void unit_of(fixture *f, const char *name, md_score2 mode) {
    char full[64];
    size_t mark = tn_arena_mark(&f->step);
    snprintf(full, sizeof full, "unit.%s", name);
    if (!has(f, full)) return;
    tn_tensor picture, x, y, given = golden(f, "given");
    md_fvlm_features features;
    md_frame frame = look(f, &picture, &x);
    ASSERT_OK(md_fvlm_frozen(&f->cx, f->model, &x, mode, &features), f->err);
    md_fvlm_boxes boxes = {.boxes = &given, .image = &picture, .frame = &frame, .clip_batch = 5};
    ASSERT_OK(tn_new(&f->step, &y, TN_F32,
                     TN_DIMS(given.dim[0], md_clip_settings(md_fvlm_clip(f->model))->embed_dim),
                     &f->err),
              f->err);
    ASSERT_OK(md_fvlm_score2_embed(&f->cx, f->model, &features, mode, &boxes, &y), f->err);
    same(f, full, &y, BAR);
    tn_arena_reset(&f->step, mark);
}

static void test_score2(void **state) {
    (void)state;
    for (int l = 0; l < levels_count(); l++)
        for (size_t i = 0; i < CASES; i++) {
            fixture f;
            open_fixture(&f, cases[i], levels_at(l)->cx[TWO_THREADS]);
            unit_of(&f, "crop", MD_SCORE2_CROP);
            f.model->config.score2_positions = 1;
            unit_of(&f, "embed_own", MD_SCORE2_EMBED);
            f.model->config.score2_positions = 0;
            unit_of(&f, "embed_scene", MD_SCORE2_EMBED);
            unit_of(&f, "dense", MD_SCORE2_DENSE);
            unit_of(&f, "maskcls", MD_SCORE2_MASKCLS);
            unit_of(&f, "attnpool", MD_SCORE2_ATTNPOOL);
            close_fixture(&f);
        }
}

// Peak of the step arena for `count` boxes.
static size_t peak_of(fixture *f, md_score2 mode, int64_t count) {
    size_t mark = tn_arena_mark(&f->step);
    tn_tensor picture, x, y, boxes, given = golden(f, "given");
    md_fvlm_features features;
    md_frame frame = look(f, &picture, &x);
    ASSERT_OK(md_fvlm_frozen(&f->cx, f->model, &x, mode, &features), f->err);
    ASSERT_OK(tn_new(&f->step, &boxes, TN_F32, TN_DIMS(count, 4), &f->err), f->err);
    for (int64_t i = 0; i < count; i++)
        memcpy(tn_f32(&boxes) + 4 * i, tn_f32(&given) + i % given.dim[0] * 4, 4 * sizeof(float));
    md_fvlm_boxes b = {.boxes = &boxes, .image = &picture, .frame = &frame};
    int64_t d = md_clip_settings(md_fvlm_clip(f->model))->embed_dim;
    ASSERT_OK(tn_new(&f->step, &y, TN_F32, TN_DIMS(count, d), &f->err), f->err);
    size_t before = f->step.peak = f->step.used; // boxes and embeddings are allocated before
    ASSERT_OK(md_fvlm_score2_embed(&f->cx, f->model, &features, mode, &b, &y), f->err);
    tn_arena_reset(&f->step, mark);
    return f->step.peak - before;
}

// A box needs memory for a row of the tower's width, not for the tokens of its region: 2 KB at
// least in these models.
static void test_score2_memory(void **state) {
    (void)state;
    static const struct {
        const char *model;
        md_score2 mode;
    } modes[] = {{"vit4", MD_SCORE2_CROP},   {"vit4", MD_SCORE2_EMBED},
                 {"vit4", MD_SCORE2_DENSE},  {"vit4", MD_SCORE2_MASKCLS},
                 {"resnet", MD_SCORE2_CROP}, {"resnet", MD_SCORE2_ATTNPOOL}};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        fixture f;
        open_fixture(&f, modes[i].model, levels_at(levels_count() - 1)->cx[TWO_THREADS]);
        size_t some = peak_of(&f, modes[i].mode, 600), many = peak_of(&f, modes[i].mode, 2400);
        double each = (double)(many - some) / 1800;
        if (!(many >= some && each <= 512))
            fail_msg("%s, mode %d: %.0f bytes more a box", modes[i].model, (int)modes[i].mode,
                     each);
        close_fixture(&f);
    }
}

// Keys and values before or after the regions are pooled: the same up to rounding.
static void test_order_of_projection(void **state) {
    (void)state;
    fixture f;
    open_fixture(&f, "resnet", levels_at(levels_count() - 1)->cx[TWO_THREADS]);
    tn_tensor picture, x, image, first, plain, given = golden(&f, "given");
    md_fvlm_features features;
    look(&f, &picture, &x);
    ASSERT_OK(md_fvlm_frozen(&f.cx, f.model, &x, MD_SCORE2_NONE, &features), f.err);
    ASSERT_OK(tn_new(&f.step, &image, TN_I32, 1, given.dim, &f.err), f.err);
    memset(image.data, 0, tn_bytes(&image));
    int64_t dim[2] = {given.dim[0], md_clip_settings(md_fvlm_clip(f.model))->embed_dim};
    ASSERT_OK(tn_new(&f.step, &first, TN_F32, 2, dim, &f.err), f.err);
    ASSERT_OK(tn_new(&f.step, &plain, TN_F32, 2, dim, &f.err), f.err);
    const md_attention_pool *pool = &f.model->resnet->pool;
    ASSERT_OK(
        md_attention_pool_regions(&f.cx, pool, &features.map[3], 32, true, &given, &image, &first),
        f.err);
    ASSERT_OK(
        md_attention_pool_regions(&f.cx, pool, &features.map[3], 32, false, &given, &image, &plain),
        f.err);
    ASSERT_WITHIN(test_relative_error(tn_f32(&first), tn_f32(&plain), (size_t)tn_count(&plain)),
                  1e-5);
    close_fixture(&f);
}

// ---- masks -------------------------------------------------------------------------------------

// With the reference's boxes: a thousandth of a pixel already changes a mask of random weights by
// more than the bar.
static void masks(fixture *f) {
    const md_fvlm_config *c = md_fvlm_settings(f->model);
    tn_tensor picture, x, level[MD_FVLM_LEVELS], pooled, logits, boxes = golden(f, "boxes");
    md_fvlm_features features;
    md_frame frame = look(f, &picture, &x);
    md_frame_to_network(&frame, &boxes);
    ASSERT_OK(md_fvlm_frozen(&f->cx, f->model, &x, MD_SCORE2_NONE, &features), f->err);
    ASSERT_OK(md_fvlm_pyramid(&f->cx, f->model, &features, level), f->err);
    ASSERT_OK(md_fvlm_mask_regions(&f->cx, f->model, level, &boxes, NULL, &pooled), f->err);
    ASSERT_OK(md_fvlm_mask_fwd(&f->cx, f->model, &pooled, &logits), f->err);
    logits = tn_reshape(&logits, TN_DIMS(boxes.dim[0], 2 * c->mask_size, 2 * c->mask_size));
    kn_act_fwd(f->kn, KN_SIGMOID, &logits, &logits);
    same(f, "masks", &logits, BAR);
}

static void test_masks(void **state) {
    (void)state;
    for (int l = 0; l < levels_count(); l++)
        for (size_t i = 0; i < CASES; i++) {
            fixture f;
            open_fixture(&f, cases[i], levels_at(l)->cx[TWO_THREADS]);
            masks(&f);
            close_fixture(&f);
        }
}

// ---- boxes -------------------------------------------------------------------------------------

// One refinement round: boxes are updated, and logits are averaged over rounds.
static void refine_once(fixture *f, const md_frame *frame, const tn_tensor *level,
                        const tn_tensor *text, tn_tensor *regions, tn_tensor *logits) {
    tn_tensor pooled, deltas, embedding, own, moved;
    ASSERT_OK(md_fvlm_box_regions(&f->cx, f->model, level, regions, NULL, &pooled), f->err);
    ASSERT_OK(md_fvlm_box_fwd(&f->cx, f->model, &pooled, &deltas, &embedding), f->err);
    ASSERT_OK(md_fvlm_classify(&f->cx, f->model, text, &embedding, &own), f->err);
    for (int64_t i = 0; i < tn_count(&own); i++)
        tn_f32(logits)[i] += tn_f32(&own)[i] / (float)md_fvlm_settings(f->model)->box_rounds;
    ASSERT_OK(tn_new(&f->step, &moved, TN_F32, 2, regions->dim, &f->err), f->err);
    ASSERT_OK(md_fvlm_refine_boxes(&f->cx, f->model, level, regions, NULL, frame, &moved, NULL),
              f->err);
    *regions = moved;
}

// From the reference's proposals.
static void boxes(fixture *f) {
    tn_tensor picture, x, level[MD_FVLM_LEVELS], regions = golden(f, "proposals"), p1;
    tn_tensor text = golden(f, "text"), wanted = golden(f, "p1");
    md_fvlm_features features;
    md_frame frame = look(f, &picture, &x);
    ASSERT_OK(md_fvlm_frozen(&f->cx, f->model, &x, MD_SCORE2_NONE, &features), f->err);
    ASSERT_OK(md_fvlm_pyramid(&f->cx, f->model, &features, level), f->err);
    ASSERT_OK(tn_new(&f->step, &p1, TN_F32, 2, wanted.dim, &f->err), f->err);
    memset(p1.data, 0, tn_bytes(&p1));
    for (int64_t round = 0; round < md_fvlm_settings(f->model)->box_rounds; round++)
        refine_once(f, &frame, level, &text, &regions, &p1);
    same(f, "refined", &regions, BAR);
    kn_softmax_fwd(f->kn, md_fvlm_scale1(f->model), &p1, &p1);
    same(f, "p1", &p1, BAR);
}

static void test_boxes(void **state) {
    (void)state;
    for (int l = 0; l < levels_count(); l++)
        for (size_t i = 0; i < CASES; i++) {
            fixture f;
            open_fixture(&f, cases[i], levels_at(l)->cx[TWO_THREADS]);
            boxes(&f);
            close_fixture(&f);
        }
}

// ---- detection ---------------------------------------------------------------------------------

static void swap_rows(tn_tensor *t, int64_t a, int64_t b) {
    size_t row = tn_bytes(t) / (size_t)t->dim[0];
    char *x = (char *)t->data + (size_t)a * row, *y = (char *)t->data + (size_t)b * row;
    for (size_t i = 0; i < row; i++) {
        char c = x[i];
        x[i] = y[i], y[i] = c;
    }
}

// Detections whose scores differ by less than rounding may be swapped: sorts them into the
// reference's order, by name and box.
static void in_their_order(fixture *f, md_found *found) {
    tn_tensor boxes = golden(f, "boxes"), names = golden(f, "names");
    assert_int_equal(found->count, boxes.dim[0]);
    tn_tensor *all[] = {&found->boxes,  &found->labels, &found->scores,      &found->objectness,
                        &found->score1, &found->score2, &found->best_scores, &found->masks};
    for (int64_t i = 0; i < found->count; i++) {
        int64_t k = i;
        for (; k < found->count; k++)
            if (tn_i32(&found->labels)[k] == tn_i32(&names)[i] &&
                test_max_difference(tn_f32(&found->boxes) + 4 * k, tn_f32(&boxes) + 4 * i, 4) <=
                    0.02)
                break;
        if (k == found->count) fail_msg("%s: detection %d is not there", f->name, (int)i);
        for (size_t t = 0; k != i && t < sizeof all / sizeof *all; t++) swap_rows(all[t], i, k);
    }
}

static void whole(fixture *f) {
    static const uint8_t base[4] = {1, 0, 1, 0};
    int32_t class_of[8];
    tn_tensor picture = golden(f, "picture"), text = golden(f, "text");
    md_vocabulary vocabulary = vocabulary_of(f, &text, class_of);
    md_fvlm_options options = md_fvlm_default_options(f->model);
    md_found found;
    md_fvlm_scored scored;
    options.base = base;
    size_t mark = tn_arena_mark(&f->step);
    ASSERT_OK(md_fvlm_detect(&f->cx, f->model, &vocabulary, &picture, &options, &found, &scored),
              f->err);
    assert_true(tn_arena_mark(&f->step) > mark);
    same(f, "p1", &scored.score1, WHOLE);
    same(f, "p2", &scored.score2, WHOLE);
    same(f, "all_objectness", &scored.objectness, BAR);
    in_their_order(f, &found);
    same(f, "boxes", &found.boxes, WHOLE);
    same(f, "scores", &found.scores, WHOLE);
    same(f, "objectness", &found.objectness, BAR);
    same(f, "score1", &found.score1, WHOLE);
    same(f, "score2", &found.score2, WHOLE);
    same(f, "masks", &found.masks, WHOLE);
    for (int64_t i = 0; i < found.count; i++)
        assert_true(tn_f32(&found.best_scores)[i * MD_BEST] >= tn_f32(&found.scores)[i]);
}

static void test_whole(void **state) {
    (void)state;
    for (int l = 0; l < levels_count(); l++)
        for (size_t i = 0; i < CASES; i++) {
            fixture f;
            open_fixture(&f, cases[i], levels_at(l)->cx[TWO_THREADS]);
            whole(&f);
            close_fixture(&f);
        }
}

// Without the learned background its share of score 1 goes to the names, in proportion.
static void test_no_background(void **state) {
    (void)state;
    fixture f;
    int32_t class_of[8];
    open_fixture(&f, "vit4", levels_at(0)->cx[TWO_THREADS]);
    tn_tensor picture = golden(&f, "picture"), text = golden(&f, "text"), boxes;
    md_vocabulary vocabulary = vocabulary_of(&f, &text, class_of);
    md_fvlm_options options = md_fvlm_default_options(f.model);
    md_found found;
    md_fvlm_scored with, without;
    ASSERT_OK(tn_new(&f.step, &boxes, TN_F32, TN_DIMS(2, 4), &f.err), f.err);
    memcpy(boxes.data, (float[]){2, 3, 30, 20, 10, 10, 40, 44}, 8 * sizeof(float));
    options.boxes = &boxes;
    ASSERT_OK(md_fvlm_detect(&f.cx, f.model, &vocabulary, &picture, &options, &found, &with),
              f.err);
    options.no_background = true;
    ASSERT_OK(md_fvlm_detect(&f.cx, f.model, &vocabulary, &picture, &options, &found, &without),
              f.err);
    int64_t names = without.score1.dim[1];
    assert_int_equal(with.score1.dim[1], names + 1);
    for (int64_t i = 0; i < 2; i++) {
        const float *p = tn_f32(&with.score1) + i * (names + 1);
        const float *q = tn_f32(&without.score1) + i * names;
        for (int64_t t = 0; t < names; t++)
            ASSERT_WITHIN(fabsf(p[t] / (1 - p[names]) - q[t]), 1e-5);
    }
    close_fixture(&f);
}

static bool has_row(const tn_tensor *boxes, const float *row) {
    for (int64_t i = 0; i < boxes->dim[0]; i++)
        if (!memcmp(tn_f32(boxes) + 4 * i, row, 4 * sizeof *row)) return true;
    return false;
}

// With more proposals than score2_top, all are returned, before and after the box head.
static void test_all_proposals(void **state) {
    (void)state;
    enum { ASKED = 200 };
    fixture f;
    int32_t class_of[8];
    open_fixture(&f, "vit4", levels_at(0)->cx[TWO_THREADS]);
    int64_t kept = md_fvlm_settings(f.model)->score2_top;
    tn_tensor picture = golden(&f, "picture"), text = golden(&f, "text");
    md_vocabulary vocabulary = vocabulary_of(&f, &text, class_of);
    md_fvlm_options options = md_fvlm_default_options(f.model);
    md_found found, more;
    md_fvlm_scored scored, all;
    options.proposals = ASKED;
    ASSERT_OK(md_fvlm_detect(&f.cx, f.model, &vocabulary, &picture, &options, &found, &scored),
              f.err);
    assert_true(found.proposals.dim[0] > kept);
    assert_int_equal(scored.refined.dim[0], found.proposals.dim[0]);
    assert_int_equal(scored.boxes.dim[0], kept);
    assert_int_equal(scored.objectness.dim[0], kept);
    for (int64_t i = 0; i < kept; i++)
        assert_true(has_row(&scored.refined, tn_f32(&scored.boxes) + 4 * i));
    // Without a score 2 no boxes are dropped for it.
    options.mode = MD_SCORE2_NONE;
    ASSERT_OK(md_fvlm_detect(&f.cx, f.model, &vocabulary, &picture, &options, &more, &all), f.err);
    assert_null(all.score2.data);
    assert_null(more.score2.data);
    assert_int_equal(all.boxes.dim[0], more.proposals.dim[0]);
    options.mode = md_fvlm_settings(f.model)->score2_mode;
    // Given boxes are not changed.
    tn_tensor given = tn_slice(&found.proposals, 0, 3);
    options.boxes = &given, options.proposals = 0;
    ASSERT_OK(md_fvlm_detect(&f.cx, f.model, &vocabulary, &picture, &options, &more, &all), f.err);
    assert_memory_equal(all.refined.data, all.boxes.data, tn_bytes(&all.refined));
    close_fixture(&f);
}

// Index of detection i among all boxes; several may be equal.
static int64_t row_of(const md_found *found, const md_fvlm_scored *scored, int64_t i) {
    const float *box = tn_f32(&found->boxes) + 4 * i, *all = tn_f32(&scored->boxes);
    const float *objectness = tn_f32(&scored->objectness);
    int64_t row = 0, rows = scored->boxes.dim[0];
    while (row < rows && (memcmp(all + 4 * row, box, 4 * sizeof *box) ||
                          objectness[row] != tn_f32(&found->objectness)[i]))
        row++;
    assert_true(row < rows);
    return row;
}

// Class-agnostic: each box occurs once, scored by objectness and the confidence in its name.
static void test_agnostic(void **state) {
    (void)state;
    fixture f;
    int32_t class_of[8];
    open_fixture(&f, "vit4", levels_at(0)->cx[TWO_THREADS]);
    double power = md_fvlm_settings(f.model)->fusion_objectness;
    tn_tensor picture = golden(&f, "picture"), text = golden(&f, "text");
    md_vocabulary vocabulary = vocabulary_of(&f, &text, class_of);
    md_fvlm_options options = md_fvlm_default_options(f.model);
    for (int second = 0; second < 2; second++) {
        md_found found;
        md_fvlm_scored named, scored;
        options.agnostic = false;
        options.rules.score = 0, options.rules.nms = 1, options.rules.top = 1000;
        options.mode = second ? MD_SCORE2_DENSE : MD_SCORE2_NONE;
        ASSERT_OK(md_fvlm_detect(&f.cx, f.model, &vocabulary, &picture, &options, &found, &named),
                  f.err);
        options.agnostic = true;
        ASSERT_OK(md_fvlm_detect(&f.cx, f.model, &vocabulary, &picture, &options, &found, &scored),
                  f.err);
        assert_true(found.count > 20); // the others have no area
        int64_t columns = named.score1.dim[1];
        for (int64_t i = 0; i < found.count; i++) {
            int64_t row = row_of(&found, &scored, i), best = 0;
            const float *fused = tn_f32(&named.fused) + row * columns;
            for (int64_t t = 1; t < columns - 1; t++)
                if (fused[t] > fused[best]) best = t;
            double thing = (1 - (double)tn_f32(&named.score1)[(row + 1) * columns - 1]) *
                           pow((double)tn_f32(&named.objectness)[row], power);
            double expected = second ? sqrt(thing * (double)fused[best]) : thing;
            assert_int_equal(tn_i32(&found.labels)[i], best);
            ASSERT_WITHIN(fabs((double)tn_f32(&found.scores)[i] - expected), 1e-6);
            if (i) assert_true(tn_f32(&found.scores)[i] <= tn_f32(&found.scores)[i - 1]);
        }
    }
    close_fixture(&f);
}

static void assert_found(const md_found *a, const md_found *b) {
    const tn_tensor *x[] = {&a->boxes, &a->scores, &a->labels, &a->best_scores, &a->masks};
    const tn_tensor *y[] = {&b->boxes, &b->scores, &b->labels, &b->best_scores, &b->masks};
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < sizeof x / sizeof *x; i++) {
        assert_int_equal(tn_bytes(x[i]), tn_bytes(y[i]));
        assert_memory_equal(x[i]->data, y[i]->data, tn_bytes(x[i]));
    }
}

// One run gives the same bits as runs with one score each, also if class-agnostic.
static void test_each_score(void **state) {
    (void)state;
    fixture f;
    int32_t class_of[8];
    open_fixture(&f, "vit4", levels_at(0)->cx[TWO_THREADS]);
    tn_tensor picture = golden(&f, "picture"), text = golden(&f, "text");
    md_vocabulary vocabulary = vocabulary_of(&f, &text, class_of);
    for (int i = 0; i < 4; i++) {
        md_fvlm_options options = md_fvlm_default_options(f.model), first, second;
        md_found both, by_first, by_second, again;
        md_fvlm_scored scored;
        options.rules.score = 0.01, options.agnostic = i % 2, options.each_score = true;
        options.proposals = 200; // more than score2_top
        options.mode = i / 2 ? MD_SCORE2_NONE : MD_SCORE2_DENSE;
        first = second = options;
        first.mode = MD_SCORE2_NONE, second.alpha = second.beta = 1;
        ASSERT_OK(md_fvlm_detect(&f.cx, f.model, &vocabulary, &picture, &options, &both, &scored),
                  f.err);
        options.each_score = first.each_score = second.each_score = false;
        ASSERT_OK(md_fvlm_detect(&f.cx, f.model, &vocabulary, &picture, &options, &again, NULL),
                  f.err);
        ASSERT_OK(md_fvlm_detect(&f.cx, f.model, &vocabulary, &picture, &first, &by_first, NULL),
                  f.err);
        ASSERT_OK(md_fvlm_detect(&f.cx, f.model, &vocabulary, &picture, &second, &by_second, NULL),
                  f.err);
        assert_true(both.count > 3 && by_first.count > 3);
        assert_found(&both, &again);
        assert_found(&scored.alone[0], &by_first);
        assert_found(&scored.alone[1], &by_second);
    }
    close_fixture(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stages),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_score2),
        cmocka_unit_test(test_score2_memory),
        cmocka_unit_test(test_order_of_projection),
        cmocka_unit_test(test_boxes),
        cmocka_unit_test(test_masks),
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_no_background),
        cmocka_unit_test(test_all_proposals),
        cmocka_unit_test(test_agnostic),
        cmocka_unit_test(test_each_score),
    };
    return cmocka_run_group_tests(tests, levels_setup, levels_teardown);
}
