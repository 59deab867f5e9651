// SPDX-License-Identifier: Apache-2.0
#include "train/jobs/job_run.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NOTE 8192 // bytes of a note at most: a path and a few sentences

// ---- opening -----------------------------------------------------------------------------------

void tr_job_init(tr_job *job, const tr_job_options *options, const tr_job_watcher *watcher,
                 tn_error *err) {
    static const tr_job_watcher nobody;
    job->options = options;
    job->watcher = watcher ? watcher : &nobody;
    job->err = err;
}

tn_status tr_job_open(tr_job *job) {
    const tr_job_options *o = job->options;
    bool bf16 = o->matmul && !strcmp(o->matmul, "bf16");
    TN_TRY(kn_open(o->device ? o->device : "cpu", NULL, (int)o->threads, &job->kn, job->err));
    TN_TRY(kn_set_products(job->kn, bf16 ? TN_BF16 : TN_F32, job->err));
    TN_TRY(tn_arena_init_large(&job->step, job->err));
    return nn_tape_new(&job->tape, job->err);
}

void tr_job_close(tr_job *job) {
    nn_params_deinit(&job->params);
    nn_tape_free(job->tape);
    tn_arena_deinit(&job->step);
    kn_close(job->kn);
}

// ---- what a job tells --------------------------------------------------------------------------

void tr_job_set(tr_job *job, const char *key, const char *format, ...) {
    va_list list;
    TN_CHECK(job->setting_count < TR_JOB_SETTINGS, "too many settings");
    char *text = job->setting_text[job->setting_count];
    va_start(list, format);
    vsnprintf(text, sizeof job->setting_text[0], format, list);
    va_end(list);
    job->setting[job->setting_count++] = (io_text_pair){key, text};
}

void tr_job_note(const tr_job *job, const char *format, ...) {
    char text[NOTE];
    va_list list;
    if (!job->watcher->note) return;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    job->watcher->note(job->watcher->user, text);
}

bool tr_job_interrupted(const tr_job *job) {
    return job->watcher->stop && job->watcher->stop(job->watcher->user);
}

void tr_job_measured(const tr_job *job, int64_t step, const tr_value *values, size_t count) {
    if (job->watcher->measured) job->watcher->measured(job->watcher->user, step, values, count);
}

void tr_job_vocabulary_note(void *job, const char *text) {
    tr_job_note(job, "%s", text);
}

int tr_job_vocabulary_progress(void *job, size_t done, size_t all) {
    const tr_job *j = job;
    if (j->watcher->sentences) j->watcher->sentences(j->watcher->user, done, all);
    return tr_job_interrupted(j);
}

// ---- the loop ----------------------------------------------------------------------------------

static bool loop_stop(void *user) {
    const tr_job *job = user;
    int64_t most = job->options->stop_after;
    return tr_job_interrupted(job) || (most && job->updates >= most);
}

static void loop_see(void *user, const tr_update *update) {
    tr_job *job = user;
    job->updates++;
    if (job->watcher->update) job->watcher->update(job->watcher->user, update);
}

static void loop_note(void *user, const char *event, const char *text) {
    tr_job_note(user, "%s: %s", event, text);
}

static tn_status loop_keep(void *user, int64_t step, tn_error *err) {
    const tr_job *job = user;
    return job->keep(job->self, step, err);
}

static tn_status loop_keep_best(void *user, int64_t step, tn_error *err) {
    const tr_job *job = user;
    return job->keep_best(job->self, step, err);
}

static tn_status loop_validate(void *user, int64_t step, tr_value *out, size_t *count,
                               tn_error *err) {
    const tr_job *job = user;
    TN_TRY(job->validate(job->self, step, out, count, err));
    if (*count) tr_job_measured(job, step, out, *count);
    return TN_OK;
}

static tn_status loop_chart(void *user, const tr_log *log, const tr_chart *chart, tn_error *err) {
    const tr_job_watcher *w = ((const tr_job *)user)->watcher;
    return w->chart(w->user, log, chart, err);
}

tr_loop tr_job_loop(const tr_job *job) {
    const tr_job_options *o = job->options;
    tr_loop loop = {.folder = o->out,
                    .optimizer = tr_optimizer_default(),
                    .batch = o->batch,
                    .accumulate = 1,
                    .save_every = o->save_every,
                    .validate_every = o->validate_every,
                    .plot_every = o->save_every,
                    .seed = (uint64_t)o->seed,
                    .resume = o->resume,
                    .settings = job->setting,
                    .setting_count = job->setting_count};
    loop.optimizer.clip = o->clip_norm;
    loop.optimizer.average = o->average;
    return loop;
}

tn_status tr_job_run(tr_job *job, const tr_loop *loop, const tr_task *task) {
    tr_watcher watcher = {.user = job,
                          .stop = loop_stop,
                          .see = loop_see,
                          .note = loop_note,
                          .keep = loop_keep,
                          .keep_best = job->keep_best ? loop_keep_best : NULL,
                          .validate = job->validate ? loop_validate : NULL,
                          .chart = job->watcher->chart ? loop_chart : NULL};
    job->self = task->self;
    return tr_loop_run(loop, task, &watcher, job->err);
}

// ---- options -----------------------------------------------------------------------------------

tn_status tr_job_check_numbers(const tr_job_number *numbers, size_t count, tn_error *err) {
    for (size_t i = 0; i < count; i++) {
        const tr_job_number *n = &numbers[i];
        if (n->value >= n->low && n->value <= n->high) continue;
        return tn_fail(err, TN_EINVAL, "--%s %.17g: expected a number from %.17g to %.17g",
                       n->option, n->value, n->low, n->high);
    }
    return TN_OK;
}

tn_status tr_job_check_word(const char *option, const char *value, const char *words,
                            tn_error *err) {
    size_t length = value ? strlen(value) : 0;
    for (const char *word = words; value && word; word = strchr(word, '|')) {
        word += *word == '|';
        if (length && !strncmp(word, value, length) && (word[length] == '|' || !word[length]))
            return TN_OK;
    }
    if (!value) return TN_OK;
    return tn_fail(err, TN_EINVAL, "--%s %s: expected one of %s", option, value, words);
}

tn_status tr_job_check(const tr_job_options *o, tn_error *err) {
    const tr_job_number numbers[] = {
        {"threads", (double)o->threads, 0, 1024},
        {"seed", (double)o->seed, 0, 9007199254740992.0},
        {"save-every", (double)o->save_every, 1, 1e12},
        {"val-every", (double)o->validate_every, 1, 1e12},
        {"stop-after", (double)o->stop_after, 0, 1e12},
        {"average", o->average, 0, 1},
    };
    if (!o->out) return tn_fail(err, TN_EINVAL, "--out: no folder for the run was given");
    TN_TRY(tr_job_check_word("matmul", o->matmul, "f32|bf16", err));
    return tr_job_check_numbers(numbers, sizeof numbers / sizeof *numbers, err);
}
