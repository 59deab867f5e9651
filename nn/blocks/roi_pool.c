// SPDX-License-Identifier: Apache-2.0
#include "nn/blocks/roi_pool.h"

#include "kernels/kernels.h"
#include "nn/tape.h"

#include <math.h>
#include <string.h>

#define MAX_LEVELS 16

void nn_roi_levels(const nn_roi_pool *pool, const tn_tensor *boxes, tn_tensor *level) {
    const float *box = tn_f32(boxes);
    int32_t *out = tn_i32(level);
    float canonical = (float)pool->canonical_scale;
    for (int64_t i = 0; i < boxes->dim[0]; i++, box += 4) {
        float side = sqrtf((box[2] - box[0]) * (box[3] - box[1]));
        float k = floorf(((float)pool->canonical_level + log2f(side / canonical)) + 1e-6f);
        int coarsest = pool->finest + pool->levels - 1;
        // An empty region gives -inf and goes to the finest level, and so does a NaN.
        k = k >= (float)coarsest      ? (float)coarsest
            : k > (float)pool->finest ? k
                                      : (float)pool->finest;
        out[i] = (int32_t)k - pool->finest;
    }
}

// ---- pooling ----------------------------------------------------------------------------------

typedef struct saved {
    kn_roi_align cfg; // level and scale pointers are set to the copies below when it runs
    tn_tensor map[MAX_LEVELS];
    double scale[MAX_LEVELS];
    tn_tensor rois, image, level, y; // level.data is NULL if there is one map
} saved;

static kn_roi_align settings(const saved *s) {
    kn_roi_align cfg = s->cfg;
    cfg.level = s->map;
    cfg.scale = s->scale;
    return cfg;
}

// The gradient of a map; temporary memory if it is not wanted.
static tn_status gradient_of(nn_ctx *cx, const tn_tensor *map, double *beta, tn_tensor *dmap) {
    *beta = 0;
    if (nn_tape_wants(cx, map)) return nn_tape_input_grad(cx, map, beta, dmap);
    return tn_new(cx->step, dmap, map->dtype, map->rank, map->dim, cx->err);
}

// The kernel takes one beta for all maps: if one map already has a gradient, those of the others
// start as 0.
static tn_status backward(nn_ctx *cx, const void *of) {
    const saved *s = of;
    kn_roi_align cfg = settings(s);
    tn_tensor dy, dmap[MAX_LEVELS];
    double beta[MAX_LEVELS], most = 0;
    TN_TRY(nn_tape_output_grad(cx, &s->y, &dy));
    if (!dy.data) return TN_OK;
    for (int i = 0; i < cfg.levels; i++) {
        TN_TRY(gradient_of(cx, &s->map[i], &beta[i], &dmap[i]));
        if (beta[i] > most) most = beta[i];
    }
    for (int i = 0; i < cfg.levels; i++)
        if (beta[i] < most) memset(dmap[i].data, 0, tn_bytes(&dmap[i]));
    kn_roi_align_bwd(cx->kn, &cfg, &s->rois, &s->image, s->level.data ? &s->level : NULL, &dy, most,
                     dmap);
    return TN_OK;
}

static bool wanted(const nn_ctx *cx, const saved *s) {
    for (int i = 0; i < s->cfg.levels; i++)
        if (nn_tape_wants(cx, &s->map[i])) return true;
    return false;
}

// Finds the level of each region; picture 0 for all if no pictures are given.
static tn_status assign_levels(nn_ctx *cx, const nn_roi_pool *pool, const tn_tensor *image,
                               saved *s) {
    int64_t count = s->rois.dim[0];
    if (pool->levels > 1) {
        TN_TRY(tn_new(cx->step, &s->level, TN_I32, TN_DIMS(count), cx->err));
        nn_roi_levels(pool, &s->rois, &s->level);
    }
    if (image) {
        s->image = *image;
        return TN_OK;
    }
    TN_TRY(tn_new(cx->step, &s->image, TN_I32, TN_DIMS(count), cx->err));
    memset(s->image.data, 0, tn_bytes(&s->image));
    return TN_OK;
}

tn_status nn_roi_pool_fwd(nn_ctx *cx, const nn_roi_pool *pool, const tn_tensor *maps,
                          const tn_tensor *rois, const tn_tensor *image, int64_t size,
                          tn_tensor *y) {
    TN_CHECK(pool->levels > 0 && pool->levels <= MAX_LEVELS, "%d levels", pool->levels);
    saved s = {.cfg = {.sampling_ratio = pool->sampling_ratio,
                       .aligned = pool->aligned,
                       .levels = pool->levels},
               .rois = *rois};
    for (int i = 0; i < pool->levels; i++) {
        s.map[i] = maps[i];
        s.scale[i] = 1.0 / (pool->stride ? pool->stride[i] : (double)(1 << (pool->finest + i)));
    }
    TN_TRY(tn_new(cx->step, y, maps[0].dtype, TN_DIMS(rois->dim[0], size, size, maps[0].dim[3]),
                  cx->err));
    s.y = *y;
    nn_scope scope = nn_scope_enter(cx);
    TN_TRY(assign_levels(cx, pool, image, &s));
    kn_roi_align cfg = settings(&s);
    kn_roi_align_fwd(cx->kn, &cfg, rois, &s.image, s.level.data ? &s.level : NULL, y);
    if (wanted(cx, &s)) nn_tape_push(cx, backward, &s, sizeof s, y);
    nn_scope_leave(cx, scope);
    return TN_OK;
}
