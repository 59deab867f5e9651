// SPDX-License-Identifier: Apache-2.0
// Dumped layers (docs/dumps.md): all kinds, and how each is run and compared.
#pragma once

#include "io/json.h"
#include "io/weights/weights.h"
#include "kernels/kernels.h"

typedef struct dump {
    io_weights *file;
    io_json config;
    kn_ctx *cx; // context to run it on
    bool wide;  // in float64 (gradients and losses, on `ref`)
} dump;

// Runs the file's case on d->cx. Fails the test, with the file's name, if the result differs from
// the dump by more than the tolerance or the file does not follow docs/dumps.md.
void dump_run(const dump *d, const char *kind);
// The kinds of training: gradients, losses, the optimizer. False for another kind.
bool dump_run_bwd(const dump *d, const char *kind);
