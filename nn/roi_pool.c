// SPDX-License-Identifier: Apache-2.0
#include "nn/roi_pool.h"

#include <math.h>
#include <string.h>

#define MOST_LEVELS 16

void nn_roi_levels(const nn_roi_pool *pool, const tn_tensor *boxes, tn_tensor *level) {
    const float *box = tn_f32(boxes);
    int32_t *out = tn_i32(level);
    float canonical = (float)pool->canonical_scale;
    for (int64_t i = 0; i < boxes->dim[0]; i++, box += 4) {
        float side = sqrtf((box[2] - box[0]) * (box[3] - box[1]));
        float k = floorf(((float)pool->canonical_level + log2f(side / canonical)) + 1e-6f);
        int coarsest = pool->finest + pool->levels - 1;
        // An empty region gives -inf, a NaN the finest level.
        k = k >= (float)coarsest      ? (float)coarsest
            : k > (float)pool->finest ? k
                                      : (float)pool->finest;
        out[i] = (int32_t)k - pool->finest;
    }
}

tn_status nn_roi_pool_fwd(nn_ctx *cx, const nn_roi_pool *pool, const tn_tensor *maps,
                          const tn_tensor *rois, const tn_tensor *image, int64_t size,
                          tn_tensor *y) {
    TN_CHECK(pool->levels > 0 && pool->levels <= MOST_LEVELS, "%d levels", pool->levels);
    int64_t count = rois->dim[0];
    tn_tensor level, zero;
    double scale[MOST_LEVELS];
    for (int i = 0; i < pool->levels; i++)
        scale[i] = 1.0 / (pool->stride ? pool->stride[i] : (double)(1 << (pool->finest + i)));
    TN_TRY(tn_new(cx->step, y, maps[0].dtype, TN_DIMS(count, size, size, maps[0].dim[3]), cx->err));
    size_t mark = tn_arena_mark(cx->step);
    TN_TRY(tn_new(cx->step, &level, TN_I32, TN_DIMS(count), cx->err));
    nn_roi_levels(pool, rois, &level);
    if (!image) {
        TN_TRY(tn_new(cx->step, &zero, TN_I32, TN_DIMS(count), cx->err));
        memset(zero.data, 0, tn_bytes(&zero));
        image = &zero;
    }
    kn_roi_align cfg = {.sampling_ratio = pool->sampling_ratio,
                        .aligned = pool->aligned,
                        .levels = pool->levels,
                        .level = maps,
                        .scale = scale};
    kn_roi_align_fwd(cx->kn, &cfg, rois, image, pool->levels > 1 ? &level : NULL, y);
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}
