// SPDX-License-Identifier: Apache-2.0
// Gradients of norms, softmax, activations and table rows; norms over a batch.
#include "kernels/ref/ref.h"

#include <math.h>
#include <string.h>

// Of an activation at its input x; for ReLU and the sigmoid x is the output.
static double act_slope(kn_act act, double x) {
    double pi = acos(-1), s, t, k;
    switch (act) {
    case KN_RELU:
        return x <= 0 ? 0 : 1;
    case KN_GELU: // Phi(x) + x phi(x)
        return 0.5 * erfc(-x / sqrt(2)) + x * exp(-0.5 * x * x) / sqrt(2 * pi);
    case KN_QUICK_GELU:
        s = 1 / (1 + exp(-1.702 * x));
        return s + 1.702 * x * s * (1 - s);
    case KN_SIGMOID:
        return x * (1 - x);
    case KN_GELU_TANH:
        k = sqrt(2 / pi);
        t = tanh(k * (x + 0.044715 * x * x * x));
        return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * k * (1 + 3 * 0.044715 * x * x);
    case KN_LINEAR:
        break;
    }
    return 1;
}

static double *zeros(kn_ctx *cx, int64_t count) {
    double *block = kn_scratch(cx, 0, (size_t)count * sizeof *block);
    memset(block, 0, (size_t)count * sizeof *block);
    return block;
}

#define SOURCE "kernels/ref/bwd_rows.inc"
#include "kernels/ref/both_types.inc"
