// SPDX-License-Identifier: Apache-2.0
// Dumped layers (docs/dumps.md): the kinds that there are, and how each is run and compared.
#pragma once

#include "io/json.h"
#include "io/weights/weights.h"
#include "kernels/kernels.h"

typedef struct dump {
    io_weights *file;
    io_json config;
    kn_ctx *cx; // where it is to be run
    bool wide;  // in float64 (gradients and losses, on `ref`)
} dump;

// Runs the file's case on d->cx and fails the test, with the file's name, where the result differs
// from the dump by more than the bar or the file is not what docs/dumps.md says.
void dump_run(const dump *d, const char *kind);
// The kinds of training: gradients, losses, the optimizer. False for another kind.
bool dump_run_bwd(const dump *d, const char *kind);
