// SPDX-License-Identifier: Apache-2.0
#include "nn/conv.h"

#include "nn/pack.h"
#include "nn/real.h"

#include <math.h>

static const int64_t any_kernel[4] = {-1, -1, -1, -1};

static tn_status train(const nn_loader *load, const char *prefix, const int64_t *dim,
                       nn_conv *out) {
    char name[NN_NAME];
    nn_trained parts = {.form = NN_PLAIN, .parts = 1};
    TN_TRY(nn_param_load(load, nn_join(name, prefix, ".weight"), 4, dim, true, load->init,
                         &parts.weight[0]));
    if (nn_has_bias(load, prefix))
        TN_TRY(nn_param_load(load, nn_join(name, prefix, ".bias"),
                             TN_DIMS(parts.weight[0]->value.dim[0]), false, (nn_init){0},
                             &parts.bias[0]));
    TN_TRY(nn_trained_new(load, &parts, &out->trained));
    out->w = out->trained->plain;
    out->bias = nn_trained_bias(out->trained);
    return TN_OK;
}

tn_status nn_conv_load(const nn_loader *load, const char *prefix, const int64_t *dim, kn_conv cfg,
                       kn_act act, nn_conv *out) {
    char name[NN_NAME];
    *out = (nn_conv){.cfg = cfg, .act = act};
    if (!dim) dim = any_kernel;
    if (load->params) return train(load, prefix, dim, out);
    TN_TRY(nn_pack(load, nn_join(name, prefix, ".weight"), 4, dim, NULL, &out->w, &out->adjoint));
    if (!nn_has(load, nn_join(name, prefix, ".bias"))) return TN_OK;
    return nn_load(load, name, TN_DIMS(out->w.out), &out->bias);
}

// Turns y = gamma * (x - mean) / sqrt(var + eps) + beta into scale * x + shift. shift lives with
// the model, scale (in scratch) until the weight is packed.
static tn_status fold(const nn_loader *load, tn_arena *scratch, const char *bn_prefix, double eps,
                      int64_t channels, tn_tensor *scale, tn_tensor *shift) {
    char name[NN_NAME];
    tn_tensor mean, var;
    TN_TRY(nn_load(load, nn_join(name, bn_prefix, ".bias"), TN_DIMS(channels), shift));
    TN_TRY(
        nn_load_into(load, scratch, nn_join(name, bn_prefix, ".weight"), TN_DIMS(channels), scale));
    TN_TRY(nn_load_into(load, scratch, nn_join(name, bn_prefix, ".running_mean"), TN_DIMS(channels),
                        &mean));
    TN_TRY(nn_load_into(load, scratch, nn_join(name, bn_prefix, ".running_var"), TN_DIMS(channels),
                        &var));
    for (int64_t k = 0; k < tn_count(shift); k++) {
        double gamma = nn_real(scale, k), v = nn_real(&var, k) + eps;
        // A channel that training switched off has gamma 0, and in half precision its variance may
        // be 0 too. It outputs its bias, not 0/0.
        if (!(v > 0 || (v == 0 && gamma == 0)) || isinf(v))
            return tn_fail(load->err, TN_EFORMAT,
                           "%s: '%s' has %g at index %lld; with epsilon %g this is not a usable "
                           "variance",
                           io_weights_path(load->file), name, v - eps, (long long)k, eps);
        double s = gamma == 0 ? 0 : gamma / sqrt(v);
        nn_real_set(scale, k, s);
        nn_real_set(shift, k, nn_real(shift, k) - nn_real(&mean, k) * s);
    }
    return TN_OK;
}

static tn_status load_folded(const nn_loader *load, tn_arena *scratch, const char *prefix,
                             const char *bn_prefix, double eps, const io_tensor *weight,
                             const int64_t *dim, nn_conv *out) {
    char name[NN_NAME];
    tn_tensor scale;
    TN_TRY(fold(load, scratch, bn_prefix, eps, weight->dim[0], &scale, &out->bias));
    if (nn_has(load, nn_join(name, prefix, ".bias"))) {
        tn_tensor bias;
        TN_TRY(nn_load_into(load, scratch, name, TN_DIMS(weight->dim[0]), &bias));
        for (int64_t k = 0; k < weight->dim[0]; k++) {
            double moved = nn_real(&scale, k) * nn_real(&bias, k);
            nn_real_set(&out->bias, k, nn_real(&out->bias, k) + moved);
        }
    }
    return nn_pack(load, nn_join(name, prefix, ".weight"), 4, dim, &scale, &out->w, &out->adjoint);
}

tn_status nn_conv_bn_load(const nn_loader *load, const char *prefix, const char *bn_prefix,
                          double eps, const int64_t *dim, kn_conv cfg, kn_act act, nn_conv *out) {
    char name[NN_NAME];
    const io_tensor *weight;
    if (!dim) dim = any_kernel;
    *out = (nn_conv){.cfg = cfg, .act = act};
    if (load->params) {
        nn_loader bare = *load;
        bare.bias = false;
        TN_TRY(nn_conv_load(&bare, prefix, dim, cfg, act, out));
        return nn_norm_load(load, bn_prefix, out->w.out, eps, act, &out->norm);
    }
    TN_TRY(nn_find(load, nn_join(name, prefix, ".weight"), &weight));
    if (weight->rank != 4)
        return nn_pack(load, name, 4, dim, NULL, &out->w, &out->adjoint); // reports the error
    size_t vector, bytes;
    if (!tn_mul_size((size_t)weight->dim[0], tn_dtype_size(load->dtype), &vector) ||
        !tn_mul_size(vector + TN_ALIGN, 4, &bytes))
        return tn_fail(load->err, TN_EFORMAT, "%s: tensor '%s' is too large",
                       io_weights_path(load->file), weight->name);
    tn_arena scratch;
    TN_TRY(tn_arena_init(&scratch, bytes, load->err));
    tn_status status = load_folded(load, &scratch, prefix, bn_prefix, eps, weight, dim, out);
    tn_arena_deinit(&scratch);
    return status;
}
