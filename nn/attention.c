// SPDX-License-Identifier: Apache-2.0
#include "nn/attention.h"

#include "kernels/train.h"
#include "nn/tape.h"

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
        TN_TRY(nn_linear_load_named(load, nn_join(name, prefix, ".in_proj_weight"),
                                    nn_join(q, prefix, ".in_proj_bias"), 3 * channels, channels,
                                    KN_LINEAR, &attention->qkv));
    }
    nn_loader biased = *load;
    biased.bias = true;
    return nn_linear_load(&biased, nn_join(name, prefix, ".out_proj"), channels, channels,
                          KN_LINEAR, &attention->out);
}

// ---- softmax(q k^T) v --------------------------------------------------------------------------

typedef struct saved {
    const nn_attention *attention;
    tn_tensor qkv, y;
} saved;

// Columns [from, from+C) of each row of qkv, as the kernel reads them with a stride of 3C.
static tn_tensor part_of(const tn_tensor *qkv, int64_t from, int64_t channels) {
    return tn_view((char *)qkv->data + (size_t)from * tn_dtype_size(qkv->dtype), qkv->dtype,
                   TN_DIMS(qkv->dim[0], qkv->dim[1], channels));
}

static kn_attention settings(const nn_attention *attention, int64_t channels) {
    return (kn_attention){.heads = attention->heads,
                          .causal = attention->causal,
                          .q_stride = 3 * channels,
                          .k_stride = 3 * channels,
                          .v_stride = 3 * channels};
}

static tn_status backward(nn_ctx *cx, const void *of) {
    const saved *s = of;
    int64_t c = s->y.dim[2];
    tn_tensor dy, dqkv;
    double beta;
    TN_TRY(nn_tape_through(cx, &s->y, &s->qkv, &dy, &beta, &dqkv));
    if (!dy.data) return TN_OK;
    TN_CHECK(beta == 0, "queries, keys and values serve one attention");
    tn_tensor q = part_of(&s->qkv, 0, c), dq = part_of(&dqkv, 0, c);
    tn_tensor k = part_of(&s->qkv, c, c), dk = part_of(&dqkv, c, c);
    tn_tensor v = part_of(&s->qkv, 2 * c, c), dv = part_of(&dqkv, 2 * c, c);
    kn_attention cfg = settings(s->attention, c);
    kn_attention_bwd(cx->kn, &cfg, &q, &k, &v, &s->y, &dy, &dq, &dk, &dv);
    return TN_OK;
}

static void attend(nn_ctx *cx, const nn_attention *attention, const tn_tensor *qkv, tn_tensor *y) {
    int64_t c = y->dim[2];
    tn_tensor q = part_of(qkv, 0, c), k = part_of(qkv, c, c), v = part_of(qkv, 2 * c, c);
    kn_attention cfg = settings(attention, c);
    kn_attention_fwd(cx->kn, &cfg, &q, &k, &v, y);
    if (!nn_tape_wants(cx, qkv)) return;
    saved s = {attention, *qkv, *y};
    nn_tape_push(cx, backward, &s, sizeof s, y);
}

tn_status nn_attention_into(nn_ctx *cx, const nn_attention *attention, const tn_tensor *x,
                            const tn_tensor *residual, tn_tensor *y) {
    TN_CHECK(x->rank == 3, "x has rank %d", x->rank);
    nn_scope scope = nn_scope_enter(cx);
    tn_tensor qkv, mixed;
    TN_TRY(nn_linear_fwd(cx, &attention->qkv, x, NULL, &qkv));
    TN_TRY(tn_new(cx->step, &mixed, x->dtype, 3, x->dim, cx->err));
    attend(cx, attention, &qkv, &mixed);
    nn_linear_into(cx, &attention->out, &mixed, residual, y);
    nn_scope_leave(cx, scope);
    return TN_OK;
}
