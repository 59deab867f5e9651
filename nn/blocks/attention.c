// SPDX-License-Identifier: Apache-2.0
#include "nn/blocks/attention.h"

#include "kernels/kernels.h"
#include "nn/tape.h"

#include <string.h>

tn_status nn_attention_load(const nn_loader *load, const char *prefix, int64_t channels, int heads,
                            bool causal, nn_attention *attention) {
    char name[NN_NAME], q[NN_NAME], k[NN_NAME], v[NN_NAME];
    *attention = (nn_attention){.heads = heads, .causal = causal};
    TN_CHECK(heads > 0 && channels % heads == 0, "%d heads of %lld channels", heads,
             (long long)channels);
    nn_loader biased = *load;
    biased.bias = true;
    bool separate =
        load->file ? nn_has(load, nn_join(name, prefix, ".q_proj.weight")) : load->separate_qkv;
    if (separate) {
        const char *parts[3] = {nn_join(q, prefix, ".q_proj"), nn_join(k, prefix, ".k_proj"),
                                nn_join(v, prefix, ".v_proj")};
        TN_TRY(nn_linear_load_joined(&biased, 3, parts, channels, channels, KN_LINEAR,
                                     &attention->qkv));
    } else {
        TN_TRY(nn_linear_load_named(load, nn_join(name, prefix, ".in_proj_weight"),
                                    nn_join(q, prefix, ".in_proj_bias"), 3 * channels, channels,
                                    KN_LINEAR, &attention->qkv));
    }
    nn_residual_init(&biased);
    return nn_linear_load(&biased, nn_join(name, prefix, ".out_proj"), channels, channels,
                          KN_LINEAR, &attention->out);
}

// ---- softmax(q k^T) v --------------------------------------------------------------------------

typedef struct saved {
    const nn_attention *attention;
    tn_tensor qkv, y;
} saved;

// Columns [from, from+C) of each row of qkv, as the kernel reads them, with a stride of 3C.
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
    TN_TRY(nn_tape_both_grads(cx, &s->y, &s->qkv, &dy, &beta, &dqkv));
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

// ---- for one token of each sequence ------------------------------------------------------------

typedef struct saved_at {
    const nn_attention *attention;
    tn_tensor qkv, position, q, mask, y; // q, y [N,1,C]; mask.data is NULL if there is none
} saved_at;

static kn_attention settings_at(const saved_at *s) {
    kn_attention cfg = settings(s->attention, s->y.dim[2]);
    cfg.q_stride = s->y.dim[2];
    cfg.causal = false;
    cfg.mask = s->mask.data ? &s->mask : NULL;
    return cfg;
}

// Copies the queries of the selected tokens between qkv [N,L,3C] and rows [N,C].
static void copy_queries(const tn_tensor *position, tn_tensor *qkv, tn_tensor *rows, bool back) {
    int64_t n = qkv->dim[0], length = qkv->dim[1], c = tn_last(rows);
    size_t size = tn_dtype_size(qkv->dtype), row = (size_t)c * size;
    for (int64_t i = 0; i < n; i++) {
        int64_t token = i * length + tn_i32(position)[i];
        char *inside = (char *)qkv->data + (size_t)(token * 3 * c) * size;
        char *outside = (char *)rows->data + (size_t)i * row;
        memcpy(back ? inside : outside, back ? outside : inside, row);
    }
}

static tn_status backward_at(nn_ctx *cx, const void *of) {
    const saved_at *s = of;
    int64_t c = s->y.dim[2], tokens = s->qkv.dim[0] * s->qkv.dim[1];
    tn_tensor dy, dqkv, dq;
    double beta;
    TN_TRY(nn_tape_both_grads(cx, &s->y, &s->qkv, &dy, &beta, &dqkv));
    if (!dy.data) return TN_OK;
    TN_CHECK(beta == 0, "queries, keys and values serve one attention");
    TN_TRY(tn_new(cx->step, &dq, dy.dtype, 3, s->q.dim, cx->err));
    tn_tensor k = part_of(&s->qkv, c, c), dk = part_of(&dqkv, c, c);
    tn_tensor v = part_of(&s->qkv, 2 * c, c), dv = part_of(&dqkv, 2 * c, c);
    kn_attention cfg = settings_at(s);
    kn_attention_bwd(cx->kn, &cfg, &s->q, &k, &v, &s->y, &dy, &dq, &dk, &dv);
    size_t row = (size_t)c * tn_dtype_size(dqkv.dtype);
    for (int64_t i = 0; i < tokens; i++) memset((char *)dqkv.data + (size_t)i * 3 * row, 0, row);
    copy_queries(&s->position, &dqkv, &dq, true);
    return TN_OK;
}

// Masks what the selected token must not see; none if every token sees all.
static tn_status mask_of(nn_ctx *cx, saved_at *s) {
    int64_t n = s->qkv.dim[0], length = s->qkv.dim[1];
    bool all = true;
    for (int64_t i = 0; i < n; i++) all = all && tn_i32(&s->position)[i] == length - 1;
    if (all || !s->attention->causal) return TN_OK;
    TN_TRY(tn_new(cx->step, &s->mask, TN_U8, TN_DIMS(n, 1, length), cx->err));
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < length; j++)
            tn_u8(&s->mask)[i * length + j] = j <= tn_i32(&s->position)[i];
    return TN_OK;
}

static tn_status attend_token(nn_ctx *cx, const nn_attention *attention, const tn_tensor *qkv,
                              const tn_tensor *position, tn_tensor *y) {
    int64_t n = qkv->dim[0], c = qkv->dim[2] / 3;
    saved_at s = {.attention = attention, .qkv = *qkv, .position = *position};
    TN_TRY(tn_new(cx->step, &s.q, qkv->dtype, TN_DIMS(n, 1, c), cx->err));
    TN_TRY(tn_new(cx->step, &s.y, qkv->dtype, TN_DIMS(n, 1, c), cx->err));
    TN_TRY(mask_of(cx, &s));
    copy_queries(position, &s.qkv, &s.q, false);
    tn_tensor k = part_of(qkv, c, c), v = part_of(qkv, 2 * c, c);
    kn_attention cfg = settings_at(&s);
    kn_attention_fwd(cx->kn, &cfg, &s.q, &k, &v, &s.y);
    *y = tn_reshape(&s.y, TN_DIMS(n, c));
    if (nn_tape_wants(cx, qkv)) nn_tape_push(cx, backward_at, &s, sizeof s, &s.y);
    return TN_OK;
}

tn_status nn_attention_token_into(nn_ctx *cx, const nn_attention *attention, const tn_tensor *x,
                                  const tn_tensor *position, const tn_tensor *residual,
                                  tn_tensor *y) {
    TN_CHECK(x->rank == 3 && tn_has_shape(position, TN_DIMS(x->dim[0])), "x has rank %d", x->rank);
    nn_scope scope = nn_scope_enter(cx);
    tn_tensor qkv, mixed;
    TN_TRY(nn_linear_fwd(cx, &attention->qkv, x, NULL, &qkv));
    TN_TRY(attend_token(cx, attention, &qkv, position, &mixed));
    nn_linear_into(cx, &attention->out, &mixed, residual, y);
    nn_scope_leave(cx, scope);
    return TN_OK;
}

// ---- for all tokens ---------------------------------------------------------------------------

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
