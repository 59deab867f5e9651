// SPDX-License-Identifier: Apache-2.0
// One case of one operation with a gradient: in float64 on `ref` against signed differences of its
// forward, then at every level, in float32, against that.
#pragma once

#include "kernels/kernels.h"
#include "tests/support/ops.h"

#define GRAD_INPUTS 4

typedef struct grad_case {
    const char *what; // for messages
    const void *cfg;
    int inputs;
    tn_tensor in[GRAD_INPUTS]; // guarded; float32 or integers
    unsigned keep;             // bit i: in[i] is float32 also where the rest is float64 (boxes)
    unsigned wants;            // bit i: in[i] has a gradient
    tn_tensor y;               // shape of the output; no data
    void (*fwd)(kn_ctx *cx, const tn_tensor *in, tn_tensor *y, const void *cfg);
    // d[i]: the gradient of in[i], or NULL where it is not wanted
    void (*bwd)(kn_ctx *cx, const tn_tensor *in, const tn_tensor *y, const tn_tensor *dy,
                double beta, tn_tensor *const *d, const void *cfg);
    bool linear;                  // in its one input that has a gradient: then <Ax,v> = <x,A^T v>
    double absolute[GRAD_INPUTS]; // tolerances of the levels, for each gradient
    double relative;
} grad_case;

// For each gradient: in float64, <dx,v> is what differences of the forward along v give (1e-8
// relative to |dx||v|, and 1e-11 to |dy||y|). At every level and number of threads: within the
// tolerances of float64, the same bits every time and alone or together with the others, beta 0
// reads nothing (it starts from NaN), beta 1 adds; inputs and guard zones untouched. Linear: the
// adjoint test, too.
void grad_check(const grad_case *c);
int grad_checked(void); // comparisons so far

// "op [a,b,c]" for messages, valid until the next call.
const char *grad_name(const char *op, int64_t a, int64_t b, int64_t c);
