// SPDX-License-Identifier: Apache-2.0
// Mask R-CNN files: older parameter names, settings in the metadata, batch norm's epsilon, and
// broken files, each of which must be refused with the name of the tensor or key.
#include "models/detector/mask_rcnn_parts.h"
#include "tests/support/broken.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BOTTLENECK "tests/golden/detector/bottleneck.safetensors"
#define BASIC "tests/golden/detector/basic.safetensors"

// A change applied when copying a valid file: to one tensor, or to the metadata if tensor is NULL.
typedef struct change {
    const char *what;   // for messages
    const char *tensor; // a name, or its beginning when it ends in '*'
    const char *rename; // NULL drops the tensor; the part after '*' is kept
    int64_t dim[4];     // another shape, if rank is not 0; bytes are cut or repeated
    int rank;
    bool zero;            // all elements become 0
    const char *metadata; // replaces the settings
    const char *part;     // of the error's text
} change;

static bool matches(const char *name, const char *pattern) {
    size_t n = pattern ? strlen(pattern) : 0;
    if (!n) return false;
    return pattern[n - 1] == '*' ? strncmp(name, pattern, n - 1) == 0 : strcmp(name, pattern) == 0;
}

static void json_text(FILE *to, const char *text) {
    putc('"', to);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') putc('\\', to);
        putc(*text, to);
    }
    putc('"', to);
}

// Header entry and bytes of one tensor.
static void put(FILE *header, FILE *data, const io_tensor *t, const char *name, const change *c) {
    static const char *const types[TN_DTYPES] = {
        [TN_F32] = "F32", [TN_F16] = "F16", [TN_I64] = "I64"};
    const bool reshape = c && c->rank;
    int rank = reshape ? c->rank : t->rank;
    size_t count = 1, had = 1;
    long begin = ftell(data);
    for (int i = 0; i < t->rank; i++) had *= (size_t)t->dim[i];
    fprintf(header, ",");
    json_text(header, name);
    fprintf(header, ":{\"dtype\":\"%s\",\"shape\":[", types[t->dtype]);
    for (int i = 0; i < rank; i++) {
        int64_t n = reshape ? c->dim[i] : t->dim[i];
        fprintf(header, i ? ",%lld" : "%lld", (long long)n);
        count *= (size_t)n;
    }
    size_t element = tn_dtype_size(t->dtype);
    for (size_t i = 0; i < count; i++)
        fwrite(c && c->zero ? (const char *)&(int64_t){0}
                            : (const char *)t->data + (i % had) * element,
               element, 1, data);
    fprintf(header, "],\"data_offsets\":[%ld,%ld]}", begin, ftell(data));
}

static const char *save(const char *name, const char *head, size_t head_bytes, const char *body,
                        size_t body_bytes) {
    uint64_t length = (head_bytes + 7) / 8 * 8; // padded with spaces
    char *all = calloc(1, 8 + length + body_bytes);
    memcpy(all, &length, 8);
    memset(all + 8, ' ', length);
    memcpy(all + 8, head, head_bytes);
    memcpy(all + 8 + length, body, body_bytes);
    const char *path = temporary_file(name, all, 8 + length + body_bytes);
    free(all);
    return path;
}

// A copy of a file with changes; its path.
static const char *changed(const char *from, const char *to, const change *changes, int count) {
    io_weights *file;
    tn_error err;
    char *head = NULL, *body = NULL;
    size_t head_bytes, body_bytes;
    ASSERT_OK(io_weights_open(from, &file, &err), err);
    FILE *header = open_memstream(&head, &head_bytes), *data = open_memstream(&body, &body_bytes);
    const char *settings = io_weights_meta(file, "lexmask.maskrcnn");
    for (int c = 0; c < count; c++)
        if (changes[c].metadata) settings = changes[c].metadata;
    fprintf(header, "{\"__metadata__\":{\"lexmask.maskrcnn\":");
    json_text(header, settings);
    fprintf(header, "}");
    for (size_t i = 0; i < io_weights_count(file); i++) {
        const io_tensor *t = io_weights_at(file, i);
        const change *hit = NULL;
        char name[256];
        for (int c = 0; c < count; c++)
            if (matches(t->name, changes[c].tensor)) hit = &changes[c];
        if (hit && !hit->rename && !hit->rank && !hit->zero) continue;
        if (hit && hit->rename)
            snprintf(name, sizeof name, "%s%s", hit->rename,
                     strchr(hit->tensor, '*') ? t->name + strlen(hit->tensor) - 1 : "");
        else
            snprintf(name, sizeof name, "%s", t->name);
        put(header, data, t, name, hit);
    }
    fprintf(header, "}");
    fclose(header);
    fclose(data);
    io_weights_close(file);
    const char *path = save(to, head, head_bytes, body, body_bytes);
    free(head);
    free(body);
    return path;
}

static md_mask_rcnn *opened(const char *path, const md_mask_rcnn_options *options) {
    kn_ctx *kn;
    md_mask_rcnn *model;
    tn_error err;
    ASSERT_OK(kn_open("cpu", NULL, 1, &kn, &err), err);
    ASSERT_OK(md_mask_rcnn_open(path, options, kn, &model, &err), err);
    kn_close(kn);
    return model;
}

// ---- names ------------------------------------------------------------------------------------

static void assert_same_weights(const md_mask_rcnn *a, const md_mask_rcnn *b) {
    assert_true(a->weights.used > 10000);
    assert_int_equal(a->weights.used, b->weights.used);
    // Packed blocks are compared one by one: what lies between them is never written.
    const kn_weight *pairs[][2] = {
        {&a->fpn.inner[3].w, &b->fpn.inner[3].w}, {&a->fpn.layer[0].w, &b->fpn.layer[0].w},
        {&a->rpn.conv[0].w, &b->rpn.conv[0].w},   {&a->mask.conv[0].w, &b->mask.conv[0].w},
        {&a->mask.conv[1].w, &b->mask.conv[1].w}, {&a->body.stem.w, &b->body.stem.w},
        {&a->box.fc[0].w, &b->box.fc[0].w},       {&a->mask.logits.w, &b->mask.logits.w},
        {&a->rpn.deltas.w, &b->rpn.deltas.w},     {&a->box.deltas.w, &b->box.deltas.w},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        assert_int_equal(pairs[i][0]->bytes, pairs[i][1]->bytes);
        assert_memory_equal(pairs[i][0]->data, pairs[i][1]->data, pairs[i][0]->bytes);
    }
    const tn_tensor *biases[][2] = {{&a->fpn.inner[0].bias, &b->fpn.inner[0].bias},
                                    {&a->rpn.conv[0].bias, &b->rpn.conv[0].bias},
                                    {&a->mask.conv[1].bias, &b->mask.conv[1].bias}};
    for (size_t i = 0; i < sizeof biases / sizeof *biases; i++)
        assert_memory_equal(biases[i][0]->data, biases[i][1]->data, tn_bytes(biases[i][0]));
}

// Names written by torchvision before 0.13, in all parts and in only one.
static void test_older_names(void **state) {
    (void)state;
    static const change old[] = {
        {.tensor = "backbone.fpn.inner_blocks.0.0.*", .rename = "backbone.fpn.inner_blocks.0."},
        {.tensor = "backbone.fpn.inner_blocks.1.0.*", .rename = "backbone.fpn.inner_blocks.1."},
        {.tensor = "backbone.fpn.inner_blocks.2.0.*", .rename = "backbone.fpn.inner_blocks.2."},
        {.tensor = "backbone.fpn.inner_blocks.3.0.*", .rename = "backbone.fpn.inner_blocks.3."},
        {.tensor = "backbone.fpn.layer_blocks.0.0.*", .rename = "backbone.fpn.layer_blocks.0."},
        {.tensor = "backbone.fpn.layer_blocks.1.0.*", .rename = "backbone.fpn.layer_blocks.1."},
        {.tensor = "backbone.fpn.layer_blocks.2.0.*", .rename = "backbone.fpn.layer_blocks.2."},
        {.tensor = "backbone.fpn.layer_blocks.3.0.*", .rename = "backbone.fpn.layer_blocks.3."},
        {.tensor = "rpn.head.conv.0.0.*", .rename = "rpn.head.conv."},
        {.tensor = "roi_heads.mask_head.0.0.*", .rename = "roi_heads.mask_head.mask_fcn1."},
        {.tensor = "roi_heads.mask_head.1.0.*", .rename = "roi_heads.mask_head.mask_fcn2."},
    };
    md_mask_rcnn *today = opened(BOTTLENECK, NULL);
    const int from[] = {0, 0, 8, 9}, count[] = {11, 8, 1, 2};
    for (int i = 0; i < 4; i++) {
        md_mask_rcnn *older =
            opened(changed(BOTTLENECK, "older.safetensors", old + from[i], count[i]), NULL);
        assert_same_weights(today, older);
        md_mask_rcnn_close(older);
    }
    md_mask_rcnn_close(today);
}

// ---- a Faster R-CNN

static md_found found_by(nn_ctx *cx, const char *path, const tn_tensor *image) {
    md_found found;
    md_mask_rcnn *model = opened(path, NULL);
    ASSERT_OK(md_mask_rcnn_detect(cx, model, image, NULL, &found), *cx->err);
    md_mask_rcnn_close(model);
    return found;
}

static void assert_same(const tn_tensor *a, const tn_tensor *b) {
    assert_int_equal(tn_bytes(a), tn_bytes(b));
    assert_memory_equal(a->data, b->data, tn_bytes(a));
}

// A file without a mask head gives the same boxes as with one, and no masks.
static void test_faster_rcnn(void **state) {
    (void)state;
    static const change boxes_alone = {.tensor = "roi_heads.mask_*"};
    static const char *const forms[] = {BOTTLENECK, BASIC}; // as v1 and v2 of torchvision
    static uint8_t pixels[64 * 90 * 3];
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * 7 + i / 270 * 31);
    tn_tensor image = tn_view(pixels, TN_U8, TN_DIMS(64, 90, 3));
    tn_arena step = {0};
    tn_error err = {0};
    kn_ctx *kn;
    ASSERT_OK(tn_arena_init(&step, (size_t)1 << 28, &err), err);
    ASSERT_OK(kn_open("cpu", NULL, 1, &kn, &err), err);
    nn_ctx cx = {.kn = kn, .step = &step, .err = &err};
    for (size_t i = 0; i < 2; i++) {
        const char *path = changed(forms[i], "faster.safetensors", &boxes_alone, 1);
        io_weights *file;
        ASSERT_OK(io_weights_open(path, &file, &err), err);
        assert_true(md_mask_rcnn_is(file));
        io_weights_close(file);
        md_mask_rcnn *model = opened(path, NULL);
        assert_int_equal(md_mask_rcnn_settings(model)->mask_size, 0);
        md_mask_rcnn_close(model);
        md_found with = found_by(&cx, forms[i], &image), without = found_by(&cx, path, &image);
        assert_true(with.count > 0 && with.masks.dim[1] == 28);
        assert_same(&with.boxes, &without.boxes);
        assert_same(&with.scores, &without.scores);
        assert_same(&with.labels, &without.labels);
        assert_null(without.masks.data);
    }
    kn_close(kn);
    tn_arena_deinit(&step);
}

// ---- batch norm's epsilon -----------------------------------------------------------------------

static float first_bias(const char *path, double eps) {
    md_mask_rcnn_options options = md_mask_rcnn_default_options();
    options.bn_eps = eps;
    md_mask_rcnn *model = opened(path, &options);
    float value = tn_f32(&model->body.stem.bias)[0];
    md_mask_rcnn_close(model);
    return value;
}

static float folded_bias(const char *path, double eps) {
    io_weights *file;
    tn_error err;
    float v[4];
    static const char *const names[] = {"weight", "bias", "running_mean", "running_var"};
    ASSERT_OK(io_weights_open(path, &file, &err), err);
    for (int i = 0; i < 4; i++) {
        char name[64];
        snprintf(name, sizeof name, "backbone.body.bn1.%s", names[i]);
        const io_tensor *t = io_weights_find(file, name);
        assert_non_null(t);
        tn_convert(t->data, t->dtype, &v[i], TN_F32, 1);
    }
    io_weights_close(file);
    return (float)((double)v[1] - (double)v[2] * (double)v[0] / sqrt((double)v[3] + eps));
}

static void test_epsilon(void **state) {
    (void)state;
    static const change in_metadata = {.metadata = "{\"bn_eps\":0.125}"};
    static const change uncounted = {.tensor = "backbone.body.bn1.num_batches_tracked"};
    assert_true(first_bias(BOTTLENECK, -1) == folded_bias(BOTTLENECK, 0));
    assert_true(first_bias(BOTTLENECK, 1e-2) == folded_bias(BOTTLENECK, 1e-2));
    assert_true(first_bias(BASIC, -1) == folded_bias(BASIC, 1e-5));
    assert_true(first_bias(BASIC, 0) == folded_bias(BASIC, 0));
    assert_true(folded_bias(BASIC, 0) != folded_bias(BASIC, 1e-5));
    const char *path = changed(BASIC, "uncounted.safetensors", &uncounted, 1);
    assert_true(first_bias(path, -1) == folded_bias(BASIC, 0));
    path = changed(BOTTLENECK, "metadata.safetensors", &in_metadata, 1);
    assert_true(first_bias(path, -1) == folded_bias(BOTTLENECK, 0.125));
    assert_true(first_bias(path, 0.5) == folded_bias(BOTTLENECK, 0.5));
}

// A dead channel in half precision: gamma and variance 0, epsilon 0. It gives its bias.
static void test_dead_channel(void **state) {
    (void)state;
    static const change dead[] = {{.tensor = "backbone.body.bn1.weight", .zero = true},
                                  {.tensor = "backbone.body.bn1.running_var", .zero = true}};
    md_mask_rcnn *good = opened(BOTTLENECK, NULL);
    md_mask_rcnn *model = opened(changed(BOTTLENECK, "dead.safetensors", dead, 2), NULL);
    io_weights *file;
    tn_error err;
    float bias;
    ASSERT_OK(io_weights_open(BOTTLENECK, &file, &err), err);
    const io_tensor *t = io_weights_find(file, "backbone.body.bn1.bias");
    tn_convert(t->data, t->dtype, &bias, TN_F32, 1);
    assert_true(tn_f32(&model->body.stem.bias)[0] == bias);
    assert_true(tn_f32(&good->body.stem.bias)[0] != bias);
    io_weights_close(file);
    md_mask_rcnn_close(good);
    md_mask_rcnn_close(model);
}

// ---- settings -----------------------------------------------------------------------------------

static void test_defaults(void **state) {
    (void)state;
    static const change none = {.metadata = "{}"};
    md_mask_rcnn *model = opened(changed(BOTTLENECK, "plain.safetensors", &none, 1), NULL);
    const md_mask_rcnn_config *c = md_mask_rcnn_settings(model);
    assert_int_equal(c->min_size, 800);
    assert_int_equal(c->max_size, 1333);
    assert_int_equal(c->rpn_pre_nms_top_n, 1000);
    assert_int_equal(c->box_detections_per_img, 100);
    assert_true(c->anchors.level[4].size[0] == 512 && c->anchors.level[4].ratio[0] == 0.5f);
    assert_string_equal(c->category[1], "1");
    md_mask_rcnn_close(model);
}

// ---- what is refused
// ------------------------------------------------------------------------------

static const change broken[] = {
    {.what = "no stem",
     .tensor = "backbone.body.conv1.weight",
     .part = "backbone.body.conv1.weight"},
    {.what = "no stage", .tensor = "backbone.body.layer3.*", .part = "layer3.0.conv1.weight"},
    {.what = "no norm",
     .tensor = "backbone.body.layer1.0.bn2.running_var",
     .part = "bn2.running_var"},
    {.what = "no shortcut",
     .tensor = "backbone.body.layer2.0.downsample.*",
     .part = "downsample.0"},
    {.what = "grey stem",
     .tensor = "backbone.body.conv1.weight",
     .rank = 4,
     .dim = {8, 1, 7, 7},
     .part = "grouped"},
    {.what = "stem of 5x5",
     .tensor = "backbone.body.conv1.weight",
     .rank = 4,
     .dim = {8, 3, 5, 5},
     .part = "[8,3,5,5]"},
    {.what = "flat stem",
     .tensor = "backbone.body.conv1.weight",
     .rank = 2,
     .dim = {8, 147},
     .part = "[8,147]"},
    {.what = "grouped block",
     .tensor = "backbone.body.layer1.0.conv2.weight",
     .rank = 4,
     .dim = {4, 2, 3, 3},
     .part = "ResNeXt"},
    {.what = "block too wide",
     .tensor = "backbone.body.layer1.0.conv3.weight",
     .rank = 4,
     .dim = {16, 5, 1, 1},
     .part = "conv3.weight"},
    {.what = "second block differs",
     .tensor = "backbone.body.layer2.1.conv3.weight",
     .rank = 4,
     .dim = {15, 4, 1, 1},
     .part = "layer2.1"},
    {.what = "not a usable variance",
     .tensor = "backbone.body.layer3.0.bn2.running_var",
     .zero = true,
     .part = "layer3.0.bn2.running_var"},
    {.what = "norm too long",
     .tensor = "backbone.body.bn1.bias",
     .rank = 1,
     .dim = {9},
     .part = "bn1.bias"},
    {.what = "no pyramid", .tensor = "backbone.fpn.*", .part = "four blocks"},
    {.what = "three blocks", .tensor = "backbone.fpn.inner_blocks.3.*", .part = "four blocks"},
    {.what = "pyramid of another width",
     .tensor = "backbone.fpn.inner_blocks.2.0.weight",
     .rank = 4,
     .dim = {11, 24, 1, 1},
     .part = "inner_blocks.2.0.weight"},
    {.what = "layer block missing",
     .tensor = "backbone.fpn.layer_blocks.1.*",
     .part = "layer_blocks.1.0.weight"},
    {.what = "no RPN", .tensor = "rpn.head.conv.*", .part = "rpn.head.conv.0.0.weight"},
    {.what = "anchors",
     .tensor = "rpn.head.cls_logits.weight",
     .rank = 4,
     .dim = {5, 12, 1, 1},
     .part = "rpn.head.cls_logits"},
    {.what = "deltas",
     .tensor = "rpn.head.bbox_pred.weight",
     .rank = 4,
     .dim = {9, 12, 1, 1},
     .part = "rpn.head.bbox_pred.weight"},
    {.what = "no box head", .tensor = "roi_heads.box_head.*", .part = "roi_heads.box_head"},
    {.what = "regions not square",
     .tensor = "roi_heads.box_head.fc6.weight",
     .rank = 2,
     .dim = {24, 500},
     .part = "[24,500]"},
    {.what = "empty fc6",
     .tensor = "roi_heads.box_head.fc6.weight",
     .rank = 2,
     .dim = {24, 0},
     .part = "fc6.weight"},
    {.what = "fc7",
     .tensor = "roi_heads.box_head.fc7.weight",
     .rank = 2,
     .dim = {24, 23},
     .part = "fc7.weight"},
    {.what = "background only", .tensor = "roi_heads.box_predictor.cls_score.*", .rename = "x."},
    {.what = "box deltas",
     .tensor = "roi_heads.box_predictor.bbox_pred.weight",
     .rank = 2,
     .dim = {4, 24},
     .part = "bbox_pred.weight"},
    {.what = "pyramid without bias",
     .tensor = "backbone.fpn.layer_blocks.2.0.bias",
     .part = "layer_blocks.2.0.bias"},
    {.what = "RPN without bias",
     .tensor = "rpn.head.cls_logits.bias",
     .part = "rpn.head.cls_logits.bias"},
    {.what = "fc7 without bias", .tensor = "roi_heads.box_head.fc7.bias", .part = "fc7.bias"},
    {.what = "classes without bias",
     .tensor = "roi_heads.box_predictor.cls_score.bias",
     .part = "cls_score.bias"},
    {.what = "mask logits without bias",
     .tensor = "roi_heads.mask_predictor.mask_fcn_logits.bias",
     .part = "mask_fcn_logits.bias"},
    {.what = "deconvolution without bias",
     .tensor = "roi_heads.mask_predictor.conv5_mask.bias",
     .part = "conv5_mask.bias"},
    {.what = "no mask head", .tensor = "roi_heads.mask_head.*", .part = "roi_heads.mask_head.0.0"},
    {.what = "no mask predictor",
     .tensor = "roi_heads.mask_predictor.*",
     .part = "roi_heads.mask_predictor.conv5_mask.weight"},
    {.what = "mask head's input",
     .tensor = "roi_heads.mask_head.0.0.weight",
     .rank = 4,
     .dim = {10, 13, 3, 3},
     .part = "mask_head.0.0.weight"},
    {.what = "deconvolution",
     .tensor = "roi_heads.mask_predictor.conv5_mask.weight",
     .rank = 4,
     .dim = {10, 8, 3, 3},
     .part = "conv5_mask.weight"},
    {.what = "empty deconvolution",
     .tensor = "roi_heads.mask_predictor.conv5_mask.weight",
     .rank = 4,
     .dim = {10, 0, 2, 2},
     .part = "conv5_mask.weight"},
    {.what = "mask classes",
     .tensor = "roi_heads.mask_predictor.mask_fcn_logits.weight",
     .rank = 4,
     .dim = {3, 8, 1, 1},
     .part = "mask_fcn_logits.weight"},
    {.what = "settings: not JSON", .metadata = "{", .part = "lexmask.maskrcnn"},
    {.what = "settings: a list", .metadata = "[]", .part = "lexmask.maskrcnn"},
    {.what = "settings: text for a number",
     .metadata = "{\"min_size\":\"800\"}",
     .part = "min_size"},
    {.what = "settings: 0 pixels", .metadata = "{\"min_size\":0}", .part = "min_size"},
    {.what = "settings: two means", .metadata = "{\"image_mean\":[0,1]}", .part = "image_mean"},
    {.what = "settings: std of 0", .metadata = "{\"image_std\":[0,1,1]}", .part = "image_std"},
    {.what = "settings: threshold",
     .metadata = "{\"rpn_nms_thresh\":1.5}",
     .part = "rpn_nms_thresh"},
    {.what = "settings: no anchors",
     .metadata = "{\"anchor_sizes\":[[],[1],[2],[3],[4]]}",
     .part = "anchor_sizes"},
    {.what = "settings: levels",
     .metadata = "{\"anchor_sizes\":[[1],[2]]}",
     .part = "anchor_sizes"},
    {.what = "settings: nine levels",
     .metadata = "{\"anchor_sizes\":[[1],[1],[1],[1],[1],[1],[1],[1],[1]]}",
     .part = "anchor_sizes"},
    {.what = "settings: too few levels",
     .metadata = "{\"anchor_sizes\":[[1],[2]],\"aspect_ratios\":[[1,2,3],[1,2,3]]}",
     .part = "levels"},
    {.what = "settings: names", .metadata = "{\"categories\":[\"a\",\"b\"]}", .part = "categories"},
    {.what = "settings: name of 100",
     .metadata = "{\"categories\":[\"a\",\"b\",\"c\",\"0123456789012345678901234567890123456789"
                 "012345678901234567890123456789\"]}",
     .part = "categories[3]"},
};

static void test_broken(void **state) {
    (void)state;
    kn_ctx *kn;
    tn_error err;
    ASSERT_OK(kn_open("cpu", "ref", 1, &kn, &err), err);
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        md_mask_rcnn *model = NULL;
        const char *path = changed(BOTTLENECK, "broken.safetensors", &broken[i], 1);
        tn_status status = md_mask_rcnn_open(path, NULL, kn, &model, &err);
        broken_is_refused(broken[i].what, path, status, &err, broken[i].part);
        assert_null(model);
    }
    kn_close(kn);
}

// Each allocation of a load fails once: no crash, no leak, and an error text.
static void test_out_of_memory(void **state) {
    (void)state;
    kn_ctx *kn;
    tn_error err;
    md_mask_rcnn *model;
    ASSERT_OK(kn_open("cpu", NULL, 1, &kn, &err), err);
    int64_t before = tn_alloc_count();
    ASSERT_OK(md_mask_rcnn_open(BASIC, NULL, kn, &model, &err), err);
    int64_t count = tn_alloc_count() - before;
    md_mask_rcnn_close(model);
    assert_true(count > 50);
    for (int64_t n = 1; n <= count; n++) {
        tn_alloc_fail_after(n);
        tn_status status = md_mask_rcnn_open(BASIC, NULL, kn, &model, &err);
        tn_alloc_fail_after(0);
        if (status != TN_ENOMEM)
            fail_msg("allocation %lld of %lld: %s", (long long)n, (long long)count,
                     tn_status_name(status));
        assert_true(strlen(err.text) > 10);
    }
    kn_close(kn);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_older_names),   cmocka_unit_test(test_epsilon),
        cmocka_unit_test(test_dead_channel),  cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_faster_rcnn),   cmocka_unit_test(test_broken),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, temporary_teardown);
}
