// SPDX-License-Identifier: Apache-2.0
// NumPy's .npy: one array in a file
// (numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
#pragma once

#include "io/file.h"
#include "tensor/tensor.h"

// Reads versions 1 to 3, little endian: float16/32/64, int8/16/32/64, uint8, bool; C or Fortran
// order, converted to C order. The data must end where the file ends. Release with
// tn_free(out->data). TN_EIO, TN_EFORMAT, TN_EUNSUPPORTED (other types, more than TN_MAX_RANK
// dimensions), TN_ENOMEM.
tn_status io_npy_read(const char *path, tn_tensor *out, tn_error *err);
// Writes version 1.0 in C order, as numpy.save does, atomically. TN_EUNSUPPORTED for bfloat16,
// which NumPy does not have.
tn_status io_npy_write(const char *path, const tn_tensor *t, tn_error *err);

// An array that is written row by row; the file appears when it is committed.
typedef struct io_npy_rows {
    io_writer file;
    tn_dtype dtype;
    int64_t columns; // 0: of rank 1
    int64_t count;   // rows written
} io_npy_rows;
tn_status io_npy_rows_open(io_npy_rows *rows, const char *path, tn_dtype dtype, int64_t columns,
                           tn_error *err);
tn_status io_npy_rows_add(io_npy_rows *rows, const void *data, int64_t count, tn_error *err);
tn_status io_npy_rows_commit(io_npy_rows *rows, tn_error *err); // TN_EIO
void io_npy_rows_abort(io_npy_rows *rows);                      // fine after commit
