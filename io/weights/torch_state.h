// SPDX-License-Identifier: Apache-2.0
// From the value that a pickle describes to named tensors: what PyTorch's formats share.
#pragma once

#include "io/weights/pickle.h"
#include "io/weights/weights_file.h"

#define IO_TORCH_NAME 1024 // bytes of a dotted name, its 0 among them

typedef struct io_torch {
    io_weights *file;
    const char *path;
    const char *part; // of the file, for errors: "data.pkl"
    // The elements of a whole storage: at least storage->count of its type behind *out.
    tn_status (*find)(const struct io_torch *torch, const io_storage *storage, const uint8_t **out,
                      tn_error *err);
    const void *context; // of find
    io_region *scratch;  // gone after reading
    size_t visits;       // values of a tree of modules that were looked at
} io_torch;

// Adds the tensors of what a pickle describes, and notes in the file where they were. root is one
// of
//   - a state dict: a dictionary whose values are tensors;
//   - a module of TorchScript or a pickled nn.Module: the names that its state_dict() has;
//   - a dictionary (what a training run saved) that holds one of these under a well-known key. Of
//     several keys the first counts: "state_dict", "model", "model_state_dict", "module", then the
//     averages "ema", "model_ema", "ema_model", "ema_state_dict", "state_dict_ema". This is
//     repeated for what is found, up to four times.
// What is not a tensor is left out. A tensor of the weights inside a placeholder is refused with
// its name and place; placeholders beside the weights are not looked into. Tensors whose elements
// are not contiguous are copied into order. Each shape, stride and offset is checked against the
// storage.
tn_status io_torch_add_state(io_torch *torch, io_value *root, tn_error *err);

// Shared by the files torch_*.c.
tn_status io_torch_add_tensor(io_torch *torch, const char *name, const io_pickled_tensor *from,
                              tn_error *err);
// Appends "." (unless at the start) and the key to a name of *length bytes.
tn_status io_torch_extend(const io_torch *torch, char name[IO_TORCH_NAME], size_t *length,
                          const io_value *key, tn_error *err);
// One value of a dictionary of tensors: adds a tensor, passes over what holds none, and refuses a
// placeholder that holds one.
tn_status io_torch_add_value(io_torch *torch, const char *name, io_value *value, tn_error *err);
// Whether a value is a module: of TorchScript, or a placeholder with an nn.Module's dictionaries.
bool io_torch_is_module(const io_value *value);
// The tensors of a module and of the modules in it.
tn_status io_torch_add_module(io_torch *torch, const io_value *module, tn_error *err);
// The name of the class that a placeholder is of, printable.
const char *io_torch_class(const io_value *placeholder);
