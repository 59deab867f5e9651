// SPDX-License-Identifier: Apache-2.0
#include "models/detector/mask_head.h"

#include <stdio.h>

tn_status md_mask_head_load(const nn_loader *head_load, const char *prefix,
                            const nn_loader *predictor_load, const char *predictor,
                            int64_t channels, int64_t classes, double bn_eps, md_mask_head *out) {
    char name[NN_NAME], weight[NN_NAME];
    *out = (md_mask_head){0};
    for (; out->convs < MD_MASK_CONVS; out->convs++) {
        snprintf(name, sizeof name, "%s.%d", prefix, out->convs);
        // The first is always requested, so that a file without any is refused by name.
        if (out->convs && !nn_has(head_load, nn_join(weight, name, ".0.weight"))) break;
        const int64_t dim[4] = {-1, channels, 3, 3};
        TN_TRY(nn_conv_norm_load(head_load, name, bn_eps, dim, kn_conv_same(1, 1), KN_RELU,
                                 &out->conv[out->convs]));
        channels = out->conv[out->convs].w.out;
    }
    TN_TRY(nn_deconv_load(predictor_load, nn_join(name, predictor, ".conv5_mask"), channels, -1,
                          KN_RELU, &out->up));
    const int64_t dim[4] = {classes, out->up.w.out, 1, 1};
    return nn_conv_bias_load(predictor_load, nn_join(name, predictor, ".mask_fcn_logits"), dim,
                             kn_conv_same(1, 0), KN_LINEAR, &out->logits);
}

tn_status md_mask_head_logits(nn_ctx *cx, const md_mask_head *head, const tn_tensor *x,
                              tn_tensor *y) {
    int64_t regions = x->dim[0], h = 2 * x->dim[1], w = 2 * x->dim[2];
    TN_TRY(tn_new(cx->step, y, x->dtype, TN_DIMS(regions, h, w, head->logits.w.out), cx->err));
    nn_scope scope = nn_scope_enter(cx);
    tn_tensor map[MD_MASK_CONVS], up;
    const tn_tensor *at = x;
    for (int i = 0; i < head->convs; at = &map[i++])
        TN_TRY(nn_conv_fwd(cx, &head->conv[i], at, NULL, &map[i]));
    TN_TRY(nn_deconv_fwd(cx, &head->up, at, &up));
    TN_TRY(nn_conv_into(cx, &head->logits, &up, NULL, y));
    nn_scope_leave(cx, scope);
    return TN_OK;
}

tn_status md_mask_head_fwd(nn_ctx *cx, const md_mask_head *head, const tn_tensor *x,
                           const tn_tensor *labels, tn_tensor *y) {
    size_t mark = tn_arena_mark(cx->step);
    tn_tensor logits;
    TN_TRY(md_mask_head_logits(cx, head, x, &logits));
    int64_t pixels = logits.dim[1] * logits.dim[2], classes = head->logits.w.out;
    for (int64_t r = 0; r < logits.dim[0]; r++) {
        int32_t label = tn_i32(labels)[r];
        TN_CHECK(label >= 0 && label < classes, "label %d of %lld", label, (long long)classes);
        for (int64_t i = 0; i < pixels; i++)
            tn_f32(y)[r * pixels + i] = tn_f32(&logits)[(r * pixels + i) * classes + label];
    }
    kn_act_fwd(cx->kn, KN_SIGMOID, y, y);
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}
