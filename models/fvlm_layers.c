// SPDX-License-Identifier: Apache-2.0
#include "models/fvlm_layers.h"

tn_status md_up_load(const nn_loader *load, const char *prefix, int64_t in, int64_t out, kn_act act,
                     md_up *up) {
    char name[NN_NAME];
    tn_tensor w;
    tn_arena room;
    up->act = act;
    TN_TRY(tn_arena_init(&room, (size_t)(in * out * 16) + 4096, load->err));
    tn_status status =
        nn_load_into(load, &room, nn_join(name, prefix, ".weight"), TN_DIMS(in, out, 2, 2), &w);
    if (status == TN_OK)
        status = kn_weight_pack_transpose2x2(load->kn, load->arena, &w, NULL, &up->w, load->err);
    tn_arena_deinit(&room);
    TN_TRY(status);
    return nn_load(load, nn_join(name, prefix, ".bias"), TN_DIMS(out), &up->bias);
}

tn_status md_up_fwd(nn_ctx *cx, const md_up *up, const tn_tensor *x, tn_tensor *y) {
    TN_TRY(tn_new(cx->step, y, x->dtype,
                  TN_DIMS(x->dim[0], 2 * x->dim[1], 2 * x->dim[2], up->w.out), cx->err));
    kn_conv_transpose2x2_fwd(cx->kn, x, &up->w, &(kn_epilogue){.bias = &up->bias, .act = up->act},
                             y);
    return TN_OK;
}

tn_status md_norm_act_load(const nn_loader *load, const char *prefix, int64_t channels,
                           md_norm kind, kn_act act, md_norm_act *out) {
    char name[NN_NAME];
    *out = (md_norm_act){.kind = kind, .act = act};
    if (kind == MD_NORM_NONE) return TN_OK;
    TN_TRY(nn_load(load, nn_join(name, prefix, ".weight"), TN_DIMS(channels), &out->gamma));
    TN_TRY(nn_load(load, nn_join(name, prefix, ".bias"), TN_DIMS(channels), &out->beta));
    if (kind == MD_NORM_GROUP) return TN_OK;
    TN_TRY(nn_load(load, nn_join(name, prefix, ".running_mean"), TN_DIMS(channels), &out->mean));
    return nn_load(load, nn_join(name, prefix, ".running_var"), TN_DIMS(channels), &out->var);
}

tn_status md_norm_act_fwd(nn_ctx *cx, const md_norm_act *norm, const tn_tensor *x, tn_tensor *y) {
    TN_TRY(tn_new(cx->step, y, x->dtype, x->rank, x->dim, cx->err));
    if (norm->kind == MD_NORM_BATCH)
        kn_batch_norm_fwd(cx->kn, 1e-5, x, &norm->mean, &norm->var, &norm->gamma, &norm->beta,
                          KN_LINEAR, y);
    kn_act_fwd(cx->kn, norm->act, norm->kind ? y : x, y);
    return TN_OK;
}

tn_status md_whole_load(const nn_loader *load, const char *prefix, int64_t out, int64_t channels,
                        int64_t size, nn_conv *conv) {
    char name[NN_NAME];
    tn_tensor w;
    tn_arena room;
    *conv = (nn_conv){.cfg = kn_conv_same(1, 0), .act = KN_RELU};
    TN_TRY(tn_arena_init(&room, (size_t)(out * channels * size * size * 4) + 4096, load->err));
    tn_status status = nn_load_into(load, &room, nn_join(name, prefix, ".weight"),
                                    TN_DIMS(out, channels * size * size), &w);
    if (status == TN_OK) {
        w = tn_reshape(&w, TN_DIMS(out, channels, size, size));
        status = kn_weight_pack(load->kn, load->arena, &w, NULL, &conv->w, load->err);
    }
    tn_arena_deinit(&room);
    TN_TRY(status);
    return nn_load(load, nn_join(name, prefix, ".bias"), TN_DIMS(out), &conv->bias);
}
