// SPDX-License-Identifier: Apache-2.0
#include "nn/attention.h"

#include "nn/pack.h"

tn_status nn_attention_load(const nn_loader *load, const char *prefix, int64_t channels, int heads,
                            bool causal, nn_attention *attention) {
    char name[NN_NAME], q[NN_NAME], k[NN_NAME], v[NN_NAME];
    *attention = (nn_attention){.heads = heads, .causal = causal};
    TN_CHECK(heads > 0 && channels % heads == 0, "%d heads of %lld channels", heads,
             (long long)channels);
    if (nn_has(load, nn_join(name, prefix, ".q_proj.weight"))) {
        const char *parts[3] = {nn_join(q, prefix, ".q_proj"), nn_join(k, prefix, ".k_proj"),
                                nn_join(v, prefix, ".v_proj")};
        TN_TRY(
            nn_linear_load_joined(load, 3, parts, channels, channels, KN_LINEAR, &attention->qkv));
    } else {
        TN_TRY(nn_pack(load, nn_join(name, prefix, ".in_proj_weight"), 2,
                       (int64_t[]){3 * channels, channels}, NULL, &attention->qkv.w));
        TN_TRY(nn_load(load, nn_join(name, prefix, ".in_proj_bias"), TN_DIMS(3 * channels),
                       &attention->qkv.bias));
    }
    return nn_linear_load(load, nn_join(name, prefix, ".out_proj"), channels, channels, KN_LINEAR,
                          &attention->out);
}

// Columns [from, from+C) of each row of qkv, as the kernel reads them with a stride of 3C.
static tn_tensor part_of(const tn_tensor *qkv, int64_t from, int64_t channels) {
    return tn_view(tn_f32(qkv) + from, TN_F32, TN_DIMS(qkv->dim[0], qkv->dim[1], channels));
}

tn_status nn_attention_into(nn_ctx *cx, const nn_attention *attention, const tn_tensor *x,
                            const tn_tensor *residual, tn_tensor *y) {
    TN_CHECK(x->rank == 3, "x has rank %d", x->rank);
    size_t mark = tn_arena_mark(cx->step);
    int64_t channels = x->dim[2];
    tn_tensor qkv, mixed;
    TN_TRY(nn_linear_fwd(cx, &attention->qkv, x, NULL, &qkv));
    TN_TRY(tn_new(cx->step, &mixed, TN_F32, 3, x->dim, cx->err));
    tn_tensor q = part_of(&qkv, 0, channels), k = part_of(&qkv, channels, channels),
              v = part_of(&qkv, 2 * channels, channels);
    kn_attention cfg = {.heads = attention->heads,
                        .causal = attention->causal,
                        .q_stride = 3 * channels,
                        .k_stride = 3 * channels,
                        .v_stride = 3 * channels};
    kn_attention_fwd(cx->kn, &cfg, &q, &k, &v, &mixed);
    nn_linear_into(cx, &attention->out, &mixed, residual, y);
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}
