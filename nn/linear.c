// SPDX-License-Identifier: Apache-2.0
#include "nn/linear.h"

#include "kernels/kernels.h"
#include "nn/epilogue.h"
#include "nn/pack.h"

#include <string.h>

// A recorded y = act(x W^T + bias + residual).
typedef struct saved {
    const nn_linear *linear;
    tn_tensor x, residual, pre, y; // residual.data is NULL if there is none
} saved;

static tn_status backward(nn_ctx *cx, const void *of) {
    const saved *s = of;
    const nn_linear *linear = s->linear;
    tn_tensor dy, dx;
    double beta;
    TN_TRY(nn_epilogue_grad(cx, linear->act, &s->pre, &s->y, &s->residual, &dy));
    if (!dy.data) return TN_OK;
    if (linear->trained) nn_trained_linear_bwd(cx->kn, linear->trained, &s->x, &dy);
    if (!nn_tape_wants(cx, &s->x)) return TN_OK;
    TN_TRY(nn_tape_input_grad(cx, &s->x, &beta, &dx));
    nn_scope scope = nn_scope_enter(cx);
    kn_weight adjoint = linear->adjoint;
    if (linear->trained) TN_TRY(nn_trained_adjoint(cx, linear->trained, &adjoint));
    nn_check_adjoint(&linear->w, &adjoint);
    kn_linear_bwd_x(cx->kn, &dy, &adjoint, beta, &dx);
    nn_scope_leave(cx, scope);
    return TN_OK;
}

static void run(nn_ctx *cx, const nn_linear *linear, const tn_tensor *x, const tn_tensor *residual,
                kn_act act, tn_tensor *y) {
    kn_epilogue ep = {
        .bias = linear->bias.data ? &linear->bias : NULL, .residual = residual, .act = act};
    kn_linear_fwd(cx->kn, x, &linear->w, &ep, y);
}

void nn_linear_into(nn_ctx *cx, const nn_linear *linear, const tn_tensor *x,
                    const tn_tensor *residual, tn_tensor *y) {
    bool record = cx->tape && (linear->trained || nn_tape_wants(cx, x) ||
                               (residual && nn_tape_wants(cx, residual)));
    if (!record) {
        run(cx, linear, x, residual, linear->act, y);
        return;
    }
    saved s = {.linear = linear, .x = *x, .y = *y};
    if (residual) s.residual = *residual;
    TN_CHECK(s.residual.data != y->data, "in place under a tape");
    bool separate = nn_epilogue_input(cx, linear->act, y, &s.pre);
    run(cx, linear, x, residual, separate ? KN_LINEAR : linear->act, &s.pre);
    if (separate) kn_act_fwd(cx->kn, linear->act, &s.pre, y);
    nn_tape_push(cx, backward, &s, sizeof s, y);
}

tn_status nn_linear_fwd(nn_ctx *cx, const nn_linear *linear, const tn_tensor *x,
                        const tn_tensor *residual, tn_tensor *y) {
    int64_t dim[TN_MAX_RANK];
    memcpy(dim, x->dim, sizeof dim);
    TN_CHECK(x->rank >= 1, "x has rank %d", x->rank);
    dim[x->rank - 1] = linear->w.out;
    TN_TRY(tn_new(cx->step, y, x->dtype, x->rank, dim, cx->err));
    nn_linear_into(cx, linear, x, residual, y);
    return TN_OK;
}
