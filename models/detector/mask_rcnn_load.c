// SPDX-License-Identifier: Apache-2.0
#include "models/detector/mask_rcnn_parts.h"
#include "models/detector/mask_rcnn_settings.h"
#include "models/detector/mask_rcnn_tensor_names.h"

#include <stdio.h>
#include <string.h>

md_mask_rcnn_options md_mask_rcnn_default_options(void) {
    return (md_mask_rcnn_options){.bn_eps = -1};
}

#define FIRST "backbone.body.conv1.weight"
#define BOX "roi_heads.box_predictor.cls_score.weight"
#define MASKS "roi_heads.mask_" // common prefix of all tensors of the mask branch

tn_status md_mask_rcnn_unwrap(io_weights *file, tn_error *err) {
    static const char *const names[] = {FIRST, BOX, NULL};
    return io_weights_unwrap(file, names, err);
}

bool md_mask_rcnn_is(const io_weights *file) {
    return io_weights_find(file, FIRST) && io_weights_find(file, BOX);
}

// Address space for the packed weights: panels may be padded to whole registers, and a layer with
// few channels grows most. Untouched pages cost nothing.
static size_t weights_capacity(const io_weights *file) {
    size_t capacity = (size_t)64 << 20;
    for (size_t i = 0; i < io_weights_count(file); i++) {
        const io_tensor *tensor = io_weights_at(file, i);
        size_t count, bytes;
        if (!tn_count_checked(tensor->rank, tensor->dim, &count) ||
            !tn_mul_size(count, 8, &bytes) || !tn_add_size(capacity, bytes + 65536, &capacity))
            return 0;
    }
    return capacity;
}

static tn_status check_levels(const io_weights *file, const md_mask_rcnn *model, tn_error *err) {
    if (model->config.anchors.levels == model->fpn.levels + 1) return TN_OK;
    return tn_fail(err, TN_EUNSUPPORTED,
                   "%s: anchors on %d levels, but the pyramid has %d (stages 1 to %d and one more)",
                   io_weights_path(file), model->config.anchors.levels, model->fpn.levels + 1,
                   model->fpn.levels);
}

// A pyramid over fewer stages has fewer blocks. Their widths tell which stages, but the strides do
// not match the heads.
static tn_status check_stages(const nn_loader *load) {
    char name[NN_NAME];
    nn_join(name, "backbone.fpn.inner_blocks.", "3.0.weight");
    if (nn_has(load, name)) return TN_OK;
    return tn_fail(load->err, TN_EUNSUPPORTED,
                   "%s: the feature pyramid has fewer than four blocks; only one over all four "
                   "stages of a ResNet is supported",
                   io_weights_path(load->file));
}

// A Faster R-CNN has none. A Mask R-CNN that lacks some of them fails when they are loaded.
static bool has_mask_tensors(const io_weights *file) {
    for (size_t i = 0; i < io_weights_count(file); i++)
        if (strncmp(io_weights_at(file, i)->name, MASKS, strlen(MASKS)) == 0) return true;
    return false;
}

static tn_status load_masks(const nn_loader *load, md_mask_rcnn *model) {
    md_mask_rcnn_config *config = &model->config;
    nn_loader head = md_mask_rcnn_names(load, "roi_heads.mask_head");
    if (!has_mask_tensors(load->file)) return TN_OK;
    config->mask_size = 2 * MD_MASK_ROI;
    return md_mask_head_load(&head, "roi_heads.mask_head", load, "roi_heads.mask_predictor",
                             model->fpn.channels, model->box.classes, config->bn_eps, &model->mask);
}

static tn_status load_parts(const nn_loader *load, md_mask_rcnn *model) {
    md_mask_rcnn_config *config = &model->config;
    nn_loader fpn = md_mask_rcnn_names(load, "backbone.fpn");
    nn_loader rpn = md_mask_rcnn_names(load, "rpn.head");
    TN_TRY(md_resnet_load(load, "backbone.body", config->bn_eps, &model->body));
    TN_TRY(check_stages(&fpn));
    TN_TRY(nn_fpn_load(&fpn, "backbone.fpn", MD_RESNET_STAGES, model->body.channels, -1,
                       config->bn_eps, &model->fpn));
    int64_t channels = model->fpn.channels;
    TN_TRY(check_levels(load->file, model, load->err));
    TN_TRY(md_rpn_load(&rpn, "rpn.head", channels, &config->anchors, config->bn_eps, &model->rpn));
    TN_TRY(md_box_head_load(load, "roi_heads.box_head", "roi_heads.box_predictor", channels,
                            config->bn_eps, &model->box));
    TN_TRY(load_masks(load, model));
    model->pool = (nn_roi_pool){.sampling_ratio = config->roi_sampling_ratio,
                                .canonical_scale = config->canonical_scale,
                                .canonical_level = config->canonical_level,
                                .levels = model->fpn.levels,
                                .finest = 2};
    config->classes = model->box.classes;
    config->pyramid_channels = channels;
    const char *prefix = io_weights_prefix(load->file);
    snprintf(config->prefix, sizeof config->prefix, "%s", prefix ? prefix : "");
    md_resnet_describe(&model->body, config->backbone, sizeof config->backbone);
    return md_mask_rcnn_read_categories(load->file, load->arena, config, load->err);
}

static tn_status load_from(const io_weights *file, const md_mask_rcnn_options *options, kn_ctx *kn,
                           md_mask_rcnn *model, tn_error *err) {
    size_t capacity = weights_capacity(file);
    if (!capacity)
        return tn_fail(err, TN_EFORMAT, "%s: its tensors are too large", io_weights_path(file));
    TN_TRY(md_mask_rcnn_read_settings(file, &model->config, err));
    if (options && options->bn_eps >= 0) model->config.bn_eps = options->bn_eps;
    TN_TRY(tn_arena_init(&model->weights, capacity, err));
    nn_loader load = {.file = file, .kn = kn, .arena = &model->weights, .err = err};
    TN_TRY(load_parts(&load, model));
    model->config.weight_bytes = (int64_t)model->weights.used;
    return tn_arena_freeze(&model->weights, err);
}

static tn_status open_detector(const char *path, io_weights **out, tn_error *err) {
    TN_TRY(io_weights_open(path, out, err));
    tn_status status = md_mask_rcnn_unwrap(*out, err);
    if (status) io_weights_close(*out);
    return status;
}

tn_status md_mask_rcnn_open(const char *path, const md_mask_rcnn_options *options, kn_ctx *kn,
                            md_mask_rcnn **out, tn_error *err) {
    io_weights *file;
    *out = NULL;
    TN_TRY(open_detector(path, &file, err));
    if (!io_weights_find(file, FIRST) && !io_weights_find(file, BOX)) {
        io_weights_close(file);
        return tn_fail(err, TN_EFORMAT,
                       "%s: not a Mask R-CNN or Faster R-CNN: there is no tensor '%s', nor '%s'",
                       path, FIRST, BOX);
    }
    md_mask_rcnn *model = tn_alloc_zero(1, sizeof *model);
    tn_status status = model ? load_from(file, options, kn, model, err)
                             : tn_fail(err, TN_ENOMEM, "%s: out of memory", path);
    io_weights_close(file);
    if (status) {
        md_mask_rcnn_close(model);
        return status;
    }
    *out = model;
    return TN_OK;
}

void md_mask_rcnn_close(md_mask_rcnn *model) {
    if (model) tn_arena_deinit(&model->weights);
    tn_free(model);
}

const md_mask_rcnn_config *md_mask_rcnn_settings(const md_mask_rcnn *model) {
    return &model->config;
}
