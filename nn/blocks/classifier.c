// SPDX-License-Identifier: Apache-2.0
#include "nn/blocks/classifier.h"

#include "kernels/kernels.h"
#include "nn/ops.h"
#include "nn/real.h"
#include "nn/tape.h"

#include <math.h>
#include <string.h>

#define EPS 1e-12 // PyTorch's normalize

// ---- loading ----------------------------------------------------------------------------------

static tn_status load_one(const nn_loader *load, const char *name, int rank, const int64_t *dim,
                          nn_init init, nn_param **param, tn_tensor *out) {
    if (!load->params) return nn_load(load, name, rank, dim, out);
    TN_TRY(nn_param_load(load, name, rank, dim, false, init, param));
    *out = (*param)->value;
    return TN_OK;
}

tn_status nn_classifier_load(const nn_loader *load, const char *prefix, int64_t channels,
                             bool background, bool learned_scale, double scale,
                             nn_classifier *classifier) {
    char name[NN_NAME];
    *classifier = (nn_classifier){0};
    if (background)
        TN_TRY(load_one(load, nn_join(name, prefix, ".background"), TN_DIMS(channels), load->init,
                        &classifier->background_param, &classifier->background));
    if (!learned_scale) return TN_OK;
    return load_one(load, nn_join(name, prefix, ".logit_scale"), 0, NULL,
                    (nn_init){.value = log(scale)}, &classifier->log_scale_param,
                    &classifier->log_scale);
}

// ---- cosines ----------------------------------------------------------------------------------

typedef struct saved {
    const nn_classifier *classifier;
    double scale;
    tn_tensor x, names, y; // unit rows [R,D] and [T,D]; y [R,T]
} saved;

// The logits y are exp(p) * cosine, so dp is the sum of dy * y.
static void scale_bwd(nn_ctx *cx, nn_param *param, const tn_tensor *y, const tn_tensor *dy) {
    tn_tensor all_y = tn_reshape(y, TN_DIMS(tn_count(y), 1));
    tn_tensor all_dy = tn_reshape(dy, TN_DIMS(tn_count(y), 1));
    tn_tensor grad = tn_reshape(&param->grad, TN_DIMS(1, 1));
    kn_matmul_tn(cx->kn, 1, &all_y, &all_dy, 1, &grad);
}

// The last column of dy gives the gradient of the background, through its normalisation.
static tn_status background_bwd(nn_ctx *cx, const saved *s, const tn_tensor *dy) {
    int64_t rows = dy->dim[0], names = dy->dim[1], channels = s->x.dim[1];
    const nn_classifier *classifier = s->classifier;
    tn_tensor column, unit;
    TN_TRY(tn_new(cx->step, &column, dy->dtype, TN_DIMS(rows, 1), cx->err));
    TN_TRY(tn_new(cx->step, &unit, dy->dtype, TN_DIMS(1, channels), cx->err));
    for (int64_t r = 0; r < rows; r++) nn_real_set(&column, r, nn_real(dy, r * names + names - 1));
    kn_matmul_tn(cx->kn, s->scale, &column, &s->x, 0, &unit);
    tn_tensor value = tn_reshape(&classifier->background, TN_DIMS(1, channels));
    tn_tensor grad = tn_reshape(&classifier->background_param->grad, TN_DIMS(1, channels));
    kn_l2_normalize_bwd(cx->kn, EPS, &value, &unit, 1, &grad);
    return TN_OK;
}

static tn_status backward(nn_ctx *cx, const void *of) {
    const saved *s = of;
    const nn_classifier *classifier = s->classifier;
    tn_tensor dy, dx;
    double beta;
    TN_TRY(nn_tape_output_grad(cx, &s->y, &dy));
    if (!dy.data) return TN_OK;
    if (classifier->log_scale_param) scale_bwd(cx, classifier->log_scale_param, &s->y, &dy);
    if (classifier->background_param) TN_TRY(background_bwd(cx, s, &dy));
    if (!nn_tape_wants(cx, &s->x)) return TN_OK;
    TN_TRY(nn_tape_input_grad(cx, &s->x, &beta, &dx));
    kn_matmul_nn(cx->kn, s->scale, &dy, &s->names, beta, &dx);
    return TN_OK;
}

// Appends the background as a unit row to text.
static tn_status all_names(nn_ctx *cx, const nn_classifier *classifier, const tn_tensor *text,
                           tn_tensor *names) {
    *names = *text;
    if (!classifier->background.data) return TN_OK;
    int64_t count = text->dim[0], channels = text->dim[1];
    TN_TRY(tn_new(cx->step, names, text->dtype, TN_DIMS(count + 1, channels), cx->err));
    if (count) memcpy(names->data, text->data, tn_bytes(text));
    tn_tensor last = tn_slice(names, count, 1);
    tn_tensor value = tn_reshape(&classifier->background, TN_DIMS(1, channels));
    kn_l2_normalize_fwd(cx->kn, EPS, &value, &last);
    return TN_OK;
}

tn_status nn_classifier_fwd(nn_ctx *cx, const nn_classifier *classifier, const tn_tensor *text,
                            const tn_tensor *x, tn_tensor *y) {
    saved s = {.classifier = classifier, .scale = 1};
    TN_CHECK(x->rank == 2 && text->rank == 2 && text->dim[1] == x->dim[1], "[R,D] and [T,D]");
    if (classifier->log_scale.data) s.scale = exp(nn_real(&classifier->log_scale, 0));
    int64_t names = text->dim[0] + (classifier->background.data ? 1 : 0);
    TN_TRY(tn_new(cx->step, y, x->dtype, TN_DIMS(x->dim[0], names), cx->err));
    s.y = *y;
    nn_scope scope = nn_scope_enter(cx);
    TN_TRY(all_names(cx, classifier, text, &s.names));
    TN_TRY(nn_l2_normalize(cx, EPS, x, &s.x));
    kn_matmul_nt_fwd(cx->kn, s.scale, &s.x, &s.names, y);
    if (cx->tape &&
        (classifier->background_param || classifier->log_scale_param || nn_tape_wants(cx, &s.x)))
        nn_tape_push(cx, backward, &s, sizeof s, y);
    nn_scope_leave(cx, scope);
    return TN_OK;
}
