// SPDX-License-Identifier: Apache-2.0
// Products: linear, convolutions, matmul, attention.
#include "tests/support/ops.h"

#include <math.h>
#include <string.h>

typedef struct product {
    kn_conv conv;
    bool is_conv, transposed, scaled; // scaled: in[2] multiplies the weight's rows
    bool bias, residual;              // in[3], in[4]
    kn_act act;
} product;

// in: x, weight, scale, bias, residual; those that are not used are [0].
static void run_product(kn_ctx *cx, const tn_tensor *in, tn_tensor *out, const void *cfg) {
    const product *p = cfg;
    kn_weight w;
    tn_error err;
    const tn_tensor *scale = p->scaled ? &in[2] : NULL;
    ASSERT_OK(p->transposed
                  ? kn_weight_pack_transpose2x2(cx, weight_arena(), &in[1], scale, &w, &err)
                  : kn_weight_pack(cx, weight_arena(), &in[1], scale, &w, &err),
              err);
    kn_epilogue ep = {p->bias ? &in[3] : NULL, p->residual ? &in[4] : NULL, p->act};
    const kn_epilogue *given = p->bias || p->residual || p->act ? &ep : NULL;
    if (p->transposed)
        kn_conv_transpose2x2_fwd(cx, &in[0], &w, given, out);
    else if (p->is_conv)
        kn_conv2d_fwd(cx, &p->conv, &in[0], &w, given, out);
    else
        kn_linear_fwd(cx, &in[0], &w, given, out);
}

// Fills in what follows from x, weight and out: epilogue, data and tolerance.
static void check_product(op_case *c, product *p, uint64_t seed, int64_t terms) {
    int64_t outputs = tn_last(&c->out), variant = op_pick(seed, 1, 12);
    p->scaled = op_pick(seed, 2, 3) == 0;
    p->bias = variant != 0;
    p->residual = !p->transposed && variant % 2;
    p->act = (kn_act)(variant % 6);
    c->in[2] = guarded_random(seed + 1, 0.5, 1.5, TN_DIMS(p->scaled ? outputs : 0));
    c->in[3] = guarded_random(seed + 2, -1, 1, TN_DIMS(p->bias ? outputs : 0));
    c->in[4] = p->residual ? guarded_random(seed + 3, -1, 1, c->out.rank, c->out.dim)
                           : guarded_random(seed + 3, -1, 1, TN_DIMS(0));
    c->run = run_product;
    c->cfg = p;
    c->inputs = 5;
    c->alias = p->residual ? 5 : 0;
    // The activations have slopes up to 1.13, the scale is up to 1.5; the rest is the epilogue.
    c->absolute = 2 * op_sum_tolerance(terms, 1, 1) + 4 * EPS;
    c->relative = 4 * EPS;
    op_check(c);
}

static void linear_agrees(void **state) {
    (void)state;
    uint64_t seed = 1000;
    EACH(int64_t, rows, 0, 1, 7, 8, 9, 63, 64, 65)
    EACH(int64_t, in, 1, 3, 5, 17, 64, 100)
    EACH(int64_t, out, 1, 7, 8, 9, 31, 33, 65) {
        char what[64];
        guarded_free();
        snprintf(what, sizeof what, "linear [%d,%d] to %d", (int)*rows, (int)*in, (int)*out);
        op_case c = {.what = what, .out = op_shape(TN_F32, TN_DIMS(*rows, *out))};
        c.in[0] = guarded_random(++seed, -1, 1, TN_DIMS(*rows, *in));
        c.in[1] = guarded_random(seed + 500, -1, 1, TN_DIMS(*out, *in));
        check_product(&c, &(product){0}, seed, *in);
    }
}

static void linear_agrees_where_depth_is_cut(void **state) {
    (void)state;
    uint64_t seed = 5000;
    EACH(int64_t, in, 255, 256, 257, 511, 513, 1025, 3072)
    EACH(int64_t, rows, 1, 13, 50) {
        char what[64];
        guarded_free();
        snprintf(what, sizeof what, "linear [%d,%d] to 70", (int)*rows, (int)*in);
        op_case c = {.what = what, .out = op_shape(TN_F32, TN_DIMS(1, *rows, 70))};
        c.in[0] = guarded_random(++seed, -1, 1, TN_DIMS(1, *rows, *in));
        c.in[1] = guarded_random(seed + 500, -1, 1, TN_DIMS(70, *in));
        check_product(&c, &(product){0}, seed, *in);
    }
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
    op_case c = {.what = what, .out = op_shape(TN_F32, TN_DIMS(x[0], ho, wo, out))};
    c.in[0] = guarded_random(seed, -1, 1, 4, x);
    c.in[1] = guarded_random(seed + 500, -1, 1, TN_DIMS(out, x[3], kh, kw));
    check_product(&c, &(product){.is_conv = true, .conv = conv}, seed, kh * kw * x[3]);
}

static void the_models_convolutions_agree(void **state) {
    (void)state;
    check_conv(1, kn_conv_same(2, 3), (int64_t[]){1, 33, 35, 3}, 64, 7, 7);
    check_conv(2, kn_conv_same(1, 0), (int64_t[]){1, 9, 11, 64}, 100, 1, 1);
    check_conv(3, kn_conv_same(2, 0), (int64_t[]){2, 9, 10, 65}, 33, 1, 1);
    check_conv(4, kn_conv_same(1, 1), (int64_t[]){2, 13, 15, 64}, 65, 3, 3);
    check_conv(5, kn_conv_same(2, 1), (int64_t[]){1, 14, 13, 100}, 64, 3, 3);
    check_conv(6, kn_conv_same(32, 0), (int64_t[]){2, 64, 96, 3}, 40, 32, 32);
    check_conv(7, kn_conv_same(16, 0), (int64_t[]){1, 50, 49, 3}, 17, 16, 16);
    check_conv(8, kn_conv_same(1, 1), (int64_t[]){1, 7, 8, 256}, 31, 3, 3);
    check_conv(9, (kn_conv){1, 1, 2, 2, 2, 2, 2, 2}, (int64_t[]){1, 9, 8, 17}, 9, 3, 3);
    check_conv(10, kn_conv_same(1, 1), (int64_t[]){0, 7, 8, 5}, 3, 3, 3);
    check_conv(11, kn_conv_same(1, 0), (int64_t[]){1, 2, 2, 5}, 3, 3, 3); // no output
    check_conv(12, kn_conv_same(1, 2), (int64_t[]){1, 1, 1, 1}, 1, 3, 3); // mostly padding
}

static void any_convolution_agrees(void **state) {
    (void)state;
    static const int64_t size[] = {1, 2, 5, 7, 8, 9, 17}, channels[] = {1, 3, 5, 8, 17, 33};
    static const int64_t kernel[] = {1, 1, 2, 3, 3, 5, 7};
    for (uint64_t seed = 100; seed < 260; seed++) {
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

static void transposed_convolution_agrees(void **state) {
    (void)state;
    uint64_t seed = 3000;
    EACH(int64_t, n, 0, 1, 3)
    EACH(int64_t, side, 1, 7, 14)
    EACH(int64_t, in, 1, 5, 17, 64)
    EACH(int64_t, out, 1, 8, 33) {
        char what[64];
        guarded_free();
        snprintf(what, sizeof what, "transposed conv [%d,%d,%d,%d] to %d", (int)*n, (int)*side,
                 (int)*side + 1, (int)*in, (int)*out);
        op_case c = {.what = what,
                     .out = op_shape(TN_F32, TN_DIMS(*n, 2 * *side, 2 * *side + 2, *out))};
        c.in[0] = guarded_random(++seed, -1, 1, TN_DIMS(*n, *side, *side + 1, *in));
        c.in[1] = guarded_random(seed + 500, -1, 1, TN_DIMS(*in, *out, 2, 2));
        check_product(&c, &(product){.transposed = true}, seed, *in);
    }
}

static void run_matmul(kn_ctx *cx, const tn_tensor *in, tn_tensor *out, const void *cfg) {
    kn_matmul_nt_fwd(cx, *(const double *)cfg, &in[0], &in[1], out);
}

static void matmul_agrees(void **state) {
    (void)state;
    uint64_t seed = 4000;
    EACH(int64_t, m, 0, 1, 7, 9, 65)
    EACH(int64_t, n, 0, 1, 8, 31, 81)
    EACH(int64_t, k, 0, 1, 3, 17, 64, 100, 513) {
        char what[64];
        double alpha = *k % 2 ? 1 : 50;
        guarded_free();
        snprintf(what, sizeof what, "matmul [%d,%d] by [%d,%d]", (int)*m, (int)*k, (int)*n,
                 (int)*k);
        op_case c = {.what = what,
                     .run = run_matmul,
                     .cfg = &alpha,
                     .inputs = 2,
                     .out = op_shape(TN_F32, TN_DIMS(*m, *n)),
                     .absolute = alpha * op_sum_tolerance(*k, 1, 1),
                     .relative = 2 * EPS};
        c.in[0] = guarded_random(++seed, -1, 1, TN_DIMS(*m, *k));
        c.in[1] = guarded_random(seed + 500, -1, 1, TN_DIMS(*n, *k));
        op_check(&c);
    }
}

typedef struct attending {
    kn_attention cfg;
    bool packed, masked; // packed: q, k and v are slices of in[0] [N,L,3C]
} attending;

static tn_tensor third(const tn_tensor *packed, int which) {
    int64_t channels = packed->dim[2] / 3;
    char *data = (char *)packed->data + (size_t)(which * channels) * tn_dtype_size(packed->dtype);
    return tn_view(data, packed->dtype, TN_DIMS(packed->dim[0], packed->dim[1], channels));
}

// in: q, k, v, mask; or all three in the first.
static void run_attention(kn_ctx *cx, const tn_tensor *in, tn_tensor *out, const void *cfg) {
    const attending *a = cfg;
    kn_attention given = a->cfg;
    if (a->masked) given.mask = &in[3];
    tn_tensor q = in[0], k = in[1], v = in[2];
    if (a->packed) {
        q = third(&in[0], 0), k = third(&in[0], 1), v = third(&in[0], 2);
        given.q_stride = given.k_stride = given.v_stride = in[0].dim[2];
    }
    kn_attention_fwd(cx, &given, &q, &k, &v, out);
}

// Mask number `kind`: 1: one per picture, with rows that see nothing; 2: one for all.
static tn_tensor mask_for(uint64_t seed, int kind, int64_t n, int64_t lq, int64_t lk) {
    tn_tensor mask = guarded_new(TN_U8, TN_DIMS(kind == 2 ? 1 : n, lq, lk));
    for (int64_t i = 0; i < tn_count(&mask); i++)
        tn_u8(&mask)[i] = op_pick(seed, (uint64_t)i, 3) > 0 && !(kind == 1 && i / lk % 5 == 3);
    return mask;
}

static void check_attention(uint64_t seed, int64_t n, int64_t lq, int64_t lk, int heads,
                            int64_t depth) {
    char what[128];
    int64_t channels = heads * depth;
    int mask = (int)op_pick(seed, 1, 3);
    attending a = {.cfg = {.heads = heads,
                           .scale = op_pick(seed, 2, 2) ? 0 : 0.3,
                           .causal = op_pick(seed, 3, 2)},
                   .packed = lq == lk && op_pick(seed, 4, 2),
                   .masked = mask > 0};
    guarded_free();
    snprintf(what, sizeof what, "attention N %d Lq %d Lk %d heads %d depth %d%s%s%s", (int)n,
             (int)lq, (int)lk, heads, (int)depth, a.cfg.causal ? " causal" : "",
             a.packed ? " packed" : "", mask ? " masked" : "");
    op_case c = {.what = what,
                 .run = run_attention,
                 .cfg = &a,
                 .inputs = 4,
                 .out = op_shape(TN_F32, TN_DIMS(n, lq, channels))};
    // q and k up to 2: a score has a sum's error, which is a relative error of its weight; the
    // weighted mean of values up to 1 adds its own roundings.
    c.absolute = 4 * op_sum_tolerance(depth, 2, 2) + op_sum_tolerance(8, 1, 1);
    if (a.packed) {
        c.in[0] = guarded_random(seed, -2, 2, TN_DIMS(n, lq, 3 * channels));
        c.in[1] = c.in[2] = guarded_random(0, 0, 1, TN_DIMS(0));
    } else {
        c.in[0] = guarded_random(seed, -2, 2, TN_DIMS(n, lq, channels));
        c.in[1] = guarded_random(seed + 1, -2, 2, TN_DIMS(n, lk, channels));
        c.in[2] = guarded_random(seed + 2, -1, 1, TN_DIMS(n, lk, channels));
    }
    c.in[3] = mask ? mask_for(seed, mask, n, lq, lk) : guarded_new(TN_U8, TN_DIMS(0));
    op_check(&c);
}

static void attention_agrees(void **state) {
    (void)state;
    uint64_t seed = 6000;
    EACH(int64_t, depth, 1, 5, 8, 17, 32, 64, 80)
    EACH(int64_t, lq, 1, 7, 50, 65)
    EACH(int64_t, lk, 1, 9, 50, 65) {
        seed++;
        check_attention(seed, 1 + op_pick(seed, 9, 2), *lq, *lk, 1 + (int)op_pick(seed, 8, 3),
                        *depth);
    }
    check_attention(++seed, 0, 7, 7, 2, 8);
    check_attention(++seed, 2, 0, 7, 2, 8);
    check_attention(++seed, 1, 197, 197, 2, 64);
    check_attention(++seed, 1, 77, 77, 8, 64);
    check_attention(++seed, 1, 3, 577, 1, 80);
}

static void no_keys_give_zeros(void **state) {
    (void)state;
    for (int l = 0; l < levels_count(); l++) {
        guarded_free();
        tn_tensor q = guarded_random(1, -1, 1, TN_DIMS(1, 3, 4)),
                  k = guarded_new(TN_F32, TN_DIMS(1, 0, 4));
        tn_tensor y = guarded_new(TN_F32, TN_DIMS(1, 3, 4));
        kn_attention_fwd(levels_at(l)->cx[ONE_THREAD], &(kn_attention){.heads = 2}, &q, &k, &k, &y);
        for (int i = 0; i < 12; i++) assert_true(tn_f32(&y)[i] == 0);
    }
}

// A picture's result does not depend on the other pictures of the batch.
static void a_batch_of_nine_equals_nine_of_one(void **state) {
    (void)state;
    product conv = {.is_conv = true, .conv = kn_conv_same(1, 1), .bias = true, .act = KN_RELU};
    product linear = {.bias = true, .act = KN_GELU};
    attending attention = {.cfg = {.heads = 3, .causal = true}, .packed = true};
    for (int l = 0; l < levels_count(); l++)
        for (int kind = 0; kind < 3; kind++) {
            guarded_free();
            tn_tensor none = guarded_new(TN_F32, TN_DIMS(0));
            tn_tensor x = kind == 0   ? guarded_random(1, -1, 1, TN_DIMS(9, 5, 7, 19))
                          : kind == 1 ? guarded_random(2, -1, 1, TN_DIMS(9, 7, 37))
                                      : guarded_random(3, -1, 1, TN_DIMS(9, 11, 3 * 51));
            tn_tensor w = kind == 0 ? guarded_random(4, -1, 1, TN_DIMS(21, 19, 3, 3))
                                    : guarded_random(5, -1, 1, TN_DIMS(21, 37));
            tn_tensor in[] = {x, w, none, guarded_random(6, -1, 1, TN_DIMS(21)), none};
            tn_tensor all = kind == 0   ? guarded_new(TN_F32, TN_DIMS(9, 5, 7, 21))
                            : kind == 1 ? guarded_new(TN_F32, TN_DIMS(9, 7, 21))
                                        : guarded_new(TN_F32, TN_DIMS(9, 11, 51));
            tn_tensor each = guarded_new(TN_F32, all.rank, all.dim);
            kn_ctx *cx = levels_at(l)->cx[TWO_THREADS];
            for (int n = -1; n < 9; n++) {
                tn_tensor y = n < 0 ? all : tn_slice(&each, n, 1);
                if (n >= 0) in[0] = tn_slice(&x, n, 1);
                if (kind == 2)
                    run_attention(cx, in, &y, &attention);
                else
                    run_product(cx, in, &y, kind ? &linear : &conv);
            }
            assert_memory_equal(all.data, each.data, tn_bytes(&all));
        }
}

static void folded_batch_norm_equals_its_oracle(void **state) {
    (void)state;
    for (int l = 0; l < levels_count(); l++) {
        guarded_free();
        kn_ctx *cx = levels_at(l)->cx[TWO_THREADS];
        tn_tensor x = guarded_random(1, -1, 1, TN_DIMS(1, 6, 7, 9));
        tn_tensor w = guarded_random(2, -1, 1, TN_DIMS(11, 9, 3, 3));
        tn_tensor mean = guarded_random(3, -1, 1, TN_DIMS(11)),
                  var = guarded_random(4, 0.3, 2, TN_DIMS(11));
        tn_tensor gamma = guarded_random(5, -1, 1, TN_DIMS(11)),
                  beta = guarded_random(6, -1, 1, TN_DIMS(11));
        tn_tensor plain = guarded_new(TN_F32, TN_DIMS(1, 6, 7, 11)), folded = guarded_copy(&plain);
        tn_tensor scale = guarded_new(TN_F32, TN_DIMS(11)),
                  shift = guarded_new(TN_F32, TN_DIMS(11));
        for (int k = 0; k < 11; k++) {
            tn_f32(&scale)[k] = tn_f32(&gamma)[k] / sqrtf(tn_f32(&var)[k] + 1e-5f);
            tn_f32(&shift)[k] = tn_f32(&beta)[k] - tn_f32(&mean)[k] * tn_f32(&scale)[k];
        }
        tn_tensor none = guarded_new(TN_F32, TN_DIMS(0));
        product p = {.is_conv = true, .conv = kn_conv_same(1, 1)};
        run_product(cx, (tn_tensor[]){x, w, none, none, none}, &plain, &p);
        kn_batch_norm_fwd(cx, 1e-5, &plain, &mean, &var, &gamma, &beta, KN_RELU, &plain);
        p.scaled = p.bias = true, p.act = KN_RELU;
        run_product(cx, (tn_tensor[]){x, w, scale, shift, none}, &folded, &p);
        ASSERT_WITHIN(test_max_difference(folded.data, plain.data, (size_t)tn_count(&plain)),
                      4 * op_sum_tolerance(81, 1, 2));
    }
}

static void nan_is_propagated(void **state) {
    (void)state;
    for (int l = 0; l < levels_count(); l++)
        for (kn_act act = KN_LINEAR; act <= KN_GELU_TANH; act++) {
            guarded_free();
            tn_tensor x = guarded_random(1, -1, 1, TN_DIMS(9, 33)),
                      w = guarded_random(2, -1, 1, TN_DIMS(40, 33));
            tn_tensor y = guarded_new(TN_F32, TN_DIMS(9, 40)),
                      none = guarded_new(TN_F32, TN_DIMS(0));
            tn_f32(&x)[4 * 33 + 32] = NAN;
            tn_tensor bias = guarded_random(3, -1, 1, TN_DIMS(40));
            run_product(levels_at(l)->cx[ONE_THREAD], (tn_tensor[]){x, w, none, bias, none}, &y,
                        &(product){.bias = true, .act = act});
            for (int i = 0; i < 9 * 40; i++)
                assert_int_equal(isnan(tn_f32(&y)[i]) != 0, i / 40 == 4);
        }
}

static void something_was_compared(void **state) {
    (void)state;
    guarded_free();
    printf("%d comparisons at %d levels\n", op_checked(), levels_count());
    assert_true(op_checked() >= 900 * levels_count());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_agrees),
        cmocka_unit_test(linear_agrees_where_depth_is_cut),
        cmocka_unit_test(the_models_convolutions_agree),
        cmocka_unit_test(any_convolution_agrees),
        cmocka_unit_test(transposed_convolution_agrees),
        cmocka_unit_test(matmul_agrees),
        cmocka_unit_test(attention_agrees),
        cmocka_unit_test(no_keys_give_zeros),
        cmocka_unit_test(a_batch_of_nine_equals_nine_of_one),
        cmocka_unit_test(folded_batch_norm_equals_its_oracle),
        cmocka_unit_test(nan_is_propagated),
        cmocka_unit_test(something_was_compared),
    };
    return cmocka_run_group_tests(tests, levels_setup, levels_teardown);
}
