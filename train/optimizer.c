// SPDX-License-Identifier: Apache-2.0
#include "train/optimizer.h"

#include "train/muon.h"

#include <math.h>

#define CLIP_EPS 1e-6 // as in PyTorch: a norm of exactly `clip` is scaled by slightly less than 1

tr_optimizer tr_optimizer_default(void) {
    return (tr_optimizer){
        .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .decay = 0.1, .clip = 1, .momentum = 0.95};
}

static bool is_share(double x) {
    return x >= 0 && x < 1;
}

tn_status tr_optimizer_check(const tr_optimizer *cfg, tn_error *err) {
    if (!is_share(cfg->beta1) || !is_share(cfg->beta2))
        return tn_fail(err, TN_EINVAL, "AdamW's betas %g and %g, expected at least 0, below 1",
                       cfg->beta1, cfg->beta2);
    if (!(cfg->eps > 0) || !isfinite(cfg->eps))
        return tn_fail(err, TN_EINVAL, "AdamW's eps %g, expected a number above 0", cfg->eps);
    if (!(cfg->decay >= 0) || !isfinite(cfg->decay))
        return tn_fail(err, TN_EINVAL, "a weight decay of %g, expected at least 0", cfg->decay);
    if (!(cfg->clip >= 0) || !isfinite(cfg->clip))
        return tn_fail(err, TN_EINVAL, "gradients clipped at a norm of %g, expected at least 0",
                       cfg->clip);
    if (!is_share(cfg->momentum))
        return tn_fail(err, TN_EINVAL, "Muon's momentum of %g, expected at least 0, below 1",
                       cfg->momentum);
    if (!is_share(cfg->average))
        return tn_fail(err, TN_EINVAL, "a moving average of %g, expected at least 0, below 1",
                       cfg->average);
    return TN_OK;
}

double tr_gradient_norm(kn_ctx *cx, const tr_flat *flat) {
    return sqrt(kn_sum_squares(cx, &flat->grad));
}

void tr_optimizer_step(kn_ctx *cx, const tr_optimizer *cfg, int64_t step, double rate, double norm,
                       const tr_flat *flat, tn_tensor *average) {
    TN_CHECK(isfinite(norm), "an update with gradients of norm %g", norm);
    double scale = cfg->clip > 0 ? fmin(1, cfg->clip / (norm + CLIP_EPS)) : 1;
    for (size_t i = 0; i < flat->span_count; i++) {
        const tr_span *span = &flat->spans[i];
        kn_adamw adamw = {rate, cfg->beta1, cfg->beta2, cfg->eps, span->decay ? cfg->decay : 0,
                          step, scale};
        tn_tensor grad = tn_slice(&flat->grad, span->from, span->count);
        tn_tensor value = tn_slice(&flat->value, span->from, span->count);
        tn_tensor m = tn_slice(&flat->m, span->from, span->count);
        tn_tensor v = tn_slice(&flat->v, span->from, span->count);
        if (!span->rows) {
            kn_adamw_step(cx, &adamw, &grad, &value, &m, &v);
            continue;
        }
        const int64_t dim[2] = {span->rows, span->columns};
        grad = tn_reshape(&grad, 2, dim), value = tn_reshape(&value, 2, dim);
        m = tn_reshape(&m, 2, dim);
        tr_muon muon = {rate, adamw.decay, cfg->momentum, scale};
        tr_muon_step(cx, &muon, &grad, &value, &m, &flat->scratch);
    }
    if (cfg->average > 0 && average)
        kn_axpby(cx, 1 - cfg->average, &flat->value, cfg->average, average);
}
