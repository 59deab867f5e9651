// SPDX-License-Identifier: Apache-2.0
// Training, pictures: checks the arguments as the forward pass does, then calls the table's
// function.
#include "kernels/check.h"

void kn_max_pool2d_bwd(kn_ctx *cx, const kn_pool2d *cfg, const tn_tensor *x, const tn_tensor *dy,
                       double beta, tn_tensor *dx) {
    kn_check_pool(cx, __func__, cfg, x, dy);
    kn_check_pool(cx, __func__, cfg, dx, dy);
    kn_check_same(__func__, "x", x, "dx", dx);
    kn_check_apart(__func__, "x", x, dx);
    kn_check_beta(__func__, beta);
    if (tn_count(dx)) cx->table->max_pool2d_bwd(cx, cfg, x, dy, beta, dx);
}

void kn_avg_pool2d_bwd(kn_ctx *cx, const kn_pool2d *cfg, const tn_tensor *dy, double beta,
                       tn_tensor *dx) {
    kn_check_pool(cx, __func__, cfg, dx, dy);
    kn_check_beta(__func__, beta);
    if (tn_count(dx)) cx->table->avg_pool2d_bwd(cx, cfg, dy, beta, dx);
}

void kn_resize_bwd(kn_ctx *cx, const kn_resize *cfg, const tn_tensor *dy, double beta,
                   tn_tensor *dx) {
    kn_check_resize(cx, __func__, cfg, dx, dy);
    kn_check_beta(__func__, beta);
    if (tn_count(dx)) cx->table->resize_bwd(cx, cfg, dy, beta, dx);
}

void kn_upsample_bwd(kn_ctx *cx, const tn_tensor *dy, double beta, tn_tensor *dtop) {
    kn_check_upsample(cx, __func__, dtop, dy);
    kn_check_beta(__func__, beta);
    if (tn_count(dtop)) cx->table->upsample_bwd(cx, dy, beta, dtop);
}

void kn_roi_align_bwd(kn_ctx *cx, const kn_roi_align *cfg, const tn_tensor *rois,
                      const tn_tensor *image, const tn_tensor *map, const tn_tensor *dy,
                      double beta, tn_tensor *dlevel) {
    TN_CHECK(cfg->level && dlevel, "%s: no levels", __func__);
    int64_t count = 0;
    for (int i = 0; i < cfg->levels; i++) {
        kn_check_same(__func__, "level", &cfg->level[i], "dlevel", &dlevel[i]);
        count += tn_count(&dlevel[i]);
    }
    kn_roi_align to = *cfg;
    to.level = dlevel;
    kn_check_roi_align(cx, __func__, &to, rois, image, map, dy);
    kn_check_beta(__func__, beta);
    if (count) cx->table->roi_align_bwd(cx, &to, rois, image, map, dy, beta, dlevel);
}
