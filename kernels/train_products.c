// SPDX-License-Identifier: Apache-2.0
// Training, products: checks the arguments, then calls the table's function.
#include "kernels/check.h"

static void check_adjoint(const kn_ctx *cx, const char *op, const tn_tensor *dy,
                          const kn_weight *adjoint, double beta, const tn_tensor *dx) {
    TN_CHECK(adjoint && adjoint->data, "%s: no weight", op);
    TN_CHECK(adjoint->table == cx->table, "%s: the weight was packed by level %s, this is %s", op,
             adjoint->table->name, cx->table->name);
    TN_CHECK(adjoint->adjoint, "%s: the weight is not packed as an adjoint", op);
    kn_check_real(cx, op, "dy", dy);
    kn_check_type(op, "dy", dy, adjoint->dtype);
    kn_check_type(op, "dx", dx, adjoint->dtype);
    TN_CHECK(dy->rank >= 1 && dx->rank >= 1 && tn_last(dy) == adjoint->in &&
                 tn_last(dx) == adjoint->out,
             "%s: dy %s, dx %s and an adjoint from %lld to %lld channels", op, KN_SHAPE(dy),
             KN_SHAPE(dx), (long long)adjoint->in, (long long)adjoint->out);
    kn_check_beta(op, beta);
    kn_check_apart(op, "dy", dy, dx);
}

void kn_linear_bwd_x(kn_ctx *cx, const tn_tensor *dy, const kn_weight *adjoint, double beta,
                     tn_tensor *dx) {
    check_adjoint(cx, __func__, dy, adjoint, beta, dx);
    TN_CHECK(adjoint->kh == 1 && adjoint->kw == 1, "%s: the weight is that of a convolution",
             __func__);
    TN_CHECK(tn_rows(dx) == tn_rows(dy), "%s: dy %s and dx %s differ in rows", __func__,
             KN_SHAPE(dy), KN_SHAPE(dx));
    if (tn_count(dx)) cx->table->linear_bwd_x(cx, dy, adjoint, beta, dx);
}

// x and y, or their gradients, must have the input and output shape of this convolution.
static void check_conv(const char *op, const kn_conv *cfg, const tn_tensor *x, const tn_tensor *y,
                       int64_t kh, int64_t kw) {
    kn_check_rank(op, "x or dx", x, 4);
    kn_check_conv(op, cfg);
    kn_check_shape(op, "dy", y,
                   TN_DIMS(x->dim[0],
                           kn_conv_out(x->dim[1], kh, cfg->stride_h, cfg->pad_top, cfg->pad_bottom,
                                       cfg->dilation_h),
                           kn_conv_out(x->dim[2], kw, cfg->stride_w, cfg->pad_left, cfg->pad_right,
                                       cfg->dilation_w),
                           -1));
}

void kn_conv2d_bwd_x(kn_ctx *cx, const kn_conv *cfg, const tn_tensor *dy, const kn_weight *adjoint,
                     double beta, tn_tensor *dx) {
    check_adjoint(cx, __func__, dy, adjoint, beta, dx);
    check_conv(__func__, cfg, dx, dy, adjoint->kh, adjoint->kw);
    if (tn_count(dx)) cx->table->conv2d_bwd_x(cx, cfg, dy, adjoint, beta, dx);
}

void kn_conv2d_bwd_w(kn_ctx *cx, const kn_conv *cfg, const tn_tensor *x, const tn_tensor *dy,
                     double beta, tn_tensor *dw) {
    tn_dtype dtype = kn_check_real(cx, __func__, "x", x);
    kn_check_type(__func__, "dy", dy, dtype);
    kn_check_type(__func__, "dw", dw, dtype);
    kn_check_rank(__func__, "dw", dw, 4);
    TN_CHECK(dw->dim[2] >= 1 && dw->dim[3] >= 1, "%s: dw is %s", __func__, KN_SHAPE(dw));
    check_conv(__func__, cfg, x, dy, dw->dim[2], dw->dim[3]);
    TN_CHECK(dw->dim[0] == tn_last(dy) && dw->dim[1] == tn_last(x),
             "%s: x %s, dy %s, dw %s: expected [...,C], [...,K], [K,C,kh,kw]", __func__,
             KN_SHAPE(x), KN_SHAPE(dy), KN_SHAPE(dw));
    kn_check_beta(__func__, beta);
    kn_check_apart(__func__, "x", x, dw);
    kn_check_apart(__func__, "dy", dy, dw);
    if (tn_count(dw)) cx->table->conv2d_bwd_w(cx, cfg, x, dy, beta, dw);
}

static void check_matmul(const kn_ctx *cx, const char *op, const tn_tensor *a, const tn_tensor *b,
                         double beta, const tn_tensor *y) {
    tn_dtype dtype = kn_check_real(cx, op, "a", a);
    kn_check_type(op, "b", b, dtype);
    kn_check_type(op, "y", y, dtype);
    kn_check_rank(op, "y", y, 2);
    kn_check_beta(op, beta);
    kn_check_apart(op, "a", a, y);
    kn_check_apart(op, "b", b, y);
}

void kn_matmul_tn(kn_ctx *cx, double alpha, const tn_tensor *a, const tn_tensor *b, double beta,
                  tn_tensor *y) {
    check_matmul(cx, __func__, a, b, beta, y);
    TN_CHECK(a->rank >= 1 && b->rank >= 1 && tn_last(a) == y->dim[0] && tn_last(b) == y->dim[1],
             "%s: a %s, b %s, y %s: expected [...,M], [...,N], [M,N]", __func__, KN_SHAPE(a),
             KN_SHAPE(b), KN_SHAPE(y));
    if (!tn_count(y)) return;
    TN_CHECK(tn_rows(a) == tn_rows(b), "%s: a %s and b %s differ in rows", __func__, KN_SHAPE(a),
             KN_SHAPE(b));
    cx->table->matmul_tn(cx, alpha, a, b, beta, y);
}

void kn_matmul_nn(kn_ctx *cx, double alpha, const tn_tensor *a, const tn_tensor *b, double beta,
                  tn_tensor *y) {
    check_matmul(cx, __func__, a, b, beta, y);
    TN_CHECK(a->rank == 2 && b->rank == 2 && a->dim[1] == b->dim[0] && a->dim[0] == y->dim[0] &&
                 b->dim[1] == y->dim[1],
             "%s: a %s, b %s, y %s: expected [M,K], [K,N], [M,N]", __func__, KN_SHAPE(a),
             KN_SHAPE(b), KN_SHAPE(y));
    if (tn_count(y)) cx->table->matmul_nn(cx, alpha, a, b, beta, y);
}

void kn_sum_rows(kn_ctx *cx, const tn_tensor *x, double beta, tn_tensor *y) {
    tn_dtype dtype = kn_check_real(cx, __func__, "x", x);
    TN_CHECK(x->rank >= 1, "%s: x has no dimension", __func__);
    kn_check_vector(__func__, "y", y, dtype, tn_last(x));
    kn_check_beta(__func__, beta);
    kn_check_apart(__func__, "x", x, y);
    if (tn_count(y)) cx->table->sum_rows(cx, x, beta, y);
}

void kn_attention_bwd(kn_ctx *cx, const kn_attention *cfg, const tn_tensor *q, const tn_tensor *k,
                      const tn_tensor *v, const tn_tensor *y, const tn_tensor *dy, tn_tensor *dq,
                      tn_tensor *dk, tn_tensor *dv) {
    kn_check_attention(cx, __func__, cfg, q, k, v, y);
    const tn_tensor *in[] = {q, k, v, y, dy}, *out[] = {dq, dk, dv}, *like[] = {q, k, v};
    kn_check_type(__func__, "dy", dy, q->dtype);
    kn_check_same(__func__, "y", y, "dy", dy);
    for (int i = 0; i < 3; i++) {
        TN_CHECK(out[i], "%s: dq, dk and dv are all required", __func__);
        kn_check_type(__func__, "a gradient", out[i], q->dtype);
        kn_check_same(__func__, "an input", like[i], "its gradient", out[i]);
        for (int j = 0; j < 5; j++) kn_check_apart(__func__, "an input", in[j], out[i]);
    }
    if (tn_count(dq) || tn_count(dk)) cx->table->attention_bwd(cx, cfg, q, k, v, y, dy, dq, dk, dv);
}
