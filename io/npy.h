// SPDX-License-Identifier: Apache-2.0
// NumPy's .npy: one array in a file
// (numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
#pragma once

#include "tensor/tensor.h"

// Versions 1 to 3, little endian: float16/32/64, int8/16/32/64, uint8, bool; C or Fortran order,
// which comes out as C order. The data must end where the file ends. Release with
// tn_free(out->data). TN_EIO, TN_EFORMAT, TN_EUNSUPPORTED (other types, more than TN_MAX_RANK
// dimensions), TN_ENOMEM.
tn_status io_npy_read(const char *path, tn_tensor *out, tn_error *err);
// Version 1.0 in C order, as numpy.save writes it; the file is there whole or not at all.
// TN_EUNSUPPORTED for bfloat16, which NumPy does not have.
tn_status io_npy_write(const char *path, const tn_tensor *t, tn_error *err);
