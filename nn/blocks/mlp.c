// SPDX-License-Identifier: Apache-2.0
#include "nn/blocks/mlp.h"

tn_status nn_mlp_load(const nn_loader *load, const char *up, const char *down, int64_t channels,
                      kn_act act, nn_mlp *mlp) {
    nn_loader biased = *load;
    biased.bias = true;
    TN_TRY(nn_linear_load(&biased, up, load->file ? -1 : 4 * channels, channels, act, &mlp->up));
    nn_residual_init(&biased);
    return nn_linear_load(&biased, down, channels, mlp->up.w.out, KN_LINEAR, &mlp->down);
}

tn_status nn_mlp_into(nn_ctx *cx, const nn_mlp *mlp, const tn_tensor *x, const tn_tensor *residual,
                      tn_tensor *y) {
    nn_scope scope = nn_scope_enter(cx);
    tn_tensor hidden;
    TN_TRY(nn_linear_fwd(cx, &mlp->up, x, NULL, &hidden));
    nn_linear_into(cx, &mlp->down, &hidden, residual, y);
    nn_scope_leave(cx, scope);
    return TN_OK;
}
