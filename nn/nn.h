// SPDX-License-Identifier: Apache-2.0
// What every module is given to run: a backend, memory for the step, and where errors go.
#pragma once

#include "io/weights.h"
#include "kernels/kernels.h"

// Outputs of a forward pass come from `step`; a module that needs room only while it runs takes a
// mark after its output is allocated and resets to it. err is filled when a call fails.
typedef struct nn_ctx {
    kn_ctx *kn;
    tn_arena *step;
    tn_error *err;
} nn_ctx;

// Loading: modules ask for parameters by the name that the model gives them. A model whose file
// uses other names (Hugging Face's, OpenCLIP's) sets `rename`, so that one module serves all.
typedef struct nn_loader {
    const io_weights *file;
    kn_ctx *kn;
    tn_arena *arena; // where packed weights and vectors live; frozen after load
    tn_arena *parts; // where arrays of modules live: apart, since the addresses in them differ from
                     // run to run, and a hash of the weights must not
    // Writes the file's name of a parameter into out; NULL means names are the same.
    void (*rename)(const char *name, char *out, size_t bytes);
    tn_error *err;
} nn_loader;

#define NN_NAME 256 // longest parameter name, with its end

// "prefix" + "suffix" as one name; too long is a programmer's mistake.
const char *nn_join(char out[NN_NAME], const char *prefix, const char *suffix);

bool nn_has(const nn_loader *load, const char *name);
// The tensor as it lies in the file. TN_EFORMAT names file and tensor when it is absent.
tn_status nn_find(const nn_loader *load, const char *name, const io_tensor **out);
// A float32 copy in load->arena. dim: expected sizes, -1 for any. TN_EFORMAT names file, tensor,
// the shape found and the shape expected.
tn_status nn_load(const nn_loader *load, const char *name, int rank, const int64_t *dim,
                  tn_tensor *out);
// As nn_load, into another arena: for what is only needed while loading (weights to be packed).
tn_status nn_load_into(const nn_loader *load, tn_arena *arena, const char *name, int rank,
                       const int64_t *dim, tn_tensor *out);
