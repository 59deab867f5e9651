// SPDX-License-Identifier: Apache-2.0
// Code that the transformers of both towers share.
#include "models/clip/clip_towers.h"
#include "nn/ops.h"

#include <stdio.h>
#include <string.h>

void md_clip_tap_number(const md_clip_tap *tap, const char *what, int64_t i,
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
    if (!*out)
        return tn_fail(load->err, TN_ENOMEM, "out of memory for %lld blocks", (long long)count);
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
        md_clip_tap_number(tap, "block", i, x);
    }
    return TN_OK;
}

tn_status md_projection_load(const nn_loader *load, const char *name, int64_t in, int64_t out,
                             nn_linear *linear) {
    char weight[NN_NAME];
    bool stored_so =
        load->file ? nn_has(load, nn_join(weight, name, ".weight")) : load->separate_qkv;
    return stored_so ? nn_linear_load(load, name, out, in, KN_LINEAR, linear)
                     : nn_linear_load_matrix(load, name, in, out, linear);
}

// Positions of the first tokens of n sequences.
static tn_status first_positions(nn_ctx *cx, int64_t n, tn_tensor *position) {
    TN_TRY(tn_new(cx->step, position, TN_I32, TN_DIMS(n), cx->err));
    if (n) memset(position->data, 0, tn_bytes(position));
    return TN_OK;
}

tn_status md_blocks_token(nn_ctx *cx, const nn_block *block, int64_t layers,
                          const tn_tensor *position, const md_clip_tap *tap, tn_tensor *x,
                          tn_tensor *y) {
    tn_tensor first;
    if (!position) {
        TN_TRY(first_positions(cx, x->dim[0], &first));
        position = &first;
    }
    bool all = tap || layers == 0;
    TN_TRY(md_blocks_run(cx, block, 0, all ? layers : layers - 1, tap, x));
    return all ? nn_pick_tokens(cx, x, position, y)
               : nn_block_token(cx, &block[layers - 1], x, position, y);
}
