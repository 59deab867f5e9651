// SPDX-License-Identifier: Apache-2.0
#include "nn/layer_norm.h"

#include "kernels/kernels.h"
#include "nn/tape.h"

tn_status nn_layer_norm_load(const nn_loader *load, const char *prefix, int64_t channels,
                             double eps, nn_layer_norm *norm) {
    char name[NN_NAME];
    *norm = (nn_layer_norm){.eps = eps};
    TN_TRY(nn_param_load_vector(load, nn_join(name, prefix, ".weight"), channels, 1,
                                &norm->gamma_param, &norm->gamma));
    return nn_param_load_vector(load, nn_join(name, prefix, ".bias"), channels, 0,
                                &norm->beta_param, &norm->beta);
}

typedef struct saved {
    const nn_layer_norm *norm;
    tn_tensor x, y;
} saved;

static tn_status backward(nn_ctx *cx, const void *of) {
    const saved *s = of;
    const nn_layer_norm *norm = s->norm;
    tn_tensor dy, dx;
    double beta;
    TN_TRY(nn_tape_both_grads(cx, &s->y, &s->x, &dy, &beta, &dx));
    if (!dy.data) return TN_OK;
    kn_layer_norm_bwd(cx->kn, norm->eps, &s->x, &norm->gamma, &dy, beta, dx.data ? &dx : NULL, 1,
                      norm->gamma_param ? &norm->gamma_param->grad : NULL,
                      norm->beta_param ? &norm->beta_param->grad : NULL);
    return TN_OK;
}

void nn_layer_norm_into(nn_ctx *cx, const nn_layer_norm *norm, const tn_tensor *x, tn_tensor *y) {
    kn_layer_norm_fwd(cx->kn, norm->eps, x, &norm->gamma, &norm->beta, y);
    if (!cx->tape || !(norm->gamma_param || nn_tape_wants(cx, x))) return;
    TN_CHECK(x->data != y->data, "in place under a tape");
    saved s = {norm, *x, *y};
    nn_tape_push(cx, backward, &s, sizeof s, y);
}

tn_status nn_layer_norm_fwd(nn_ctx *cx, const nn_layer_norm *norm, const tn_tensor *x,
                            tn_tensor *y) {
    TN_TRY(tn_new(cx->step, y, x->dtype, x->rank, x->dim, cx->err));
    nn_layer_norm_into(cx, norm, x, y);
    return TN_OK;
}
