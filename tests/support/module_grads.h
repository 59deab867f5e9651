// SPDX-License-Identifier: Apache-2.0
// Checks the gradients of a module: finite differences in double, every level against that, thread
// counts, and the forward pass with and without a tape.
#pragma once

#include "nn/params.h"
#include "nn/tape.h"
#include "tests/support/levels.h"
#include "tests/support/test.h"

#define MODULE_INPUTS 4
#define MODULE_OUTPUTS 6
#define MODULE_BYTES ((size_t)1 << 16) // bytes of the largest module

typedef struct module_case {
    const char *what; // for messages
    // Loads a module (cleared, of MODULE_BYTES bytes) with the loader's parameters; NULL: none.
    tn_status (*load)(const nn_loader *load, void *module);
    // in: real tensors of the context's type; out: `outputs` tensors, from cx->step. The loss is a
    // fixed random functional of them.
    tn_status (*forward)(nn_ctx *cx, const void *module, const tn_tensor *in, tn_tensor *out);
    int inputs, outputs;
    tn_tensor in[MODULE_INPUTS]; // shapes: op_shape(TN_F32, …)
    double low, high;            // of inputs; both 0 mean -1 and 1
    nn_norm_kind norm;           // of the loader
    bool batch;                  // uses batch statistics, so inference gives other numbers
    double tolerance;            // float32 against double, relative; 0 for 2e-5
} module_case;

// Tolerance 1e-8 for each parameter and input; every level; 1, 2 and 7 threads.
void module_check(const module_case *c);
int module_checked(void); // number of comparisons so far
