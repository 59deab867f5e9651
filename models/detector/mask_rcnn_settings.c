// SPDX-License-Identifier: Apache-2.0
#include "models/detector/mask_rcnn_settings.h"

#include <stdio.h>
#include <string.h>

#include "io/json.h"

#define MAX_VALUE 1000000 // pixels per side, boxes: larger values are mistakes

// The labels of torchvision's COCO models: COCO's category ids, including the unused ids.
static const char *const coco[91] = {
    "__background__",
    "person",
    "bicycle",
    "car",
    "motorcycle",
    "airplane",
    "bus",
    "train",
    "truck",
    "boat",
    "traffic light",
    "fire hydrant",
    "N/A",
    "stop sign",
    "parking meter",
    "bench",
    "bird",
    "cat",
    "dog",
    "horse",
    "sheep",
    "cow",
    "elephant",
    "bear",
    "zebra",
    "giraffe",
    "N/A",
    "backpack",
    "umbrella",
    "N/A",
    "N/A",
    "handbag",
    "tie",
    "suitcase",
    "frisbee",
    "skis",
    "snowboard",
    "sports ball",
    "kite",
    "baseball bat",
    "baseball glove",
    "skateboard",
    "surfboard",
    "tennis racket",
    "bottle",
    "N/A",
    "wine glass",
    "cup",
    "fork",
    "knife",
    "spoon",
    "bowl",
    "banana",
    "apple",
    "sandwich",
    "orange",
    "broccoli",
    "carrot",
    "hot dog",
    "pizza",
    "donut",
    "cake",
    "chair",
    "couch",
    "potted plant",
    "bed",
    "N/A",
    "dining table",
    "N/A",
    "N/A",
    "toilet",
    "N/A",
    "tv",
    "laptop",
    "mouse",
    "remote",
    "keyboard",
    "cell phone",
    "microwave",
    "oven",
    "toaster",
    "sink",
    "refrigerator",
    "N/A",
    "book",
    "clock",
    "vase",
    "scissors",
    "teddy bear",
    "hair drier",
    "toothbrush",
};

static md_mask_rcnn_config defaults(void) {
    return (md_mask_rcnn_config){
        .min_size = 800,
        .max_size = 1333,
        .image_mean = {0.485f, 0.456f, 0.406f},
        .image_std = {0.229f, 0.224f, 0.225f},
        .anchors = md_anchors_default(),
        .rpn_pre_nms_top_n = 1000,
        .rpn_post_nms_top_n = 1000,
        .rpn_nms_thresh = 0.7,
        .rpn_score_thresh = 0.0,
        .box_score_thresh = 0.05,
        .box_nms_thresh = 0.5,
        .box_detections_per_img = 100,
        .roi_sampling_ratio = 2,
        .canonical_scale = 224,
        .canonical_level = 4,
        .bn_eps = -1,
    };
}

static tn_status number_in(const io_json *value, double low, double high, float *out,
                           tn_error *err) {
    double number;
    TN_TRY(io_json_as_number(value, &number, err));
    if (!(number >= low && number <= high))
        return io_json_fail(value, err, "expected a number from %g to %g, found %g", low, high,
                            number);
    *out = (float)number;
    return TN_OK;
}

static tn_status number(const io_json *root, const char *key, double low, double high, double *out,
                        tn_error *err) {
    io_json value;
    if (!io_json_has(root, key)) return TN_OK;
    TN_TRY(io_json_get(root, key, IO_JSON_NUMBER, &value, err));
    TN_TRY(io_json_as_number(&value, out, err));
    if (*out >= low && *out <= high) return TN_OK;
    return io_json_fail(&value, err, "expected a number from %g to %g, found %g", low, high, *out);
}

// An array of low..high numbers.
static tn_status numbers(const io_json *list, size_t min, size_t max, double low, double high,
                         float *out, int *count, tn_error *err) {
    TN_TRY(io_json_expect(list, IO_JSON_ARRAY, err));
    size_t n = io_json_count(list);
    if (n < min || n > max)
        return io_json_fail(list, err, "expected %zu to %zu numbers, found %zu", min, max, n);
    for (size_t i = 0; i < n; i++) {
        io_json element;
        TN_TRY(io_json_at(list, i, IO_JSON_NUMBER, &element, err));
        TN_TRY(number_in(&element, low, high, &out[i], err));
    }
    *count = (int)n;
    return TN_OK;
}

static tn_status three(const io_json *root, const char *key, double low, float out[3],
                       tn_error *err) {
    io_json list;
    int count;
    if (!io_json_has(root, key)) return TN_OK;
    TN_TRY(io_json_get(root, key, IO_JSON_ARRAY, &list, err));
    return numbers(&list, 3, 3, low, 1000, out, &count, err);
}

// anchor_sizes and aspect_ratios: one list per level of the pyramid.
static tn_status read_anchors(const io_json *root, md_anchors *anchors, tn_error *err) {
    const char *const keys[2] = {"anchor_sizes", "aspect_ratios"};
    size_t levels[2] = {(size_t)anchors->levels, (size_t)anchors->levels};
    for (int k = 0; k < 2; k++) {
        io_json lists;
        if (!io_json_has(root, keys[k])) continue;
        TN_TRY(io_json_get(root, keys[k], IO_JSON_ARRAY, &lists, err));
        levels[k] = io_json_count(&lists);
        if (levels[k] < 1 || levels[k] > MD_LEVELS)
            return io_json_fail(&lists, err, "expected 1 to %d levels, found %zu", MD_LEVELS,
                                levels[k]);
        for (size_t l = 0; l < levels[k]; l++) {
            io_json list;
            TN_TRY(io_json_at(&lists, l, IO_JSON_ARRAY, &list, err));
            TN_TRY(numbers(&list, 1, MD_ANCHORS, 1e-3, MAX_VALUE,
                           k == 0 ? anchors->level[l].size : anchors->level[l].ratio,
                           k == 0 ? &anchors->level[l].sizes : &anchors->level[l].ratios, err));
        }
    }
    if (levels[0] != levels[1])
        return io_json_fail(root, err, "anchor_sizes has %zu levels, aspect_ratios %zu", levels[0],
                            levels[1]);
    anchors->levels = (int)levels[0];
    return TN_OK;
}

static tn_status read_all(const io_json *root, md_mask_rcnn_config *config, tn_error *err) {
    int64_t ratio = config->roi_sampling_ratio, level = config->canonical_level;
    TN_TRY(io_json_expect(root, IO_JSON_OBJECT, err));
    TN_TRY(io_json_maybe_int(root, "min_size", 1, MAX_VALUE, &config->min_size, err));
    TN_TRY(io_json_maybe_int(root, "max_size", 1, MAX_VALUE, &config->max_size, err));
    TN_TRY(three(root, "image_mean", -1000, config->image_mean, err));
    TN_TRY(three(root, "image_std", 1e-6, config->image_std, err));
    TN_TRY(read_anchors(root, &config->anchors, err));
    TN_TRY(io_json_maybe_int(root, "rpn_pre_nms_top_n_test", 1, MAX_VALUE,
                             &config->rpn_pre_nms_top_n, err));
    TN_TRY(io_json_maybe_int(root, "rpn_post_nms_top_n_test", 1, MAX_VALUE,
                             &config->rpn_post_nms_top_n, err));
    TN_TRY(number(root, "rpn_nms_thresh", 0, 1, &config->rpn_nms_thresh, err));
    TN_TRY(number(root, "rpn_score_thresh", 0, 1, &config->rpn_score_thresh, err));
    TN_TRY(number(root, "box_score_thresh", 0, 1, &config->box_score_thresh, err));
    TN_TRY(number(root, "box_nms_thresh", 0, 1, &config->box_nms_thresh, err));
    TN_TRY(io_json_maybe_int(root, "box_detections_per_img", 1, MAX_VALUE,
                             &config->box_detections_per_img, err));
    TN_TRY(number(root, "bn_eps", 0, 1, &config->bn_eps, err));
    TN_TRY(io_json_maybe_int(root, "roi_sampling_ratio", 0, 64, &ratio, err));
    TN_TRY(number(root, "canonical_scale", 1, MAX_VALUE, &config->canonical_scale, err));
    TN_TRY(io_json_maybe_int(root, "canonical_level", 0, 16, &level, err));
    config->roi_sampling_ratio = (int)(ratio < 0 ? 0 : ratio);
    config->canonical_level = (int)level;
    return TN_OK;
}

// Opens the metadata's JSON; *there is false if there is none. name is used in errors.
static tn_status open_metadata(const io_weights *file, char *name, size_t bytes, io_json *root,
                               bool *there, tn_error *err) {
    const char *text = io_weights_meta(file, MD_MASK_RCNN_METADATA);
    *there = text != NULL;
    if (!text) return TN_OK;
    snprintf(name, bytes, "%s: metadata %s", io_weights_path(file), MD_MASK_RCNN_METADATA);
    return io_json_parse(text, strlen(text), name, root, err);
}

tn_status md_mask_rcnn_read_settings(const io_weights *file, md_mask_rcnn_config *config,
                                     tn_error *err) {
    char name[512];
    io_json root;
    bool there;
    *config = defaults();
    TN_TRY(open_metadata(file, name, sizeof name, &root, &there, err));
    if (!there) return TN_OK;
    tn_status status = read_all(&root, config, err);
    io_json_close(&root);
    return status;
}

static tn_status named_in_file(const io_json *root, const md_mask_rcnn_config *config,
                               char (*out)[MD_CATEGORY], tn_error *err) {
    io_json list;
    TN_TRY(io_json_get(root, "categories", IO_JSON_ARRAY, &list, err));
    if (io_json_count(&list) != (size_t)config->classes)
        return io_json_fail(&list, err, "expected %lld names, one for each class, found %zu",
                            (long long)config->classes, io_json_count(&list));
    for (int64_t i = 0; i < config->classes; i++) {
        io_json element;
        const char *text;
        TN_TRY(io_json_at(&list, (size_t)i, IO_JSON_STRING, &element, err));
        TN_TRY(io_json_as_string(&element, &text, err));
        if (strlen(text) >= MD_CATEGORY)
            return io_json_fail(&element, err, "expected a name of at most %d bytes, found %zu",
                                MD_CATEGORY - 1, strlen(text));
        snprintf(out[i], MD_CATEGORY, "%s", text);
    }
    return TN_OK;
}

tn_status md_mask_rcnn_read_categories(const io_weights *file, tn_arena *arena,
                                       md_mask_rcnn_config *config, tn_error *err) {
    char name[512], (*out)[MD_CATEGORY];
    io_json root;
    bool there;
    out = tn_arena_alloc(arena, (size_t)config->classes * sizeof *out);
    if (!out)
        return tn_fail(err, TN_ENOMEM, "%s: out of memory for the names of %lld classes",
                       io_weights_path(file), (long long)config->classes);
    config->category = (const char(*)[MD_CATEGORY])out;
    TN_TRY(open_metadata(file, name, sizeof name, &root, &there, err));
    if (there) {
        bool named = io_json_has(&root, "categories");
        tn_status status = named ? named_in_file(&root, config, out, err) : TN_OK;
        io_json_close(&root);
        if (named || status) return status;
    }
    bool is_coco = config->classes == (int64_t)(sizeof coco / sizeof *coco);
    for (int64_t i = 0; i < config->classes; i++)
        if (is_coco)
            snprintf(out[i], MD_CATEGORY, "%s", coco[i]);
        else
            snprintf(out[i], MD_CATEGORY, "%lld", (long long)i);
    return TN_OK;
}
