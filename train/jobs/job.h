// SPDX-License-Identifier: Apache-2.0
// What the jobs of training share: options and a watcher. A job opens what it needs, trains, and
// closes it again; the jobs are in train_job.h, painted/pretrain_job.h and painted/refine_job.h.
// None of them prints, ends the program or catches a signal.
//
// Texts of errors and notes call an option as the command line does: "--batch".
#pragma once

#include "train/loop.h"

// Each job has a function that gives its defaults.
typedef struct tr_job_options {
    const char *out;                    // the run's folder; made where it is not there
    const char *device;                 // kn_open's; NULL: "cpu"
    const char *matmul;                 // "f32" or "bf16" (kn_set_products); NULL: "f32"
    int64_t threads;                    // 0: all processors
    int64_t batch;                      // pictures that go through together
    int64_t steps;                      // updates
    int64_t warmup;                     // updates until the highest learning rate is reached
    int64_t seed;                       // of everything random
    int64_t save_every, validate_every; // updates
    int64_t stop_after; // saves and stops after so many updates of this call; 0: runs to the end
    double lr;          // the highest learning rate
    double clip_norm;   // gradients are clipped at this norm; 0: not
    double average;     // share of the past in a moving average of the weights; 0: none
    bool resume;        // goes on with the run in `out`, or begins it where there is none
} tr_job_options;

// An object as it is drawn: annotated, or found.
typedef struct tr_shown_object {
    const tn_tensor *mask; // uint8 [H,W], or NULL
    const char *name;
    float box[4], score; // x1, y1, x2, y2; score NaN: annotated
    int label;
} tr_shown_object;
// A picture of a validation.
typedef struct tr_shown {
    const char *path;         // where the drawing is expected, a .png
    const tn_tensor *picture; // uint8 [H,W,3]
    const tr_shown_object *truth, *found;
    size_t truths, founds;
} tr_shown;

// Called in the thread that runs the job. Each may be NULL, and so may the watcher; what is passed
// is good until the call returns.
typedef struct tr_job_watcher {
    void *user;
    // Asked between parts of an update, pictures of a validation and sentences: true saves and ends
    // the job with TN_ECANCELLED.
    bool (*stop)(void *user);
    void (*update)(void *user, const tr_update *update); // after every update
    // For people: what was found in the data, warnings, a picture that is left out.
    void (*note)(void *user, const char *text);
    // Figures of a validation, after `step` updates. They are in log.jsonl, too.
    void (*measured)(void *user, int64_t step, const tr_value *values, size_t count);
    // Draws one of the first pictures of a validation; a failure is a note.
    tn_status (*picture)(void *user, const tr_shown *shown, tn_error *err);
    // While names are embedded: sentences done of all, from 0 on.
    void (*sentences)(void *user, size_t done, size_t all);
    // Draws a chart of the log (losses.png, figures.png). NULL: there are no charts.
    tn_status (*chart)(void *user, const tr_log *log, const tr_chart *chart, tn_error *err);
} tr_job_watcher;
