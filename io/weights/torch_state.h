// SPDX-License-Identifier: Apache-2.0
// Turns the value that a pickle describes into named tensors; shared by PyTorch's formats.
#pragma once

#include "io/weights/pickle.h"
#include "io/weights/weights_file.h"

#define IO_TORCH_NAME 1024 // bytes of a dotted name, including the 0

typedef struct io_torch {
    io_weights *file;
    const char *path;
    const char *part; // of the file, for errors: "data.pkl"
    // Finds the elements of a whole storage: at least storage->count of its type at *out.
    tn_status (*find)(const struct io_torch *torch, const io_storage *storage, const uint8_t **out,
                      tn_error *err);
    const void *context; // of find
    io_region *scratch;  // freed after reading
    size_t visits;       // number of values visited in a tree of modules
} io_torch;

// Adds the tensors of what a pickle describes, and notes in the file where they were. root is one
// of
//   - a state dict: a dictionary whose values are tensors;
//   - a module of TorchScript or a pickled nn.Module: names as in its state_dict();
//   - a dictionary (saved by a training run) that holds one of these under a well-known key. If
//     there are several keys, the first one counts: "state_dict", "model", "model_state_dict",
//     "module", then the averages "ema", "model_ema", "ema_model", "ema_state_dict",
//     "state_dict_ema". This is repeated for the value, up to four times.
// Other values are ignored. A tensor of the weights inside a placeholder is refused, with its name
// and position; placeholders beside the weights are not searched. Tensors whose elements are not
// contiguous are copied into order. Each shape, stride and offset is checked against the storage.
tn_status io_torch_add_state(io_torch *torch, io_value *root, tn_error *err);

// Shared by the files torch_*.c.
tn_status io_torch_add_tensor(io_torch *torch, const char *name, const io_pickled_tensor *from,
                              tn_error *err);
// Appends "." (unless at the start) and the key to a name of *length bytes.
tn_status io_torch_extend(const io_torch *torch, char name[IO_TORCH_NAME], size_t *length,
                          const io_value *key, tn_error *err);
// Adds a value of a dictionary of tensors: a tensor is added, a placeholder that contains a tensor
// is refused, anything else is ignored.
tn_status io_torch_add_value(io_torch *torch, const char *name, io_value *value, tn_error *err);
// Whether a value is a module: TorchScript's, or a placeholder with the dictionaries of an
// nn.Module.
bool io_torch_is_module(const io_value *value);
// Adds the tensors of a module and of its submodules.
tn_status io_torch_add_module(io_torch *torch, const io_value *module, tn_error *err);
// The printable class name of a placeholder.
const char *io_torch_class(const io_value *placeholder);
