// SPDX-License-Identifier: Apache-2.0
#include "nn/norm.h"

#include "kernels/kernels.h"
#include "nn/ops.h"
#include "nn/real.h"
#include "nn/tape.h"

#include <math.h>

#define MOMENTUM 0.1 // PyTorch's

double nn_batch_norm_eps(const nn_loader *load, const char *prefix, double given) {
    char name[NN_NAME];
    if (given >= 0) return given;
    if (load->params) return 1e-5;
    return nn_has(load, nn_join(name, prefix, ".num_batches_tracked")) ? 1e-5 : 0;
}

nn_norm_kind nn_norm_kind_of(const nn_loader *load, const char *prefix) {
    char name[NN_NAME];
    if (!load->file) return load->norm;
    if (nn_has(load, nn_join(name, prefix, ".running_mean"))) return NN_NORM_BATCH;
    return nn_has(load, nn_join(name, prefix, ".weight")) ? NN_NORM_GROUP : NN_NORM_NONE;
}

// ---- loading ----------------------------------------------------------------------------------

static tn_status load_running(const nn_loader *load, const char *name, int64_t channels,
                              double initial, tn_tensor *out) {
    nn_buffer *buffer;
    const io_tensor *found = NULL;
    if (!load->params) return nn_load(load, name, TN_DIMS(channels), out);
    if (load->file) {
        TN_TRY(nn_find(load, name, &found));
        TN_TRY(nn_expect_shape(load, found, TN_DIMS(channels)));
    }
    TN_TRY(nn_params_add_buffer(load->params, name, TN_DIMS(channels), &buffer, load->err));
    *out = buffer->value;
    if (found)
        tn_convert(found->data, found->dtype, out->data, out->dtype, (size_t)channels);
    else
        for (int64_t i = 0; i < channels; i++) nn_real_set(out, i, initial);
    return TN_OK;
}

// A file's variance must be usable as a divisor; folding checks the same.
static tn_status check_variance(const nn_loader *load, const char *name, const nn_norm *norm) {
    for (int64_t i = 0; i < norm->var.dim[0]; i++) {
        double v = nn_real(&norm->var, i);
        if (!(v + norm->eps > 0) || isinf(v))
            return tn_fail(load->err, TN_EFORMAT,
                           "%s: '%s' has %g at index %lld; with epsilon %g this is not a usable "
                           "variance",
                           io_weights_path(load->file), name, v, (long long)i, norm->eps);
    }
    return TN_OK;
}

tn_status nn_norm_load(const nn_loader *load, const char *prefix, int64_t channels, double eps,
                       kn_act act, nn_norm *norm) {
    char name[NN_NAME];
    *norm = (nn_norm){.kind = nn_norm_kind_of(load, prefix), .momentum = MOMENTUM, .act = act};
    // If the file has no norm, the error names the missing tensor.
    if (norm->kind == NN_NORM_NONE) norm->kind = NN_NORM_BATCH;
    norm->eps = norm->kind == NN_NORM_BATCH ? nn_batch_norm_eps(load, prefix, eps)
                : eps >= 0                  ? eps
                                            : 1e-5;
    norm->groups = load->groups ? load->groups : 32;
    if (norm->kind == NN_NORM_GROUP && channels % norm->groups)
        return tn_fail(load->err, TN_EFORMAT,
                       "%s: '%s' has %lld channels, not a multiple of the "
                       "%d groups of its norm",
                       load->file ? io_weights_path(load->file) : "a new model", prefix,
                       (long long)channels, norm->groups);
    TN_TRY(nn_param_load_vector(load, nn_join(name, prefix, ".weight"), channels, 1,
                                &norm->gamma_param, &norm->gamma));
    TN_TRY(nn_param_load_vector(load, nn_join(name, prefix, ".bias"), channels, 0,
                                &norm->beta_param, &norm->beta));
    if (norm->kind == NN_NORM_GROUP) return TN_OK;
    TN_TRY(load_running(load, nn_join(name, prefix, ".running_mean"), channels, 0, &norm->mean));
    TN_TRY(load_running(load, nn_join(name, prefix, ".running_var"), channels, 1, &norm->var));
    return load->file ? check_variance(load, name, norm) : TN_OK;
}

// ---- running ----------------------------------------------------------------------------------

typedef struct saved {
    const nn_norm *norm;
    kn_act act;                // applied here; other activations are separate records
    tn_tensor x, mean, var, y; // mean, var: of the batch
} saved;

static tn_tensor *grad_of(nn_param *param) {
    return param ? &param->grad : NULL;
}

static tn_status backward(nn_ctx *cx, const void *of) {
    const saved *s = of;
    const nn_norm *norm = s->norm;
    tn_tensor dy, dx;
    double beta;
    TN_TRY(nn_tape_both_grads(cx, &s->y, &s->x, &dy, &beta, &dx));
    if (!dy.data) return TN_OK;
    tn_tensor *dgamma = grad_of(norm->gamma_param), *dbeta = grad_of(norm->beta_param);
    if (norm->kind == NN_NORM_BATCH) {
        kn_batch_norm_train_bwd(cx->kn, norm->eps, &s->x, &norm->gamma, s->act, &s->mean, &s->var,
                                &s->y, &dy, beta, dx.data ? &dx : NULL, 1, dgamma, dbeta);
        return TN_OK;
    }
    if (s->act != KN_LINEAR) kn_act_bwd(cx->kn, s->act, &s->y, &dy, 0, &dy);
    kn_group_norm_bwd(cx->kn, norm->groups, norm->eps, &s->x, &norm->gamma, &dy, beta,
                      dx.data ? &dx : NULL, 1, dgamma, dbeta);
    return TN_OK;
}

static void move_running(nn_ctx *cx, const nn_norm *norm, const saved *s) {
    double n = (double)tn_rows(&s->x), unbiased = n > 1 ? n / (n - 1) : 1;
    tn_tensor mean = norm->mean, var = norm->var;
    kn_axpby(cx->kn, norm->momentum, &s->mean, 1 - norm->momentum, &mean);
    kn_axpby(cx->kn, norm->momentum * unbiased, &s->var, 1 - norm->momentum, &var);
}

static void group_norm(nn_ctx *cx, const nn_norm *norm, kn_act act, const tn_tensor *x,
                       tn_tensor *y) {
    kn_group_norm_fwd(cx->kn, norm->groups, norm->eps, x, &norm->gamma, &norm->beta, y);
    if (act != KN_LINEAR) kn_act_fwd(cx->kn, act, y, y);
}

static void infer(nn_ctx *cx, const nn_norm *norm, kn_act act, const tn_tensor *x, tn_tensor *y) {
    if (norm->kind == NN_NORM_GROUP)
        group_norm(cx, norm, act, x, y);
    else
        kn_batch_norm_fwd(cx->kn, norm->eps, x, &norm->mean, &norm->var, &norm->gamma, &norm->beta,
                          act, y);
}

// act: KN_LINEAR or KN_RELU.
static void train(nn_ctx *cx, const nn_norm *norm, kn_act act, const tn_tensor *x, tn_tensor *y) {
    saved s = {.norm = norm, .act = act, .x = *x, .y = *y};
    TN_CHECK(x->data != y->data, "in place under a tape");
    if (norm->kind == NN_NORM_GROUP) {
        group_norm(cx, norm, act, x, y);
    } else {
        if (tn_new(cx->step, &s.mean, x->dtype, TN_DIMS(tn_last(x)), NULL) != TN_OK ||
            tn_new(cx->step, &s.var, x->dtype, TN_DIMS(tn_last(x)), NULL) != TN_OK) {
            nn_tape_out_of_memory(cx);
            infer(cx, norm, act, x, y);
            return;
        }
        kn_batch_norm_train_fwd(cx->kn, norm->eps, x, &norm->gamma, &norm->beta, act, &s.mean,
                                &s.var, y);
        move_running(cx, norm, &s);
    }
    nn_tape_push(cx, backward, &s, sizeof s, y);
    if (act == KN_RELU) nn_tape_relu(cx, y);
}

void nn_norm_act_into(nn_ctx *cx, const nn_norm *norm, kn_act act, const tn_tensor *x,
                      tn_tensor *y) {
    bool told_by_output = act == KN_LINEAR || act == KN_RELU;
    tn_tensor normed;
    if (tn_bytes(y) == 0) return;
    if (!cx->tape || !(norm->gamma_param || nn_tape_wants(cx, x))) {
        infer(cx, norm, act, x, y);
    } else if (told_by_output) {
        train(cx, norm, act, x, y);
    } else if (tn_new(cx->step, &normed, x->dtype, x->rank, x->dim, NULL) == TN_OK) {
        train(cx, norm, KN_LINEAR, x, &normed);
        nn_act_into(cx, act, &normed, y);
    } else {
        nn_tape_out_of_memory(cx);
        infer(cx, norm, act, x, y);
    }
}

void nn_norm_into(nn_ctx *cx, const nn_norm *norm, const tn_tensor *x, tn_tensor *y) {
    nn_norm_act_into(cx, norm, norm->act, x, y);
}

tn_status nn_norm_fwd(nn_ctx *cx, const nn_norm *norm, const tn_tensor *x, tn_tensor *y) {
    TN_TRY(tn_new(cx->step, y, x->dtype, x->rank, x->dim, cx->err));
    nn_norm_into(cx, norm, x, y);
    return TN_OK;
}
