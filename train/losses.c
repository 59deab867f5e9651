// SPDX-License-Identifier: Apache-2.0
#include "train/losses.h"

#include "kernels/kernels.h"
#include "nn/real.h"

#include <string.h>

#define COSINE_EPS 1e-12

const char *const tr_loss_name[TR_LOSSES] = {"objectness", "proposals", "classes", "boxes",
                                             "masks"};

tr_loss_options tr_loss_default(void) {
    return (tr_loss_options){.anchors = 256,
                             .regions = 512,
                             .proposal_delta = 1.0 / 9,
                             .box_delta = 1.0 / 9,
                             .background = 0.9,
                             .weight = {1, 1, 1, 1, 1}};
}

// A view of t with x's shape.
static tn_tensor shaped(const tn_tensor *t, const tn_tensor *x) {
    return tn_reshape(t, x->rank, x->dim);
}

tn_status tr_loss_rpn(nn_ctx *cx, const tr_loss_options *options, const md_rpn_targets *targets,
                      int levels, const tn_tensor *logits, const tn_tensor *deltas, double share,
                      double loss[TR_LOSSES]) {
    double each = share / (double)options->anchors;
    double object = each * options->weight[TR_LOSS_OBJECTNESS];
    double delta = each * options->weight[TR_LOSS_PROPOSALS];
    int64_t first = 0;
    for (int l = 0; l < levels; l++) {
        int64_t count = tn_count(&logits[l]);
        tn_tensor grad, target = tn_slice(&targets->objectness, first, count);
        tn_tensor weight = tn_slice(&targets->weight, first, count);
        target = shaped(&target, &logits[l]), weight = shaped(&weight, &logits[l]);
        TN_TRY(nn_tape_loss_grad(cx, &logits[l], &grad));
        loss[TR_LOSS_OBJECTNESS] +=
            object * kn_bce_logits(cx->kn, &logits[l], &target, &weight, object, &grad);
        target = tn_slice(&targets->deltas, first, count);
        weight = tn_slice(&targets->delta_weight, first, count);
        target = shaped(&target, &deltas[l]), weight = shaped(&weight, &deltas[l]);
        TN_TRY(nn_tape_loss_grad(cx, &deltas[l], &grad));
        loss[TR_LOSS_PROPOSALS] += delta * kn_smooth_l1(cx->kn, options->proposal_delta, &deltas[l],
                                                        &target, &weight, delta, &grad);
        first += count;
    }
    return TN_OK;
}

tn_status tr_loss_boxes(nn_ctx *cx, const tr_loss_options *options, const md_roi_targets *targets,
                        const tn_tensor *deltas, double share, double loss[TR_LOSSES]) {
    tn_tensor grad;
    double factor = share / (double)options->regions * options->weight[TR_LOSS_BOXES];
    TN_TRY(nn_tape_loss_grad(cx, deltas, &grad));
    loss[TR_LOSS_BOXES] +=
        factor * kn_smooth_l1(cx->kn, options->box_delta, deltas, &targets->deltas,
                              &targets->box_weight, factor, &grad);
    return TN_OK;
}

tn_status tr_loss_classes(nn_ctx *cx, const tr_loss_options *options, const md_roi_targets *targets,
                          int64_t names, const tn_tensor *cosines, double scale, double share,
                          double loss[TR_LOSSES]) {
    tn_tensor weight, target, grad;
    int64_t rows = cosines->dim[0], columns = cosines->dim[1];
    TN_TRY(tn_new(cx->step, &weight, cosines->dtype, TN_DIMS(columns), cx->err));
    TN_TRY(tn_new(cx->step, &target, TN_I32, TN_DIMS(rows), cx->err));
    for (int64_t t = 0; t < columns; t++)
        nn_real_set(&weight, t, t < names ? 1 : options->background);
    for (int64_t r = 0; r < rows; r++) {
        int32_t label = tn_i32(&targets->label)[r];
        tn_i32(&target)[r] = label < columns ? label : -1;
    }
    TN_TRY(nn_tape_loss_grad(cx, cosines, &grad));
    double factor = share / (double)options->regions * options->weight[TR_LOSS_CLASSES];
    loss[TR_LOSS_CLASSES] +=
        factor * kn_cross_entropy(cx->kn, scale, cosines, &target, &weight, factor, &grad);
    return TN_OK;
}

tn_status tr_loss_cosine(nn_ctx *cx, const tr_loss_options *options, const md_roi_targets *targets,
                         int64_t names, const tn_tensor *embed, const tn_tensor *text, double share,
                         double loss[TR_LOSSES]) {
    tn_tensor target, weight, grad;
    int64_t rows = embed->dim[0];
    size_t bytes = (size_t)embed->dim[1] * tn_dtype_size(embed->dtype);
    TN_CHECK(text->dtype == embed->dtype && tn_last(text) == tn_last(embed),
             "text does not match embed");
    TN_TRY(tn_new(cx->step, &target, embed->dtype, embed->rank, embed->dim, cx->err));
    TN_TRY(tn_new(cx->step, &weight, embed->dtype, TN_DIMS(rows), cx->err));
    for (int64_t r = 0; r < rows; r++) {
        int32_t label = tn_i32(&targets->label)[r];
        bool named = label >= 0 && label < names;
        nn_real_set(&weight, r, named);
        memcpy((char *)target.data + (size_t)r * bytes,
               (char *)text->data + (size_t)(named ? label : 0) * bytes, bytes);
    }
    TN_TRY(nn_tape_loss_grad(cx, embed, &grad));
    double factor = share / (double)options->regions * options->weight[TR_LOSS_CLASSES];
    loss[TR_LOSS_CLASSES] +=
        factor * kn_cosine_loss(cx->kn, COSINE_EPS, embed, &target, &weight, factor, &grad);
    return TN_OK;
}

tn_status tr_loss_masks(nn_ctx *cx, const tr_loss_options *options, const tn_tensor *target,
                        const tn_tensor *logits, double share, double loss[TR_LOSSES]) {
    tn_tensor grad, same = shaped(target, logits);
    TN_TRY(nn_tape_loss_grad(cx, logits, &grad));
    double factor = share / (double)tn_count(logits) * options->weight[TR_LOSS_MASKS];
    loss[TR_LOSS_MASKS] += factor * kn_bce_logits(cx->kn, logits, &same, NULL, factor, &grad);
    return TN_OK;
}
