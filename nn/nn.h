// SPDX-License-Identifier: Apache-2.0
// What every module is given to run: a backend, memory for the step, and where errors go.
#pragma once

#include "io/weights/weights.h"
#include "kernels/kernels.h"

typedef struct nn_tape nn_tape;     // nn/tape.h
typedef struct nn_params nn_params; // nn/params.h

// Outputs of a forward pass come from `step`; a module that needs room only while it runs opens a
// scope after its output is allocated. err is filled when a call fails.
typedef struct nn_ctx {
    kn_ctx *kn;
    tn_arena *step;
    tn_error *err;
    nn_tape *tape; // training: what can be differentiated is recorded; NULL for inference
} nn_ctx;

// What was taken from cx->step between enter and leave is given back, except under a tape that
// recorded something in between: its records need it.
typedef struct nn_scope {
    size_t mark;
    int64_t records;
} nn_scope;
nn_scope nn_scope_enter(const nn_ctx *cx);
void nn_scope_leave(nn_ctx *cx, nn_scope scope);

// How a weight begins that is made rather than read. Fans as PyTorch counts them: a weight
// [a,b,...] has fan in b*rest and fan out a*rest. Biases begin as 0, norms as 1 and 0.
typedef enum nn_init_kind {
    NN_INIT_CONSTANT,           // value
    NN_INIT_NORMAL,             // mean 0, standard deviation value
    NN_INIT_KAIMING_UNIFORM,    // within sqrt(6 / ((1 + value^2) fan in)) (He et al. 2015)
    NN_INIT_KAIMING_NORMAL_OUT, // standard deviation sqrt(2 / fan out)
} nn_init_kind;
typedef struct nn_init {
    nn_init_kind kind;
    double value;
} nn_init;

typedef enum nn_norm_kind { NN_NORM_NONE, NN_NORM_BATCH, NN_NORM_GROUP } nn_norm_kind;

// Loading: modules ask for parameters by the name that the model gives them. A model whose file
// uses other names (Hugging Face's, OpenCLIP's) sets `rename`, so that one module serves all.
//
// With `params` the same functions make modules that can be trained: parameters go there, by the
// module's own names. Without `file` they are made, not read; every size must then be given, and
// what a file would have told is told here.
typedef struct nn_loader {
    const io_weights *file; // NULL only with params
    kn_ctx *kn;
    tn_arena *arena; // where packed weights and vectors live; frozen after load
    tn_arena *parts; // where arrays of modules live: apart, since the addresses in them differ from
                     // run to run, and a hash of the weights must not
    // Writes the file's name of a parameter into out; NULL means names are the same.
    void (*rename)(const char *name, char *out, size_t bytes);
    tn_error *err;
    tn_dtype dtype;    // of frozen values: TN_F32, or TN_F64 for `ref`
    nn_params *params; // NULL: frozen
    bool through;      // frozen, but a gradient is to go through: weights are packed twice
    nn_init init;      // of weights, where there is no file
    double residual;   // those whose product is added to a residual begin this much smaller; 0: not
    uint64_t seed;     // of init: a value depends on seed, name and place alone
    bool bias;         // without a file: linear layers and bare convolutions have a bias
    nn_norm_kind norm; // without a file: what nn_conv_norm_load puts behind a convolution
    int groups;        // of group norm, which no file tells; 0 means 32
    bool apart;        // without a file: queries, keys and values have a weight each
} nn_loader;

#define NN_NAME 256 // longest parameter name, with its end

// From here on the loader is that of weights whose product is added to a residual.
void nn_residual_init(nn_loader *load);

// "prefix" + "suffix" as one name; too long is a programmer's mistake.
const char *nn_join(char out[NN_NAME], const char *prefix, const char *suffix);

bool nn_has(const nn_loader *load, const char *name);
// The tensor as it lies in the file. TN_EFORMAT names file and tensor when it is absent.
tn_status nn_find(const nn_loader *load, const char *name, const io_tensor **out);
// A copy as load->dtype in load->arena. dim: expected sizes, -1 for any. TN_EFORMAT names file,
// tensor, the shape found and the shape expected.
tn_status nn_load(const nn_loader *load, const char *name, int rank, const int64_t *dim,
                  tn_tensor *out);
// As nn_load, into another arena: for what is only needed while loading (weights to be packed).
tn_status nn_load_into(const nn_loader *load, tn_arena *arena, const char *name, int rank,
                       const int64_t *dim, tn_tensor *out);
// TN_EFORMAT, naming both shapes, unless the tensor has this one (-1 for any).
tn_status nn_expect_shape(const nn_loader *load, const io_tensor *found, int rank,
                          const int64_t *dim);
// Whether the layer called prefix has a bias: the file tells, or load->bias where there is none.
bool nn_has_bias(const nn_loader *load, const char *prefix);
