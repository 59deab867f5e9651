// SPDX-License-Identifier: Apache-2.0
#include "models/detector/box_head.h"

#include <stdio.h>

// ---- loading ----------------------------------------------------------------------------------

// All of torchvision's have a bias; a file that lost one must be refused.
static tn_status load_fc(const nn_loader *load, const char *prefix, int64_t out, int64_t in,
                         kn_act act, nn_linear *fc) {
    char name[NN_NAME];
    const io_tensor *bias;
    TN_TRY(nn_linear_load(load, prefix, out, in, act, fc));
    return nn_find(load, nn_join(name, prefix, ".bias"), &bias);
}

// The first linear layer gives the size of a region: its columns are channels * size * size.
static tn_status load_first_fc(const nn_loader *load, const char *prefix, int64_t channels,
                               int64_t *size, nn_linear *fc) {
    char name[NN_NAME];
    const io_tensor *found;
    TN_TRY(nn_find(load, nn_join(name, prefix, ".weight"), &found));
    int64_t columns = found->rank == 2 ? found->dim[1] : 0;
    *size = 1;
    while (*size < 64 && channels * *size * *size < columns) ++*size;
    if (channels * *size * *size != columns || found->dim[0] == 0) {
        char shape[128];
        return tn_fail(load->err, TN_EFORMAT,
                       "%s: tensor '%s' has shape %s, expected [K,%lld*s*s] for regions of s x s",
                       io_weights_path(load->file), found->name,
                       tn_shape_text(found->rank, found->dim, shape, sizeof shape),
                       (long long)channels);
    }
    TN_TRY(nn_linear_load_regions(load, prefix, -1, channels, *size, KN_RELU, fc));
    return nn_find(load, nn_join(name, prefix, ".bias"), &found);
}

static tn_status load_convs(const nn_loader *load, const char *prefix, int64_t *channels,
                            double bn_eps, md_box_head *head) {
    char name[NN_NAME], layer[NN_NAME];
    for (; head->convs < MD_BOX_LAYERS; head->convs++) {
        snprintf(layer, sizeof layer, "%s.%d", prefix, head->convs);
        if (!nn_has(load, nn_join(name, layer, ".0.weight"))) return TN_OK;
        const int64_t dim[4] = {-1, *channels, 3, 3};
        TN_TRY(nn_conv_norm_load(load, layer, bn_eps, dim, kn_conv_same(1, 1), KN_RELU,
                                 &head->conv[head->convs]));
        *channels = head->conv[head->convs].w.out;
    }
    return TN_OK;
}

// Name of the i-th linear layer: fc6, fc7, … in TwoMLPHead; in FastRCNNConvFCHead every second
// index after the convolutions and the flatten layer.
static const char *fc_name(const char *prefix, bool named, int convs, int i, char out[NN_NAME]) {
    if (named)
        snprintf(out, NN_NAME, "%s.fc%d", prefix, 6 + i);
    else
        snprintf(out, NN_NAME, "%s.%d", prefix, convs + 1 + 2 * i);
    return out;
}

tn_status md_box_head_load(const nn_loader *load, const char *prefix, const char *predictor,
                           int64_t channels, double bn_eps, md_box_head *out) {
    char name[NN_NAME], weight[NN_NAME];
    *out = (md_box_head){0};
    bool named = nn_has(load, nn_join(name, prefix, ".fc6.weight"));
    if (!named) TN_TRY(load_convs(load, prefix, &channels, bn_eps, out));
    fc_name(prefix, named, out->convs, 0, name);
    TN_TRY(load_first_fc(load, name, channels, &out->size, &out->fc[0]));
    for (out->fcs = 1; out->fcs < MD_BOX_LAYERS; out->fcs++) {
        fc_name(prefix, named, out->convs, out->fcs, name);
        if (!nn_has(load, nn_join(weight, name, ".weight"))) break;
        TN_TRY(load_fc(load, name, -1, out->fc[out->fcs - 1].w.out, KN_RELU, &out->fc[out->fcs]));
    }
    int64_t features = out->fc[out->fcs - 1].w.out;
    TN_TRY(load_fc(load, nn_join(name, predictor, ".cls_score"), -1, features, KN_LINEAR,
                   &out->logits));
    out->classes = out->logits.w.out;
    if (out->classes < 2)
        return tn_fail(load->err, TN_EFORMAT,
                       "%s: '%s.weight' has %lld rows, expected background and at least one class",
                       io_weights_path(load->file), name, (long long)out->classes);
    return load_fc(load, nn_join(name, predictor, ".bbox_pred"), 4 * out->classes, features,
                   KN_LINEAR, &out->deltas);
}

// ---- running ----------------------------------------------------------------------------------

tn_status md_box_head_fwd(nn_ctx *cx, const md_box_head *head, const tn_tensor *x,
                          tn_tensor *logits, tn_tensor *deltas) {
    nn_scope scope = nn_scope_enter(cx);
    tn_tensor map[MD_BOX_LAYERS], row[MD_BOX_LAYERS];
    const tn_tensor *at = x;
    for (int i = 0; i < head->convs; i++) {
        TN_TRY(nn_conv_fwd(cx, &head->conv[i], at, NULL, &map[i]));
        at = &map[i];
    }
    tn_tensor flat = tn_reshape(at, TN_DIMS(at->dim[0], at->dim[1] * at->dim[2] * at->dim[3]));
    at = &flat;
    for (int i = 0; i < head->fcs; i++) {
        TN_TRY(nn_linear_fwd(cx, &head->fc[i], at, NULL, &row[i]));
        at = &row[i];
    }
    nn_linear_into(cx, &head->logits, at, NULL, logits);
    nn_linear_into(cx, &head->deltas, at, NULL, deltas);
    nn_scope_leave(cx, scope);
    return TN_OK;
}
