// SPDX-License-Identifier: Apache-2.0
// Weight files, whatever their format: named tensors to look up, and text beside them.
// Read: safetensors (one file, or several with model.safetensors.index.json), PyTorch's zip
// archives (.pth, .pt, .bin), its older pickle stream, TorchScript archives. Nothing in a file is
// executed: pickles go through a list of opcodes, and only tensors are constructed.
#pragma once

#include "tensor/tensor.h"

typedef struct io_weights io_weights;

typedef struct io_tensor {
    const char *name; // as in the file, without the prefixes of wrappers
    tn_dtype dtype;
    int rank;
    int64_t dim[TN_MAX_RANK];
    const void *data; // contiguous, last dimension fastest; aligned to an element;
                      // never NULL
} io_tensor;

// path: a file of any of the formats (told by its bytes, not its name), an index of shards, or a
// folder that holds model.safetensors, its index, open_clip_*.safetensors or pytorch_model.bin.
// Every offset is checked against the file, every size for overflow, before it is used.
// "module.", "model." and "_orig_mod." are taken off the names when all tensors have them.
// TN_EIO, TN_EFORMAT, TN_EUNSUPPORTED, TN_ENOMEM; the text names file, place and what was expected.
tn_status io_weights_open(const char *path, io_weights **out, tn_error *err);
void io_weights_close(io_weights *file); // NULL is fine; its tensors are gone with it

const char *io_weights_path(const io_weights *file);
const char *io_weights_format(const io_weights *file); // in words: "safetensors"; static
bool io_weights_scripted(const io_weights *file);      // a TorchScript archive
// Where in what a training run saved the weights were: keys from the outside in, ", " between them;
// NULL when the file holds nothing else. Owned by file.
const char *io_weights_under(const io_weights *file);
// Other keys that hold weights, which were not read; NULL: none. Owned by file.
const char *io_weights_unused(const io_weights *file);
// What was taken off the names: "module."; NULL: nothing. Owned by file.
const char *io_weights_prefix(const io_weights *file);
// Makes the tensors `names` (ends with NULL) found: when they are in the file under one prefix that
// ends with a dot, the prefix is taken off all names that have it. Nothing changes when the names
// are in the file as they are, or are not there. TN_EFORMAT: under several prefixes, or two tensors
// have one name then. TN_ENOMEM.
tn_status io_weights_unwrap(io_weights *file, const char *const *names, tn_error *err);
size_t io_weights_count(const io_weights *file);
const io_tensor *io_weights_at(const io_weights *file, size_t i);           // in order of name
const io_tensor *io_weights_find(const io_weights *file, const char *name); // NULL if absent
// safetensors' __metadata__; NULL if the key is absent. Owned by file.
const char *io_weights_meta(const io_weights *file, const char *key);
