// SPDX-License-Identifier: Apache-2.0
// A training with its watcher: the job of train/jobs/ behind the public header.
#include "api/api_status.h"
#include "api/train_options.h"

API_ENDS_WITH(lexmask_train_watcher, sentences);

void lexmask_train_watcher_init_sized(lexmask_train_watcher *watcher, size_t size) {
    lexmask_train_watcher all = {.size = sizeof all};
    api_init_sized(watcher, size, &all, sizeof all);
}

// ---- the job's watcher calls the program's -----------------------------------------------------

static bool stop(void *user) {
    const lexmask_train_watcher *w = user;
    return w->stop && w->stop(w->user);
}

static void update(void *user, const tr_update *u) {
    const lexmask_train_watcher *w = user;
    lexmask_train_update of = {.size = sizeof of,
                               .step = u->step,
                               .steps = u->steps,
                               .loss_count = (size_t)u->losses,
                               .loss_names = u->loss_name,
                               .losses = u->measure.loss,
                               .loss = u->loss,
                               .rate = u->rate,
                               .norm = u->norm,
                               .pictures_per_second = u->pictures_per_second,
                               .seconds_left = u->seconds_left};
    if (w->update) w->update(w->user, &of);
}

static void note(void *user, const char *text) {
    const lexmask_train_watcher *w = user;
    char named[API_TRAIN_TEXT];
    if (!w->note) return;
    api_train_text(text, named, sizeof named);
    w->note(w->user, named);
}

static void measured(void *user, int64_t step, const tr_value *values, size_t count) {
    const lexmask_train_watcher *w = user;
    lexmask_value of[TR_VALUES];
    if (!w->measured) return;
    for (size_t i = 0; i < count; i++)
        of[i] = (lexmask_value){.name = values[i].name, .value = values[i].value};
    w->measured(w->user, step, of, count);
}

static void sentences(void *user, size_t done, size_t all) {
    const lexmask_train_watcher *w = user;
    if (w->sentences) w->sentences(w->user, done, all);
}

// ---- the run -----------------------------------------------------------------------------------

static tn_status train(const lexmask_train_options *options, const lexmask_train_watcher *given,
                       tn_error *err) {
    api_train_given from = {0};
    lexmask_train_watcher watcher = {.size = sizeof watcher};
    tr_job_watcher job = {.user = &watcher,
                          .stop = stop,
                          .update = update,
                          .note = note,
                          .measured = measured,
                          .sentences = sentences};
    TN_TRY(api_take_sized(given, &watcher, sizeof watcher, "a watcher", err));
    tn_status status = api_train_options(options, &from, err);
    if (status == TN_OK) status = tr_train_run(&from.job, &job, err);
    api_train_options_free(&from);
    return status;
}

lexmask_status lexmask_train(const lexmask_train_options *options,
                             const lexmask_train_watcher *watcher, lexmask_error *err) {
    tn_error failure = {0}, named = {0};
    tn_status status = train(options, watcher, &failure);
    api_train_text(failure.text, named.text, sizeof named.text);
    return api_status(status, &named, err);
}
