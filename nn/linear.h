// SPDX-License-Identifier: Apache-2.0
// A linear layer with its epilogue: bias, residual, activation.
#pragma once

#include "nn/trained.h"

typedef struct nn_linear {
    kn_weight w;    // [K,C]
    tn_tensor bias; // [K]; data is NULL if there is none
    kn_act act;
    nn_trained *trained; // NULL: frozen
    kn_weight adjoint;   // of a frozen weight, if gradients pass through it
} nn_linear;

// "prefix.weight" [out,in] and, if the file has it, "prefix.bias" [out]; -1 for any size.
// TN_EFORMAT names file, tensor and shapes; TN_ENOMEM.
tn_status nn_linear_load(const nn_loader *load, const char *prefix, int64_t out, int64_t in,
                         kn_act act, nn_linear *linear);
// The same with full names; bias: NULL if there is none.
tn_status nn_linear_load_named(const nn_loader *load, const char *weight, const char *bias,
                               int64_t out, int64_t in, kn_act act, nn_linear *linear);
// A bare matrix that the file stores transposed: `name` [in,out], y = x * matrix.
tn_status nn_linear_load_matrix(const nn_loader *load, const char *name, int64_t in, int64_t out,
                                nn_linear *linear);
// Several layers over the same x joined into one: the rows of each "prefix[i].weight" [out,in] are
// concatenated, and so are the biases (either all layers have one, or none has).
tn_status nn_linear_load_joined(const nn_loader *load, int count, const char *const *prefix,
                                int64_t out, int64_t in, kn_act act, nn_linear *linear);
// A layer over whole regions [R,size,size,C], given as rows [R,size*size*C]. Files order the
// columns as [C,size,size] (a weight of rank 2 or 4; rank 2 without a file); they are reordered to
// channels-last. out: -1 for any.
tn_status nn_linear_load_regions(const nn_loader *load, const char *prefix, int64_t out,
                                 int64_t channels, int64_t size, kn_act act, nn_linear *linear);
// x [...,C] -> y [...,K] from cx->step: act(x W^T + bias + residual). residual: NULL or the shape
// of y. TN_ENOMEM.
tn_status nn_linear_fwd(nn_ctx *cx, const nn_linear *linear, const tn_tensor *x,
                        const tn_tensor *residual, tn_tensor *y);
// The same, but writes to an existing y. residual may be y if nothing is recorded: a block's
// shortcut is then added in place.
void nn_linear_into(nn_ctx *cx, const nn_linear *linear, const tn_tensor *x,
                    const tn_tensor *residual, tn_tensor *y);
