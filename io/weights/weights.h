// SPDX-License-Identifier: Apache-2.0
// Weight files of any format: named tensors and text metadata. Reads safetensors (one file, or
// several with model.safetensors.index.json), PyTorch's zip archives (.pth, .pt, .bin), its older
// pickle stream, and TorchScript archives. Nothing in a file is executed: pickles are restricted to
// a list of opcodes, and only tensors are constructed.
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

// path: a file of any of the formats (detected from its bytes, not its name), an index of shards,
// or a folder that contains model.safetensors, its index, open_clip_*.safetensors or
// pytorch_model.bin. Every offset is checked against the file, and every size for overflow, before
// it is used. "module.", "model." and "_orig_mod." are stripped from the names if all tensors have
// them. TN_EIO, TN_EFORMAT, TN_EUNSUPPORTED, TN_ENOMEM; the text names file, position and what was
// expected.
tn_status io_weights_open(const char *path, io_weights **out, tn_error *err);
void io_weights_close(io_weights *file); // NULL is fine; frees its tensors too

const char *io_weights_path(const io_weights *file);
const char *io_weights_format(const io_weights *file); // a description: "safetensors"; static
bool io_weights_scripted(const io_weights *file);      // a TorchScript archive
// The keys under which a training run saved the weights, from the outside in, separated by ", ";
// NULL if the file holds nothing else. Owned by file.
const char *io_weights_under(const io_weights *file);
// Other keys that hold weights, which were not read; NULL: none. Owned by file.
const char *io_weights_unused(const io_weights *file);
// The prefix that was stripped from the names: "module."; NULL: none. Owned by file.
const char *io_weights_prefix(const io_weights *file);
// Strips a prefix so that the tensors `names` (ends with NULL) are found: if they are all in the
// file under one prefix that ends with a dot, it is removed from all names that have it. Nothing
// changes if the names are in the file unchanged, or not at all. TN_EFORMAT: several prefixes, or
// duplicate names after stripping. TN_ENOMEM.
tn_status io_weights_unwrap(io_weights *file, const char *const *names, tn_error *err);
size_t io_weights_count(const io_weights *file);
const io_tensor *io_weights_at(const io_weights *file, size_t i);           // in order of name
const io_tensor *io_weights_find(const io_weights *file, const char *name); // NULL if absent
// safetensors' __metadata__; NULL if the key is absent. Owned by file.
const char *io_weights_meta(const io_weights *file, const char *key);
