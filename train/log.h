// SPDX-License-Identifier: Apache-2.0
// The log of a run: one JSON object per line, each with the step, and with numbers or a note. What
// has been logged is also kept as curves, from which charts are made as training goes on; a resumed
// run reads them back from the file.
#pragma once

#include "tensor/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct tr_log tr_log;

typedef struct tr_value {
    const char *name; // a plain word: letters, digits, '_', '.', '@'
    double value;     // what is not finite is written as null
} tr_value;

// Appends to the file. Lines of later steps than `step`, and a last line that was cut off, are
// dropped first: they are of updates that will be made again. TN_EIO, TN_EFORMAT, TN_ENOMEM.
tn_status tr_log_open(const char *path, int64_t step, tr_log **out, tn_error *err);
void tr_log_close(tr_log *log); // NULL is fine

// {"step":S,"name":value,…}; the line is in the file when it returns. TN_EIO, TN_ENOMEM.
tn_status tr_log_add(tr_log *log, int64_t step, const tr_value *values, size_t count,
                     tn_error *err);
// {"step":S,"event":"…","text":"…"}: a picture left out, a checkpoint, a warning.
tn_status tr_log_note(tr_log *log, int64_t step, const char *event, const char *text,
                      tn_error *err);

// A chart of some logged values over the steps, for whoever draws it.
typedef struct tr_chart {
    const char *path; // where it is expected, a .png
    const char *title, *y_label;
    const char *const *names; // count
    size_t count;
} tr_chart;
// The curve of one value: steps and values, thinned to TR_POINTS means of equally long stretches,
// so that a long noisy curve stays readable. x and y have room for TR_POINTS. Returns how many
// there are; 0: the log has no value of that name.
#define TR_POINTS 200
size_t tr_log_curve(const tr_log *log, const char *name, double *x, double *y);
// The last value of that name; NAN if there is none.
double tr_log_last(const tr_log *log, const char *name);
// The step of that value; -1 if there is none.
int64_t tr_log_last_step(const tr_log *log, const char *name);
