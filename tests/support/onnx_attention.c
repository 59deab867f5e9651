// SPDX-License-Identifier: Apache-2.0
#include "tests/support/onnx_node.h"

#include "tests/support/levels.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

enum { Q, K, V, MASK, PAST_K, PAST_V, LENGTHS };

typedef struct sizes {
    int64_t n, heads, kv_heads, lq, lk, past, depth, v_depth;
    bool flat; // inputs are [N,L,heads*depth], else [N,heads,L,depth]
} sizes;

static sizes sizes_of(const onnx_node *node) {
    const tn_tensor *q = &node->in[Q], *k = &node->in[K], *v = &node->in[V];
    sizes s = {.n = q->dim[0], .flat = q->rank == 3};
    s.heads = s.flat ? onnx_int(node, "q_num_heads", 1) : q->dim[1];
    s.kv_heads = s.flat ? onnx_int(node, "kv_num_heads", 1) : k->dim[1];
    s.lq = q->dim[q->rank - 2];
    s.depth = s.flat ? q->dim[2] / s.heads : q->dim[3];
    s.v_depth = s.flat ? v->dim[2] / s.kv_heads : v->dim[3];
    s.past = onnx_has(node, PAST_K) ? node->in[PAST_K].dim[2] : 0;
    s.lk = k->dim[k->rank - 2] + s.past;
    return s;
}

// Element of q, k or v, in either form.
static float element(const tn_tensor *t, bool flat, int64_t n, int64_t head, int64_t heads,
                     int64_t l, int64_t d) {
    int64_t length = t->dim[t->rank - 2], depth = flat ? t->dim[2] / heads : t->dim[3];
    int64_t at = flat ? ((n * length + l) * heads + head) * depth + d
                      : ((n * heads + head) * length + l) * depth + d;
    return tn_f32(t)[at];
}

// [N,L,heads*wide]: heads of keys repeated for their group of queries, depth padded with zeros up
// to `wide`, past tokens in front.
static tn_tensor arranged(const sizes *s, const tn_tensor *t, const tn_tensor *past, int64_t heads,
                          int64_t depth, int64_t wide) {
    int64_t before = past && past->rank >= 0 ? past->dim[2] : 0;
    int64_t length = t->dim[t->rank - 2] + before;
    tn_tensor out = guarded_new(TN_F32, TN_DIMS(s->n, length, s->heads * wide));
    float *to = out.data;
    for (int64_t n = 0; n < s->n; n++)
        for (int64_t l = 0; l < length; l++)
            for (int64_t h = 0; h < s->heads; h++)
                for (int64_t d = 0; d < wide; d++, to++) {
                    int64_t head = h * heads / s->heads;
                    *to = d >= depth   ? 0
                          : l < before ? element(past, false, n, head, heads, l, d)
                                       : element(t, s->flat, n, head, heads, l - before, d);
                }
    return out;
}

// The mask's value for one score, its shape broadcast from the right: 1, 0, or -1 for an addend,
// which the kernel does not support.
static int masked(const tn_tensor *mask, int64_t n, int64_t h, int64_t i, int64_t j) {
    int64_t place[] = {n, h, i, j}, at = 0;
    for (int axis = 0; axis < mask->rank; axis++) {
        int64_t index = place[4 - mask->rank + axis];
        if (axis == mask->rank - 1 && index >= mask->dim[axis]) return 0; // shorter than the keys
        at = at * mask->dim[axis] + (mask->dim[axis] == 1 ? 0 : index);
    }
    if (mask->dtype == TN_BOOL || mask->dtype == TN_U8)
        return ((const uint8_t *)mask->data)[at] != 0;
    float value = tn_f32(mask)[at];
    return value == 0 ? 1 : value == -INFINITY ? 0 : -1;
}

// All rules about which tokens a query attends to, for one score. Positions count from the first
// key; with given lengths the queries are the last ones.
static int attends(const onnx_node *node, const sizes *s, int64_t n, int64_t h, int64_t i,
                   int64_t j) {
    int64_t left = onnx_int(node, "left_window_size", -1);
    int64_t right = onnx_int(node, "right_window_size", -1), position = i + s->past;
    if (onnx_has(node, LENGTHS)) {
        int64_t length = ((const int64_t *)node->in[LENGTHS].data)[n];
        if (j >= length) return 0;
        position = i + length - s->lq;
    }
    if (onnx_int(node, "is_causal", 0) && j > position) return 0;
    if (left >= 0 && j < position - left) return 0;
    if (right >= 0 && j > position + right) return 0;
    return onnx_has(node, MASK) ? masked(&node->in[MASK], n, h, i, j) : 1;
}

// One head of a result [N,L,heads*wide] in the case's form.
static tn_tensor as_the_case(const onnx_node *node, const sizes *s, const tn_tensor *y,
                             int64_t wide) {
    tn_tensor out = guarded_new(TN_F32, node->out.rank, node->out.dim);
    for (int64_t at = 0; at < tn_count(&out); at++) {
        int64_t d = at % s->v_depth, rest = at / s->v_depth;
        int64_t h = s->flat ? rest % s->heads : rest / s->lq % s->heads;
        int64_t l = s->flat ? rest / s->heads % s->lq : rest % s->lq;
        int64_t n = rest / (s->heads * s->lq);
        tn_f32(&out)[at] = tn_f32(y)[((n * s->lq + l) * s->heads + h) * wide + d];
    }
    return out;
}

// For a mask that differs between heads: each head becomes a separate picture.
static tn_tensor split_heads(const sizes *s, const tn_tensor *t, int64_t wide, bool back) {
    int64_t length = back ? s->lq : t->dim[1];
    tn_tensor out = back ? guarded_new(TN_F32, TN_DIMS(s->n, length, s->heads * wide))
                         : guarded_new(TN_F32, TN_DIMS(s->n * s->heads, length, wide));
    for (int64_t n = 0; n < s->n; n++)
        for (int64_t h = 0; h < s->heads; h++)
            for (int64_t l = 0; l < length; l++) {
                float *joined =
                    (float *)(back ? out.data : t->data) + ((n * length + l) * s->heads + h) * wide;
                float *single =
                    (float *)(back ? t->data : out.data) + ((n * s->heads + h) * length + l) * wide;
                memcpy(back ? joined : single, back ? single : joined,
                       (size_t)wide * sizeof(float));
            }
    return out;
}

bool onnx_attention(onnx_node *node) {
    if (onnx_real(node, "softcap", 0) != 0) return onnx_not_offered(node, "softcap");
    sizes s = sizes_of(node);
    int64_t wide = s.depth > s.v_depth ? s.depth : s.v_depth;
    tn_tensor mask = guarded_new(TN_U8, TN_DIMS(s.n * s.heads, s.lq, s.lk));
    bool limits = false;
    for (int64_t at = 0; at < tn_count(&mask); at++) {
        int64_t j = at % s.lk, i = at / s.lk % s.lq, h = at / (s.lk * s.lq) % s.heads;
        int sees = attends(node, &s, at / (s.lk * s.lq * s.heads), h, i, j);
        if (sees < 0) return onnx_not_offered(node, "an addend for each score");
        tn_u8(&mask)[at] = (uint8_t)sees;
        limits |= !sees;
    }
    // Plain forms use the kernel's heads and its causal option.
    bool causal = onnx_int(node, "is_causal", 0) && !onnx_has(node, MASK) && !s.past &&
                  !onnx_has(node, LENGTHS) && onnx_int(node, "left_window_size", -1) < 0;
    bool plain = causal || !limits;
    tn_tensor q = arranged(&s, &node->in[Q], NULL, s.heads, s.depth, wide);
    tn_tensor k = arranged(&s, &node->in[K], &node->in[PAST_K], s.kv_heads, s.depth, wide);
    tn_tensor v = arranged(&s, &node->in[V], &node->in[PAST_V], s.kv_heads, s.v_depth, wide);
    kn_attention cfg = {.heads = plain ? (int)s.heads : 1,
                        .scale = onnx_real(node, "scale", 1 / sqrt((double)s.depth)),
                        .causal = causal,
                        .mask = plain ? NULL : &mask};
    if (!plain) {
        q = split_heads(&s, &q, wide, false);
        k = split_heads(&s, &k, wide, false);
        v = split_heads(&s, &v, wide, false);
    }
    tn_tensor y = guarded_new(TN_F32, q.rank, q.dim);
    kn_attention_fwd(node->cx, &cfg, &q, &k, &v, &y);
    if (!plain) y = split_heads(&s, &y, wide, true);
    tn_tensor got = as_the_case(node, &s, &y, wide);
    return onnx_equal(node, &got);
}
