// SPDX-License-Identifier: Apache-2.0
#include "train/clip_loss.h"

#include "kernels/kernels.h"
#include "nn/real.h"

#include <math.h>
#include <string.h>

const char *const tr_clip_term_name[TR_CLIP_TERMS] = {"pictures", "texts", "bank"};

// Scores [N,M] of one side against the other, and their gradients.
typedef struct scores {
    tn_tensor s, ds;
    const int32_t *row_name, *column_name;
} scores;

// One row (or column) of scores: count elements from `at`, `step` apart.
typedef struct line {
    int64_t at, step, count;
    int32_t name;
    const int32_t *names; // of the elements
} line;

// -log of the softmax probability of the correct elements; adds its gradient times factor.
static double learn_line(scores *m, const line *l, double factor) {
    double top = -INFINITY, all = 0, right = 0;
    for (int64_t i = 0; i < l->count; i++) top = fmax(top, nn_real(&m->s, l->at + i * l->step));
    for (int64_t i = 0; i < l->count; i++) {
        double e = exp(nn_real(&m->s, l->at + i * l->step) - top);
        all += e;
        if (l->names[i] == l->name) right += e;
    }
    for (int64_t i = 0; i < l->count; i++) {
        int64_t at = l->at + i * l->step;
        double e = exp(nn_real(&m->s, at) - top), d = e / all;
        if (l->names[i] == l->name) d -= e / right;
        nn_real_set(&m->ds, at, nn_real(&m->ds, at) + factor * d);
    }
    return log(all) - log(right);
}

static bool has_right(const line *l) {
    for (int64_t i = 0; i < l->count; i++)
        if (l->names[i] == l->name) return true;
    return false;
}

static line line_of(const scores *m, bool column, int64_t i) {
    int64_t rows = m->s.dim[0], columns = m->s.dim[1];
    if (column) return (line){i, columns, rows, m->column_name[i], m->row_name};
    return (line){i * columns, 1, columns, m->row_name[i], m->column_name};
}

// The mean over all rows, or columns, that have a correct element, times factor.
static double learn_side(scores *m, bool column, double factor) {
    int64_t lines = m->s.dim[column ? 1 : 0], counted = 0;
    double sum = 0;
    for (int64_t i = 0; i < lines; i++) {
        line l = line_of(m, column, i);
        counted += has_right(&l);
    }
    for (int64_t i = 0; i < lines; i++) {
        line l = line_of(m, column, i);
        if (has_right(&l)) sum += learn_line(m, &l, factor / (double)counted);
    }
    return counted ? factor / (double)counted * sum : 0;
}

// The scale's logarithm receives the sum of gradients times scores.
static void learn_scale(nn_param *scale, const tn_tensor *score, const tn_tensor *grad) {
    double sum = 0;
    for (int64_t i = 0; i < tn_count(score); i++) sum += nn_real(score, i) * nn_real(grad, i);
    nn_real_set(&scale->grad, 0, nn_real(&scale->grad, 0) + sum);
}

// Both directions within the batch; writes the gradients of pictures and texts.
static tn_status learn_batch(nn_ctx *cx, const tr_clip_pairs *p, nn_param *scale, double factor,
                             tn_tensor *dpictures, double loss[TR_CLIP_TERMS]) {
    int64_t n = p->pictures.dim[0], m = p->texts.dim[0];
    double times = exp(nn_real(&scale->value, 0));
    scores both = {.row_name = tn_i32(&p->picture_names), .column_name = tn_i32(&p->text_names)};
    tn_tensor dtexts;
    TN_TRY(tn_new(cx->step, &both.s, p->pictures.dtype, TN_DIMS(n, m), cx->err));
    TN_TRY(tn_new(cx->step, &both.ds, p->pictures.dtype, TN_DIMS(n, m), cx->err));
    memset(both.ds.data, 0, tn_bytes(&both.ds));
    kn_matmul_nt_fwd(cx->kn, times, &p->pictures, &p->texts, &both.s);
    loss[TR_CLIP_PICTURES] += learn_side(&both, false, factor / 2);
    loss[TR_CLIP_TEXTS] += learn_side(&both, true, factor / 2);
    learn_scale(scale, &both.s, &both.ds);
    TN_TRY(nn_tape_loss_grad(cx, &p->pictures, dpictures));
    TN_TRY(nn_tape_loss_grad(cx, &p->texts, &dtexts));
    kn_matmul_nn(cx->kn, times, &both.ds, &p->texts, 0, dpictures);
    kn_matmul_tn(cx->kn, times, &both.ds, &p->pictures, 0, &dtexts);
    return TN_OK;
}

// Pictures against the bank; adds to the pictures' gradient.
static tn_status learn_bank(nn_ctx *cx, const tr_clip_pairs *p, nn_param *scale, double factor,
                            tn_tensor *dpictures, double loss[TR_CLIP_TERMS]) {
    int64_t n = p->pictures.dim[0], rows = p->bank.dim[0], counted = 0;
    tn_tensor cosines, grad, target;
    TN_TRY(tn_new(cx->step, &cosines, p->pictures.dtype, TN_DIMS(n, rows), cx->err));
    TN_TRY(tn_new(cx->step, &grad, p->pictures.dtype, TN_DIMS(n, rows), cx->err));
    TN_TRY(tn_new(cx->step, &target, TN_I32, TN_DIMS(n), cx->err));
    for (int64_t i = 0; i < n; i++) {
        int32_t name = tn_i32(&p->picture_names)[i];
        bool there = name >= 0 && name < rows;
        tn_i32(&target)[i] = there ? name : -1;
        counted += there;
    }
    if (!counted) return TN_OK;
    kn_matmul_nt_fwd(cx->kn, 1, &p->pictures, &p->bank, &cosines);
    double each = factor / (double)counted, times = exp(nn_real(&scale->value, 0));
    loss[TR_CLIP_BANK] +=
        each * kn_cross_entropy(cx->kn, times, &cosines, &target, NULL, each, &grad);
    learn_scale(scale, &cosines, &grad);
    kn_matmul_nn(cx->kn, 1, &grad, &p->bank, 1, dpictures);
    return TN_OK;
}

tn_status tr_clip_loss(nn_ctx *cx, const tr_clip_pairs *p, nn_param *scale, double factor,
                       double loss[TR_CLIP_TERMS]) {
    tn_tensor dpictures;
    TN_CHECK(tn_has_shape(&p->picture_names, TN_DIMS(p->pictures.dim[0])) &&
                 tn_has_shape(&p->text_names, TN_DIMS(p->texts.dim[0])),
             "each picture and each text has a name");
    if (!tn_count(&p->pictures) || !tn_count(&p->texts)) return TN_OK;
    TN_TRY(learn_batch(cx, p, scale, factor, &dpictures, loss));
    return p->bank.data ? learn_bank(cx, p, scale, factor, &dpictures, loss) : TN_OK;
}
