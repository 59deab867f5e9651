// SPDX-License-Identifier: Apache-2.0
#include "train/loop.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct runner {
    const tr_loop *loop;
    const tr_task *task;
    const tr_watcher *watcher;
    tr_trained trained;
    tr_state state;
    int64_t saved; // step of the newest checkpoint; -1: none yet
    tr_log *log;
    tr_value *values; // buffer for a line of the log
    double start;     // of this process
    int64_t start_step;
    tn_error *err;
} runner;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int64_t memory_now(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file) {
        if (fscanf(file, "%*d %ld", &pages) != 1) pages = 0;
        fclose(file);
    }
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

static bool stopped(const runner *r) {
    return r->watcher->stop && r->watcher->stop(r->watcher->user);
}

static tn_status note(runner *r, const char *event, const char *text) {
    if (r->watcher->note) r->watcher->note(r->watcher->user, event, text);
    return tr_log_note(r->log, r->state.step, event, text, r->err);
}

static const char *in_folder(const runner *r, const char *name, char out[PATH_MAX]) {
    snprintf(out, PATH_MAX, "%s/%s", r->loop->folder, name);
    return out;
}

// ---- non-finite values -------------------------------------------------------------------------

static tn_status not_a_number(runner *r, int64_t step, const char *what) {
    char path[PATH_MAX], good[PATH_MAX + 64];
    const char *suspect = r->task->suspect ? r->task->suspect(r->task->self) : NULL;
    if (r->saved >= 0)
        snprintf(good, sizeof good, "the last good checkpoint is %s, of step %lld",
                 tr_checkpoint_path(r->loop->folder, false, path, sizeof path),
                 (long long)r->saved);
    else
        snprintf(good, sizeof good, "there is no checkpoint yet");
    char where[256] = "";
    if (suspect) snprintf(where, sizeof where, ", first seen in %s", suspect);
    return tn_fail(r->err, TN_EFORMAT, "step %lld: %s is not a number%s; %.*s", (long long)step,
                   what, where, 500, good);
}

// ---- beginning and saving ----------------------------------------------------------------------

static tn_status begin(runner *r) {
    char path[PATH_MAX];
    tn_error broken = {0};
    bool there = tr_checkpoint_exists(r->loop->folder);
    TN_TRY(tr_loop_check_folder(r->loop->folder, r->loop->resume, r->err));
    r->state = (tr_state){.seed = r->loop->seed};
    r->saved = -1;
    if (there) {
        TN_TRY(tr_checkpoint_load(r->loop->folder, &r->trained.checkpoint, &r->state, &broken,
                                  r->err));
        nn_params_changed(r->task->params, r->task->kn);
        r->saved = r->state.step;
    }
    in_folder(r, "log.jsonl", path);
    if (!there && unlink(path) != 0 && errno != ENOENT) // of a run that ended before it saved
        return tn_fail(r->err, TN_EIO, "%s: cannot write: %s", path, strerror(errno));
    TN_TRY(tr_log_open(path, r->state.step, &r->log, r->err));
    if (!there && r->loop->fact_count)
        TN_TRY(tr_log_add(r->log, 0, r->loop->facts, r->loop->fact_count, r->err));
    if (!broken.text[0]) return TN_OK;
    char text[1200];
    snprintf(text, sizeof text, "%s; resuming from the previous checkpoint, of step %lld",
             broken.text, (long long)r->state.step);
    return note(r, "checkpoint", text);
}

// The model is written with the averaged weights, if any; on return packed weights match the values
// again.
static tn_status with_average(runner *r, tn_status (*call)(runner *r)) {
    if (!r->trained.average.data) return call(r);
    tr_trained_swap_average(&r->trained);
    nn_params_changed(r->task->params, r->task->kn);
    tn_status status = call(r);
    tr_trained_swap_average(&r->trained);
    nn_params_changed(r->task->params, r->task->kn);
    return status;
}

static tn_status keep_model(runner *r) {
    return r->watcher->keep(r->watcher->user, r->state.step, r->err);
}

static tn_status save(runner *r) {
    if (r->saved == r->state.step) return TN_OK;
    const char *bad = tr_trained_bad_part(&r->trained, r->task->kn);
    if (bad) {
        char text[NN_NAME + 64];
        snprintf(text, sizeof text, "the checkpoint's '%s'", bad);
        return not_a_number(r, r->state.step, text);
    }
    TN_TRY(tr_checkpoint_save(r->loop->folder, &r->trained.checkpoint, &r->state, r->err));
    r->saved = r->state.step;
    return r->watcher->keep ? with_average(r, keep_model) : TN_OK;
}

// ---- one update --------------------------------------------------------------------------------

static tn_status check_losses(runner *r, const tr_measure *m) {
    char text[96];
    for (int i = 0; i < r->task->losses; i++) {
        if (isfinite(m->loss[i])) continue;
        snprintf(text, sizeof text, "the loss '%s'", r->task->loss_name[i]);
        return not_a_number(r, r->state.step + 1, text);
    }
    return TN_OK;
}

static tn_status tell_left_out(runner *r) {
    const char *text;
    while (r->task->left_out && (text = r->task->left_out(r->task->self)))
        TN_TRY(note(r, "left out", text));
    return TN_OK;
}

// Accumulates the gradients of all parts of the update; *whole is false if it was stopped in
// between.
static tn_status accumulate(runner *r, int64_t *position, tr_measure *m, bool *whole) {
    const tr_loop *loop = r->loop;
    double share = 1.0 / (double)(loop->batch * loop->accumulate);
    nn_params_zero_grad(r->task->params);
    *whole = false;
    for (int64_t part = 0; part < loop->accumulate; part++) {
        if (stopped(r)) return TN_OK;
        tn_error why = {0};
        tn_status status =
            r->task->gradients(r->task->self, r->state.step, position, loop->batch, share, m, &why);
        tn_status told = tell_left_out(r);
        if (status != TN_OK) *r->err = why;
        if (status != TN_OK || told != TN_OK) return status != TN_OK ? status : told;
        TN_TRY(check_losses(r, m));
    }
    *whole = true;
    return TN_OK;
}

static tn_status log_update(runner *r, const tr_update *u) {
    const tr_task *task = r->task;
    tr_value *values = r->values;
    size_t count = 0;
    values[count++] = (tr_value){"loss", u->loss};
    for (int i = 0; i < task->losses; i++)
        values[count++] = (tr_value){task->loss_name[i], u->measure.loss[i]};
    for (int i = 0; i < task->tallies; i++)
        values[count++] = (tr_value){task->tally_name[i], (double)u->measure.tally[i]};
    if (u->measure.left_out) values[count++] = (tr_value){"left_out", (double)u->measure.left_out};
    values[count++] = (tr_value){"lr", u->rate};
    values[count++] = (tr_value){"norm", u->norm};
    for (size_t i = 0; i < r->trained.module_count; i++) {
        const tr_module *module = &r->trained.modules[i];
        values[count++] =
            (tr_value){module->norm_name, tr_module_norm(&r->trained, task->kn, module)};
    }
    values[count++] = (tr_value){"pictures_per_second", u->pictures_per_second};
    values[count++] = (tr_value){"memory_mb", (double)u->memory / 1e6};
    values[count++] = (tr_value){"seconds_left", u->seconds_left};
    return tr_log_add(r->log, u->step, values, count, r->err);
}

static tn_status report(runner *r, tr_update *u, double began) {
    int64_t done = r->state.step - r->start_step;
    double seconds = now() - began, mean = (now() - r->start) / (double)done;
    u->step = r->state.step;
    u->steps = r->loop->schedule.steps;
    u->loss_name = r->task->loss_name;
    u->losses = r->task->losses;
    u->pictures_per_second = (double)u->measure.pictures / (seconds > 0 ? seconds : 1e-9);
    u->seconds_left = mean * (double)(u->steps - u->step);
    u->memory = memory_now();
    TN_TRY(log_update(r, u));
    if (r->watcher->see) r->watcher->see(r->watcher->user, u);
    return TN_OK;
}

static tn_status update(runner *r, bool *whole) {
    tr_update u = {0};
    double began = now();
    int64_t position = r->state.position;
    TN_TRY(accumulate(r, &position, &u.measure, whole));
    if (!*whole) return TN_OK;
    for (int i = 0; i < r->task->losses; i++) u.loss += u.measure.loss[i];
    u.norm = tr_gradient_norm(r->task->kn, &r->trained.flat);
    if (!isfinite(u.norm)) {
        char text[NN_NAME + 32];
        const char *name = tr_trained_bad_gradient(&r->trained, r->task->kn);
        snprintf(text, sizeof text, "the gradient of '%s'", name ? name : "all parameters");
        return not_a_number(r, r->state.step + 1, text);
    }
    u.rate = tr_schedule_rate(&r->loop->schedule, r->state.step);
    tr_optimizer_step(r->task->kn, &r->loop->optimizer, r->state.step + 1, u.rate, u.norm,
                      &r->trained.flat, r->trained.average.data ? &r->trained.average : NULL);
    if (r->task->constrain) r->task->constrain(r->task->self);
    nn_params_changed(r->task->params, r->task->kn);
    r->state.step++;
    r->state.position = position;
    return report(r, &u, began);
}

// ---- after an update ---------------------------------------------------------------------------

static bool best(const runner *r, const char **name, tr_best *out) {
    const char *const *each = r->loop->best_of;
    for (; each && *each; each++)
        if (tr_log_best(r->log, *each, out)) break;
    *name = each ? *each : NULL;
    return *name != NULL;
}

// The weights are those that were measured: the averaged ones, where there are any.
static tn_status keep_if_best(runner *r) {
    const char *name;
    tr_best b;
    if (!r->watcher->keep_best || !best(r, &name, &b) || b.step != r->state.step) return TN_OK;
    return r->watcher->keep_best(r->watcher->user, r->state.step, r->err);
}

static bool patience_is_over(const runner *r) {
    const char *name;
    tr_best b;
    return r->loop->patience > 0 && best(r, &name, &b) && b.later >= r->loop->patience;
}

// Hours of training are not lost for a figure: a validation that fails is a warning.
static tn_status measure(runner *r) {
    tr_value values[TR_VALUES];
    tn_error why = {0};
    size_t count = 0;
    tn_status status = r->watcher->validate(r->watcher->user, r->state.step, values, &count, &why);
    if (status == TN_ECANCELLED) return status;
    if (status != TN_OK) {
        char text[sizeof why.text + 64];
        snprintf(text, sizeof text, "step %lld: %s; training continues", (long long)r->state.step,
                 why.text);
        return note(r, "validation failed", text);
    }
    if (!count) return TN_OK;
    TN_TRY(tr_log_add(r->log, r->state.step, values, count, r->err));
    return keep_if_best(r);
}

static tn_status write_table(runner *r) {
    char path[PATH_MAX];
    return tr_log_write_table(r->log, in_folder(r, "results.csv", path), r->loop->figures,
                              r->loop->figure_count, r->err);
}

static tn_status draw(runner *r) {
    const tr_watcher *w = r->watcher;
    char path[PATH_MAX];
    const char *names[TR_MAX_LOSSES + 1] = {"loss"};
    size_t count = (size_t)r->task->losses;
    if (!w->chart) return TN_OK;
    memcpy(names + 1, r->task->loss_name, count * sizeof *names);
    tr_chart losses = {in_folder(r, "losses.png", path), "Losses while training", "loss", names,
                       count + 1};
    TN_TRY(w->chart(w->user, r->log, &losses, r->err));
    if (!r->loop->figure_count) return TN_OK;
    tr_chart figures = {in_folder(r, "figures.png", path), "Validation while training", "figure",
                        r->loop->figures, r->loop->figure_count};
    return w->chart(w->user, r->log, &figures, r->err);
}

static bool due(int64_t step, int64_t every, bool last) {
    return last || (every > 0 && step % every == 0);
}

static bool validation_due(const runner *r) {
    bool last = r->state.step >= r->loop->schedule.steps;
    return r->watcher->validate && due(r->state.step, r->loop->validate_every, last);
}

// Whether the log has figures of this step.
static bool validated(const runner *r) {
    for (size_t i = 0; i < r->loop->figure_count; i++)
        if (tr_log_last_step(r->log, r->loop->figures[i]) == r->state.step) return true;
    return false;
}

// Saves the checkpoint first: what follows may take long, or fail.
static tn_status after_update(runner *r) {
    const tr_loop *loop = r->loop;
    bool last = r->state.step >= loop->schedule.steps, validate = validation_due(r);
    if (due(r->state.step, loop->save_every, last)) TN_TRY(save(r));
    if (validate) TN_TRY(with_average(r, measure));
    if (validate && loop->figure_count) TN_TRY(write_table(r));
    if (validate || due(r->state.step, loop->plot_every, last)) TN_TRY(draw(r));
    return TN_OK;
}

// loss, lr, norm and so on, besides those of the task and its modules
#define OTHER_VALUES 8

static tn_status new_values(runner *r) {
    size_t figures = OTHER_VALUES + (size_t)(r->task->losses + r->task->tallies);
    r->values = tn_alloc_zero(figures + r->trained.module_count, sizeof *r->values);
    return r->values ? TN_OK : tn_fail(r->err, TN_ENOMEM, "out of memory for a line of the log");
}

static tn_status stop(runner *r) {
    TN_TRY(save(r));
    TN_TRY(draw(r));
    return tn_fail(r->err, TN_ECANCELLED,
                   "stopped after step %lld of %lld; saved in %s: use --resume to continue",
                   (long long)r->state.step, (long long)r->loop->schedule.steps, r->loop->folder);
}

// Repeats a validation that was interrupted, or failed, before the run was resumed.
static tn_status repeat_validation(runner *r) {
    if (r->saved < 1 || !r->loop->figure_count || !validation_due(r) || validated(r)) return TN_OK;
    TN_TRY(with_average(r, measure));
    TN_TRY(write_table(r));
    return draw(r);
}

// What the run came to, in words.
static tn_status sum_up(runner *r) {
    char text[512];
    const char *name;
    tr_best b;
    if (!best(r, &name, &b)) return TN_OK;
    snprintf(text, sizeof text, "%s%s %.4f, after step %lld of %lld",
             patience_is_over(r) ? "stopped early, since no later validation was better: " : "",
             name, b.value, (long long)b.step, (long long)r->loop->schedule.steps);
    return note(r, "best validation", text);
}

static tn_status loop_from_here(runner *r) {
    tn_status status = repeat_validation(r);
    while (status == TN_OK && r->state.step < r->loop->schedule.steps && !patience_is_over(r)) {
        bool whole;
        TN_TRY(update(r, &whole));
        if (!whole || stopped(r)) return stop(r);
        status = after_update(r);
    }
    if (status == TN_ECANCELLED) return stop(r); // a validation was interrupted
    if (status == TN_OK) status = save(r);       // patience may be over between two checkpoints
    return status == TN_OK ? sum_up(r) : status;
}

static tn_status resume_and_run(runner *r) {
    TN_TRY(tr_trained_init(&r->trained, r->task->params, r->loop->optimizer.average > 0,
                           r->loop->settings, r->loop->setting_count, r->err));
    if (r->loop->optimizer.muon)
        TN_TRY(tr_trained_use_muon(&r->trained, &r->loop->optimizer, r->err));
    TN_TRY(new_values(r));
    TN_TRY(begin(r));
    r->start = now();
    r->start_step = r->state.step;
    return loop_from_here(r);
}

tn_status tr_loop_check_folder(const char *folder, bool resume, tn_error *err) {
    if (resume || !tr_checkpoint_exists(folder)) return TN_OK;
    return tn_fail(err, TN_EINVAL,
                   "%s: already holds a run: use --resume to continue it, or another folder",
                   folder);
}

tn_status tr_loop_run(const tr_loop *loop, const tr_task *task, const tr_watcher *watcher,
                      tn_error *err) {
    runner r = {.loop = loop, .task = task, .watcher = watcher, .err = err};
    TN_CHECK(loop->batch >= 1 && loop->accumulate >= 1, "an update without pictures");
    TN_CHECK(task->loss_name && task->losses >= 1 && task->losses <= TR_MAX_LOSSES &&
                 task->tallies >= 0 && task->tallies <= TR_MAX_TALLIES,
             "%d losses, %d tallies", task->losses, task->tallies);
    TN_TRY(tr_schedule_check(&loop->schedule, err));
    TN_TRY(tr_optimizer_check(&loop->optimizer, err));
    tn_status status = resume_and_run(&r);
    tr_log_close(r.log);
    tn_free(r.values);
    tr_trained_deinit(&r.trained);
    return status;
}
