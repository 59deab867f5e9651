// SPDX-License-Identifier: Apache-2.0
// The context in which every module runs: a backend, memory for the step, and the error.
#pragma once

#include "io/weights/weights.h"
#include "kernels/kernels.h"

typedef struct nn_tape nn_tape;     // nn/tape.h
typedef struct nn_params nn_params; // nn/params.h

// Outputs of a forward pass are allocated from `step`; a module that needs scratch opens a scope
// after it has allocated its output. err is filled when a call fails.
typedef struct nn_ctx {
    kn_ctx *kn;
    tn_arena *step;
    tn_error *err;
    nn_tape *tape; // training: records what has a gradient; NULL for inference
} nn_ctx;

// Leaving a scope frees what was allocated from cx->step since it was entered, unless a tape
// recorded something in between: its records need that memory.
typedef struct nn_scope {
    size_t mark;
    int64_t records;
} nn_scope;
nn_scope nn_scope_enter(const nn_ctx *cx);
void nn_scope_leave(nn_ctx *cx, nn_scope scope);

// Initialisation of weights that are not loaded from a file. Fans as in PyTorch: a weight [a,b,...]
// has fan in b*rest and fan out a*rest. Biases are set to 0, norms to 1 and 0.
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

// Loading. Modules ask for parameters by the names that the model uses. A model whose file has
// other names (Hugging Face's, OpenCLIP's) sets `rename`, so that one module serves all.
//
// With `params` the same functions create trainable modules: parameters are added to it under the
// module's own names. Without `file` they are initialised instead of loaded; every size must then
// be given, and the fields below replace what a file would determine.
typedef struct nn_loader {
    const io_weights *file; // NULL only with params
    kn_ctx *kn;
    tn_arena *arena; // for packed weights and vectors; frozen after loading
    tn_arena *parts; // for arrays of modules: separate, because the addresses in them differ from
                     // run to run, and a hash of the weights must not
    // Writes the name that the file uses for a parameter to out; NULL if the names are the same.
    void (*rename)(const char *name, char *out, size_t bytes);
    tn_error *err;
    tn_dtype dtype;        // of frozen values: TN_F32, or TN_F64 for `ref`
    nn_params *params;     // NULL: frozen
    bool adjoint;          // frozen, but gradients pass through: weights are packed twice
    nn_init init;          // of weights, if there is no file
    double residual_scale; // factor for initial weights whose product is added to a residual; 0: 1
    uint64_t seed;         // of init: a value depends on seed, name and index only
    bool bias;             // without a file: linear layers and bare convolutions have a bias
    nn_norm_kind norm;     // without a file: the norm after a convolution of nn_conv_norm_load
    int groups;            // of group norm, which no file states; 0 means 32
    bool separate_qkv;     // without a file: queries, keys and values have separate weights
} nn_loader;

#define NN_NAME 256 // longest parameter name, including its 0

// Marks the loader for weights whose product is added to a residual.
void nn_residual_init(nn_loader *load);

// "prefix" + "suffix" as one name; aborts if it is too long.
const char *nn_join(char out[NN_NAME], const char *prefix, const char *suffix);

bool nn_has(const nn_loader *load, const char *name);
// The tensor as it is in the file. TN_EFORMAT names file and tensor if it is missing.
tn_status nn_find(const nn_loader *load, const char *name, const io_tensor **out);
// A copy of type load->dtype in load->arena. dim: expected sizes, -1 for any. TN_EFORMAT names
// file, tensor, the actual and the expected shape.
tn_status nn_load(const nn_loader *load, const char *name, int rank, const int64_t *dim,
                  tn_tensor *out);
// As nn_load, into another arena: for what is needed only while loading (weights to be packed).
tn_status nn_load_into(const nn_loader *load, tn_arena *arena, const char *name, int rank,
                       const int64_t *dim, tn_tensor *out);
// TN_EFORMAT, naming both shapes, if the tensor does not have this one (-1 for any).
tn_status nn_expect_shape(const nn_loader *load, const io_tensor *found, int rank,
                          const int64_t *dim);
// Whether the layer called prefix has a bias: taken from the file, or load->bias if there is none.
bool nn_has_bias(const nn_loader *load, const char *prefix);
