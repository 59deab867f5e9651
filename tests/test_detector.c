// SPDX-License-Identifier: Apache-2.0
// Mask R-CNN against torchvision: every intermediate of two small random models (golden dumps of
// tools/reference/dump_detector.py) and the result, at every level of the processor.
#include "models/detector/mask_rcnn_parts.h"
#include "tests/support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN "tests/golden/detector/"
#define STEP ((size_t)1 << 30)
#define BAR 1e-5 // relative to the largest value

// A model, the picture's intermediates from torchvision, and a context to run in.
typedef struct fixture {
    kn_ctx *kn;
    md_mask_rcnn *model;
    io_weights *golden;
    tn_arena step;
    nn_ctx cx;
    tn_error err;
} fixture;

static void open_fixture(fixture *f, const char *name, const char *level, int threads) {
    char path[256];
    *f = (fixture){0};
    ASSERT_OK(kn_open("cpu", level, threads, &f->kn, &f->err), f->err);
    snprintf(path, sizeof path, GOLDEN "%s.safetensors", name);
    ASSERT_OK(md_mask_rcnn_open(path, NULL, f->kn, &f->model, &f->err), f->err);
    snprintf(path, sizeof path, GOLDEN "%s_case.safetensors", name);
    ASSERT_OK(io_weights_open(path, &f->golden, &f->err), f->err);
    ASSERT_OK(tn_arena_init(&f->step, STEP, &f->err), f->err);
    f->cx = (nn_ctx){f->kn, &f->step, &f->err};
}

static void close_fixture(fixture *f) {
    tn_arena_deinit(&f->step);
    io_weights_close(f->golden);
    md_mask_rcnn_close(f->model);
    kn_close(f->kn);
}

static const io_tensor *golden(const fixture *f, const char *name) {
    const io_tensor *t = io_weights_find(f->golden, name);
    if (!t) fail_msg("the dump has no '%s'", name);
    return t;
}

// A tensor of the dump as float32.
static tn_tensor as_float(fixture *f, const char *name) {
    const io_tensor *t = golden(f, name);
    tn_tensor out;
    ASSERT_OK(tn_new(&f->step, &out, TN_F32, t->rank, t->dim, &f->err), f->err);
    tn_convert(t->data, t->dtype, out.data, TN_F32, (size_t)tn_count(&out));
    return out;
}

// [N,C,H,W] of the dump as [N,H,W,C].
static tn_tensor channels_last(fixture *f, const char *name) {
    tn_tensor x = as_float(f, name), y;
    assert_int_equal(x.rank, 4);
    int64_t n = x.dim[0], c = x.dim[1], hw = x.dim[2] * x.dim[3];
    ASSERT_OK(tn_new(&f->step, &y, TN_F32, TN_DIMS(n, x.dim[2], x.dim[3], c), &f->err), f->err);
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < c; k++)
            for (int64_t p = 0; p < hw; p++)
                tn_f32(&y)[(i * hw + p) * c + k] = tn_f32(&x)[(i * c + k) * hw + p];
    return y;
}

static tn_tensor picture(fixture *f) {
    const io_tensor *t = golden(f, "image");
    assert_int_equal(t->dtype, TN_U8);
    return tn_view((void *)(uintptr_t)t->data, TN_U8, t->rank, t->dim);
}

static void same(const char *name, const tn_tensor *got, const tn_tensor *want) {
    char a[128], b[128];
    if (!tn_same_shape(got, want))
        fail_msg("%s: %s, expected %s", name, tn_shape_text(got->rank, got->dim, a, sizeof a),
                 tn_shape_text(want->rank, want->dim, b, sizeof b));
    double error = test_relative_error(tn_f32(got), tn_f32(want), (size_t)tn_count(want));
    if (!(error <= BAR)) fail_msg("%s differs by %g of the largest value", name, error);
}

static void same_map(fixture *f, const char *name, const tn_tensor *got) {
    size_t mark = tn_arena_mark(&f->step);
    tn_tensor want = channels_last(f, name);
    same(name, got, &want);
    tn_arena_reset(&f->step, mark);
}

static void same_rows(fixture *f, const char *name, const tn_tensor *got) {
    size_t mark = tn_arena_mark(&f->step);
    tn_tensor want = as_float(f, name);
    same(name, got, &want);
    tn_arena_reset(&f->step, mark);
}

// ---- intermediates ----------------------------------------------------------------------------

// Each module gets torchvision's own input, so that an error is found where it arises.
static void check_body(fixture *f) {
    char name[32];
    md_features features;
    tn_tensor image = picture(f), input = channels_last(f, "input"), stage[MD_RESNET_STAGES];
    ASSERT_OK(md_resnet_fwd(&f->cx, &f->model->body, &input, stage), f->err);
    for (int i = 0; i < MD_RESNET_STAGES; i++) {
        snprintf(name, sizeof name, "body.%d", i);
        same_map(f, name, &stage[i]);
    }
    ASSERT_OK(md_mask_rcnn_features(&f->cx, f->model, &image, &features), f->err);
    assert_int_equal(features.levels, 5);
    for (int i = 0; i < features.levels; i++) {
        snprintf(name, sizeof name, "fpn.%d", i);
        same_map(f, name, &features.level[i]);
    }
    tn_tensor made;
    ASSERT_OK(md_frame_input(&f->cx, &features.frame, f->model->config.image_mean,
                             f->model->config.image_std, &image, &made),
              f->err);
    same("input", &made, &input);
}

static void given_features(fixture *f, md_features *features) {
    char name[32];
    tn_tensor image = picture(f);
    features->frame = md_frame_of(image.dim[0], image.dim[1], f->model->config.min_size,
                                  f->model->config.max_size);
    features->levels = 5;
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "fpn.%d", i);
        features->level[i] = channels_last(f, name);
    }
}

static void check_rpn(fixture *f) {
    char name[32];
    md_features features;
    tn_tensor boxes, scores;
    given_features(f, &features);
    for (int i = 0; i < 5; i++) {
        tn_tensor logits, deltas;
        ASSERT_OK(md_rpn_fwd(&f->cx, &f->model->rpn, &features.level[i], &logits, &deltas), f->err);
        snprintf(name, sizeof name, "rpn.%d.objectness", i);
        same_map(f, name, &logits);
        snprintf(name, sizeof name, "rpn.%d.deltas", i);
        same_map(f, name, &deltas);
    }
    ASSERT_OK(md_mask_rcnn_propose(&f->cx, f->model, &features, 0, &boxes, &scores), f->err);
    same_rows(f, "proposals", &boxes);
    same_rows(f, "proposal_scores", &scores);
    ASSERT_OK(md_mask_rcnn_propose(&f->cx, f->model, &features, 7, &boxes, &scores), f->err);
    assert_int_equal(boxes.dim[0], 7);
    tn_tensor all = as_float(f, "proposals"), first = tn_slice(&all, 0, 7);
    same("the best seven", &boxes, &first);
}

// The box head without the decoding of md_mask_rcnn_boxes.
static void check_box_head(fixture *f) {
    md_features features;
    tn_tensor proposals = as_float(f, "proposals"), pooled, logits, deltas, boxes;
    int64_t count = proposals.dim[0], classes = f->model->box.classes;
    given_features(f, &features);
    ASSERT_OK(
        nn_roi_pool_fwd(&f->cx, &f->model->pool, features.level, &proposals, NULL, 7, &pooled),
        f->err);
    ASSERT_OK(tn_new(&f->step, &logits, TN_F32, TN_DIMS(count, classes), &f->err), f->err);
    ASSERT_OK(tn_new(&f->step, &deltas, TN_F32, TN_DIMS(count, 4 * classes), &f->err), f->err);
    ASSERT_OK(md_box_head_fwd(&f->cx, &f->model->box, &pooled, &logits, &deltas), f->err);
    same_rows(f, "logits", &logits);
    same_rows(f, "deltas", &deltas);
    ASSERT_OK(md_mask_rcnn_boxes(&f->cx, f->model, &features, &proposals, &logits, &boxes), f->err);
    same_rows(f, "logits", &logits);
    tn_tensor found, scores, labels;
    nn_select_rules limits = md_mask_rcnn_rules(f->model);
    ASSERT_OK(md_select_detections(&f->cx, &limits, &logits, &boxes, &found, &scores, &labels),
              f->err);
    same_rows(f, "network_boxes", &found);
    same_rows(f, "scores", &scores);
}

static void check_mask_head(fixture *f) {
    md_features features;
    tn_tensor boxes = as_float(f, "network_boxes"), masks;
    const io_tensor *labels = golden(f, "labels");
    tn_tensor own = tn_view((void *)(uintptr_t)labels->data, TN_I32, labels->rank, labels->dim);
    given_features(f, &features);
    ASSERT_OK(md_mask_rcnn_masks(&f->cx, f->model, &features, &boxes, &own, &masks), f->err);
    same_rows(f, "masks", &masks);
}

static void check_detections(fixture *f) {
    md_found found;
    tn_tensor image = picture(f), pasted, want = as_float(f, "pasted"), as_bytes;
    ASSERT_OK(md_mask_rcnn_detect(&f->cx, f->model, &image, NULL, &found), f->err);
    const io_tensor *labels = golden(f, "labels");
    assert_int_equal(found.count, labels->dim[0]);
    assert_memory_equal(found.labels.data, labels->data, (size_t)found.count * 4);
    same_rows(f, "boxes", &found.boxes);
    same_rows(f, "scores", &found.scores);
    // Here the mask head's regions differ in their last bits, and a random map changes much within
    // a pixel; the head itself is tested with BAR above.
    tn_tensor masks = as_float(f, "masks");
    ASSERT_WITHIN(
        test_max_difference(tn_f32(&found.masks), tn_f32(&masks), (size_t)tn_count(&masks)), 1e-4);
    ASSERT_OK(tn_new(&f->step, &pasted, TN_U8, TN_DIMS(found.height, found.width), &f->err),
              f->err);
    ASSERT_OK(tn_new(&f->step, &as_bytes, TN_U8, TN_DIMS(found.height, found.width), &f->err),
              f->err);
    size_t pixels = (size_t)(found.height * found.width);
    for (int64_t i = 0; i < found.count; i++) {
        ASSERT_OK(md_mask_paste(0.5, &found.masks, &found.boxes, i, &pasted, &f->err), f->err);
        tn_convert(tn_f32(&want) + i * (int64_t)pixels, TN_F32, as_bytes.data, TN_U8, pixels);
        assert_memory_equal(pasted.data, as_bytes.data, pixels);
    }
}

static void at_every_level(const char *name, void (*check)(fixture *f)) {
    static const char *const levels[] = {"ref", "portable", "avx2", "avx512"};
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        kn_ctx *kn;
        tn_error err;
        if (kn_open("cpu", levels[i], 2, &kn, &err)) continue; // not supported by this processor
        kn_close(kn);
        fixture f;
        open_fixture(&f, name, levels[i], 2);
        check(&f);
        close_fixture(&f);
    }
}

#define BOTH(name)                                                                                 \
    static void test_##name(void **state) {                                                        \
        (void)state;                                                                               \
        at_every_level("bottleneck", check_##name);                                                \
        at_every_level("basic", check_##name);                                                     \
    }
BOTH(body)
BOTH(rpn)
BOTH(box_head)
BOTH(mask_head)
BOTH(detections)

// ---- properties -------------------------------------------------------------------------------

// All tensors of a detection, in one block.
typedef struct bits {
    size_t count;
    unsigned char *bytes;
} bits;

static bits detect_bits(fixture *f) {
    md_found d;
    tn_tensor image = picture(f);
    ASSERT_OK(md_mask_rcnn_detect(&f->cx, f->model, &image, NULL, &d), f->err);
    const tn_tensor *parts[] = {&d.boxes, &d.scores, &d.labels, &d.masks};
    bits out = {0};
    for (int i = 0; i < 4; i++) out.count += tn_bytes(parts[i]);
    out.bytes = tn_alloc(out.count);
    size_t at = 0;
    for (int i = 0; i < 4; at += tn_bytes(parts[i++]))
        memcpy(out.bytes + at, parts[i]->data, tn_bytes(parts[i]));
    assert_true(out.count > 100);
    return out;
}

static void test_threads_and_runs(void **state) {
    (void)state;
    static const int threads[] = {1, 2, 7, 2};
    for (int m = 0; m < 2; m++) {
        bits first = {0};
        for (int i = 0; i < 4; i++) {
            fixture f;
            open_fixture(&f, m ? "basic" : "bottleneck", NULL, threads[i]);
            bits now = detect_bits(&f);
            if (i) {
                assert_int_equal(now.count, first.count);
                assert_memory_equal(now.bytes, first.bytes, first.count);
                tn_free(now.bytes);
            } else {
                first = now;
            }
            close_fixture(&f);
        }
        tn_free(first.bytes);
    }
}

// The step arena's use must not grow from picture to picture, and a call leaves only its result
// there.
static void test_memory_is_flat(void **state) {
    (void)state;
    fixture f;
    md_found found;
    size_t peak = 0, left = 0;
    open_fixture(&f, "bottleneck", NULL, 1);
    tn_tensor image = picture(&f);
    for (int i = 0; i < 5; i++) {
        size_t mark = tn_arena_mark(&f.step);
        ASSERT_OK(md_mask_rcnn_detect(&f.cx, f.model, &image, NULL, &found), f.err);
        size_t result = tn_arena_mark(&f.step) - mark;
        if (i) {
            assert_int_equal(f.step.peak, peak);
            assert_int_equal(result, left);
        }
        peak = f.step.peak, left = result;
        tn_arena_reset(&f.step, mark);
    }
    assert_true(left <= tn_bytes(&found.masks) + tn_bytes(&found.boxes) + tn_bytes(&found.scores) +
                            tn_bytes(&found.labels) + 4 * TN_ALIGN);
    close_fixture(&f);
}

// A picture on which nothing passes the threshold.
static void test_no_detections(void **state) {
    (void)state;
    fixture f;
    md_found found;
    open_fixture(&f, "basic", NULL, 2);
    tn_tensor image = picture(&f);
    nn_select_rules none = nn_select_hard(0.9999, 0.5, 100);
    ASSERT_OK(md_mask_rcnn_detect(&f.cx, f.model, &image, &none, &found), f.err);
    assert_int_equal(found.count, 0);
    nn_select_rules three = nn_select_hard(0.05, 0.5, 3);
    ASSERT_OK(md_mask_rcnn_detect(&f.cx, f.model, &image, &three, &found), f.err);
    assert_int_equal(found.count, 3);
    close_fixture(&f);
}

// From one pixel to a strip: every size works.
static void test_odd_pictures(void **state) {
    (void)state;
    static const int sizes[][2] = {{1, 1}, {1, 300}, {300, 1}, {2, 3}, {33, 31}, {400, 7}};
    fixture f;
    open_fixture(&f, "bottleneck", NULL, 2);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        md_found found;
        tn_tensor image;
        size_t mark = tn_arena_mark(&f.step);
        ASSERT_OK(tn_new(&f.step, &image, TN_U8, TN_DIMS(sizes[i][0], sizes[i][1], 3), &f.err),
                  f.err);
        memset(image.data, 77, tn_bytes(&image));
        ASSERT_OK(md_mask_rcnn_detect(&f.cx, f.model, &image, NULL, &found), f.err);
        for (int64_t k = 0; k < found.count; k++) {
            const float *box = tn_f32(&found.boxes) + 4 * k;
            assert_true(box[0] >= 0 && box[2] <= (float)sizes[i][1] * 1.001f);
            assert_true(box[1] >= 0 && box[3] <= (float)sizes[i][0] * 1.001f);
        }
        tn_arena_reset(&f.step, mark);
    }
    close_fixture(&f);
}

// An arena that is too small at every point where it can run out: an error and no crash.
static void test_out_of_memory(void **state) {
    (void)state;
    fixture f;
    md_found found;
    open_fixture(&f, "basic", NULL, 1);
    tn_tensor image = picture(&f);
    ASSERT_OK(md_mask_rcnn_detect(&f.cx, f.model, &image, NULL, &found), f.err);
    size_t peak = f.step.peak;
    assert_true(peak > 100000);
    for (size_t room = 0; room < peak - 4096; room += 4096) {
        tn_arena small;
        ASSERT_OK(tn_arena_init(&small, room, &f.err), f.err);
        nn_ctx cx = {f.kn, &small, &f.err};
        tn_status status = md_mask_rcnn_detect(&cx, f.model, &image, NULL, &found);
        if (status != TN_ENOMEM)
            fail_msg("%zu of %zu bytes: %s", room, peak, tn_status_name(status));
        tn_arena_deinit(&small);
    }
    close_fixture(&f);
}

static void test_settings(void **state) {
    (void)state;
    fixture f;
    open_fixture(&f, "bottleneck", NULL, 1);
    const md_mask_rcnn_config *config = md_mask_rcnn_settings(f.model);
    assert_string_equal(config->backbone, "ResNet (bottleneck blocks 1,2,1,1)");
    assert_int_equal(config->classes, 4);
    assert_string_equal(config->category[3], "three");
    assert_int_equal(config->min_size, 64);
    assert_int_equal(config->anchors.levels, 5);
    assert_true(config->anchors.level[4].size[0] == 60);
    assert_true(f.model->weights.frozen);
    close_fixture(&f);
}

// ---- tables -----------------------------------------------------------------------------------

static const io_tensor *table(io_weights *tables, const char *name) {
    const io_tensor *t = io_weights_find(tables, name);
    if (!t) fail_msg("the tables have no '%s'", name);
    return t;
}

static void test_sizes(void **state) {
    (void)state;
    io_weights *tables;
    tn_error err;
    ASSERT_OK(io_weights_open(GOLDEN "tables.safetensors", &tables, &err), err);
    const io_tensor *sizes = table(tables, "sizes");
    assert_int_equal(sizes->dim[1], 8);
    assert_true(sizes->dim[0] > 300);
    for (int64_t i = 0; i < sizes->dim[0]; i++) {
        int32_t row[8];
        memcpy(row, (const char *)sizes->data + i * 32, 32);
        md_frame frame = md_frame_of(row[0], row[1], row[2], row[3]);
        if (frame.net_height != row[4] || frame.net_width != row[5] || frame.pad_height != row[6] ||
            frame.pad_width != row[7])
            fail_msg("%d x %d to %d/%d: %d x %d in %d x %d, expected %d x %d in %d x %d", row[0],
                     row[1], row[2], row[3], (int)frame.net_height, (int)frame.net_width,
                     (int)frame.pad_height, (int)frame.pad_width, row[4], row[5], row[6], row[7]);
    }
    io_weights_close(tables);
}

static void test_pyramid_levels(void **state) {
    (void)state;
    io_weights *tables;
    tn_error err;
    ASSERT_OK(io_weights_open(GOLDEN "tables.safetensors", &tables, &err), err);
    const io_tensor *boxes = table(tables, "boxes"), *levels = table(tables, "levels");
    int64_t count = boxes->dim[0];
    tn_tensor own = tn_view((void *)(uintptr_t)boxes->data, TN_F32, 2, boxes->dim), level;
    ASSERT_OK(tn_new_heap(&level, TN_I32, TN_DIMS(count), &err), err);
    nn_roi_pool pool = {.sampling_ratio = 2,
                        .canonical_scale = 224,
                        .canonical_level = 4,
                        .levels = 4,
                        .finest = 2};
    nn_roi_levels(&pool, &own, &level);
    assert_memory_equal(level.data, levels->data, (size_t)count * 4);
    tn_free(level.data);
    io_weights_close(tables);
}

static void check_anchors(io_weights *tables, int i) {
    char name[32];
    int32_t maps[4];
    md_anchors anchors = {.levels = 1};
    tn_tensor made;
    tn_error err;
    snprintf(name, sizeof name, "anchors.%d.sizes", i);
    const io_tensor *sizes = table(tables, name);
    snprintf(name, sizeof name, "anchors.%d.ratios", i);
    const io_tensor *ratios = table(tables, name);
    snprintf(name, sizeof name, "anchors.%d.maps", i);
    memcpy(maps, table(tables, name)->data, sizeof maps);
    snprintf(name, sizeof name, "anchors.%d", i);
    const io_tensor *want = table(tables, name);
    anchors.level[0].sizes = (int)sizes->dim[0], anchors.level[0].ratios = (int)ratios->dim[0];
    memcpy(anchors.level[0].size, sizes->data, (size_t)sizes->dim[0] * 4);
    memcpy(anchors.level[0].ratio, ratios->data, (size_t)ratios->dim[0] * 4);
    ASSERT_OK(tn_new_heap(&made, TN_F32, 2, want->dim, &err), err);
    md_anchors_fill(&anchors, 0, maps[0], maps[1], maps[2], maps[3], &made);
    assert_memory_equal(made.data, want->data, tn_bytes(&made));
    tn_free(made.data);
}

static void test_anchors(void **state) {
    (void)state;
    io_weights *tables;
    tn_error err;
    ASSERT_OK(io_weights_open(GOLDEN "tables.safetensors", &tables, &err), err);
    for (int i = 0; i < 3; i++) check_anchors(tables, i);
    io_weights_close(tables);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),          cmocka_unit_test(test_pyramid_levels),
        cmocka_unit_test(test_anchors),        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_body),           cmocka_unit_test(test_rpn),
        cmocka_unit_test(test_box_head),       cmocka_unit_test(test_mask_head),
        cmocka_unit_test(test_detections),     cmocka_unit_test(test_threads_and_runs),
        cmocka_unit_test(test_memory_is_flat), cmocka_unit_test(test_no_detections),
        cmocka_unit_test(test_odd_pictures),   cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
