// SPDX-License-Identifier: Apache-2.0
#include "nn/conv_norm.h"

double nn_batch_norm_eps(const nn_loader *load, const char *prefix, double given) {
    char name[NN_NAME];
    if (given >= 0) return given;
    return nn_has(load, nn_join(name, prefix, ".num_batches_tracked")) ? 1e-5 : 0;
}

tn_status nn_conv_norm_load(const nn_loader *load, const char *prefix, double bn_eps,
                            const int64_t *dim, kn_conv cfg, kn_act act, nn_conv *out) {
    char conv[NN_NAME], norm[NN_NAME], weight[NN_NAME];
    nn_join(conv, prefix, ".0");
    nn_join(norm, prefix, ".1");
    if (!nn_has(load, nn_join(weight, norm, ".weight")))
        return nn_conv_bias_load(load, conv, dim, cfg, act, out);
    return nn_conv_bn_load(load, conv, norm, nn_batch_norm_eps(load, norm, bn_eps), dim, cfg, act,
                           out);
}

tn_status nn_conv_bias_load(const nn_loader *load, const char *prefix, const int64_t *dim,
                            kn_conv cfg, kn_act act, nn_conv *out) {
    char name[NN_NAME];
    const io_tensor *bias;
    TN_TRY(nn_conv_load(load, prefix, dim, cfg, act, out));
    return nn_find(load, nn_join(name, prefix, ".bias"), &bias);
}
