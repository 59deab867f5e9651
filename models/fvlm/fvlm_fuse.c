// SPDX-License-Identifier: Apache-2.0
// Two scores of a box become one (Kuo et al. 2023, section 3.3).
#include "models/fvlm/fvlm.h"

#include <math.h>

typedef struct fuse_job {
    const md_fusion *cfg;
    const float *p1, *p2, *objectness;
    float *y;
    int64_t rows, columns;
} fuse_job;

#define ROWS 16 // of a task

static void fuse_row(const fuse_job *job, int64_t r) {
    const md_fusion *cfg = job->cfg;
    const float *p1 = job->p1 + r * job->columns;
    const float *p2 = job->p2 ? job->p2 + r * job->columns : NULL;
    float *y = job->y + r * job->columns;
    double sum = 0, factor = 1;
    for (int64_t t = 0; t < job->columns; t++) {
        double w = cfg->base && t < cfg->classes && cfg->base[t] ? cfg->alpha : cfg->beta;
        double f = p1[t];
        if (p2 && t < cfg->classes) f = pow((double)p1[t], 1 - w) * pow((double)p2[t], w);
        y[t] = (float)f;
        sum += f;
    }
    if (cfg->renormalise && sum > 0) factor = 1 / sum;
    double object = cfg->objectness > 0 ? pow((double)job->objectness[r], cfg->objectness) : 1;
    for (int64_t t = 0; t < job->columns; t++)
        y[t] = (float)((double)y[t] * factor * (t < cfg->classes ? object : 1));
}

static void fuse_rows(void *context, int64_t task, int worker) {
    (void)worker;
    const fuse_job *job = context;
    int64_t to = (task + 1) * ROWS < job->rows ? (task + 1) * ROWS : job->rows;
    for (int64_t r = task * ROWS; r < to; r++) fuse_row(job, r);
}

void md_fuse(kn_ctx *kn, const md_fusion *cfg, const tn_tensor *p1, const tn_tensor *p2,
             const tn_tensor *objectness, tn_tensor *fused) {
    int64_t rows = p1->dim[0], columns = p1->dim[1];
    TN_CHECK(tn_same_shape(p1, fused) && (!p2 || tn_same_shape(p1, p2)) &&
                 objectness->dim[0] == rows &&
                 (columns == cfg->classes || columns == cfg->classes + 1),
             "%lld columns for %lld names", (long long)columns, (long long)cfg->classes);
    fuse_job job = {.cfg = cfg,
                    .p1 = tn_f32(p1),
                    .p2 = p2 ? tn_f32(p2) : NULL,
                    .objectness = tn_f32(objectness),
                    .y = tn_f32(fused),
                    .rows = rows,
                    .columns = columns};
    tn_pool_run(kn_pool(kn), (rows + ROWS - 1) / ROWS, fuse_rows, &job);
}
