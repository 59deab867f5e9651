// SPDX-License-Identifier: Apache-2.0
// What the transformers of both towers share.
#include "models/clip_towers.h"

#include <stdio.h>

void md_clip_see_number(const md_clip_tap *tap, const char *what, int64_t i,
                        const tn_tensor *value) {
    char name[64];
    if (!tap) return;
    snprintf(name, sizeof name, "%s.%lld", what, (long long)i);
    tap->see(tap->user, name, value);
}

tn_status md_blocks_load(const nn_loader *load, const char *prefix, int64_t count,
                         const nn_block_config *cfg, nn_block **out) {
    char name[NN_NAME];
    size_t bytes;
    TN_CHECK(count >= 0 && tn_mul_size((size_t)count, sizeof **out, &bytes), "%lld blocks",
             (long long)count);
    *out = tn_arena_alloc(load->parts, bytes);
    if (!*out) return tn_fail(load->err, TN_ENOMEM, "no memory for %lld blocks", (long long)count);
    for (int64_t i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%s.%lld", prefix, (long long)i);
        TN_TRY(nn_block_load(load, name, cfg, &(*out)[i]));
    }
    return TN_OK;
}

tn_status md_blocks_run(nn_ctx *cx, const nn_block *block, int64_t from, int64_t to,
                        const md_clip_tap *tap, tn_tensor *x) {
    for (int64_t i = from; i < to; i++) {
        TN_TRY(nn_block_inplace(cx, &block[i], x));
        md_clip_see_number(tap, "block", i, x);
    }
    return TN_OK;
}

tn_status md_projection_load(const nn_loader *load, const char *name, int64_t in, int64_t out,
                             nn_linear *linear) {
    char weight[NN_NAME];
    return nn_has(load, nn_join(weight, name, ".weight"))
               ? nn_linear_load(load, name, out, in, KN_LINEAR, linear)
               : nn_linear_load_matrix(load, name, in, out, linear);
}

tn_status md_take_token(nn_ctx *cx, const tn_tensor *x, int64_t place, tn_tensor *y) {
    int64_t n = x->dim[0], length = x->dim[1];
    TN_TRY(tn_new(cx->step, y, x->dtype, TN_DIMS(n, x->dim[2]), cx->err));
    size_t mark = tn_arena_mark(cx->step);
    tn_tensor rows = tn_reshape(x, TN_DIMS(n * length, x->dim[2])), ids;
    TN_TRY(tn_new(cx->step, &ids, TN_I32, TN_DIMS(n), cx->err));
    for (int64_t i = 0; i < n; i++) tn_i32(&ids)[i] = (int32_t)(i * length + place);
    kn_gather_rows_fwd(cx->kn, &rows, &ids, y);
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}
