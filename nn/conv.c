// SPDX-License-Identifier: Apache-2.0
#include "nn/conv.h"

#include "kernels/kernels.h"
#include "nn/epilogue.h"
#include "nn/ops.h"
#include "nn/pack.h"

// A recorded y = act(conv(x) + bias + residual).
typedef struct saved {
    const nn_conv *conv;
    kn_act act;
    tn_tensor x, residual, pre, y; // residual.data is NULL if there is none
} saved;

static tn_status backward(nn_ctx *cx, const void *of) {
    const saved *s = of;
    const nn_conv *conv = s->conv;
    nn_trained *trained = conv->trained;
    tn_tensor dy, dx;
    double beta;
    TN_TRY(nn_epilogue_grad(cx, s->act, &s->pre, &s->y, &s->residual, &dy));
    if (!dy.data) return TN_OK;
    if (trained) {
        nn_trained_bias_bwd(cx->kn, trained, &dy);
        kn_conv2d_bwd_w(cx->kn, &conv->cfg, &s->x, &dy, 1, &trained->weight[0]->grad);
    }
    if (!nn_tape_wants(cx, &s->x)) return TN_OK;
    TN_TRY(nn_tape_input_grad(cx, &s->x, &beta, &dx));
    nn_scope scope = nn_scope_enter(cx);
    kn_weight adjoint = conv->adjoint;
    if (trained) TN_TRY(nn_trained_adjoint(cx, trained, &adjoint));
    nn_check_adjoint(&conv->w, &adjoint);
    kn_conv2d_bwd_x(cx->kn, &conv->cfg, &dy, &adjoint, beta, &dx);
    nn_scope_leave(cx, scope);
    return TN_OK;
}

static void run(nn_ctx *cx, const nn_conv *conv, const tn_tensor *x, const tn_tensor *residual,
                kn_act act, tn_tensor *y) {
    kn_epilogue ep = {
        .bias = conv->bias.data ? &conv->bias : NULL, .residual = residual, .act = act};
    kn_conv2d_fwd(cx->kn, &conv->cfg, x, &conv->w, &ep, y);
}

static bool recorded(nn_ctx *cx, const nn_conv *conv, const tn_tensor *x,
                     const tn_tensor *residual) {
    return cx->tape &&
           (conv->trained || nn_tape_wants(cx, x) || (residual && nn_tape_wants(cx, residual)));
}

// Applies the convolution without the norm.
static void convolve(nn_ctx *cx, const nn_conv *conv, const tn_tensor *x, const tn_tensor *residual,
                     kn_act act, tn_tensor *y) {
    if (!recorded(cx, conv, x, residual)) {
        run(cx, conv, x, residual, act, y);
        return;
    }
    saved s = {.conv = conv, .act = act, .x = *x, .y = *y};
    if (residual) s.residual = *residual;
    TN_CHECK(s.residual.data != y->data, "in place under a tape");
    bool separate = nn_epilogue_input(cx, act, y, &s.pre);
    run(cx, conv, x, residual, separate ? KN_LINEAR : act, &s.pre);
    if (separate) kn_act_fwd(cx->kn, act, &s.pre, y);
    nn_tape_push(cx, backward, &s, sizeof s, y);
}

// act(norm(conv(x)) + residual). Intermediate results are kept only if a tape records.
static tn_status normed(nn_ctx *cx, const nn_conv *conv, const tn_tensor *x,
                        const tn_tensor *residual, tn_tensor *y) {
    nn_scope scope = nn_scope_enter(cx);
    tn_tensor between = *y, sum = *y;
    if (residual || recorded(cx, conv, x, residual))
        TN_TRY(tn_new(cx->step, &between, y->dtype, y->rank, y->dim, cx->err));
    convolve(cx, conv, x, NULL, KN_LINEAR, &between);
    if (!residual) {
        nn_norm_act_into(cx, &conv->norm, conv->act, &between, y);
    } else {
        TN_TRY(tn_new(cx->step, &sum, y->dtype, y->rank, y->dim, cx->err));
        nn_norm_act_into(cx, &conv->norm, KN_LINEAR, &between, &sum);
        nn_add_into(cx, conv->act, &sum, residual, y);
    }
    nn_scope_leave(cx, scope);
    return TN_OK;
}

tn_status nn_conv_into(nn_ctx *cx, const nn_conv *conv, const tn_tensor *x,
                       const tn_tensor *residual, tn_tensor *y) {
    if (conv->norm.kind != NN_NORM_NONE) return normed(cx, conv, x, residual, y);
    convolve(cx, conv, x, residual, conv->act, y);
    return TN_OK;
}

tn_status nn_conv_fwd(nn_ctx *cx, const nn_conv *conv, const tn_tensor *x,
                      const tn_tensor *residual, tn_tensor *y) {
    TN_CHECK(x->rank == 4, "x has rank %d", x->rank);
    const kn_conv *c = &conv->cfg;
    int64_t h =
        kn_conv_out(x->dim[1], conv->w.kh, c->stride_h, c->pad_top, c->pad_bottom, c->dilation_h);
    int64_t w =
        kn_conv_out(x->dim[2], conv->w.kw, c->stride_w, c->pad_left, c->pad_right, c->dilation_w);
    TN_TRY(tn_new(cx->step, y, x->dtype, TN_DIMS(x->dim[0], h, w, conv->w.out), cx->err));
    return nn_conv_into(cx, conv, x, residual, y);
}
