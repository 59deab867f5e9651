// SPDX-License-Identifier: Apache-2.0
// Weights and products: checks the arguments, then calls the table's function.
#include "kernels/check.h"

static tn_status pack(kn_ctx *cx, const char *op, tn_arena *arena, const tn_tensor *w,
                      const tn_tensor *scale, kn_weight *out, tn_error *err) {
    TN_CHECK(out->out >= 1 && out->in >= 1 && out->kh >= 1 && out->kw >= 1, "%s: w is %s", op,
             KN_SHAPE(w));
    if (scale) kn_check_vector(op, "scale", scale, w->dtype, out->out);
    out->table = cx->table;
    out->dtype = w->dtype;
    out->bytes = cx->table->weight_bytes(out);
    out->data = tn_arena_alloc(arena, out->bytes);
    if (!out->data)
        return tn_fail(err, TN_ENOMEM, "out of memory for weights %s packed into %zu bytes",
                       KN_SHAPE(w), out->bytes);
    cx->table->weight_pack(cx, w, scale, out);
    return TN_OK;
}

// Shape of a weight [K,C] or [K,C,kh,kw].
static kn_weight shape_of(const kn_ctx *cx, const char *op, const tn_tensor *w) {
    kn_check_real(cx, op, "w", w);
    TN_CHECK(w->rank == 2 || w->rank == 4, "%s: w is %s, expected [K,C] or [K,C,kh,kw]", op,
             KN_SHAPE(w));
    bool conv = w->rank == 4;
    return (kn_weight){
        .out = w->dim[0], .in = w->dim[1], .kh = conv ? w->dim[2] : 1, .kw = conv ? w->dim[3] : 1};
}

tn_status kn_weight_pack(kn_ctx *cx, tn_arena *arena, const tn_tensor *w, const tn_tensor *scale,
                         kn_weight *out, tn_error *err) {
    *out = shape_of(cx, __func__, w);
    return pack(cx, __func__, arena, w, scale, out, err);
}

tn_status kn_weight_pack_transpose2x2(kn_ctx *cx, tn_arena *arena, const tn_tensor *w,
                                      const tn_tensor *scale, kn_weight *out, tn_error *err) {
    kn_check_real(cx, __func__, "w", w);
    kn_check_shape(__func__, "w", w, TN_DIMS(-1, -1, 2, 2));
    *out = (kn_weight){.out = w->dim[1], .in = w->dim[0], .kh = 2, .kw = 2, .transposed = true};
    return pack(cx, __func__, arena, w, scale, out, err);
}

tn_status kn_weight_pack_adjoint(kn_ctx *cx, tn_arena *arena, const tn_tensor *w, kn_weight *out,
                                 tn_error *err) {
    kn_weight plain = shape_of(cx, __func__, w);
    *out = plain;
    out->out = plain.in;
    out->in = plain.out;
    out->adjoint = true;
    return pack(cx, __func__, arena, w, NULL, out, err);
}

void kn_weight_repack(kn_ctx *cx, const tn_tensor *w, const tn_tensor *scale, kn_weight *packed) {
    TN_CHECK(packed && packed->data, "%s: no weight", __func__);
    TN_CHECK(packed->table == cx->table, "%s: the weight was packed by level %s, this is %s",
             __func__, packed->table->name, cx->table->name);
    kn_check_type(__func__, "w", w, packed->dtype);
    bool turned = packed->transposed || packed->adjoint;
    int64_t first = turned ? packed->in : packed->out, second = turned ? packed->out : packed->in;
    TN_CHECK(w->rank == 2 || w->rank == 4, "%s: w is %s", __func__, KN_SHAPE(w));
    bool conv = w->rank == 4;
    TN_CHECK(w->dim[0] == first && w->dim[1] == second && (conv ? w->dim[2] : 1) == packed->kh &&
                 (conv ? w->dim[3] : 1) == packed->kw,
             "%s: w is %s, packed was [%lld,%lld,%lld,%lld]", __func__, KN_SHAPE(w),
             (long long)first, (long long)second, (long long)packed->kh, (long long)packed->kw);
    TN_CHECK(!scale || !packed->adjoint, "%s: an adjoint takes no scale", __func__);
    if (scale) kn_check_vector(__func__, "scale", scale, w->dtype, packed->out);
    cx->table->weight_pack(cx, w, scale, packed);
}

static void check_weight(const kn_ctx *cx, const char *op, const tn_tensor *x, const kn_weight *w,
                         const tn_tensor *y) {
    TN_CHECK(w && w->data, "%s: no weight", op);
    TN_CHECK(w->table == cx->table, "%s: the weight was packed by level %s, this is %s", op,
             w->table->name, cx->table->name);
    TN_CHECK(!w->adjoint, "%s: the weight is packed as an adjoint", op);
    kn_check_real(cx, op, "x", x);
    kn_check_type(op, "x", x, w->dtype);
    kn_check_type(op, "y", y, w->dtype);
    TN_CHECK(x->rank >= 1 && y->rank >= 1 && tn_last(x) == w->in && tn_last(y) == w->out,
             "%s: x %s, y %s and a weight of %lld outputs and %lld inputs", op, KN_SHAPE(x),
             KN_SHAPE(y), (long long)w->out, (long long)w->in);
    kn_check_apart(op, "x", x, y);
}

static void check_epilogue(const char *op, const kn_epilogue *ep, const tn_tensor *y) {
    if (!ep) return;
    kn_check_act(op, ep->act);
    if (ep->bias) kn_check_vector(op, "bias", ep->bias, y->dtype, tn_last(y));
    if (ep->residual) {
        kn_check_type(op, "residual", ep->residual, y->dtype);
        kn_check_same(op, "residual", ep->residual, "y", y);
        kn_check_apart_or_same(op, "residual", ep->residual, y);
    }
}

void kn_linear_fwd(kn_ctx *cx, const tn_tensor *x, const kn_weight *w, const kn_epilogue *ep,
                   tn_tensor *y) {
    check_weight(cx, __func__, x, w, y);
    check_epilogue(__func__, ep, y);
    TN_CHECK(w->kh == 1 && w->kw == 1 && !w->transposed,
             "%s: the weight is that of a %lldx%lld convolution", __func__, (long long)w->kh,
             (long long)w->kw);
    TN_CHECK(tn_rows(x) == tn_rows(y), "%s: x %s and y %s differ in rows", __func__, KN_SHAPE(x),
             KN_SHAPE(y));
    if (tn_count(y)) cx->table->linear_fwd(cx, x, w, ep, y);
}

int64_t kn_conv_out(int64_t in, int64_t kernel, int stride, int pad_before, int pad_after,
                    int dilation) {
    int64_t room = in + pad_before + pad_after - (int64_t)dilation * (kernel - 1) - 1;
    return room < 0 ? 0 : room / stride + 1;
}

void kn_check_conv(const char *op, const kn_conv *cfg) {
    TN_CHECK(cfg->stride_h >= 1 && cfg->stride_w >= 1 && cfg->dilation_h >= 1 &&
                 cfg->dilation_w >= 1 && cfg->pad_top >= 0 && cfg->pad_left >= 0 &&
                 cfg->pad_bottom >= 0 && cfg->pad_right >= 0,
             "%s: stride %d,%d dilation %d,%d pads %d,%d,%d,%d", op, cfg->stride_h, cfg->stride_w,
             cfg->dilation_h, cfg->dilation_w, cfg->pad_top, cfg->pad_left, cfg->pad_bottom,
             cfg->pad_right);
}

void kn_conv2d_fwd(kn_ctx *cx, const kn_conv *cfg, const tn_tensor *x, const kn_weight *w,
                   const kn_epilogue *ep, tn_tensor *y) {
    check_weight(cx, __func__, x, w, y);
    check_epilogue(__func__, ep, y);
    kn_check_rank(__func__, "x", x, 4);
    TN_CHECK(!w->transposed, "%s: the weight is packed for a transposed convolution", __func__);
    kn_check_conv(__func__, cfg);
    kn_check_shape(__func__, "y", y,
                   TN_DIMS(x->dim[0],
                           kn_conv_out(x->dim[1], w->kh, cfg->stride_h, cfg->pad_top,
                                       cfg->pad_bottom, cfg->dilation_h),
                           kn_conv_out(x->dim[2], w->kw, cfg->stride_w, cfg->pad_left,
                                       cfg->pad_right, cfg->dilation_w),
                           w->out));
    if (tn_count(y)) cx->table->conv2d_fwd(cx, cfg, x, w, ep, y);
}

void kn_conv_transpose2x2_fwd(kn_ctx *cx, const tn_tensor *x, const kn_weight *w,
                              const kn_epilogue *ep, tn_tensor *y) {
    check_weight(cx, __func__, x, w, y);
    check_epilogue(__func__, ep, y);
    kn_check_rank(__func__, "x", x, 4);
    TN_CHECK(w->transposed, "%s: the weight is not packed for a transposed convolution", __func__);
    TN_CHECK(!ep || !ep->residual, "%s: takes no residual", __func__);
    kn_check_shape(__func__, "y", y, TN_DIMS(x->dim[0], 2 * x->dim[1], 2 * x->dim[2], w->out));
    if (tn_count(y)) cx->table->conv_transpose2x2_fwd(cx, x, w, ep, y);
}

void kn_matmul_nt_fwd(kn_ctx *cx, double alpha, const tn_tensor *a, const tn_tensor *b,
                      tn_tensor *y) {
    tn_dtype dtype = kn_check_real(cx, __func__, "a", a);
    kn_check_type(__func__, "b", b, dtype);
    kn_check_type(__func__, "y", y, dtype);
    TN_CHECK(a->rank == 2 && b->rank == 2 && y->rank == 2 && a->dim[1] == b->dim[1] &&
                 y->dim[0] == a->dim[0] && y->dim[1] == b->dim[0],
             "%s: a %s, b %s, y %s: expected [M,K], [N,K], [M,N]", __func__, KN_SHAPE(a),
             KN_SHAPE(b), KN_SHAPE(y));
    kn_check_apart(__func__, "a", a, y);
    kn_check_apart(__func__, "b", b, y);
    if (tn_count(y)) cx->table->matmul_nt_fwd(cx, alpha, a, b, y);
}

void kn_check_attention(const kn_ctx *cx, const char *op, const kn_attention *cfg,
                        const tn_tensor *q, const tn_tensor *k, const tn_tensor *v,
                        const tn_tensor *y) {
    tn_dtype dtype = kn_check_real(cx, op, "q", q);
    kn_check_type(op, "k", k, dtype);
    kn_check_type(op, "v", v, dtype);
    kn_check_type(op, "y", y, dtype);
    TN_CHECK(q->rank == 3 && k->rank == 3 && tn_same_shape(k, v) && tn_same_shape(q, y) &&
                 q->dim[0] == k->dim[0] && q->dim[2] == k->dim[2],
             "%s: q %s, k %s, v %s, y %s: expected [N,Lq,C], twice [N,Lk,C], [N,Lq,C]", op,
             KN_SHAPE(q), KN_SHAPE(k), KN_SHAPE(v), KN_SHAPE(y));
    int64_t channels = q->dim[2];
    TN_CHECK(cfg->heads >= 1 && channels % cfg->heads == 0, "%s: %lld channels for %d heads", op,
             (long long)channels, cfg->heads);
    TN_CHECK((!cfg->q_stride || cfg->q_stride >= channels) &&
                 (!cfg->k_stride || cfg->k_stride >= channels) &&
                 (!cfg->v_stride || cfg->v_stride >= channels),
             "%s: strides %lld, %lld, %lld for %lld channels", op, (long long)cfg->q_stride,
             (long long)cfg->k_stride, (long long)cfg->v_stride, (long long)channels);
    if (cfg->mask) {
        kn_check_type(op, "mask", cfg->mask, TN_U8);
        int64_t pictures = cfg->mask->rank == 3 ? cfg->mask->dim[0] : 0;
        kn_check_shape(op, "mask", cfg->mask,
                       TN_DIMS(pictures == 1 ? 1 : q->dim[0], q->dim[1], k->dim[1]));
    }
}

void kn_attention_fwd(kn_ctx *cx, const kn_attention *cfg, const tn_tensor *q, const tn_tensor *k,
                      const tn_tensor *v, tn_tensor *y) {
    kn_check_attention(cx, __func__, cfg, q, k, v, y);
    kn_check_apart(__func__, "q", q, y);
    kn_check_apart(__func__, "k", k, y);
    kn_check_apart(__func__, "v", v, y);
    if (tn_count(y)) cx->table->attention_fwd(cx, cfg, q, k, v, y);
}
