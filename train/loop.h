// SPDX-License-Identifier: Apache-2.0
// The training loop: updates, checkpoints, log and charts. It does not know what is trained: a
// tr_task does. A tr_watcher observes it.
//
// The run's folder holds the two checkpoints, log.jsonl, results.csv (a line per validation), and
// the files written by the watcher's `keep` and `chart`.
#pragma once

#include "train/log.h"
#include "train/measure.h"
#include "train/schedule.h"
#include "train/state.h"

#define TR_VALUES 64 // maximum figures per validation

typedef struct tr_task {
    void *self;
    kn_ctx *kn;
    nn_params *params;
    // Adds the gradients of the next `pictures` pictures at *position of the data, each times
    // share, and advances *position past them. All randomness depends on step (from 0) and
    // position.
    tn_status (*gradients)(void *self, int64_t step, int64_t *position, int64_t pictures,
                           double share, tr_measure *measure, tn_error *err);
    const char *const *loss_name;  // [losses] names of the losses in a tr_measure
    int losses;                    // 1 … TR_MAX_LOSSES; their sum is minimised
    const char *const *tally_name; // [tallies] names of the tallies; may be NULL
    int tallies;
    // The following may be NULL. After a non-finite loss: where the first non-finite value was
    // found; NULL: unknown.
    const char *(*suspect)(void *self);
    // Describes a picture skipped since the last call; NULL: no more. Passed to the log and the
    // watcher.
    const char *(*left_out)(void *self);
    // Called after every update, before weights are packed: enforces constraints on the values.
    void (*constrain)(void *self);
} tr_task;

typedef struct tr_update {
    int64_t step, steps; // updates done, of total
    tr_measure measure;
    const char *const *loss_name; // [losses] of measure.loss
    int losses;
    double loss, rate, norm; // weighted sum of losses; learning rate; gradient norm before clipping
    double pictures_per_second, seconds_left;
    int64_t memory; // bytes used by the process
} tr_update;

typedef struct tr_watcher {
    void *user;
    bool (*stop)(void *user); // called after every part of an update
    void (*see)(void *user, const tr_update *update);
    void (*note)(void *user, const char *event, const char *text); // warnings for the user
    // Writes the current model; called beside the checkpoint of this step.
    tn_status (*keep)(void *user, int64_t step, tn_error *err);
    // Writes the current model as the best one so far, by the figure that `best_of` names.
    tn_status (*keep_best)(void *user, int64_t step, tn_error *err);
    // Evaluates the current model: fills at most TR_VALUES figures; charts show those named in
    // `figures`. TN_ECANCELLED stops the run as `stop` does; any other failure is a note, and
    // training continues. If `figures` is not empty, a run resumed at a step whose validation is
    // missing in the log validates first.
    tn_status (*validate)(void *user, int64_t step, tr_value *out, size_t *count, tn_error *err);
    // Draws losses.png, and figures.png with the validation's figures, in the run's folder.
    tn_status (*chart)(void *user, const tr_log *log, const tr_chart *chart, tn_error *err);
} tr_watcher; // each may be NULL

typedef struct tr_loop {
    const char *folder; // must exist
    tr_schedule schedule;
    tr_optimizer optimizer;
    int64_t batch, accumulate;                      // pictures per part, parts per update
    int64_t save_every, validate_every, plot_every; // in updates; 0: only at the end
    uint64_t seed;
    bool resume;
    const io_text_pair *settings; // must be equal when the run is resumed
    size_t setting_count;
    const char *const *figures; // figures to chart and to write to results.csv
    size_t figure_count;
    // The first of these figures that the log has decides which validation was the best: higher is
    // better. Ends with NULL; NULL: there is no best one.
    const char *const *best_of;
    int64_t patience;      // the run ends after so many validations that were no better; 0: never
    const tr_value *facts; // the first line of a new run's log: the training data
    size_t fact_count;
} tr_loop;

// TN_EINVAL: the folder holds a run and `resume` is false.
tn_status tr_loop_check_folder(const char *folder, bool resume, tn_error *err);
// Runs to the last step, or until patience is over. TN_ECANCELLED: stopped by the watcher, after
// saving; the text names the step. TN_EINVAL: the folder holds a run and resume is false, or the
// run has other settings. TN_EFORMAT: a loss or gradient is not finite: the text names step, module
// and the last good checkpoint. Other errors come from callbacks and files.
tn_status tr_loop_run(const tr_loop *loop, const tr_task *task, const tr_watcher *watcher,
                      tn_error *err);
