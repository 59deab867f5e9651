// SPDX-License-Identifier: Apache-2.0
// Parameters with their gradients and AdamW's two moments, in four flat arrays of equal layout, and
// buffers that are saved with them but not trained (running statistics). Addresses never change.
#pragma once

#include "nn/nn.h"

typedef struct nn_param {
    const char *name;
    tn_tensor value, grad, m, v; // in PyTorch's order
    bool decay;                  // weight decay; not for norms, biases and scalars
    int64_t offset;              // elements from the start of each flat array
} nn_param;

typedef struct nn_buffer {
    const char *name;
    tn_tensor value;
} nn_buffer;

typedef enum nn_flat { NN_VALUE, NN_GRAD, NN_M, NN_V, NN_FLATS } nn_flat;

typedef struct nn_trained nn_trained; // nn/trained.h

struct nn_params {
    tn_dtype dtype;          // TN_F32, or TN_F64 with `ref`
    tn_arena flat[NN_FLATS]; // never freed in part, so the padding between parameters is zero
    tn_arena buffer_values;  // the same for buffers
    tn_arena packed;         // parameters in the layout that kernels read
    tn_arena parts;          // names and the records below
    nn_param **param;        // in order of creation
    nn_buffer **buffer;
    int count, buffers;
    nn_trained *trained; // layers to be packed again when values change
};

// TN_F32 or TN_F64. TN_ENOMEM.
tn_status nn_params_init(nn_params *params, tn_dtype dtype, tn_error *err);
void nn_params_deinit(nn_params *params); // of a cleared nn_params: fine

// Adds a parameter: value uninitialised, the rest zero. Aborts if the name is already used.
// TN_ENOMEM.
tn_status nn_params_add(nn_params *params, const char *name, int rank, const int64_t *dim,
                        bool decay, nn_param **out, tn_error *err);
// Adds a buffer of zeros.
tn_status nn_params_add_buffer(nn_params *params, const char *name, int rank, const int64_t *dim,
                               nn_buffer **out, tn_error *err);
nn_param *nn_params_find(const nn_params *params, const char *name); // NULL if absent

// A whole flat array as one vector, including the zeros between parameters.
tn_tensor nn_params_flat(const nn_params *params, nn_flat which);
tn_tensor nn_params_flat_buffers(const nn_params *params);
int64_t nn_params_elements(const nn_params *params); // of all parameters, without padding
void nn_params_zero_grad(nn_params *params);

// Packs the new values for the kernels. To be called after every change, before the next forward
// pass.
void nn_params_changed(nn_params *params, kn_ctx *kn);

// Values and then buffers, params->count + params->buffers in all, in the form that
// io_safetensors_write takes. They are views.
void nn_params_tensors(const nn_params *params, io_tensor *out);
// Reads all values and buffers from a file; nn_params_changed must follow. TN_EFORMAT names file,
// tensor and shapes if one is missing or has another shape; nothing is changed then.
tn_status nn_params_read(nn_params *params, const io_weights *file, tn_error *err);

// ---- for modules ------------------------------------------------------------------------------

// The parameter `name`: loaded from load->file, or initialised. dim as in nn_load (without a file:
// no -1). Errors as nn_load.
tn_status nn_param_load(const nn_loader *load, const char *name, int rank, const int64_t *dim,
                        bool decay, nn_init init, nn_param **out);
// A norm's scale or shift [channels], which has no weight decay: frozen, or with load->params a
// parameter (*param), initialised to `initial` if there is no file. *out is what kernels read.
// Errors as nn_load.
tn_status nn_param_load_vector(const nn_loader *load, const char *name, int64_t channels,
                               double initial, nn_param **param, tn_tensor *out);
