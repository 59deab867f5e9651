// SPDX-License-Identifier: Apache-2.0
#include "nn/fuse.h"

typedef struct fuse_job {
    const nn_fusion *how;
    const uint8_t *base;
    const float *p1, *p2, *objectness;
    float *y;
    int64_t rows, columns, classes;
} fuse_job;

#define ROWS 16 // of a task

static void fuse_row(const fuse_job *job, int64_t r) {
    const nn_fusion *how = job->how;
    const float *p1 = job->p1 + r * job->columns;
    const float *p2 = job->p2 ? job->p2 + r * job->columns : NULL;
    float *y = job->y + r * job->columns;
    double sum = 0, factor = 1;
    for (int64_t t = 0; t < job->columns; t++) {
        bool named = t < job->classes;
        double w = nn_fusion_weight(how, job->base && named && job->base[t]);
        double f = p2 && named ? nn_geometric_mean((double)p1[t], (double)p2[t], w) : (double)p1[t];
        y[t] = (float)f;
        sum += f;
    }
    if (how->renormalise && sum > 0) factor = 1 / sum;
    double object = how->objectness > 0 ? pow((double)job->objectness[r], how->objectness) : 1;
    for (int64_t t = 0; t < job->columns; t++)
        y[t] = (float)((double)y[t] * factor * (t < job->classes ? object : 1));
}

static void fuse_rows(void *context, int64_t task, int worker) {
    (void)worker;
    const fuse_job *job = context;
    int64_t to = (task + 1) * ROWS < job->rows ? (task + 1) * ROWS : job->rows;
    for (int64_t r = task * ROWS; r < to; r++) fuse_row(job, r);
}

void nn_fuse(kn_ctx *kn, const nn_fusion *how, int64_t classes, const uint8_t *base,
             const tn_tensor *p1, const tn_tensor *p2, const tn_tensor *objectness,
             tn_tensor *fused) {
    int64_t rows = p1->dim[0], columns = p1->dim[1];
    TN_CHECK(tn_same_shape(p1, fused) && (!p2 || tn_same_shape(p1, p2)) &&
                 objectness->dim[0] == rows && (columns == classes || columns == classes + 1),
             "%lld columns for %lld names", (long long)columns, (long long)classes);
    fuse_job job = {.how = how,
                    .base = base,
                    .p1 = tn_f32(p1),
                    .p2 = p2 ? tn_f32(p2) : NULL,
                    .objectness = tn_f32(objectness),
                    .y = tn_f32(fused),
                    .rows = rows,
                    .columns = columns,
                    .classes = classes};
    tn_pool_run(kn_pool(kn), (rows + ROWS - 1) / ROWS, fuse_rows, &job);
}
