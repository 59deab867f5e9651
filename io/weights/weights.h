// SPDX-License-Identifier: Apache-2.0
// Weight files, whatever their format: named tensors to look up, and text beside them.
// Read: safetensors (one file, or several with model.safetensors.index.json), PyTorch's zip
// archives (.pth, .pt, .bin), its older pickle stream, TorchScript archives. Nothing in a file is
// executed: pickles go through a whitelist of opcodes and construct tensors only.
#pragma once

#include "tensor/tensor.h"

typedef struct io_weights io_weights;

typedef struct io_tensor {
    const char *name; // as in the file
    tn_dtype dtype;
    int rank;
    int64_t dim[TN_MAX_RANK];
    const void *data; // contiguous, last dimension fastest; aligned to an element;
                      // never NULL
} io_tensor;

typedef enum io_weights_format {
    IO_SAFETENSORS,
    IO_TORCH_ZIP,
    IO_TORCH_LEGACY, // the pickle stream before PyTorch 1.6
    IO_TORCHSCRIPT,
} io_weights_format;

// path: a file of any of the formats (told by its bytes, not its name), an index of shards, or a
// folder that holds model.safetensors, its index, open_clip_*.safetensors or pytorch_model.bin.
// Every offset is checked against the file, every size for overflow, before it is used.
// TN_EIO, TN_EFORMAT, TN_EUNSUPPORTED, TN_ENOMEM; the text names file, place and what was expected.
tn_status io_weights_open(const char *path, io_weights **out, tn_error *err);
void io_weights_close(io_weights *file); // NULL is fine; its tensors are gone with it

const char *io_weights_path(const io_weights *file);
io_weights_format io_weights_kind(const io_weights *file);
size_t io_weights_count(const io_weights *file);
const io_tensor *io_weights_at(const io_weights *file, size_t i);           // in order of name
const io_tensor *io_weights_find(const io_weights *file, const char *name); // NULL if absent
// safetensors' __metadata__; NULL if the key is absent. Owned by file.
const char *io_weights_meta(const io_weights *file, const char *key);
