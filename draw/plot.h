// SPDX-License-Identifier: Apache-2.0
// Charts as PNG: line charts, and matrices with row and column names.
#pragma once

#include "tensor/status.h"

typedef struct io_series {
    const char *name;    // UTF-8 (invalid bytes are replaced)
    const double *x, *y; // count each; a point that is not finite interrupts the line
    size_t count;
} io_series;

typedef struct io_plot {
    const char *title, *x_label, *y_label;
    double x_low, x_high, y_low, y_high; // low == high: taken from the points
    const io_series *series;
    size_t count;
} io_plot;

// 960x640 pixels, legend on the right, which names the first 24 series. Written atomically. TN_EIO,
// TN_ENOMEM.
tn_status io_plot_write(const char *path, const io_plot *plot, tn_error *err);

typedef struct io_matrix {
    const char *title, *row_label, *column_label;
    const char *const *rows, *const *columns;
    size_t row_count, column_count;
    const int64_t *values; // [row_count,column_count], at least 0
} io_matrix;

// A cell's colour is its fraction of the row sum; numbers and names are shown if cells are large
// enough. At most 4096 rows and columns (TN_EUNSUPPORTED). TN_EIO, TN_ENOMEM.
tn_status io_matrix_write(const char *path, const io_matrix *matrix, tn_error *err);
