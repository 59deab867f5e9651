// SPDX-License-Identifier: Apache-2.0
// Stages 3 to 7: RPN, regions, box head, classifier, mask head.
#include "models/detector/box_codec.h"
#include "models/fvlm/fvlm_parts.h"
#include "nn/real.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

// ---- loading -----------------------------------------------------------------------------------

static tn_status convs_load(const nn_loader *load, const char *prefix, int64_t count, int64_t width,
                            nn_conv *conv) {
    char name[NN_NAME];
    for (int64_t i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%s.%lld", prefix, (long long)i);
        TN_TRY(nn_conv_norm_load(load, name, MD_NORM_EPS, (int64_t[]){width, width, 3, 3},
                                 kn_conv_same(1, 1), KN_RELU, &conv[i]));
    }
    return TN_OK;
}

// The same loader with a different initialisation of new weights.
static nn_loader beginning(const nn_loader *load, nn_init_kind kind, double value) {
    nn_loader made = *load;
    made.init = (nn_init){kind, value};
    return made;
}

tn_status md_fvlm_rpn_load(const nn_loader *load, const md_fvlm_config *config, md_rpn *out) {
    char name[NN_NAME];
    int64_t width = config->pyramid_channels, places = config->anchor_ratios;
    kn_conv one = kn_conv_same(1, 0);
    nn_loader made = beginning(load, NN_INIT_NORMAL, 0.01);
    *out = (md_rpn){.convs = (int)config->rpn_convs};
    for (int i = 0; i < out->convs; i++) {
        snprintf(name, sizeof name, "rpn.head.conv.%d.0", i);
        TN_TRY(nn_conv_bias_load(&made, name, (int64_t[]){width, width, 3, 3}, kn_conv_same(1, 1),
                                 KN_RELU, &out->conv[i]));
    }
    TN_TRY(nn_conv_bias_load(&made, "rpn.head.cls_logits", (int64_t[]){places, width, 1, 1}, one,
                             KN_LINEAR, &out->objectness));
    return nn_conv_bias_load(&made, "rpn.head.bbox_pred", (int64_t[]){4 * places, width, 1, 1}, one,
                             KN_LINEAR, &out->deltas);
}

// The predictors on the last linear layer.
static tn_status predictors_load(const nn_loader *load, const md_fvlm_config *c, int64_t embed_dim,
                                 md_fvlm_heads *out) {
    nn_loader made = beginning(load, NN_INIT_NORMAL, 0.001);
    TN_TRY(
        nn_linear_load(&made, "box_predictor.bbox_pred", 4, c->box_width, KN_LINEAR, &out->deltas));
    made.init.value = 0.01;
    TN_TRY(nn_linear_load_named(&made, "box_predictor.embedding.weight", NULL, embed_dim,
                                c->box_width, KN_LINEAR, &out->embedding));
    return nn_classifier_load(&made, "classifier", embed_dim,
                              c->background_kind == MD_BACKGROUND_LEARNED, c->score1_learned,
                              c->score1_scale, &out->classifier);
}

static tn_status box_load(const nn_loader *load, const md_fvlm_config *c, int64_t embed_dim,
                          md_fvlm_heads *out) {
    char name[NN_NAME];
    nn_loader made = beginning(load, NN_INIT_KAIMING_NORMAL_OUT, 0);
    nn_loader linear = beginning(load, NN_INIT_KAIMING_UNIFORM, 1);
    TN_TRY(convs_load(&made, "box_head.conv", c->box_convs, c->pyramid_channels, out->conv));
    TN_TRY(nn_linear_load_regions(&linear, "box_head.fc.0", c->box_width, c->pyramid_channels,
                                  c->box_size, KN_RELU, &out->fc[0]));
    for (int64_t i = 1; i < c->box_fcs; i++) {
        snprintf(name, sizeof name, "box_head.fc.%lld", (long long)i);
        TN_TRY(nn_linear_load(&linear, name, c->box_width, c->box_width, KN_RELU, &out->fc[i]));
    }
    return predictors_load(load, c, embed_dim, out);
}

tn_status md_fvlm_heads_load(const nn_loader *load, const md_fvlm_config *c, int64_t embed_dim,
                             md_fvlm_heads *out) {
    int64_t width = c->pyramid_channels;
    nn_loader made = beginning(load, NN_INIT_KAIMING_NORMAL_OUT, 0);
    nn_loader last = beginning(load, NN_INIT_NORMAL, 0.001);
    *out = (md_fvlm_heads){0};
    TN_TRY(box_load(load, c, embed_dim, out));
    TN_TRY(convs_load(&made, "mask_head", c->mask_convs, width, out->mask));
    TN_TRY(nn_deconv_load(&made, "mask_predictor.conv5_mask", width, width, KN_RELU, &out->up));
    return nn_conv_bias_load(&last, "mask_predictor.mask_fcn_logits", (int64_t[]){1, width, 1, 1},
                             kn_conv_same(1, 0), KN_LINEAR, &out->logits);
}

// ---- running -----------------------------------------------------------------------------------

tn_status md_fvlm_rpn(nn_ctx *cx, const md_fvlm *model, const tn_tensor *level, tn_tensor *logits,
                      tn_tensor *deltas) {
    for (int i = 0; i < MD_FVLM_LEVELS; i++)
        TN_TRY(md_rpn_fwd(cx, &model->rpn, &level[i], &logits[i], &deltas[i]));
    return TN_OK;
}

static tn_status in_single(nn_ctx *cx, const tn_tensor *x, tn_tensor *y) {
    *y = *x;
    if (x->dtype == TN_F32) return TN_OK;
    TN_TRY(tn_new(cx->step, y, TN_F32, x->rank, x->dim, cx->err));
    tn_convert(x->data, x->dtype, y->data, TN_F32, (size_t)tn_count(x));
    return TN_OK;
}

tn_status md_fvlm_propose(nn_ctx *cx, const md_fvlm *model, const tn_tensor *logits,
                          const tn_tensor *deltas, int64_t n, const md_rpn_limits *limits,
                          const md_frame *frame, tn_tensor *boxes, tn_tensor *scores) {
    tn_tensor of_one[MD_FVLM_LEVELS], moves[MD_FVLM_LEVELS];
    for (int i = 0; i < MD_FVLM_LEVELS; i++) {
        tn_tensor object = tn_slice(&logits[i], n, 1), move = tn_slice(&deltas[i], n, 1);
        TN_TRY(in_single(cx, &object, &of_one[i]));
        TN_TRY(in_single(cx, &move, &moves[i]));
    }
    return md_rpn_filter(cx, &model->anchors, limits, frame, of_one, moves, boxes, scores);
}

// Boxes scaled by `times` around their centres.
static tn_status widened(nn_ctx *cx, double times, const tn_tensor *boxes, tn_tensor *y) {
    float more = (float)((times - 1) / 2);
    TN_TRY(tn_new(cx->step, y, TN_F32, TN_DIMS(boxes->dim[0], 4), cx->err));
    for (int64_t i = 0; i < boxes->dim[0]; i++) {
        const float *from = tn_f32(boxes) + 4 * i;
        float *to = tn_f32(y) + 4 * i;
        for (int k = 0; k < 2; k++) {
            float margin = more * (from[k + 2] - from[k]);
            to[k] = from[k] - margin, to[k + 2] = from[k + 2] + margin;
        }
    }
    return TN_OK;
}

tn_status md_fvlm_box_regions(nn_ctx *cx, const md_fvlm *model, const tn_tensor *level,
                              const tn_tensor *boxes, const tn_tensor *image, tn_tensor *y) {
    const md_fvlm_config *c = &model->config;
    tn_tensor wide = *boxes;
    if (c->box_context > 1) TN_TRY(widened(cx, c->box_context, boxes, &wide));
    return nn_roi_pool_fwd(cx, &model->pool, level, &wide, image, c->box_size, y);
}

tn_status md_fvlm_mask_regions(nn_ctx *cx, const md_fvlm *model, const tn_tensor *level,
                               const tn_tensor *boxes, const tn_tensor *image, tn_tensor *y) {
    return nn_roi_pool_fwd(cx, &model->pool, level, boxes, image, model->config.mask_size, y);
}

tn_status md_fvlm_box_fwd(nn_ctx *cx, const md_fvlm *model, const tn_tensor *regions,
                          tn_tensor *deltas, tn_tensor *embedding) {
    const md_fvlm_config *c = &model->config;
    const md_fvlm_heads *head = &model->head;
    tn_tensor map[MD_FVLM_CONVS], row[MD_FVLM_FCS];
    const tn_tensor *at = regions;
    for (int64_t i = 0; i < c->box_convs; at = &map[i++])
        TN_TRY(nn_conv_fwd(cx, &head->conv[i], at, NULL, &map[i]));
    tn_tensor flat = tn_reshape(at, TN_DIMS(at->dim[0], at->dim[1] * at->dim[2] * at->dim[3]));
    at = &flat;
    for (int64_t i = 0; i < c->box_fcs; at = &row[i++])
        TN_TRY(nn_linear_fwd(cx, &head->fc[i], at, NULL, &row[i]));
    TN_TRY(nn_linear_fwd(cx, &head->deltas, at, NULL, deltas));
    return nn_linear_fwd(cx, &head->embedding, at, NULL, embedding);
}

tn_status md_fvlm_refine_boxes(nn_ctx *cx, const md_fvlm *model, const tn_tensor *level,
                               const tn_tensor *boxes, const tn_tensor *image,
                               const md_frame *frame, tn_tensor *y, tn_tensor *unit) {
    size_t mark = tn_arena_mark(cx->step);
    nn_ctx frozen = *cx;
    tn_tensor pooled, deltas, embedding, moves, row;
    frozen.tape = NULL;
    TN_TRY(md_fvlm_box_regions(&frozen, model, level, boxes, image, &pooled));
    TN_TRY(md_fvlm_box_fwd(&frozen, model, &pooled, &deltas, &embedding));
    TN_TRY(in_single(cx, &deltas, &moves));
    kn_box_decode_fwd(cx->kn, md_roi_weights, MD_BOX_CLIP, boxes, &moves, y);
    kn_box_clip(cx->kn, (double)frame->net_height, (double)frame->net_width, y);
    if (unit) {
        TN_TRY(in_single(cx, &embedding, &row));
        kn_l2_normalize_fwd(cx->kn, 1e-12, &row, unit);
    }
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}

tn_status md_fvlm_classify(nn_ctx *cx, const md_fvlm *model, const tn_tensor *text,
                           const tn_tensor *embedding, tn_tensor *logits) {
    return nn_classifier_fwd(cx, &model->head.classifier, text, embedding, logits);
}

double md_fvlm_scale1(const md_fvlm *model) {
    return model->head.classifier.log_scale.data ? 1 : model->config.score1_scale;
}

double md_fvlm_cosine_scale(const md_fvlm *model) {
    const tn_tensor *scale = &model->head.classifier.log_scale;
    return scale->data ? exp(nn_real(scale, 0)) : model->config.score1_scale;
}

tn_status md_fvlm_mask_fwd(nn_ctx *cx, const md_fvlm *model, const tn_tensor *regions,
                           tn_tensor *logits) {
    const md_fvlm_heads *head = &model->head;
    tn_tensor map[MD_FVLM_CONVS], up;
    const tn_tensor *at = regions;
    for (int64_t i = 0; i < model->config.mask_convs; at = &map[i++])
        TN_TRY(nn_conv_fwd(cx, &head->mask[i], at, NULL, &map[i]));
    TN_TRY(nn_deconv_fwd(cx, &head->up, at, &up));
    return nn_conv_fwd(cx, &head->logits, &up, NULL, logits);
}
