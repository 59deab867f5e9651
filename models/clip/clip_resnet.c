// SPDX-License-Identifier: Apache-2.0
// CLIP's ResNets: three convolutions for a stem, strides by average pooling, attention pool.
#include "models/clip/clip_towers.h"
#include "nn/ops.h"

#include <stdio.h>

#define BN_EPS 1e-5

static tn_status stem_load(const nn_loader *load, int64_t width, md_clip_resnet *resnet) {
    for (int i = 0; i < 3; i++) {
        char conv[NN_NAME], bn[NN_NAME];
        snprintf(conv, sizeof conv, "visual.conv%d", i + 1);
        snprintf(bn, sizeof bn, "visual.bn%d", i + 1);
        int64_t dim[4] = {i == 2 ? width : width / 2, i == 0 ? 3 : width / 2, 3, 3};
        TN_TRY(nn_conv_bn_load(load, conv, bn, BN_EPS, dim, kn_conv_same(i == 0 ? 2 : 1, 1),
                               KN_RELU, &resnet->stem[i]));
    }
    return TN_OK;
}

static tn_status bottleneck_load(const nn_loader *load, const char *prefix, int64_t in,
                                 int64_t planes, int pool, md_bottleneck *block) {
    char conv[NN_NAME], bn[NN_NAME];
    *block = (md_bottleneck){.pool = pool};
    kn_conv one = kn_conv_same(1, 0);
    TN_TRY(nn_conv_bn_load(load, nn_join(conv, prefix, ".conv1"), nn_join(bn, prefix, ".bn1"),
                           BN_EPS, (int64_t[]){planes, in, 1, 1}, one, KN_RELU, &block->conv1));
    TN_TRY(nn_conv_bn_load(load, nn_join(conv, prefix, ".conv2"), nn_join(bn, prefix, ".bn2"),
                           BN_EPS, (int64_t[]){planes, planes, 3, 3}, kn_conv_same(1, 1), KN_RELU,
                           &block->conv2));
    // The shortcut is added in the last convolution's epilogue, before the activation.
    TN_TRY(nn_conv_bn_load(load, nn_join(conv, prefix, ".conv3"), nn_join(bn, prefix, ".bn3"),
                           BN_EPS, (int64_t[]){4 * planes, planes, 1, 1}, one, KN_RELU,
                           &block->conv3));
    if (pool == 1 && in == 4 * planes) return TN_OK;
    return nn_conv_bn_load(load, nn_join(conv, prefix, ".downsample.0"),
                           nn_join(bn, prefix, ".downsample.1"), BN_EPS,
                           (int64_t[]){4 * planes, in, 1, 1}, one, KN_LINEAR, &block->shortcut);
}

static tn_status stage_load(const nn_loader *load, int stage, int64_t width, int64_t blocks,
                            md_clip_resnet *resnet) {
    int64_t planes = width << stage, in = stage ? 2 * planes : width;
    size_t bytes = (size_t)blocks * sizeof(md_bottleneck); // blocks <= tensors in the file
    resnet->blocks[stage] = blocks;
    resnet->stage[stage] = tn_arena_alloc(load->parts, bytes);
    if (!resnet->stage[stage])
        return tn_fail(load->err, TN_ENOMEM, "out of memory for %lld blocks", (long long)blocks);
    for (int64_t i = 0; i < blocks; i++) {
        char prefix[NN_NAME];
        snprintf(prefix, sizeof prefix, "visual.layer%d.%lld", stage + 1, (long long)i);
        TN_TRY(bottleneck_load(load, prefix, i ? 4 * planes : in, planes, stage && !i ? 2 : 1,
                               &resnet->stage[stage][i]));
    }
    return TN_OK;
}

static tn_status pool_load(const nn_loader *load, const md_clip_config *cfg,
                           md_attention_pool *pool) {
    int64_t c = cfg->width * 32;
    *pool = (md_attention_pool){.heads = (int)cfg->heads};
    TN_TRY(nn_load(load, "visual.attnpool.positional_embedding",
                   TN_DIMS(1 + cfg->grid * cfg->grid, c), &pool->position));
    TN_TRY(nn_linear_load(load, "visual.attnpool.q_proj", c, c, KN_LINEAR, &pool->query));
    const char *both[] = {"visual.attnpool.k_proj", "visual.attnpool.v_proj"};
    TN_TRY(nn_linear_load_joined(load, 2, both, c, c, KN_LINEAR, &pool->key_value));
    return nn_linear_load(load, "visual.attnpool.c_proj", cfg->embed_dim, c, KN_LINEAR,
                          &pool->projection);
}

tn_status md_clip_resnet_load(const nn_loader *load, const md_clip_config *cfg,
                              md_clip_resnet *resnet) {
    *resnet = (md_clip_resnet){0};
    TN_TRY(stem_load(load, cfg->width, resnet));
    for (int stage = 0; stage < 4; stage++)
        TN_TRY(stage_load(load, stage, cfg->width, cfg->stage[stage], resnet));
    return pool_load(load, cfg, &resnet->pool);
}

// ---- forward -----------------------------------------------------------------------------------

static tn_status pooled_by(nn_ctx *cx, int64_t kh, int64_t kw, const tn_tensor *x, tn_tensor *y) {
    kn_pool2d cfg = {
        .kh = (int)kh, .kw = (int)kw, .stride_h = (int)kh, .stride_w = (int)kw, .count_pad = true};
    TN_TRY(tn_new(cx->step, y, TN_F32,
                  TN_DIMS(x->dim[0], x->dim[1] / kh, x->dim[2] / kw, x->dim[3]), cx->err));
    kn_avg_pool2d_fwd(cx->kn, &cfg, x, y);
    return TN_OK;
}

tn_status md_clip_resnet_stem(nn_ctx *cx, const md_clip_resnet *resnet, const tn_tensor *x,
                              const md_clip_tap *tap, tn_tensor *y) {
    size_t mark = tn_arena_mark(cx->step);
    tn_tensor at = *x, next;
    for (int i = 0; i < 3; i++, at = next) {
        TN_TRY(nn_conv_fwd(cx, &resnet->stem[i], &at, NULL, &next));
        md_clip_tap_number(tap, "stem", i, &next);
    }
    kn_pool2d half = {.kh = 2, .kw = 2, .stride_h = 2, .stride_w = 2, .count_pad = true};
    kn_avg_pool2d_fwd(cx->kn, &half, &at, y);
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}

// y is already allocated; all other memory is freed.
static tn_status bottleneck_into(nn_ctx *cx, const md_bottleneck *block, const tn_tensor *x,
                                 tn_tensor *y) {
    size_t mark = tn_arena_mark(cx->step);
    tn_tensor inner, wide, shrunk = *x, small;
    const tn_tensor *shortcut = x;
    if (block->shortcut.w.data) {
        if (block->pool > 1) TN_TRY(pooled_by(cx, block->pool, block->pool, x, &shrunk));
        TN_TRY(nn_conv_into(cx, &block->shortcut, &shrunk, NULL,
                            y)); // y holds the shortcut until the last convolution
        shortcut = y;
    }
    TN_TRY(nn_conv_fwd(cx, &block->conv1, x, NULL, &inner));
    TN_TRY(nn_conv_fwd(cx, &block->conv2, &inner, NULL, &wide));
    if (block->pool > 1)
        TN_TRY(pooled_by(cx, block->pool, block->pool, &wide, &small));
    else
        small = wide;
    TN_TRY(nn_conv_into(cx, &block->conv3, &small, shortcut, y));
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}

tn_status md_clip_resnet_stage(nn_ctx *cx, const md_clip_resnet *resnet, int stage,
                               const tn_tensor *x, const md_clip_tap *tap, tn_tensor *y) {
    char what[32];
    snprintf(what, sizeof what, "layer%d", stage + 1);
    const md_bottleneck *block = resnet->stage[stage];
    int64_t pool = resnet->blocks[stage] ? block[0].pool : 1;
    TN_TRY(tn_new(cx->step, y, TN_F32,
                  TN_DIMS(x->dim[0], x->dim[1] / pool, x->dim[2] / pool, block[0].conv3.w.out),
                  cx->err));
    size_t mark = tn_arena_mark(cx->step);
    // Alternates between two buffers, starting so that the last block writes y.
    tn_tensor other;
    TN_TRY(tn_new(cx->step, &other, TN_F32, y->rank, y->dim, cx->err));
    const tn_tensor *at = x;
    for (int64_t i = 0; i < resnet->blocks[stage]; i++) {
        tn_tensor *next = (resnet->blocks[stage] - i) % 2 ? y : &other;
        TN_TRY(bottleneck_into(cx, &block[i], at, next));
        md_clip_tap_number(tap, what, i, next);
        at = next;
    }
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}

tn_status md_attention_pool_fwd(nn_ctx *cx, const md_attention_pool *pool, const tn_tensor *x,
                                tn_tensor *y) {
    size_t mark = tn_arena_mark(cx->step);
    int64_t n = x->dim[0], cells = x->dim[1] * x->dim[2], c = x->dim[3];
    TN_CHECK(pool->position.dim[0] == cells + 1, "%lld cells, positions for %lld", (long long)cells,
             (long long)pool->position.dim[0] - 1);
    tn_tensor mean, tokens, query, key_value, mixed;
    TN_TRY(pooled_by(cx, x->dim[1], x->dim[2], x, &mean));
    TN_TRY(tn_new(cx->step, &tokens, TN_F32, TN_DIMS(n, 1 + cells, c), cx->err));
    tn_tensor mean_at = tn_slice(&pool->position, 0, 1),
              cell_at = tn_slice(&pool->position, 1, cells);
    for (int64_t i = 0; i < n; i++) {
        tn_tensor row = tn_slice(&tokens, i, 1), source = tn_slice(&mean, i, 1);
        row = tn_reshape(&row, TN_DIMS(1 + cells, c));
        tn_tensor first = tn_slice(&row, 0, 1), rest = tn_slice(&row, 1, cells);
        source = tn_reshape(&source, TN_DIMS(1, c));
        kn_add_fwd(cx->kn, KN_LINEAR, &source, &mean_at, &first);
        source = tn_slice(x, i, 1);
        source = tn_reshape(&source, TN_DIMS(cells, c));
        kn_add_fwd(cx->kn, KN_LINEAR, &source, &cell_at, &rest);
    }
    tn_tensor asking;
    TN_TRY(nn_pick_tokens(cx, &tokens, NULL, &asking)); // only the mean's row is a query
    TN_TRY(nn_linear_fwd(cx, &pool->query, &asking, NULL, &query));
    query = tn_reshape(&query, TN_DIMS(n, 1, c));
    TN_TRY(nn_linear_fwd(cx, &pool->key_value, &tokens, NULL, &key_value));
    TN_TRY(tn_new(cx->step, &mixed, TN_F32, TN_DIMS(n, 1, c), cx->err));
    kn_attention cfg = {.heads = pool->heads, .k_stride = 2 * c, .v_stride = 2 * c};
    tn_tensor key = tn_view(tn_f32(&key_value), TN_F32, 3, tokens.dim),
              value = tn_view(tn_f32(&key_value) + c, TN_F32, 3, tokens.dim);
    kn_attention_fwd(cx->kn, &cfg, &query, &key, &value, &mixed);
    mixed = tn_reshape(&mixed, TN_DIMS(n, c));
    nn_linear_into(cx, &pool->projection, &mixed, NULL, y);
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}

tn_status md_clip_resnet_fwd(nn_ctx *cx, const md_clip_resnet *resnet, const tn_tensor *x,
                             const md_clip_tap *tap, tn_tensor *y) {
    size_t mark = tn_arena_mark(cx->step);
    tn_tensor at, next;
    int64_t width = resnet->stem[2].w.out;
    TN_TRY(tn_new(cx->step, &at, TN_F32, TN_DIMS(x->dim[0], x->dim[1] / 4, x->dim[2] / 4, width),
                  cx->err));
    TN_TRY(md_clip_resnet_stem(cx, resnet, x, tap, &at));
    md_clip_see(tap, "stem.pool", &at);
    for (int stage = 0; stage < 4; stage++, at = next)
        TN_TRY(md_clip_resnet_stage(cx, resnet, stage, &at, tap, &next));
    TN_TRY(md_attention_pool_fwd(cx, &resnet->pool, &at, y));
    md_clip_see(tap, "projection", y);
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}
