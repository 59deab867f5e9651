// SPDX-License-Identifier: Apache-2.0
// What a job is made of while it runs: the parts that every job opens, the settings that a resumed
// run must share, and the way from the loop's callbacks to the watcher.
#pragma once

#include "nn/params.h"
#include "nn/tape.h"
#include "train/jobs/job.h"

#define TR_JOB_SETTINGS 40

typedef struct tr_job {
    const tr_job_options *options;
    const tr_job_watcher *watcher;
    kn_ctx *kn;
    nn_params params; // opened by the job itself
    nn_tape *tape;
    tn_arena step;
    int64_t updates; // made by this call
    tn_error *err;
    // Pairs that a checkpoint keeps, and hashes in this order: a job sets them in the same order
    // every time.
    io_text_pair setting[TR_JOB_SETTINGS];
    char setting_text[TR_JOB_SETTINGS][80];
    size_t setting_count;
    // Set by the job before tr_job_run; called with the task's self. All but
    // keep may be NULL.
    tn_status (*keep)(void *self, int64_t step, tn_error *err);
    tn_status (*validate)(void *self, int64_t step, tr_value *out, size_t *count, tn_error *err);
    tn_status (*keep_best)(void *self, int64_t step, tn_error *err);
    void *self;
} tr_job;

// Of a job that is all 0. watcher may be NULL.
void tr_job_init(tr_job *job, const tr_job_options *options, const tr_job_watcher *watcher,
                 tn_error *err);
// Opens context, arena and tape. TN_EDEVICE, TN_EUNSUPPORTED: the processor has no products in
// bfloat16; TN_ENOMEM. tr_job_close is fine after a failure.
tn_status tr_job_open(tr_job *job);
void tr_job_close(tr_job *job);

// key must outlive the job.
void tr_job_set(tr_job *job, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void tr_job_note(const tr_job *job, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool tr_job_interrupted(const tr_job *job); // the watcher wants to stop
void tr_job_measured(const tr_job *job, int64_t step, const tr_value *values, size_t count);
// An md_vocabulary_options' note and progress, with the job as user.
void tr_job_vocabulary_note(void *job, const char *text);
int tr_job_vocabulary_progress(void *job, size_t done, size_t all);

// The loop's options as far as all jobs have them the same: all but the schedule.
tr_loop tr_job_loop(const tr_job *job);
// Runs the loop. Errors as tr_loop_run.
tn_status tr_job_run(tr_job *job, const tr_loop *loop, const tr_task *task);

// ---- options -----------------------------------------------------------------------------------

// A number that an option was given, and its bounds.
typedef struct tr_job_number {
    const char *option; // without the dashes
    double value, low, high;
} tr_job_number;
// TN_EINVAL names the first option that is out of its bounds, or not a number.
tn_status tr_job_check_numbers(const tr_job_number *numbers, size_t count, tn_error *err);
// words: what can be chosen, separated by '|'. value NULL is fine. TN_EINVAL names the option.
tn_status tr_job_check_word(const char *option, const char *value, const char *words,
                            tn_error *err);
// The options of all jobs, but batch, steps, warmup, lr and clip_norm. TN_EINVAL.
tn_status tr_job_check(const tr_job_options *options, tn_error *err);
