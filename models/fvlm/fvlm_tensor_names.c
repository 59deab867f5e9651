// SPDX-License-Identifier: Apache-2.0
// The tensor names of a configuration's adapters: a file with other names belongs to another model.
#include "models/fvlm/fvlm_parts.h"

#include <stdio.h>
#include <string.h>

typedef struct check {
    const md_fvlm_config *config;
    const io_weights *file;
    const char *wanted; // name to look for; NULL: none
    bool found;
    size_t missing;
    char first[NN_NAME]; // missing
} check;

static void one(check *c, const char *prefix, const char *suffix) {
    char name[NN_NAME];
    nn_join(name, prefix, suffix);
    if (c->wanted) {
        c->found = c->found || !strcmp(name, c->wanted);
    } else if (!io_weights_find(c->file, name) && !c->missing++) {
        memcpy(c->first, name, sizeof name);
    }
}

static void pair(check *c, const char *prefix) {
    one(c, prefix, ".weight");
    one(c, prefix, ".bias");
}

static void norm(check *c, const char *prefix) {
    if (c->config->pyramid_norm == MD_NORM_NONE) return;
    pair(c, prefix);
    if (c->config->pyramid_norm != MD_NORM_BATCH) return;
    one(c, prefix, ".running_mean");
    one(c, prefix, ".running_var");
}

// "prefix.0" … convolutions with their norms.
static void units(check *c, const char *prefix, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        char name[NN_NAME], part[NN_NAME];
        snprintf(name, sizeof name, "%s.%lld", prefix, (long long)i);
        one(c, name, ".0.weight");
        if (c->config->pyramid_norm == MD_NORM_NONE) one(c, name, ".0.bias");
        norm(c, nn_join(part, name, ".1"));
    }
}

static void neck(check *c) {
    md_pyramid kind = c->config->pyramid_kind;
    if (kind == MD_PYRAMID_VIT4 || kind == MD_PYRAMID_SIMPLE) {
        pair(c, "pyramid.fpn1.0");
        norm(c, "pyramid.fpn1.1");
        pair(c, "pyramid.fpn1.3");
        pair(c, "pyramid.fpn2.0");
    }
    if (kind == MD_PYRAMID_STEM) {
        pair(c, "pyramid.fpn2.0");
        units(c, "pyramid.stem", md_fvlm_stem_convs(c->config));
        for (int i = 0; i < MD_FVLM_MAPS; i++) {
            char name[NN_NAME];
            snprintf(name, sizeof name, "pyramid.side.%d", i);
            pair(c, name);
        }
        for (int i = 0; i < MD_FVLM_DEEP * (int)c->config->pyramid_blocks; i++) {
            char name[64];
            snprintf(name, sizeof name, "pyramid.block.%d", i);
            units(c, name, 2);
        }
    }
    if (kind == MD_PYRAMID_SINGLE) units(c, "pyramid.adapter", MD_FVLM_MAPS);
    bool simple = kind == MD_PYRAMID_SIMPLE;
    units(c, simple ? "pyramid.lateral" : "fpn.inner_blocks", MD_FVLM_MAPS);
    units(c, simple ? "pyramid.output" : "fpn.layer_blocks", MD_FVLM_MAPS);
}

static void all(check *c) {
    char name[NN_NAME];
    neck(c);
    for (int64_t i = 0; i < c->config->rpn_convs; i++) {
        snprintf(name, sizeof name, "rpn.head.conv.%lld.0", (long long)i);
        pair(c, name);
    }
    pair(c, "rpn.head.cls_logits");
    pair(c, "rpn.head.bbox_pred");
    units(c, "box_head.conv", c->config->box_convs);
    for (int64_t i = 0; i < c->config->box_fcs; i++) {
        snprintf(name, sizeof name, "box_head.fc.%lld", (long long)i);
        pair(c, name);
    }
    pair(c, "box_predictor.bbox_pred");
    one(c, "box_predictor.embedding", ".weight");
    if (c->config->background_kind == MD_BACKGROUND_LEARNED) one(c, "classifier", ".background");
    if (c->config->score1_learned) one(c, "classifier", ".logit_scale");
    units(c, "mask_head", c->config->mask_convs);
    pair(c, "mask_predictor.conv5_mask");
    pair(c, "mask_predictor.mask_fcn_logits");
}

// PyTorch's counter of batches seen by a norm.
static bool is_counter(const char *name) {
    static const char ending[] = ".num_batches_tracked";
    size_t length = strlen(name), tail = sizeof ending - 1;
    return length > tail && !strcmp(name + length - tail, ending);
}

tn_status md_fvlm_names_check(const io_weights *file, const md_fvlm_config *config, tn_error *err) {
    static const char *const norms[] = {"none", "batch", "group"};
    check c = {.config = config, .file = file};
    all(&c);
    if (c.missing)
        return tn_fail(err, TN_EFORMAT,
                       "%s: missing tensor '%s' of this configuration "
                       "(pyramid.kind %s, pyramid.norm %s); %zu are missing",
                       io_weights_path(file), c.first, md_fvlm_pyramid_name(config->pyramid_kind),
                       norms[config->pyramid_norm], c.missing);
    for (size_t i = 0; i < io_weights_count(file); i++) {
        const char *name = io_weights_at(file, i)->name;
        check search = {.config = config, .wanted = name};
        if (is_counter(name)) continue;
        all(&search);
        if (!search.found)
            return tn_fail(err, TN_EFORMAT,
                           "%s: tensor '%s' does not belong to this configuration "
                           "(pyramid.kind %s, pyramid.norm %s)",
                           io_weights_path(file), name, md_fvlm_pyramid_name(config->pyramid_kind),
                           norms[config->pyramid_norm]);
    }
    return TN_OK;
}
