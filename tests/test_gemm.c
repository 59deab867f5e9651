// SPDX-License-Identifier: Apache-2.0
// The packed product at the edges of its register tiles, panels, blocks of K and tasks, with every
// epilogue; a row's bits do not depend on the other rows.
#include "tests/support/ops.h"

#include <string.h>

typedef struct product {
    kn_epilogue with; // which parts there are; the tensors come from in[2], in[3]
    bool bias, residual;
} product;

// in: x, weight, bias, residual
static void run_linear(kn_ctx *cx, const tn_tensor *in, tn_tensor *out, const void *cfg) {
    const product *p = cfg;
    kn_weight w;
    tn_error err;
    ASSERT_OK(kn_weight_pack(cx, weight_arena(), &in[1], NULL, &w, &err), err);
    kn_epilogue ep = {p->bias ? &in[2] : NULL, p->residual ? &in[3] : NULL, p->with.act};
    kn_linear_fwd(cx, &in[0], &w, &ep, out);
}

static void check_linear(uint64_t seed, int64_t m, int64_t n, int64_t k, const product *p) {
    char what[96];
    guarded_free();
    snprintf(what, sizeof what, "M %d N %d K %d act %d%s%s", (int)m, (int)n, (int)k,
             (int)p->with.act, p->bias ? " bias" : "", p->residual ? " residual" : "");
    op_case c = {.what = what,
                 .run = run_linear,
                 .cfg = p,
                 .inputs = 4,
                 .out = op_shape(TN_F32, TN_DIMS(m, n)),
                 .absolute = 1.2 * op_sum_tolerance(k, 1, 1) + 4 * EPS,
                 .relative = 4 * EPS,
                 .alias = p->residual ? 4 : 0};
    c.in[0] = guarded_random(seed, -1, 1, TN_DIMS(m, k));
    c.in[1] = guarded_random(seed + 1, -1, 1, TN_DIMS(n, k));
    c.in[2] = guarded_random(seed + 2, -1, 1, TN_DIMS(n));
    c.in[3] = guarded_random(seed + 3, -1, 1, TN_DIMS(m, n));
    op_check(&c);
}

static void tiles_and_panels(void **state) {
    (void)state;
    uint64_t seed = 100;
    EACH(int64_t, m, 1, 3, 4, 5, 6, 13, 14, 15, 27, 29)
    EACH(int64_t, n, 1, 3, 4, 5, 15, 16, 17, 31, 32, 33, 47, 48, 49, 64, 65) {
        product p = {.bias = op_pick(seed, 1, 2), .residual = op_pick(seed, 2, 2)};
        p.with.act = (kn_act)op_pick(seed, 3, 6);
        check_linear(seed, *m, *n, 1 + op_pick(seed, 4, 40), &p);
        seed += 10;
    }
}

// 32, 48 and 112 rows make a task at the three levels; 256 steps of K make a block.
static void tasks_and_blocks(void **state) {
    (void)state;
    uint64_t seed = 5000;
    EACH(int64_t, m, 31, 33, 47, 49, 111, 113, 225)
    EACH(int64_t, k, 255, 256, 257, 521) {
        product p = {.bias = true, .residual = op_pick(seed, 2, 2)};
        p.with.act = (kn_act)op_pick(seed, 3, 6);
        check_linear(seed, *m, 37, *k, &p);
        seed += 10;
    }
    check_linear(9000, 120, 1100, 19, &(product){.bias = true, .with.act = KN_RELU});
    check_linear(9010, 1, 1100, 300, &(product){.bias = true, .with.act = KN_QUICK_GELU});
}

static void every_epilogue(void **state) {
    (void)state;
    for (int k = 20; k <= 520; k += 500)
        for (int with = 0; with < 4; with++)
            for (kn_act act = KN_LINEAR; act <= KN_GELU_TANH; act++) {
                product p = {.with.act = act, .bias = with & 1, .residual = with & 2};
                check_linear((uint64_t)(100 * k + 10 * with) + act, 17, 41, k, &p);
            }
}

enum { LINEAR, CONV, STRIDED, TRANSPOSED, MATMUL, ATTENTION, KINDS };

// One operation of a kind on in[0] [N,...]; in[1] is shared by all pictures.
static void run_kind(kn_ctx *cx, int kind, const tn_tensor *x, const tn_tensor *w, tn_tensor *y) {
    kn_weight weight;
    tn_error err;
    size_t mark = tn_arena_mark(weight_arena());
    if (kind == TRANSPOSED)
        ASSERT_OK(kn_weight_pack_transpose2x2(cx, weight_arena(), w, NULL, &weight, &err), err);
    else if (kind < TRANSPOSED)
        ASSERT_OK(kn_weight_pack(cx, weight_arena(), w, NULL, &weight, &err), err);
    kn_conv same = kn_conv_same(1, 1), stride = kn_conv_same(2, 1);
    kn_epilogue ep = {.act = KN_GELU};
    tn_tensor a = tn_reshape(x, TN_DIMS(tn_rows(x), tn_last(x)));
    tn_tensor rows = tn_reshape(y, TN_DIMS(tn_rows(y), tn_last(y)));
    kn_attention attention = {.heads = 2, .causal = true};
    tn_tensor q = tn_view(x->data, TN_F32, y->rank, y->dim), k = q, v = q;
    k.data = (float *)q.data + tn_last(y);
    v.data = (float *)k.data + tn_last(y);
    attention.q_stride = attention.k_stride = attention.v_stride = tn_last(x);
    switch (kind) {
    case LINEAR:
        kn_linear_fwd(cx, x, &weight, &ep, y);
        break;
    case CONV:
        kn_conv2d_fwd(cx, &same, x, &weight, &ep, y);
        break;
    case STRIDED:
        kn_conv2d_fwd(cx, &stride, x, &weight, NULL, y);
        break;
    case TRANSPOSED:
        kn_conv_transpose2x2_fwd(cx, x, &weight, &ep, y);
        break;
    case MATMUL:
        kn_matmul_nt_fwd(cx, 3, &a, w, &rows);
        break;
    default:
        kn_attention_fwd(cx, &attention, &q, &k, &v, y);
    }
    tn_arena_reset(weight_arena(), mark);
}

// Larger than one task, so that a picture's rows share tiles and tasks with others.
static void a_batch_of_nine_equals_nine_of_one(void **state) {
    (void)state;
    static const int64_t x_dim[KINDS][4] = {{9, 1, 50, 300}, {9, 13, 11, 40}, {9, 13, 11, 40},
                                            {9, 7, 7, 70},   {9, 1, 50, 300}, {9, 1, 199, 3 * 64}};
    static const int64_t y_dim[KINDS][4] = {{9, 1, 50, 70},  {9, 13, 11, 35}, {9, 7, 6, 35},
                                            {9, 14, 14, 35}, {9, 1, 50, 70},  {9, 1, 199, 64}};
    static const int64_t w_dim[KINDS][4] = {{70, 300, 1, 1}, {35, 40, 3, 3},  {35, 40, 3, 3},
                                            {70, 35, 2, 2},  {70, 300, 0, 0}, {0, 0, 0, 0}};
    for (int l = 0; l < levels_count(); l++)
        for (int kind = 0; kind < KINDS; kind++) {
            guarded_free();
            bool tokens = kind == ATTENTION; // [N,L,C]
            tn_tensor x = guarded_random(1, -1, 1, 4, x_dim[kind]);
            tn_tensor w = guarded_random(2, -1, 1, kind < MATMUL ? 4 : 2, w_dim[kind]);
            tn_tensor all = guarded_new(TN_F32, 4, y_dim[kind]);
            if (tokens) all = tn_reshape(&all, TN_DIMS(9, y_dim[kind][2], y_dim[kind][3]));
            tn_tensor each = guarded_new(TN_F32, all.rank, all.dim), many = guarded_copy(&each);
            run_kind(levels_at(l)->cx[TWO_THREADS], kind, &x, &w, &all);
            run_kind(levels_at(l)->cx[SEVEN_THREADS], kind, &x, &w, &many);
            for (int n = 0; n < 9; n++) {
                tn_tensor from = tn_slice(&x, n, 1), to = tn_slice(&each, n, 1);
                run_kind(levels_at(l)->cx[ONE_THREAD], kind, &from, &w, &to);
            }
            if (memcmp(all.data, each.data, tn_bytes(&all)) != 0)
                fail_msg("kind %d at level %s: a batch has other bits", kind, levels_at(l)->name);
            if (memcmp(all.data, many.data, tn_bytes(&all)) != 0)
                fail_msg("kind %d at level %s: threads change bits", kind, levels_at(l)->name);
            guarded_check();
        }
}

static void run_matmul(kn_ctx *cx, const tn_tensor *in, tn_tensor *out, const void *cfg) {
    (void)cfg;
    kn_matmul_nt_fwd(cx, 1, &in[0], &in[1], out);
}

// b is packed in passes of 2^21 floats.
static void matmul_of_several_passes(void **state) {
    (void)state;
    guarded_free();
    const int64_t k = 1 << 14;
    op_case c = {.what = "matmul in passes",
                 .run = run_matmul,
                 .inputs = 2,
                 .out = op_shape(TN_F32, TN_DIMS(3, 300)),
                 .absolute = op_sum_tolerance(k, 1, 1)};
    c.in[0] = guarded_random(1, -1, 1, TN_DIMS(3, k));
    c.in[1] = guarded_random(2, -1, 1, TN_DIMS(300, k));
    op_check(&c);
}

static void run_attention(kn_ctx *cx, const tn_tensor *in, tn_tensor *out, const void *cfg) {
    kn_attention_fwd(cx, cfg, &in[0], &in[1], &in[2], out);
}

// Heads deeper than a block of K, and more keys than one.
static void attention_over_several_blocks(void **state) {
    (void)state;
    EACH(int64_t, depth, 256, 257, 530)
    EACH(int64_t, keys, 255, 256, 300) {
        guarded_free();
        kn_attention cfg = {.heads = 1, .causal = *keys == 300};
        op_case c = {.what = "attention over blocks",
                     .run = run_attention,
                     .cfg = &cfg,
                     .inputs = 3,
                     .out = op_shape(TN_F32, TN_DIMS(1, 300, *depth)),
                     .absolute = op_sum_tolerance(*depth, 1, 1)};
        c.in[0] = guarded_random(1, -1, 1, TN_DIMS(1, 300, *depth));
        c.in[1] = guarded_random(2, -1, 1, TN_DIMS(1, *keys, *depth));
        c.in[2] = guarded_random(3, -1, 1, TN_DIMS(1, *keys, *depth));
        op_check(&c);
    }
}

static void something_was_compared(void **state) {
    (void)state;
    guarded_free();
    assert_true(op_checked() >= 220 * levels_count());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiles_and_panels),
        cmocka_unit_test(tasks_and_blocks),
        cmocka_unit_test(every_epilogue),
        cmocka_unit_test(a_batch_of_nine_equals_nine_of_one),
        cmocka_unit_test(matmul_of_several_passes),
        cmocka_unit_test(attention_over_several_blocks),
        cmocka_unit_test(something_was_compared),
    };
    return cmocka_run_group_tests(tests, levels_setup, levels_teardown);
}
