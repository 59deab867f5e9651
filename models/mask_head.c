// SPDX-License-Identifier: Apache-2.0
#include "models/mask_head.h"

#include <stdio.h>

tn_status md_mask_head_load(const nn_loader *head_load, const char *prefix,
                            const nn_loader *predictor_load, const char *predictor,
                            int64_t channels, int64_t classes, double bn_eps, md_mask_head *out) {
    char name[NN_NAME], weight[NN_NAME];
    *out = (md_mask_head){0};
    for (; out->convs < MD_MASK_CONVS; out->convs++) {
        snprintf(name, sizeof name, "%s.%d", prefix, out->convs);
        // The first is asked for in any case, so that a file without any is refused by name.
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

tn_status md_mask_head_fwd(nn_ctx *cx, const md_mask_head *head, const tn_tensor *x,
                           const tn_tensor *labels, tn_tensor *y) {
    size_t mark = tn_arena_mark(cx->step);
    tn_tensor map[MD_MASK_CONVS], up, logits;
    const tn_tensor *at = x;
    for (int i = 0; i < head->convs; i++) {
        TN_TRY(nn_conv_fwd(cx, &head->conv[i], at, NULL, &map[i]));
        at = &map[i];
    }
    int64_t regions = at->dim[0], h = 2 * at->dim[1], w = 2 * at->dim[2];
    TN_TRY(nn_deconv_fwd(cx, &head->up, at, &up));
    TN_TRY(nn_conv_fwd(cx, &head->logits, &up, NULL, &logits));
    int64_t classes = head->logits.w.out;
    for (int64_t r = 0; r < regions; r++) {
        int32_t label = tn_i32(labels)[r];
        TN_CHECK(label >= 0 && label < classes, "label %d of %lld", label, (long long)classes);
        for (int64_t i = 0; i < h * w; i++)
            tn_f32(y)[r * h * w + i] = tn_f32(&logits)[(r * h * w + i) * classes + label];
    }
    kn_act_fwd(cx->kn, KN_SIGMOID, y, y);
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}
