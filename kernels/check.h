// SPDX-License-Identifier: Apache-2.0
// Argument checks for the dispatcher. Every failure names the operation, the argument and the
// shapes.
#pragma once

#include "kernels/table.h"

// Text "[1,2,3]" for a message; valid until the end of the enclosing block.
#define KN_SHAPE(t) tn_shape_text((t)->rank, (t)->dim, (char[112]){0}, 112)

static inline void kn_check_type(const char *op, const char *name, const tn_tensor *t,
                                 tn_dtype dtype) {
    TN_CHECK(t, "%s: no %s", op, name);
    TN_CHECK(t->dtype == dtype, "%s: %s %s is %s, expected %s", op, name, KN_SHAPE(t),
             tn_dtype_name(t->dtype), tn_dtype_name(dtype));
    TN_CHECK(t->device == TN_HOST, "%s: %s is not in host memory", op, name);
    TN_CHECK(t->data || tn_count(t) == 0, "%s: %s %s has no data", op, name, KN_SHAPE(t));
}

// float32, or float64 at a level that computes it.
static inline tn_dtype kn_check_real(const kn_ctx *cx, const char *op, const char *name,
                                     const tn_tensor *t) {
    TN_CHECK(t, "%s: no %s", op, name);
    TN_CHECK(t->dtype == TN_F32 || (t->dtype == TN_F64 && cx->table->float64),
             "%s: %s %s is %s, which level %s does not compute with", op, name, KN_SHAPE(t),
             tn_dtype_name(t->dtype), cx->table->name);
    kn_check_type(op, name, t, t->dtype);
    return t->dtype;
}

static inline void kn_check_rank(const char *op, const char *name, const tn_tensor *t, int rank) {
    TN_CHECK(t->rank == rank, "%s: %s %s has rank %d, expected %d", op, name, KN_SHAPE(t), t->rank,
             rank);
}

// A vector [n] of the given type, e.g. a bias.
static inline void kn_check_vector(const char *op, const char *name, const tn_tensor *t,
                                   tn_dtype dtype, int64_t n) {
    kn_check_type(op, name, t, dtype);
    TN_CHECK(t->rank == 1 && t->dim[0] == n, "%s: %s is %s, expected [%lld]", op, name, KN_SHAPE(t),
             (long long)n);
}

static inline void kn_check_same(const char *op, const char *name_a, const tn_tensor *a,
                                 const char *name_b, const tn_tensor *b) {
    TN_CHECK(tn_same_shape(a, b), "%s: %s %s and %s %s differ in shape", op, name_a, KN_SHAPE(a),
             name_b, KN_SHAPE(b));
}

static inline void kn_check_shape(const char *op, const char *name, const tn_tensor *t, int rank,
                                  const int64_t *dim) {
    TN_CHECK(tn_has_shape(t, rank, dim), "%s: %s is %s, expected %s", op, name, KN_SHAPE(t),
             tn_shape_text(rank, dim, (char[112]){0}, 112));
}

// The output must not overlap the input.
static inline void kn_check_apart(const char *op, const char *name, const tn_tensor *x,
                                  const tn_tensor *y) {
    uintptr_t a = (uintptr_t)x->data, b = (uintptr_t)y->data;
    TN_CHECK(a + tn_bytes(x) <= b || b + tn_bytes(y) <= a || !tn_count(x) || !tn_count(y),
             "%s: the output %s overlaps %s %s", op, KN_SHAPE(y), name, KN_SHAPE(x));
}

// The output must be the input itself or not overlap it.
static inline void kn_check_apart_or_same(const char *op, const char *name, const tn_tensor *x,
                                          const tn_tensor *y) {
    if (x->data != y->data || x->dtype != y->dtype) kn_check_apart(op, name, x, y);
}

static inline void kn_check_act(const char *op, kn_act act) {
    TN_CHECK((unsigned)act <= KN_GELU_TANH, "%s: activation %d", op, (int)act);
}

// A gradient's beta: 0 writes, 1 adds.
static inline void kn_check_beta(const char *op, double beta) {
    TN_CHECK(beta == 0 || beta == 1, "%s: beta %g, expected 0 or 1", op, beta);
}

// Checks shared by forward and backward: x (top, cfg->level) and y are values or gradients.
void kn_check_conv(const char *op, const kn_conv *cfg);
void kn_check_attention(const kn_ctx *cx, const char *op, const kn_attention *cfg,
                        const tn_tensor *q, const tn_tensor *k, const tn_tensor *v,
                        const tn_tensor *y);
void kn_check_pool(const kn_ctx *cx, const char *op, const kn_pool2d *cfg, const tn_tensor *x,
                   const tn_tensor *y);
void kn_check_resize(const kn_ctx *cx, const char *op, const kn_resize *cfg, const tn_tensor *x,
                     const tn_tensor *y);
void kn_check_upsample(const kn_ctx *cx, const char *op, const tn_tensor *top, const tn_tensor *y);
void kn_check_roi_align(const kn_ctx *cx, const char *op, const kn_roi_align *cfg,
                        const tn_tensor *rois, const tn_tensor *image, const tn_tensor *map,
                        const tn_tensor *y);
void kn_check_ids(const char *op, const char *name, const tn_tensor *ids, int64_t count,
                  int64_t below);
