// SPDX-License-Identifier: Apache-2.0
// The log of a run: one JSON object per line, each with the step and either numbers or a note.
// Logged values are also kept as curves for charts during training; a resumed run reads them back
// from the file.
#pragma once

#include "tensor/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tr_log tr_log;

typedef struct tr_value {
    const char *name; // letters, digits, '_', '.', '@'
    double value;     // non-finite values are written as null
} tr_value;

// Opens for appending. Lines of steps after `step`, and an incomplete last line, are dropped first:
// those updates will be repeated. TN_EIO, TN_EFORMAT, TN_ENOMEM.
tn_status tr_log_open(const char *path, int64_t step, tr_log **out, tn_error *err);
void tr_log_close(tr_log *log); // NULL is allowed

// {"step":S,"name":value,…}; the line is flushed to the file on return. TN_EIO, TN_ENOMEM.
tn_status tr_log_add(tr_log *log, int64_t step, const tr_value *values, size_t count,
                     tn_error *err);
// {"step":S,"event":"…","text":"…"}: a skipped picture, a checkpoint, a warning.
tn_status tr_log_note(tr_log *log, int64_t step, const char *event, const char *text,
                      tn_error *err);

// A chart of logged values over the steps, as input for a plotter.
typedef struct tr_chart {
    const char *path; // output path, a .png
    const char *title, *y_label;
    const char *const *names; // count
    size_t count;
} tr_chart;
// The curve of one value: steps and values, reduced to at most TR_POINTS means over equal
// intervals, so that a long noisy curve stays readable. x and y have space for TR_POINTS. Returns
// the number of points; 0: no value of that name.
#define TR_POINTS 200
size_t tr_log_curve(const tr_log *log, const char *name, double *x, double *y);
// The last value of that name; NAN if there is none.
double tr_log_last(const tr_log *log, const char *name);
// The step of that value; -1 if there is none.
int64_t tr_log_last_step(const tr_log *log, const char *name);
// The highest value of that name, the first of equals, with its step and how many came after it.
// False if there is none.
typedef struct tr_best {
    double value;
    int64_t step, later;
} tr_best;
bool tr_log_best(const tr_log *log, const char *name, tr_best *out);
// A table of these values as CSV: a line per step that has one of them, empty where it has none;
// names that the log does not have are left out. TN_EIO, TN_ENOMEM.
tn_status tr_log_write_table(const tr_log *log, const char *path, const char *const *names,
                             size_t count, tn_error *err);
