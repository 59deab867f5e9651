// SPDX-License-Identifier: Apache-2.0
// Gradients of linear layers and convolutions, the products a^T b and a b, sums of rows; weights
// that change.
#include "tests/support/grads.h"

#include <string.h>

typedef struct product {
    kn_conv conv;
    bool linear;
} product;

// in: x, weight
static void product_fwd(kn_ctx *cx, const tn_tensor *in, tn_tensor *y, const void *cfg) {
    const product *p = cfg;
    kn_weight w;
    tn_error err;
    ASSERT_OK(kn_weight_pack(cx, weight_arena(), &in[1], NULL, &w, &err), err);
    p->linear ? kn_linear_fwd(cx, &in[0], &w, NULL, y)
              : kn_conv2d_fwd(cx, &p->conv, &in[0], &w, NULL, y);
}

static void product_bwd(kn_ctx *cx, const tn_tensor *in, const tn_tensor *y, const tn_tensor *dy,
                        double beta, tn_tensor *const *d, const void *cfg) {
    const product *p = cfg;
    kn_weight w;
    tn_error err;
    (void)y;
    ASSERT_OK(kn_weight_pack_adjoint(cx, weight_arena(), &in[1], &w, &err), err);
    if (d[0])
        p->linear ? kn_linear_bwd_x(cx, dy, &w, beta, d[0])
                  : kn_conv2d_bwd_x(cx, &p->conv, dy, &w, beta, d[0]);
    if (d[1])
        p->linear ? kn_matmul_tn(cx, 1, dy, &in[0], beta, d[1])
                  : kn_conv2d_bwd_w(cx, &p->conv, &in[0], dy, beta, d[1]);
}

// Each gradient alone, since the product is linear in each input.
static void check_both(grad_case *c, int64_t x_terms, int64_t w_terms) {
    c->inputs = 2;
    c->fwd = product_fwd;
    c->bwd = product_bwd;
    c->linear = true;
    c->relative = 2 * EPS;
    c->absolute[0] = 1.2 * op_sum_tolerance(x_terms, 1, 1);
    c->absolute[1] = 1.2 * op_sum_tolerance(w_terms, 1, 1);
    for (c->wants = 1; c->wants <= 2; c->wants++) grad_check(c);
}

static void check_linear(uint64_t seed, int64_t rows, int64_t in, int64_t out) {
    guarded_free();
    product p = {.linear = true};
    grad_case c = {.what = grad_name("linear", rows, in, out),
                   .cfg = &p,
                   .y = op_shape(TN_F32, TN_DIMS(1, rows, out))};
    c.in[0] = guarded_random(seed, -1, 1, TN_DIMS(1, rows, in));
    c.in[1] = guarded_random(seed + 500, -1, 1, TN_DIMS(out, in));
    check_both(&c, out, rows);
}

static void linear_layers(void **state) {
    (void)state;
    uint64_t seed = 1000;
    EACH(int64_t, rows, 0, 1, 7, 8, 9, 64, 65)
    EACH(int64_t, in, 1, 5, 17, 63)
    EACH(int64_t, out, 1, 8, 33, 65) check_linear(++seed, *rows, *in, *out);
    check_linear(++seed, 300, 33, 47); // more than one block of steps
    check_linear(++seed, 1100, 65, 9);
    check_linear(++seed, 40, 300, 290);
}

static void check_conv(uint64_t seed, kn_conv conv, const int64_t *x, int64_t out, int64_t kh,
                       int64_t kw) {
    char what[160], shape[64];
    guarded_free();
    snprintf(what, sizeof what,
             "conv %s to %d, kernel %dx%d stride %d,%d pads %d,%d,%d,%d dilation %d,%d",
             tn_shape_text(4, x, shape, sizeof shape), (int)out, (int)kh, (int)kw, conv.stride_h,
             conv.stride_w, conv.pad_top, conv.pad_left, conv.pad_bottom, conv.pad_right,
             conv.dilation_h, conv.dilation_w);
    int64_t ho =
        kn_conv_out(x[1], kh, conv.stride_h, conv.pad_top, conv.pad_bottom, conv.dilation_h);
    int64_t wo =
        kn_conv_out(x[2], kw, conv.stride_w, conv.pad_left, conv.pad_right, conv.dilation_w);
    product p = {.conv = conv};
    grad_case c = {.what = what, .cfg = &p, .y = op_shape(TN_F32, TN_DIMS(x[0], ho, wo, out))};
    c.in[0] = guarded_random(seed, -1, 1, 4, x);
    c.in[1] = guarded_random(seed + 500, -1, 1, TN_DIMS(out, x[3], kh, kw));
    check_both(&c, kh * kw * out, x[0] * ho * wo);
}

static void the_models_convolutions(void **state) {
    (void)state;
    check_conv(1, kn_conv_same(2, 3), (int64_t[]){1, 33, 35, 3}, 40, 7, 7);
    check_conv(2, kn_conv_same(1, 0), (int64_t[]){1, 9, 11, 64}, 100, 1, 1);
    check_conv(3, kn_conv_same(2, 0), (int64_t[]){2, 9, 10, 65}, 33, 1, 1);
    check_conv(4, kn_conv_same(1, 1), (int64_t[]){3, 13, 15, 64}, 65, 3, 3);
    check_conv(5, kn_conv_same(2, 1), (int64_t[]){1, 14, 13, 63}, 64, 3, 3);
    check_conv(6, kn_conv_same(16, 0), (int64_t[]){1, 50, 49, 3}, 17, 16, 16);
    check_conv(7, (kn_conv){1, 1, 2, 2, 2, 2, 2, 2}, (int64_t[]){1, 9, 8, 17}, 9, 3, 3);
    check_conv(8, kn_conv_same(1, 1), (int64_t[]){0, 7, 8, 5}, 3, 3, 3);
    check_conv(9, kn_conv_same(1, 0), (int64_t[]){1, 2, 2, 5}, 3, 3, 3); // no output
    check_conv(10, kn_conv_same(2, 0), (int64_t[]){1, 2, 2, 5}, 3, 3, 3);
    check_conv(11, kn_conv_same(1, 2), (int64_t[]){1, 1, 1, 1}, 1, 3, 3); // mostly padding
    check_conv(12, kn_conv_same(1, 3), (int64_t[]){1, 4, 5, 9}, 7, 1, 1);
    check_conv(13, kn_conv_same(1, 1), (int64_t[]){2, 40, 41, 9}, 7, 3, 3); // several blocks
}

// 3x3 convolutions large enough for Winograd's form.
static void large_convolutions(void **state) {
    (void)state;
    check_conv(20, kn_conv_same(1, 1), (int64_t[]){3, 18, 19, 32}, 33, 3, 3);
    check_conv(21, kn_conv_same(1, 0), (int64_t[]){1, 35, 34, 47}, 32, 3, 3);
    check_conv(22, (kn_conv){1, 1, 2, 1, 0, 3, 1, 1}, (int64_t[]){2, 24, 25, 33}, 65, 3, 3);
    check_conv(23, kn_conv_same(1, 1), (int64_t[]){20, 7, 7, 40}, 48, 3, 3);
    check_conv(24, kn_conv_same(1, 3), (int64_t[]){2, 24, 22, 32}, 32, 3, 3);
    check_conv(25, kn_conv_same(1, 1), (int64_t[]){1, 66, 63, 32}, 32, 3, 3); // several chunks
    check_conv(26, kn_conv_same(1, 1), (int64_t[]){1, 32, 32, 32}, 300, 3, 3);
}

static void any_convolution(void **state) {
    (void)state;
    static const int64_t size[] = {1, 2, 5, 7, 8, 9, 17}, channels[] = {1, 3, 5, 8, 17, 33};
    static const int64_t kernel[] = {1, 1, 2, 3, 3, 5};
    for (uint64_t seed = 100; seed < 200; seed++) {
#define PICK(place, from) from[op_pick(seed, place, sizeof from / sizeof from[0])]
        kn_conv conv = {.stride_h = 1 + (int)op_pick(seed, 10, 3),
                        .stride_w = 1 + (int)op_pick(seed, 11, 3),
                        .pad_top = (int)op_pick(seed, 12, 4),
                        .pad_left = (int)op_pick(seed, 13, 4),
                        .pad_bottom = (int)op_pick(seed, 14, 4),
                        .pad_right = (int)op_pick(seed, 15, 4),
                        .dilation_h = 1 + (int)op_pick(seed, 16, 2),
                        .dilation_w = 1 + (int)op_pick(seed, 17, 2)};
        int64_t x[] = {1 + op_pick(seed, 18, 3), PICK(19, size), PICK(20, size),
                       PICK(21, channels)};
        check_conv(seed, conv, x, PICK(22, channels), PICK(23, kernel), PICK(24, kernel));
    }
}

// ---- transposed convolutions: no operation of their own, see train.h
// -----------------------------

static void transposed_fwd(kn_ctx *cx, const tn_tensor *in, tn_tensor *y, const void *cfg) {
    kn_weight w;
    tn_error err;
    (void)cfg;
    ASSERT_OK(kn_weight_pack_transpose2x2(cx, weight_arena(), &in[1], NULL, &w, &err), err);
    kn_conv_transpose2x2_fwd(cx, &in[0], &w, NULL, y);
}

static void transposed_bwd(kn_ctx *cx, const tn_tensor *in, const tn_tensor *y, const tn_tensor *dy,
                           double beta, tn_tensor *const *d, const void *cfg) {
    kn_weight w;
    tn_error err;
    kn_conv conv = kn_conv_same(2, 0);
    (void)y, (void)cfg;
    ASSERT_OK(kn_weight_pack(cx, weight_arena(), &in[1], NULL, &w, &err), err);
    kn_epilogue ep = {.residual = beta != 0 ? d[0] : NULL};
    if (d[0]) kn_conv2d_fwd(cx, &conv, dy, &w, &ep, d[0]);
    if (d[1]) kn_conv2d_bwd_w(cx, &conv, dy, &in[0], beta, d[1]);
}

static void transposed_convolutions(void **state) {
    (void)state;
    uint64_t seed = 3000;
    EACH(int64_t, side, 1, 7, 14)
    EACH(int64_t, in, 1, 17, 64)
    EACH(int64_t, out, 1, 8, 33) {
        guarded_free();
        grad_case c = {.what = grad_name("transposed conv", *side, *in, *out),
                       .inputs = 2,
                       .y = op_shape(TN_F32, TN_DIMS(2, 2 * *side, 2 * *side + 2, *out)),
                       .fwd = transposed_fwd,
                       .bwd = transposed_bwd,
                       .linear = true,
                       .relative = 2 * EPS};
        c.in[0] = guarded_random(++seed, -1, 1, TN_DIMS(2, *side, *side + 1, *in));
        c.in[1] = guarded_random(seed + 500, -1, 1, TN_DIMS(*in, *out, 2, 2));
        c.absolute[0] = 1.2 * op_sum_tolerance(4 * *out, 1, 1);
        c.absolute[1] = 1.2 * op_sum_tolerance(2 * *side * (*side + 1), 1, 1);
        for (c.wants = 1; c.wants <= 2; c.wants++) grad_check(&c);
    }
}

// ---- matmul: a b has the gradients dy b^T and a^T dy -------------------------------------------

static void matmul_fwd(kn_ctx *cx, const tn_tensor *in, tn_tensor *y, const void *cfg) {
    kn_matmul_nn(cx, *(const double *)cfg, &in[0], &in[1], 0, y);
}

static void matmul_bwd(kn_ctx *cx, const tn_tensor *in, const tn_tensor *y, const tn_tensor *dy,
                       double beta, tn_tensor *const *d, const void *cfg) {
    double alpha = *(const double *)cfg;
    (void)y;
    if (d[1]) kn_matmul_tn(cx, alpha, &in[0], dy, beta, d[1]);
    if (!d[0]) return;
    int64_t n = in[1].dim[1];
    tn_tensor turned = guarded_permute(&in[1], (int[]){1, 0});
    tn_tensor row = tn_reshape(dy, TN_DIMS(in[0].dim[0], n));
    kn_matmul_nn(cx, alpha, &row, &turned, beta, d[0]);
}

static void matmul(void **state) {
    (void)state;
    uint64_t seed = 4000;
    EACH(int64_t, m, 0, 1, 9, 65, 300)
    EACH(int64_t, n, 1, 8, 31, 81)
    EACH(int64_t, k, 0, 1, 17, 64, 100, 513) {
        double alpha = *k % 2 ? 1 : 50;
        guarded_free();
        grad_case c = {.what = grad_name("matmul", *m, *n, *k),
                       .cfg = &alpha,
                       .inputs = 2,
                       .y = op_shape(TN_F32, TN_DIMS(*m, *n)),
                       .fwd = matmul_fwd,
                       .bwd = matmul_bwd,
                       .linear = true,
                       .relative = 4 * EPS};
        c.in[0] = guarded_random(++seed, -1, 1, TN_DIMS(*m, *k));
        c.in[1] = guarded_random(seed + 500, -1, 1, TN_DIMS(*k, *n));
        c.absolute[0] = 1.2 * alpha * op_sum_tolerance(*n, 1, 1);
        c.absolute[1] = 1.2 * alpha * op_sum_tolerance(*m, 1, 1);
        for (c.wants = 1; c.wants <= 2; c.wants++) grad_check(&c);
    }
}

// ---- sums of rows: the gradient of a bias ------------------------------------------------------

static void bias_fwd(kn_ctx *cx, const tn_tensor *in, tn_tensor *y, const void *cfg) {
    (void)cfg;
    memset(y->data, 0, tn_bytes(y));
    kn_add_fwd(cx, KN_LINEAR, y, &in[0], y);
}

static void bias_bwd(kn_ctx *cx, const tn_tensor *in, const tn_tensor *y, const tn_tensor *dy,
                     double beta, tn_tensor *const *d, const void *cfg) {
    (void)in, (void)y, (void)cfg;
    kn_sum_rows(cx, dy, beta, d[0]);
}

static void sums_of_rows(void **state) {
    (void)state;
    uint64_t seed = 5000;
    EACH(int64_t, rows, 0, 1, 7, 64, 255, 256, 257, 3000)
    EACH(int64_t, channels, 1, 3, 8, 17, 65, 300) {
        guarded_free();
        grad_case c = {.what = grad_name("sum of rows", *rows, *channels, 0),
                       .inputs = 1,
                       .wants = 1,
                       .y = op_shape(TN_F32, TN_DIMS(*rows, *channels)),
                       .fwd = bias_fwd,
                       .bwd = bias_bwd,
                       .linear = true,
                       .relative = EPS};
        c.in[0] = guarded_random(++seed, -1, 1, TN_DIMS(*channels));
        c.absolute[0] = op_sum_tolerance(*rows, 1, 1);
        grad_check(&c);
    }
}

// ---- weights that change -----------------------------------------------------------------------

// Repacking gives the same bytes as packing, in each of the three forms.
static void repacking_is_packing(void **state) {
    (void)state;
    static const int64_t shapes[][4] = {{33, 70, 1, 1}, {40, 17, 3, 3}, {65, 9, 2, 2}};
    for (int l = 0; l < levels_count(); l++)
        for (int i = 0; i < 9; i++) {
            guarded_free();
            const int64_t *dim = shapes[i % 3];
            int form = i / 3; // plain, adjoint, transposed
            if (form == 2 && dim[2] != 2) continue;
            kn_ctx *cx = levels_at(l)->cx[TWO_THREADS];
            tn_error err;
            tn_tensor values[2];
            kn_weight packed[2];
            for (int which = 0; which < 2; which++) {
                values[which] = guarded_random(7 + (uint64_t)which, -1, 1, 4, dim);
                tn_arena *arena = weight_arena();
                const tn_tensor *w = &values[which];
                kn_weight *out = &packed[which];
                ASSERT_OK(form == 0   ? kn_weight_pack(cx, arena, w, NULL, out, &err)
                          : form == 1 ? kn_weight_pack_adjoint(cx, arena, w, out, &err)
                                      : kn_weight_pack_transpose2x2(cx, arena, w, NULL, out, &err),
                          err);
            }
            kn_weight_repack(cx, &values[1], NULL, &packed[0]);
            assert_int_equal(packed[0].bytes, packed[1].bytes);
            assert_memory_equal(packed[0].data, packed[1].data, packed[1].bytes);
        }
}

static void something_was_compared(void **state) {
    (void)state;
    guarded_free();
    assert_true(grad_checked() >= 700 * levels_count());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_layers),
        cmocka_unit_test(the_models_convolutions),
        cmocka_unit_test(large_convolutions),
        cmocka_unit_test(any_convolution),
        cmocka_unit_test(transposed_convolutions),
        cmocka_unit_test(matmul),
        cmocka_unit_test(sums_of_rows),
        cmocka_unit_test(repacking_is_packing),
        cmocka_unit_test(something_was_compared),
    };
    return cmocka_run_group_tests(tests, levels_setup, levels_teardown);
}
