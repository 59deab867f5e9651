// SPDX-License-Identifier: Apache-2.0
// What people see of a training job: a line of progress that is redrawn on a terminal, a line now
// and then in a log, its notes and figures; charts in the run's folder; Ctrl-C stops it.
#pragma once

#include "train/jobs/job.h"

typedef struct tool_run_watch {
    // How the command words an update's losses and the figures of a validation.
    void (*losses)(const double *loss, char *out, size_t bytes);
    void (*figures)(const tr_value *values, size_t count, char *out, size_t bytes);
    bool terminal, open; // open: the line has no end yet
    double shown;
} tool_run_watch;

// The job's watcher; it catches signals from now on. *watch is all 0 but for its functions, and
// outlives the job.
tr_job_watcher tool_run_watch_start(tool_run_watch *watch);
// The exit code of a job that ended like this; prints what there is to say. A run that --stop-after
// stopped has done what was asked.
int tool_run_ended(tool_run_watch *watch, tn_status status, const tn_error *err);
