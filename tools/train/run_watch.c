// SPDX-License-Identifier: Apache-2.0
#include "tools/train/run_watch.h"

#include "tools/shared/options.h"
#include "tools/shared/progress.h"
#include "tools/train/charts.h"
#include "tools/train/validation_picture.h"

#include <unistd.h>

#define LOG_SECONDS 30 // between two lines where nothing can be redrawn

static void clock_text(double seconds, char *out, size_t bytes) {
    long long s = seconds < 0 ? 0 : (long long)(seconds + 0.5);
    if (s >= 86400)
        snprintf(out, bytes, "%lldd %02lldh", s / 86400, s / 3600 % 24);
    else
        snprintf(out, bytes, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
}

static bool due(const tool_run_watch *w, const tr_update *u) {
    double pause = w->terminal ? 0.2 : LOG_SECONDS;
    return tool_verbosity >= 0 && (u->step == u->steps || tool_seconds() - w->shown >= pause);
}

static void show_update(void *user, const tr_update *u) {
    tool_run_watch *w = user;
    bool last = u->step == u->steps;
    char left[32], losses[160];
    if (!due(w, u)) return;
    w->losses(u->measure.loss, losses, sizeof losses);
    clock_text(u->seconds_left, left, sizeof left);
    w->shown = tool_seconds();
    fprintf(stderr,
            "%sstep %lld/%lld  loss %.4f (%s)  lr %.2g  norm %.3g  %.2f pictures/s  %.1f GB  %s "
            "left%s",
            w->terminal ? "\r\033[K" : "", (long long)u->step, (long long)u->steps, u->loss, losses,
            u->rate, u->norm, u->pictures_per_second, (double)u->memory / 1e9, left,
            w->terminal && !last ? "" : "\n");
    w->open = w->terminal && !last;
}

// Before anything else is printed.
static void end_line(tool_run_watch *w) {
    if (w->open) fputc('\n', stderr);
    w->open = false;
}

static void show_note(void *user, const char *text) {
    end_line(user);
    tool_note("%s", text);
}

static void show_figures(void *user, int64_t step, const tr_value *values, size_t count) {
    tool_run_watch *w = user;
    char text[1024];
    end_line(w);
    w->figures(values, count, text, sizeof text);
    tool_note("step %lld: %s", (long long)step, text);
}

static void show_sentences(void *user, size_t done, size_t all) {
    (void)user;
    tool_sentences_progress(NULL, done, all);
}

static bool interrupted(void *user) {
    (void)user;
    return tool_interrupted();
}

tr_job_watcher tool_run_watch_start(tool_run_watch *watch) {
    watch->terminal = isatty(2) && tool_verbosity >= 0;
    tool_catch_signals();
    return (tr_job_watcher){.user = watch,
                            .stop = interrupted,
                            .update = show_update,
                            .note = show_note,
                            .measured = show_figures,
                            .picture = tool_validation_picture,
                            .sentences = show_sentences,
                            .chart = tool_chart};
}

int tool_run_ended(tool_run_watch *watch, tn_status status, const tn_error *err) {
    end_line(watch);
    if (status == TN_OK) return 0;
    if (status != TN_ECANCELLED) return tool_failed(err);
    tool_note("%s", err->text);
    return tool_interrupted() ? 1 : 0;
}
