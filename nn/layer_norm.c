// SPDX-License-Identifier: Apache-2.0
#include "nn/layer_norm.h"

tn_status nn_layer_norm_load(const nn_loader *load, const char *prefix, int64_t channels,
                             double eps, nn_layer_norm *norm) {
    char name[NN_NAME];
    *norm = (nn_layer_norm){.eps = eps};
    TN_TRY(nn_load(load, nn_join(name, prefix, ".weight"), TN_DIMS(channels), &norm->gamma));
    return nn_load(load, nn_join(name, prefix, ".bias"), TN_DIMS(channels), &norm->beta);
}

void nn_layer_norm_into(nn_ctx *cx, const nn_layer_norm *norm, const tn_tensor *x, tn_tensor *y) {
    kn_layer_norm_fwd(cx->kn, norm->eps, x, &norm->gamma, &norm->beta, y);
}

tn_status nn_layer_norm_fwd(nn_ctx *cx, const nn_layer_norm *norm, const tn_tensor *x,
                            tn_tensor *y) {
    TN_TRY(tn_new(cx->step, y, x->dtype, x->rank, x->dim, cx->err));
    nn_layer_norm_into(cx, norm, x, y);
    return TN_OK;
}
