// SPDX-License-Identifier: Apache-2.0
#include "nn/trained.h"

#include "kernels/kernels.h"

#include <string.h>

// ---- between parameters and kernels -----------------------------------------------------------

typedef struct reorder_job {
    const nn_trained *t;
    bool back; // true: staged is added to the gradient; false: the value is copied to staged
    int64_t channels;
} reorder_job;

#define ROWS_PER_TASK 8

#define REORDER_ROW(type)                                                                          \
    for (int64_t c = 0; c < channels; c++)                                                         \
        for (int64_t b = 0; b < bins; b++) {                                                       \
            type *flat = (type *)file + c * bins + b, *last = (type *)staged + b * channels + c;   \
            if (job->back)                                                                         \
                *flat += *last;                                                                    \
            else                                                                                   \
                *last = *flat;                                                                     \
        }

static void reorder_rows(void *opaque, int64_t task, int worker) {
    const reorder_job *job = opaque;
    const nn_trained *t = job->t;
    const tn_tensor *param = job->back ? &t->weight[0]->grad : &t->weight[0]->value;
    int64_t channels = job->channels, bins = t->bins, rows = t->staged.dim[0];
    size_t row = (size_t)(channels * bins) * tn_dtype_size(param->dtype);
    (void)worker;
    for (int64_t k = task * ROWS_PER_TASK; k < rows && k < (task + 1) * ROWS_PER_TASK; k++) {
        char *file = (char *)param->data + (size_t)k * row;
        char *staged = (char *)t->staged.data + (size_t)k * row;
        if (param->dtype == TN_F64)
            REORDER_ROW(double)
        else
            REORDER_ROW(float)
    }
}

static void reorder_columns(kn_ctx *kn, const nn_trained *t, bool back) {
    reorder_job job = {t, back, t->staged.dim[1] / t->bins};
    tn_pool_run(kn_pool(kn), (t->staged.dim[0] + ROWS_PER_TASK - 1) / ROWS_PER_TASK, reorder_rows,
                &job);
}

static void transpose(const tn_tensor *from, tn_tensor *to) {
    int64_t rows = from->dim[0], columns = from->dim[1];
    size_t size = tn_dtype_size(from->dtype);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t k = 0; k < columns; k++)
            memcpy((char *)to->data + (size_t)(k * rows + i) * size,
                   (const char *)from->data + (size_t)(i * columns + k) * size, size);
}

// Rows of the staged matrix (or the joined bias) that belong to part i.
static tn_tensor part_of(const tn_tensor *whole, const nn_trained *t, int i) {
    int64_t rows = t->weight[0]->value.dim[0];
    return tn_slice(whole, i * rows, rows);
}

static void join(const nn_trained *t) {
    for (int i = 0; i < t->parts; i++) {
        tn_tensor rows = part_of(&t->staged, t, i);
        memcpy(rows.data, t->weight[i]->value.data, tn_bytes(&rows));
        if (!t->bias[i]) continue;
        rows = part_of(&t->joined_bias, t, i);
        memcpy(rows.data, t->bias[i]->value.data, tn_bytes(&rows));
    }
}

// Fills staged from the parameters and returns the form that kernels read.
static const tn_tensor *stage(kn_ctx *kn, nn_trained *t) {
    switch (t->form) {
    case NN_PLAIN:
    case NN_DECONV:
        return &t->weight[0]->value;
    case NN_TRANSPOSED:
        transpose(&t->weight[0]->value, &t->staged);
        break;
    case NN_REGIONS:
        reorder_columns(kn, t, false);
        break;
    case NN_JOINED:
        join(t);
        break;
    }
    return &t->staged;
}

// ---- creating ---------------------------------------------------------------------------------

static tn_status new_staged(nn_params *params, nn_trained *t, tn_error *err) {
    const tn_tensor *w = &t->weight[0]->value;
    int64_t rows = w->dim[0], columns = rows ? tn_count(w) / rows : 0;
    if (t->form == NN_PLAIN || t->form == NN_DECONV) return TN_OK;
    if (t->form == NN_TRANSPOSED)
        return tn_new(&params->packed, &t->staged, w->dtype, TN_DIMS(columns, rows), err);
    rows *= t->parts;
    TN_TRY(tn_new(&params->packed, &t->staged, w->dtype, TN_DIMS(rows, columns), err));
    if (t->form != NN_JOINED || !t->bias[0]) return TN_OK;
    TN_TRY(tn_new(&params->packed, &t->joined_bias, w->dtype, TN_DIMS(rows), err));
    return tn_new(&params->packed, &t->bias_grad, w->dtype, TN_DIMS(rows), err);
}

tn_status nn_trained_new(const nn_loader *load, const nn_trained *trained, nn_trained **out) {
    nn_params *params = load->params;
    nn_trained *t = tn_arena_alloc(&params->parts, sizeof *t);
    if (!t)
        return tn_fail(load->err, TN_ENOMEM, "out of memory for '%s'", trained->weight[0]->name);
    *t = *trained;
    TN_TRY(new_staged(params, t, load->err));
    const tn_tensor *w = stage(load->kn, t);
    if (t->form == NN_DECONV)
        TN_TRY(
            kn_weight_pack_transpose2x2(load->kn, &params->packed, w, NULL, &t->plain, load->err));
    else
        TN_TRY(kn_weight_pack(load->kn, &params->packed, w, NULL, &t->plain, load->err));
    t->next = params->trained;
    params->trained = t;
    *out = t;
    return TN_OK;
}

void nn_trained_repack(kn_ctx *kn, nn_trained *t) {
    kn_weight_repack(kn, stage(kn, t), NULL, &t->plain);
}

tn_status nn_trained_adjoint(nn_ctx *cx, nn_trained *t, kn_weight *out) {
    const tn_tensor *w = stage(cx->kn, t);
    if (t->form == NN_DECONV) return kn_weight_pack(cx->kn, cx->step, w, NULL, out, cx->err);
    return kn_weight_pack_adjoint(cx->kn, cx->step, w, out, cx->err);
}

tn_tensor nn_trained_bias(const nn_trained *t) {
    if (!t->bias[0]) return (tn_tensor){0};
    return t->form == NN_JOINED ? t->joined_bias : t->bias[0]->value;
}

// ---- gradients --------------------------------------------------------------------------------

void nn_trained_bias_bwd(kn_ctx *kn, nn_trained *t, const tn_tensor *dy) {
    if (!t->bias[0]) return;
    if (t->form != NN_JOINED) {
        kn_sum_rows(kn, dy, 1, &t->bias[0]->grad);
        return;
    }
    kn_sum_rows(kn, dy, 0, &t->bias_grad);
    for (int i = 0; i < t->parts; i++) {
        tn_tensor rows = part_of(&t->bias_grad, t, i);
        kn_axpby(kn, 1, &rows, 1, &t->bias[i]->grad);
    }
}

void nn_trained_linear_bwd(kn_ctx *kn, nn_trained *t, const tn_tensor *x, const tn_tensor *dy) {
    nn_trained_bias_bwd(kn, t, dy);
    if (t->form == NN_PLAIN) {
        kn_matmul_tn(kn, 1, dy, x, 1, &t->weight[0]->grad);
        return;
    }
    if (t->form == NN_TRANSPOSED) {
        kn_matmul_tn(kn, 1, x, dy, 1, &t->weight[0]->grad);
        return;
    }
    kn_matmul_tn(kn, 1, dy, x, 0, &t->staged);
    if (t->form == NN_REGIONS) {
        reorder_columns(kn, t, true);
        return;
    }
    for (int i = 0; i < t->parts; i++) {
        tn_tensor rows = part_of(&t->staged, t, i);
        kn_axpby(kn, 1, &rows, 1, &t->weight[i]->grad);
    }
}
