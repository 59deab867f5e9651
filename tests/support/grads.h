// SPDX-License-Identifier: Apache-2.0
// Checks one case of an operation with a gradient: in float64 on `ref` against finite differences
// of its forward pass, then in float32 at every level against that.
#pragma once

#include "kernels/kernels.h"
#include "tests/support/ops.h"

#define GRAD_INPUTS 4

typedef struct grad_case {
    const char *what; // for messages
    const void *cfg;
    int inputs;
    tn_tensor in[GRAD_INPUTS]; // guarded; float32 or integers
    unsigned keep;             // bit i: in[i] is always float32 (boxes)
    unsigned wants;            // bit i: in[i] has a gradient
    tn_tensor y;               // shape of the output; no data
    void (*fwd)(kn_ctx *cx, const tn_tensor *in, tn_tensor *y, const void *cfg);
    // d[i]: the gradient of in[i], or NULL if it is not wanted
    void (*bwd)(kn_ctx *cx, const tn_tensor *in, const tn_tensor *y, const tn_tensor *dy,
                double beta, tn_tensor *const *d, const void *cfg);
    bool linear;                  // in its only input with a gradient: then <Ax,v> = <x,A^T v>
    double absolute[GRAD_INPUTS]; // tolerances of the levels, per gradient
    double relative;
} grad_case;

// For each gradient, in float64: <dx,v> equals the finite difference of the forward pass along v
// (1e-8 relative to |dx||v|, and 1e-11 to |dy||y|). At every level and number of threads: within
// the tolerances of float64, the same bits every time and alone or together with the others; beta 0
// reads nothing (the memory starts as NaN), beta 1 adds; inputs and guard zones are untouched. If
// linear, also the adjoint test.
void grad_check(const grad_case *c);
int grad_checked(void); // number of comparisons so far

// "op [a,b,c]" for messages, valid until the next call.
const char *grad_name(const char *op, int64_t a, int64_t b, int64_t c);
