// SPDX-License-Identifier: Apache-2.0
#include "models/detector/resnet.h"

#include <stdio.h>
#include <string.h>

// ---- loading ----------------------------------------------------------------------------------

// One convolution with its batch norm, [out,in,kernel,kernel]; out may be -1.
static tn_status conv_bn(const nn_loader *load, const char *prefix, const char *conv,
                         const char *norm, double eps, int64_t out, int64_t in, int kernel,
                         int stride, kn_act act, nn_conv *to) {
    char conv_name[NN_NAME], norm_name[NN_NAME], weight[NN_NAME];
    const io_tensor *found;
    nn_join(conv_name, prefix, conv);
    nn_join(norm_name, prefix, norm);
    TN_TRY(nn_find(load, nn_join(weight, conv_name, ".weight"), &found));
    if (found->rank == 4 && found->dim[1] > 0 && found->dim[1] < in && in % found->dim[1] == 0 &&
        kernel > 1)
        return tn_fail(load->err, TN_EUNSUPPORTED,
                       "%s: '%s' reads %lld of %lld channels: a grouped convolution (ResNeXt), "
                       "which is not supported",
                       io_weights_path(load->file), found->name, (long long)found->dim[1],
                       (long long)in);
    const int64_t dim[4] = {out, in, kernel, kernel};
    return nn_conv_bn_load(load, conv_name, norm_name, nn_batch_norm_eps(load, norm_name, eps), dim,
                           kn_conv_same(stride, kernel / 2), act, to);
}

static tn_status load_block(const nn_loader *load, const char *prefix, double eps, int64_t in,
                            int64_t out, int stride, md_resnet_block *block) {
    char name[NN_NAME];
    bool bottleneck = nn_has(load, nn_join(name, prefix, ".conv3.weight"));
    *block = (md_resnet_block){.convs = bottleneck ? 3 : 2};
    if (bottleneck) {
        TN_TRY(
            conv_bn(load, prefix, ".conv1", ".bn1", eps, -1, in, 1, 1, KN_RELU, &block->conv[0]));
        TN_TRY(conv_bn(load, prefix, ".conv2", ".bn2", eps, -1, block->conv[0].w.out, 3, stride,
                       KN_RELU, &block->conv[1]));
        TN_TRY(conv_bn(load, prefix, ".conv3", ".bn3", eps, out, block->conv[1].w.out, 1, 1,
                       KN_RELU, &block->conv[2]));
    } else {
        TN_TRY(conv_bn(load, prefix, ".conv1", ".bn1", eps, -1, in, 3, stride, KN_RELU,
                       &block->conv[0]));
        TN_TRY(conv_bn(load, prefix, ".conv2", ".bn2", eps, out, block->conv[0].w.out, 3, 1,
                       KN_RELU, &block->conv[1]));
    }
    out = block->conv[block->convs - 1].w.out;
    block->projects = nn_has(load, nn_join(name, prefix, ".downsample.0.weight"));
    if (block->projects)
        return conv_bn(load, prefix, ".downsample.0", ".downsample.1", eps, out, in, 1, stride,
                       KN_LINEAR, &block->shortcut);
    if (in == out && stride == 1) return TN_OK;
    return tn_fail(load->err, TN_EFORMAT,
                   "%s: there is no tensor '%s', but the block's input and output differ",
                   io_weights_path(load->file), name);
}

static bool has_block(const nn_loader *load, const char *prefix, int stage, int block,
                      char name[NN_NAME]) {
    snprintf(name, NN_NAME, "%s.layer%d.%d.conv1.weight", prefix, stage + 1, block);
    return nn_has(load, name);
}

static tn_status load_stage(const nn_loader *load, const char *prefix, int stage, double eps,
                            int64_t in, md_resnet *net) {
    char name[NN_NAME], block[NN_NAME];
    int count = 0;
    while (has_block(load, prefix, stage, count, name)) count++;
    if (count == 0) {
        const io_tensor *none;
        return nn_find(load, name, &none); // reports that it is missing
    }
    net->blocks[stage] = count;
    net->block[stage] = tn_arena_alloc(load->arena, (size_t)count * sizeof *net->block[stage]);
    if (!net->block[stage])
        return tn_fail(load->err, TN_ENOMEM, "%s: out of memory", io_weights_path(load->file));
    for (int b = 0; b < count; b++) {
        snprintf(block, sizeof block, "%s.layer%d.%d", prefix, stage + 1, b);
        TN_TRY(load_block(load, block, eps, b ? net->channels[stage] : in,
                          b ? net->channels[stage] : -1, stage > 0 && b == 0 ? 2 : 1,
                          &net->block[stage][b]));
        md_resnet_block *loaded = &net->block[stage][b];
        net->channels[stage] = loaded->conv[loaded->convs - 1].w.out;
    }
    return TN_OK;
}

tn_status md_resnet_load(const nn_loader *load, const char *prefix, double bn_eps, md_resnet *out) {
    *out = (md_resnet){0};
    TN_TRY(conv_bn(load, prefix, ".conv1", ".bn1", bn_eps, -1, 3, 7, 2, KN_RELU, &out->stem));
    for (int s = 0; s < MD_RESNET_STAGES; s++)
        TN_TRY(
            load_stage(load, prefix, s, bn_eps, s ? out->channels[s - 1] : out->stem.w.out, out));
    return TN_OK;
}

// ---- running ----------------------------------------------------------------------------------

// x -> y, allocated by the caller. x may be y if the block keeps its size: the shortcut is then
// read from where the sum is stored, element by element.
static tn_status run_block(nn_ctx *cx, const md_resnet_block *block, const tn_tensor *x,
                           tn_tensor *y) {
    size_t mark = tn_arena_mark(cx->step);
    tn_tensor inner[2];
    const tn_tensor *at = x, *shortcut = x;
    for (int i = 0; i + 1 < block->convs; i++) {
        TN_TRY(nn_conv_fwd(cx, &block->conv[i], at, NULL, &inner[i]));
        at = &inner[i];
    }
    if (block->projects) {
        TN_TRY(nn_conv_into(cx, &block->shortcut, x, NULL, y));
        shortcut = y;
    }
    TN_TRY(nn_conv_into(cx, &block->conv[block->convs - 1], at, shortcut, y));
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}

static int64_t halved(int64_t n) {
    return (n + 1) / 2;
}

tn_status md_resnet_fwd(nn_ctx *cx, const md_resnet *net, const tn_tensor *x,
                        tn_tensor y[MD_RESNET_STAGES]) {
    TN_CHECK(x->rank == 4 && x->dim[3] == 3, "a picture has 3 channels");
    int64_t n = x->dim[0], h = halved(halved(x->dim[1])), w = halved(halved(x->dim[2]));
    tn_tensor pooled, stem;
    // Results are allocated first, below the scratch.
    for (int s = 0; s < MD_RESNET_STAGES; s++) {
        TN_TRY(tn_new(cx->step, &y[s], x->dtype, TN_DIMS(n, h, w, net->channels[s]), cx->err));
        h = halved(h), w = halved(w);
    }
    size_t mark = tn_arena_mark(cx->step);
    TN_TRY(tn_new(cx->step, &pooled, x->dtype,
                  TN_DIMS(n, y[0].dim[1], y[0].dim[2], net->stem.w.out), cx->err));
    size_t before_stem = tn_arena_mark(cx->step);
    TN_TRY(nn_conv_fwd(cx, &net->stem, x, NULL, &stem));
    kn_max_pool2d_fwd(cx->kn, &(kn_pool2d){3, 3, 2, 2, 1, 1, 1, 1, false}, &stem, &pooled);
    tn_arena_reset(cx->step, before_stem);
    for (int s = 0; s < MD_RESNET_STAGES; s++)
        for (int b = 0; b < net->blocks[s]; b++)
            TN_TRY(run_block(cx, &net->block[s][b], b ? &y[s] : s ? &y[s - 1] : &pooled, &y[s]));
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}

const char *md_resnet_describe(const md_resnet *net, char *text, size_t bytes) {
    static const struct {
        int convs, blocks[MD_RESNET_STAGES];
        const char *name;
    } known[] = {
        {2, {2, 2, 2, 2}, "ResNet-18"},   {2, {3, 4, 6, 3}, "ResNet-34"},
        {3, {3, 4, 6, 3}, "ResNet-50"},   {3, {3, 4, 23, 3}, "ResNet-101"},
        {3, {3, 8, 36, 3}, "ResNet-152"},
    };
    int convs = net->block[0][0].convs;
    bool full_width = net->stem.w.out == 64 && net->block[0][0].conv[0].w.out == 64;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (full_width && known[i].convs == convs &&
            memcmp(known[i].blocks, net->blocks, sizeof net->blocks) == 0) {
            snprintf(text, bytes, "%s", known[i].name);
            return text;
        }
    snprintf(text, bytes, "ResNet (%s blocks %d,%d,%d,%d)", convs == 3 ? "bottleneck" : "basic",
             net->blocks[0], net->blocks[1], net->blocks[2], net->blocks[3]);
    return text;
}
