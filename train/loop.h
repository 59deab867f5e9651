// SPDX-License-Identifier: Apache-2.0
// A training run: updates, checkpoints, log and charts, whatever is being trained. What that is,
// a tr_task knows; who watches it, a tr_watcher.
//
// In the run's folder: the two checkpoints, log.jsonl, and what the watcher's `keep` and `chart`
// write.
#pragma once

#include "train/log.h"
#include "train/measure.h"
#include "train/schedule.h"
#include "train/state.h"

#define TR_VALUES 64 // figures of one validation at most

typedef struct tr_task {
    void *self;
    kn_ctx *kn;
    nn_params *params;
    // Adds the gradients of the next `pictures` pictures at *position of the data, each times
    // share, and moves *position behind them. step, from 0, with the position is what randomness
    // depends on.
    tn_status (*gradients)(void *self, int64_t step, int64_t *position, int64_t pictures,
                           double share, tr_measure *measure, tn_error *err);
    const char *const *loss_name;  // [losses] what the losses in a tr_measure are called
    int losses;                    // 1 … TR_MAX_LOSSES; their sum is what is learned
    const char *const *tally_name; // [tallies] likewise what is counted; may be NULL
    int tallies;
    // All that follows may be NULL.
    // What went wrong first, in words, after a loss that is not finite; NULL: nothing to say.
    const char *(*suspect)(void *self);
    // A picture that was left out since the last call, in words; NULL: no more. It goes to the log
    // and to the watcher.
    const char *(*left_out)(void *self);
    // Called after every update, before kernels are given the values: enforces what must always
    // hold of them.
    void (*constrain)(void *self);
} tr_task;

typedef struct tr_update {
    int64_t step, steps; // updates done, of how many
    tr_measure measure;
    const char *const *loss_name; // [losses] of measure.loss
    int losses;
    double loss, rate, norm; // weighted sum of losses; learning rate used; of gradients, unclipped
    double pictures_per_second, seconds_left;
    int64_t memory; // bytes of the process
} tr_update;

typedef struct tr_watcher {
    void *user;
    bool (*stop)(void *user); // asked after every part of an update
    void (*see)(void *user, const tr_update *update);
    void (*note)(void *user, const char *event, const char *text); // for people: warnings
    // Writes the model as it is now, next to a checkpoint of this step.
    tn_status (*keep)(void *user, int64_t step, tn_error *err);
    // Measures the model as it is now: fills at most TR_VALUES figures; charts show those whose
    // names are in `figures`. TN_ECANCELLED stops the run as `stop` does; any other failure is a
    // note, and training goes on. A run that is resumed at a step whose validation is missing in
    // the log begins with it, where there are `figures`.
    tn_status (*validate)(void *user, int64_t step, tr_value *out, size_t *count, tn_error *err);
    // Draws losses.png, and figures.png of what validation measured, in the run's folder.
    tn_status (*chart)(void *user, const tr_log *log, const tr_chart *chart, tn_error *err);
} tr_watcher; // each may be NULL

typedef struct tr_loop {
    const char *folder; // is there
    tr_schedule schedule;
    tr_optimizer optimizer;
    int64_t batch, accumulate;                      // pictures of a part, parts of an update
    int64_t save_every, validate_every, plot_every; // updates; 0: never, but at the end
    uint64_t seed;
    bool resume;
    const io_text_pair *settings; // what has to be equal when it goes on
    size_t setting_count;
    const char *const *figures; // to be charted
    size_t figure_count;
    const tr_value *facts; // the first line of a new run's log: what there is to learn from
    size_t fact_count;
} tr_loop;

// TN_EINVAL: the folder holds a run, and `resume` is false.
tn_status tr_loop_check_folder(const char *folder, bool resume, tn_error *err);
// Runs to the last step. TN_ECANCELLED: stopped by the watcher, after saving; the text says where.
// TN_EINVAL: the folder holds a run and resume was not asked for, or one with other settings.
// TN_EFORMAT: a loss or a gradient is not a number: the text names step, module and the last good
// checkpoint. Others as the callbacks and files give them.
tn_status tr_loop_run(const tr_loop *loop, const tr_task *task, const tr_watcher *watcher,
                      tn_error *err);
