// SPDX-License-Identifier: Apache-2.0
#include "nn/epilogue.h"

#include "kernels/kernels.h"

bool nn_act_keeps_input(kn_act act) {
    return act == KN_GELU || act == KN_QUICK_GELU || act == KN_GELU_TANH;
}

bool nn_epilogue_input(nn_ctx *cx, kn_act act, tn_tensor *y, tn_tensor *pre) {
    *pre = *y;
    if (act == KN_RELU) nn_tape_relu(cx, y);
    if (!nn_act_keeps_input(act)) return false;
    if (tn_new(cx->step, pre, y->dtype, y->rank, y->dim, NULL) == TN_OK) return true;
    nn_tape_out_of_memory(cx);
    *pre = *y;
    return false;
}

tn_status nn_epilogue_grad(nn_ctx *cx, kn_act act, const tn_tensor *pre, const tn_tensor *y,
                           const tn_tensor *residual, tn_tensor *dy) {
    TN_TRY(nn_tape_output_grad(cx, y, dy));
    if (!dy->data) return TN_OK;
    if (act != KN_LINEAR) kn_act_bwd(cx->kn, act, pre, dy, 0, dy);
    return residual && residual->data ? nn_tape_add_gradient(cx, residual, dy) : TN_OK;
}
