// SPDX-License-Identifier: Apache-2.0
#include "nn/blocks/conv_norm.h"

tn_status nn_conv_norm_load(const nn_loader *load, const char *prefix, double bn_eps,
                            const int64_t *dim, kn_conv cfg, kn_act act, nn_conv *out) {
    char conv[NN_NAME], norm[NN_NAME];
    nn_join(conv, prefix, ".0");
    nn_join(norm, prefix, ".1");
    switch (nn_norm_kind_of(load, norm)) {
    case NN_NORM_NONE:
        return nn_conv_bias_load(load, conv, dim, cfg, act, out);
    case NN_NORM_BATCH:
        return nn_conv_bn_load(load, conv, norm, nn_batch_norm_eps(load, norm, bn_eps), dim, cfg,
                               act, out);
    case NN_NORM_GROUP:
        break;
    }
    nn_loader bare = *load;
    bare.bias = false;
    TN_TRY(nn_conv_load(&bare, conv, dim, cfg, act, out));
    return nn_norm_load(load, norm, out->w.out, bn_eps, act, &out->norm);
}

tn_status nn_conv_bias_load(const nn_loader *load, const char *prefix, const int64_t *dim,
                            kn_conv cfg, kn_act act, nn_conv *out) {
    char name[NN_NAME];
    const io_tensor *bias;
    nn_loader biased = *load;
    biased.bias = true;
    TN_TRY(nn_conv_load(&biased, prefix, dim, cfg, act, out));
    return load->file ? nn_find(load, nn_join(name, prefix, ".bias"), &bias) : TN_OK;
}
