// SPDX-License-Identifier: Apache-2.0
#include "nn/deconv.h"

#include "kernels/kernels.h"
#include "nn/epilogue.h"
#include "nn/pack.h"

// ---- loading ----------------------------------------------------------------------------------

static tn_status train(const nn_loader *load, const char *weight, const char *bias,
                       const int64_t *dim, nn_deconv *deconv) {
    nn_trained parts = {.form = NN_DECONV, .parts = 1};
    TN_TRY(nn_param_load(load, weight, 4, dim, true, load->init, &parts.weight[0]));
    TN_TRY(nn_param_load(load, bias, TN_DIMS(parts.weight[0]->value.dim[1]), false, (nn_init){0},
                         &parts.bias[0]));
    TN_TRY(nn_trained_new(load, &parts, &deconv->trained));
    deconv->w = deconv->trained->plain;
    deconv->bias = nn_trained_bias(deconv->trained);
    return TN_OK;
}

static tn_status pack(const nn_loader *load, const char *weight, const int64_t *dim,
                      nn_deconv *deconv) {
    const io_tensor *found;
    tn_tensor w;
    tn_arena room;
    size_t count, bytes;
    TN_TRY(nn_find(load, weight, &found));
    if (!tn_count_checked(found->rank, found->dim, &count) || count == 0 ||
        !tn_mul_size(count, tn_dtype_size(load->dtype), &bytes))
        return tn_fail(load->err, TN_EFORMAT, "%s: tensor '%s' is empty or too large",
                       io_weights_path(load->file), found->name);
    TN_TRY(tn_arena_init(&room, bytes + TN_ALIGN, load->err));
    tn_status status = nn_load_into(load, &room, weight, 4, dim, &w);
    if (status == TN_OK)
        status =
            kn_weight_pack_transpose2x2(load->kn, load->arena, &w, NULL, &deconv->w, load->err);
    if (status == TN_OK && load->adjoint)
        status = kn_weight_pack(load->kn, load->arena, &w, NULL, &deconv->adjoint, load->err);
    tn_arena_deinit(&room);
    return status;
}

tn_status nn_deconv_load(const nn_loader *load, const char *prefix, int64_t channels, int64_t out,
                         kn_act act, nn_deconv *deconv) {
    char weight[NN_NAME], bias[NN_NAME];
    const int64_t dim[4] = {channels, out, 2, 2};
    *deconv = (nn_deconv){.act = act};
    nn_join(weight, prefix, ".weight");
    nn_join(bias, prefix, ".bias");
    if (load->params) return train(load, weight, bias, dim, deconv);
    TN_TRY(pack(load, weight, dim, deconv));
    return nn_load(load, bias, TN_DIMS(deconv->w.out), &deconv->bias);
}

// ---- running ----------------------------------------------------------------------------------

typedef struct saved {
    const nn_deconv *deconv;
    tn_tensor x, pre, y;
} saved;

// The adjoint of a transposed convolution is a convolution of dy with the same weight, stride 2.
static tn_status backward(nn_ctx *cx, const void *of) {
    const saved *s = of;
    nn_trained *trained = s->deconv->trained;
    const kn_conv cfg = kn_conv_same(2, 0);
    tn_tensor dy, dx;
    double beta;
    TN_TRY(nn_epilogue_grad(cx, s->deconv->act, &s->pre, &s->y, NULL, &dy));
    if (!dy.data) return TN_OK;
    if (trained) {
        nn_trained_bias_bwd(cx->kn, trained, &dy);
        kn_conv2d_bwd_w(cx->kn, &cfg, &dy, &s->x, 1, &trained->weight[0]->grad);
    }
    if (!nn_tape_wants(cx, &s->x)) return TN_OK;
    TN_TRY(nn_tape_input_grad(cx, &s->x, &beta, &dx));
    nn_scope scope = nn_scope_enter(cx);
    kn_weight adjoint = s->deconv->adjoint;
    if (trained) TN_TRY(nn_trained_adjoint(cx, trained, &adjoint));
    nn_check_adjoint(&s->deconv->w, &adjoint);
    kn_epilogue add = {.residual = beta != 0 ? &dx : NULL};
    kn_conv2d_fwd(cx->kn, &cfg, &dy, &adjoint, &add, &dx);
    nn_scope_leave(cx, scope);
    return TN_OK;
}

static void run(nn_ctx *cx, const nn_deconv *deconv, const tn_tensor *x, kn_act act, tn_tensor *y) {
    kn_epilogue ep = {.bias = &deconv->bias, .act = act};
    kn_conv_transpose2x2_fwd(cx->kn, x, &deconv->w, &ep, y);
}

tn_status nn_deconv_fwd(nn_ctx *cx, const nn_deconv *deconv, const tn_tensor *x, tn_tensor *y) {
    TN_CHECK(x->rank == 4, "x has rank %d", x->rank);
    TN_TRY(tn_new(cx->step, y, x->dtype,
                  TN_DIMS(x->dim[0], 2 * x->dim[1], 2 * x->dim[2], deconv->w.out), cx->err));
    if (!cx->tape || !(deconv->trained || nn_tape_wants(cx, x))) {
        run(cx, deconv, x, deconv->act, y);
        return TN_OK;
    }
    saved s = {.deconv = deconv, .x = *x, .y = *y};
    bool separate = nn_epilogue_input(cx, deconv->act, y, &s.pre);
    run(cx, deconv, x, separate ? KN_LINEAR : deconv->act, &s.pre);
    if (separate) kn_act_fwd(cx->kn, deconv->act, &s.pre, y);
    nn_tape_push(cx, backward, &s, sizeof s, y);
    return TN_OK;
}
