// SPDX-License-Identifier: Apache-2.0
#include "nn/conv.h"

#include "nn/pack.h"

#include <math.h>

static const int64_t any_kernel[4] = {-1, -1, -1, -1};

tn_status nn_conv_load(const nn_loader *load, const char *prefix, const int64_t *dim, kn_conv cfg,
                       kn_act act, nn_conv *out) {
    char name[NN_NAME];
    *out = (nn_conv){.cfg = cfg, .act = act};
    TN_TRY(
        nn_pack(load, nn_join(name, prefix, ".weight"), 4, dim ? dim : any_kernel, NULL, &out->w));
    if (!nn_has(load, nn_join(name, prefix, ".bias"))) return TN_OK;
    return nn_load(load, name, TN_DIMS(out->w.out), &out->bias);
}

// y = gamma * (x - mean) / sqrt(var + eps) + beta becomes scale * x + shift. shift lives with the
// model, scale (in room) until the weight is packed.
static tn_status fold(const nn_loader *load, tn_arena *room, const char *bn_prefix, double eps,
                      int64_t channels, tn_tensor *scale, tn_tensor *shift) {
    char name[NN_NAME];
    tn_tensor mean, var;
    TN_TRY(nn_load(load, nn_join(name, bn_prefix, ".bias"), TN_DIMS(channels), shift));
    TN_TRY(nn_load_into(load, room, nn_join(name, bn_prefix, ".weight"), TN_DIMS(channels), scale));
    TN_TRY(nn_load_into(load, room, nn_join(name, bn_prefix, ".running_mean"), TN_DIMS(channels),
                        &mean));
    TN_TRY(nn_load_into(load, room, nn_join(name, bn_prefix, ".running_var"), TN_DIMS(channels),
                        &var));
    for (int64_t k = 0; k < tn_count(shift); k++) {
        double gamma = (double)tn_f32(scale)[k], v = (double)tn_f32(&var)[k] + eps;
        // A channel that training switched off has gamma 0, and in half precision its variance may
        // be 0 too: it gives its bias, not 0/0.
        if (!(v > 0 || (v == 0 && gamma == 0)) || isinf(v))
            return tn_fail(load->err, TN_EFORMAT,
                           "%s: '%s' has %g in place %lld; with epsilon %g that is no variance to "
                           "divide by",
                           io_weights_path(load->file), name, v - eps, (long long)k, eps);
        double s = gamma == 0 ? 0 : gamma / sqrt(v);
        tn_f32(scale)[k] = (float)s;
        tn_f32(shift)[k] = (float)((double)tn_f32(shift)[k] - (double)tn_f32(&mean)[k] * s);
    }
    return TN_OK;
}

static tn_status load_folded(const nn_loader *load, tn_arena *room, const char *prefix,
                             const char *bn_prefix, double eps, const io_tensor *weight,
                             const int64_t *dim, nn_conv *out) {
    char name[NN_NAME];
    tn_tensor scale;
    TN_TRY(fold(load, room, bn_prefix, eps, weight->dim[0], &scale, &out->bias));
    if (nn_has(load, nn_join(name, prefix, ".bias"))) {
        tn_tensor bias;
        TN_TRY(nn_load_into(load, room, name, TN_DIMS(weight->dim[0]), &bias));
        for (int64_t k = 0; k < weight->dim[0]; k++)
            tn_f32(&out->bias)[k] += tn_f32(&scale)[k] * tn_f32(&bias)[k];
    }
    return nn_pack(load, nn_join(name, prefix, ".weight"), 4, dim, &scale, &out->w);
}

tn_status nn_conv_bn_load(const nn_loader *load, const char *prefix, const char *bn_prefix,
                          double eps, const int64_t *dim, kn_conv cfg, kn_act act, nn_conv *out) {
    char name[NN_NAME];
    const io_tensor *weight;
    if (!dim) dim = any_kernel;
    *out = (nn_conv){.cfg = cfg, .act = act};
    TN_TRY(nn_find(load, nn_join(name, prefix, ".weight"), &weight));
    if (weight->rank != 4) return nn_pack(load, name, 4, dim, NULL, &out->w); // says what is wrong
    size_t vector, bytes;
    if (!tn_mul_size((size_t)weight->dim[0], 4, &vector) ||
        !tn_mul_size(vector + TN_ALIGN, 4, &bytes))
        return tn_fail(load->err, TN_EFORMAT, "%s: tensor '%s' is too large",
                       io_weights_path(load->file), weight->name);
    tn_arena room;
    TN_TRY(tn_arena_init(&room, bytes, load->err));
    tn_status status = load_folded(load, &room, prefix, bn_prefix, eps, weight, dim, out);
    tn_arena_deinit(&room);
    return status;
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
    nn_conv_into(cx, conv, x, residual, y);
    return TN_OK;
}

void nn_conv_into(nn_ctx *cx, const nn_conv *conv, const tn_tensor *x, const tn_tensor *residual,
                  tn_tensor *y) {
    kn_epilogue ep = {
        .bias = conv->bias.data ? &conv->bias : NULL, .residual = residual, .act = conv->act};
    kn_conv2d_fwd(cx->kn, &conv->cfg, x, &conv->w, &ep, y);
}
