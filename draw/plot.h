// SPDX-License-Identifier: Apache-2.0
// Charts as PNG: lines over numbers, and matrices of numbers with names at both sides.
#pragma once

#include "tensor/status.h"

typedef struct io_series {
    const char *name;    // UTF-8 (what is not is replaced)
    const double *x, *y; // count each; a point that is not finite interrupts the line
    size_t count;
} io_series;

typedef struct io_plot {
    const char *title, *x_label, *y_label;
    double x_low, x_high, y_low, y_high; // low == high: from the points
    const io_series *series;
    size_t count;
} io_plot;

// 960x640 pixels, legend at the right; of more than 24 series the first 24 are named there.
// Written whole or not at all. TN_EIO, TN_ENOMEM.
tn_status io_plot_write(const char *path, const io_plot *plot, tn_error *err);

typedef struct io_matrix {
    const char *title, *row_label, *column_label;
    const char *const *rows, *const *columns;
    size_t row_count, column_count;
    const int64_t *values; // [row_count,column_count], at least 0
} io_matrix;

// Each cell's colour is its share of its row; numbers and names where cells are large enough for
// them. At most 4096 rows and columns (TN_EUNSUPPORTED). TN_EIO, TN_ENOMEM.
tn_status io_matrix_write(const char *path, const io_matrix *matrix, tn_error *err);
