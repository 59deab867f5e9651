// SPDX-License-Identifier: Apache-2.0
// Gradients of attention: with masks, causal, with q, k and v as slices of one tensor.
#include "tests/support/grads.h"

#include <math.h>
#include <string.h>

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
static kn_attention setting(const attending *a, const tn_tensor *in, tn_tensor part[3]) {
    kn_attention cfg = a->cfg;
    if (a->masked) cfg.mask = &in[3];
    if (a->packed) cfg.q_stride = cfg.k_stride = cfg.v_stride = in[0].dim[2];
    for (int i = 0; i < 3; i++) part[i] = a->packed ? third(&in[0], i) : in[i];
    return cfg;
}

static void attention_fwd(kn_ctx *cx, const tn_tensor *in, tn_tensor *y, const void *cfg) {
    tn_tensor part[3];
    kn_attention given = setting(cfg, in, part);
    kn_attention_fwd(cx, &given, &part[0], &part[1], &part[2], y);
}

static void add_to(const tn_tensor *from, double beta, tn_tensor *to) {
    if (to->dtype == TN_F64)
        for (int64_t i = 0; i < tn_count(to); i++)
            ((double *)to->data)[i] = ((double *)from->data)[i];
    else
        for (int64_t i = 0; i < tn_count(to); i++)
            tn_f32(to)[i] = tn_f32(from)[i] + (beta != 0 ? tn_f32(to)[i] : 0);
}

// The operation writes all three gradients; the test applies beta and selects.
static void attention_bwd(kn_ctx *cx, const tn_tensor *in, const tn_tensor *y, const tn_tensor *dy,
                          double beta, tn_tensor *const *d, const void *cfg) {
    const attending *a = cfg;
    tn_tensor part[3], whole[3], grad[3];
    kn_attention given = setting(a, in, part);
    for (int i = 0; i < (a->packed ? 1 : 3); i++)
        whole[i] = guarded_new(in[i].dtype, in[i].rank, in[i].dim);
    for (int i = 0; i < 3; i++) grad[i] = a->packed ? third(&whole[0], i) : whole[i];
    kn_attention_bwd(cx, &given, &part[0], &part[1], &part[2], y, dy, &grad[0], &grad[1], &grad[2]);
    for (int i = 0; i < (a->packed ? 1 : 3); i++)
        if (d[i]) add_to(&whole[i], beta, d[i]);
}

// Mask number `kind`: 1: one per picture, with rows that see nothing; 2: one for all.
static tn_tensor mask_for(uint64_t seed, int kind, int64_t n, int64_t lq, int64_t lk) {
    tn_tensor mask = guarded_new(TN_U8, TN_DIMS(kind == 2 ? 1 : n, lq, lk));
    for (int64_t i = 0; i < tn_count(&mask); i++)
        tn_u8(&mask)[i] = op_pick(seed, (uint64_t)i, 3) > 0 && !(kind == 1 && i / lk % 5 == 3);
    return mask;
}

static void check(uint64_t seed, int64_t n, int64_t lq, int64_t lk, int heads, int64_t depth) {
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
    grad_case c = {.what = what,
                   .cfg = &a,
                   .inputs = 4,
                   .wants = a.packed ? 1 : 7,
                   .y = op_shape(TN_F32, TN_DIMS(n, lq, channels)),
                   .fwd = attention_fwd,
                   .bwd = attention_bwd,
                   .relative = 16 * EPS};
    if (a.packed) {
        c.in[0] = guarded_random(seed, -1, 1, TN_DIMS(n, lq, 3 * channels));
        c.in[1] = c.in[2] = guarded_random(0, 0, 1, TN_DIMS(0));
    } else {
        c.in[0] = guarded_random(seed, -1, 1, TN_DIMS(n, lq, channels));
        c.in[1] = guarded_random(seed + 1, -1, 1, TN_DIMS(n, lk, channels));
        c.in[2] = guarded_random(seed + 2, -1, 1, TN_DIMS(n, lk, channels));
    }
    c.in[3] = mask ? mask_for(seed, mask, n, lq, lk) : guarded_new(TN_U8, TN_DIMS(0));
    // A score and its gradient are sums of `depth` products, with error `score`; a weight has that
    // relative error. A query's weights sum to 1; a key gets weights from all queries that see it,
    // most for the first keys of a causal case: the harmonic sum.
    double score = op_sum_tolerance(depth, 1, 1) + 8 * EPS;
    double queries = a.cfg.causal ? 1 + log((double)lq + 1) : 1 + (double)lq / (double)(lk + 1);
    if (mask) queries *= 2;
    double factor = a.cfg.scale != 0 ? 0.3 : 1 / sqrt((double)depth);
    double change = sqrt((double)depth); // of a score's gradient: a sum of products around 0
    double step = 4 * (1 + factor * change) * score;
    c.absolute[0] = step * queries;
    c.absolute[1] = c.absolute[2] = c.absolute[0];
    grad_check(&c);
}

static void any_attention(void **state) {
    (void)state;
    uint64_t seed = 6000;
    EACH(int64_t, depth, 1, 5, 8, 17, 32, 64, 80)
    EACH(int64_t, lq, 1, 7, 50, 65)
    EACH(int64_t, lk, 1, 9, 50, 65) {
        seed++;
        check(seed, 1 + op_pick(seed, 9, 2), *lq, *lk, 1 + (int)op_pick(seed, 8, 3), *depth);
    }
}

// More queries and keys than a block has, heads deeper than one.
static void several_blocks(void **state) {
    (void)state;
    check(1, 0, 7, 7, 2, 8);
    check(2, 2, 0, 7, 2, 8);
    check(3, 1, 197, 197, 2, 64);
    check(4, 1, 7, 577, 1, 80);
    check(5, 1, 530, 9, 1, 33);
    for (uint64_t seed = 10; seed < 16; seed++) check(seed, 1, 300, 300, 1, 32);
    check(20, 1, 20, 30, 1, 257);
}

static void no_keys_give_zeros(void **state) {
    (void)state;
    for (int l = 0; l < levels_count(); l++) {
        guarded_free();
        tn_tensor q = guarded_random(1, -1, 1, TN_DIMS(1, 3, 4)),
                  dq = guarded_new(TN_F32, 3, q.dim);
        tn_tensor k = guarded_new(TN_F32, TN_DIMS(1, 0, 4)), dk = k, dv = k;
        kn_attention_bwd(levels_at(l)->cx[ONE_THREAD], &(kn_attention){.heads = 2}, &q, &k, &k, &q,
                         &q, &dq, &dk, &dv);
        for (int i = 0; i < 12; i++) assert_true(tn_f32(&dq)[i] == 0);
    }
}

static void something_was_compared(void **state) {
    (void)state;
    guarded_free();
    assert_true(grad_checked() >= 120 * levels_count());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_attention),
        cmocka_unit_test(several_blocks),
        cmocka_unit_test(no_keys_give_zeros),
        cmocka_unit_test(something_was_compared),
    };
    return cmocka_run_group_tests(tests, levels_setup, levels_teardown);
}
