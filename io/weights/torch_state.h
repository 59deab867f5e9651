// SPDX-License-Identifier: Apache-2.0
// From the value that a pickle describes to named tensors: what PyTorch's formats share.
#pragma once

#include "io/weights/pickle.h"
#include "io/weights/weights_file.h"

typedef struct io_torch {
    io_weights *file;
    const char *path;
    // The elements of a whole storage: at least storage->count of its type behind *out.
    tn_status (*find)(const struct io_torch *torch, const io_storage *storage, const uint8_t **out,
                      tn_error *err);
    const void *context; // of find
    size_t visits;       // values of a TorchScript tree that were looked at
} io_torch;

// Adds the tensors of a state dict (or of one under "state_dict", "model", "model_state_dict") or
// of a TorchScript module's tree, whose attributes become dotted names. What is not a tensor is
// left out. Tensors whose elements are not contiguous are copied into order. A "module." before
// every name, as DataParallel leaves it, is taken off. Each tensor's shape, strides and offset are
// checked against its storage.
tn_status io_torch_add_state(io_torch *torch, const io_value *root, tn_error *err);
