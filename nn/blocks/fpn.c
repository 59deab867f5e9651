// SPDX-License-Identifier: Apache-2.0
#include "nn/blocks/fpn.h"

#include "nn/ops.h"

#include <stdio.h>

tn_status nn_fpn_load(const nn_loader *load, const char *prefix, int levels, const int64_t *in,
                      int64_t channels, double bn_eps, nn_fpn *out) {
    TN_CHECK(levels > 0 && levels <= NN_MAX_FPN_LEVELS, "%d levels", levels);
    char name[NN_NAME];
    *out = (nn_fpn){.levels = levels};
    for (int i = 0; i < levels; i++) {
        snprintf(name, sizeof name, "%s.inner_blocks.%d", prefix, i);
        const int64_t inner[4] = {channels, in[i], 1, 1};
        TN_TRY(nn_conv_norm_load(load, name, bn_eps, inner, kn_conv_same(1, 0), KN_LINEAR,
                                 &out->inner[i]));
        out->channels = channels = out->inner[i].w.out;
        snprintf(name, sizeof name, "%s.layer_blocks.%d", prefix, i);
        const int64_t layer[4] = {out->channels, out->channels, 3, 3};
        TN_TRY(nn_conv_norm_load(load, name, bn_eps, layer, kn_conv_same(1, 1), KN_LINEAR,
                                 &out->layer[i]));
    }
    return TN_OK;
}

tn_status nn_fpn_fwd(nn_ctx *cx, const nn_fpn *fpn, const tn_tensor *x, tn_tensor *y) {
    int last = fpn->levels - 1;
    for (int i = 0; i <= last; i++)
        TN_TRY(tn_new(cx->step, &y[i], x[i].dtype,
                      TN_DIMS(x[i].dim[0], x[i].dim[1], x[i].dim[2], fpn->channels), cx->err));
    TN_TRY(tn_new(
        cx->step, &y[last + 1], x[last].dtype,
        TN_DIMS(x[last].dim[0], (x[last].dim[1] + 1) / 2, (x[last].dim[2] + 1) / 2, fpn->channels),
        cx->err));
    nn_scope scope = nn_scope_enter(cx);
    tn_tensor sum[NN_MAX_FPN_LEVELS];
    for (int i = last; i >= 0; i--) {
        TN_TRY(nn_conv_fwd(cx, &fpn->inner[i], &x[i], NULL, &sum[i]));
        if (i < last) nn_upsample_add(cx, &sum[i + 1], &sum[i]);
        TN_TRY(nn_conv_into(cx, &fpn->layer[i], &sum[i], NULL, &y[i]));
    }
    nn_max_pool_into(cx, &(kn_pool2d){1, 1, 2, 2, 0, 0, 0, 0, false}, &y[last], &y[last + 1]);
    nn_scope_leave(cx, scope);
    return TN_OK;
}
