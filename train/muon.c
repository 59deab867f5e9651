// SPDX-License-Identifier: Apache-2.0
#include "train/muon.h"

#include <math.h>

#define ROUNDS 5
#define LEAST_NORM 1e-7
// x -> ax + bx^3 + cx^5 on the singular values: moves all of (0,1] close to 1.
static const double a = 3.4445, b = -4.7750, c = 2.0315;

static int64_t smaller(int64_t x, int64_t y) {
    return x < y ? x : y;
}

int64_t tr_muon_scratch(int64_t rows, int64_t columns) {
    int64_t side = smaller(rows, columns);
    return 2 * rows * columns + 2 * side * side;
}

static tn_tensor part(const tn_tensor *scratch, int64_t *at, int64_t rows, int64_t columns) {
    tn_tensor slice = tn_slice(scratch, *at, rows * columns);
    *at += rows * columns;
    return tn_reshape(&slice, TN_DIMS(rows, columns));
}

// The Gram matrix of the smaller side: X X^T or, if X is tall, X^T X.
static void iterate(kn_ctx *cx, tn_tensor *x, tn_tensor *spare, tn_tensor *gram, tn_tensor *next) {
    bool tall = x->dim[0] > x->dim[1];
    for (int round = 0; round < ROUNDS; round++) {
        if (tall)
            kn_matmul_tn(cx, 1, x, x, 0, gram);
        else
            kn_matmul_nt_fwd(cx, 1, x, x, gram);
        kn_matmul_nt_fwd(cx, c, gram, gram, next); // symmetric
        kn_axpby(cx, b, gram, 1, next);
        if (tall)
            kn_matmul_nn(cx, 1, x, next, 0, spare);
        else
            kn_matmul_nn(cx, 1, next, x, 0, spare);
        kn_axpby(cx, a, x, 1, spare);
        tn_tensor swap = *x;
        *x = *spare, *spare = swap;
    }
}

void tr_muon_step(kn_ctx *cx, const tr_muon *cfg, const tn_tensor *grad, tn_tensor *value,
                  tn_tensor *m, const tn_tensor *scratch) {
    int64_t rows = value->dim[0], columns = value->dim[1], side = smaller(rows, columns), at = 0;
    tn_tensor x = part(scratch, &at, rows, columns), spare = part(scratch, &at, rows, columns);
    tn_tensor gram = part(scratch, &at, side, side), next = part(scratch, &at, side, side);
    double fresh = (1 - cfg->momentum) * cfg->grad_scale;
    kn_axpby(cx, fresh, grad, cfg->momentum, m);
    kn_axpby(cx, fresh, grad, 0, &x);
    kn_axpby(cx, cfg->momentum, m, 1, &x); // Nesterov's look-ahead
    double norm = sqrt(kn_sum_squares(cx, &x));
    kn_axpby(cx, 1 / fmax(norm, LEAST_NORM), &x, 0, &x);
    iterate(cx, &x, &spare, &gram, &next);
    double rate = cfg->rate * 0.2 * sqrt((double)(rows > columns ? rows : columns));
    kn_axpby(cx, -rate, &x, 1 - cfg->rate * cfg->decay, value);
}
