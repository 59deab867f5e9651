// SPDX-License-Identifier: Apache-2.0
#include "nn/mlp.h"

tn_status nn_mlp_load(const nn_loader *load, const char *up, const char *down, int64_t channels,
                      kn_act act, nn_mlp *mlp) {
    TN_TRY(nn_linear_load(load, up, -1, channels, act, &mlp->up));
    return nn_linear_load(load, down, channels, mlp->up.w.out, KN_LINEAR, &mlp->down);
}

tn_status nn_mlp_into(nn_ctx *cx, const nn_mlp *mlp, const tn_tensor *x, const tn_tensor *residual,
                      tn_tensor *y) {
    size_t mark = tn_arena_mark(cx->step);
    tn_tensor hidden;
    TN_TRY(nn_linear_fwd(cx, &mlp->up, x, NULL, &hidden));
    nn_linear_into(cx, &mlp->down, &hidden, residual, y);
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}
