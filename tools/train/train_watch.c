// SPDX-License-Identifier: Apache-2.0
// What people see of a run: a line that is redrawn on a terminal, a line now and then in a log.
#include "tools/train/train_job.h"

#include "tools/shared/options.h"
#include "tools/shared/progress.h"

#include <unistd.h>

#define LOG_SECONDS 30 // between two lines where nothing can be redrawn

static void clock_text(double seconds, char *out, size_t bytes) {
    long long s = seconds < 0 ? 0 : (long long)(seconds + 0.5);
    if (s >= 86400)
        snprintf(out, bytes, "%lldd %02lldh", s / 86400, s / 3600 % 24);
    else
        snprintf(out, bytes, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
}

bool tool_train_due(const tool_train_progress *p, const tr_update *u) {
    double pause = p->terminal ? 0.2 : LOG_SECONDS;
    return tool_verbosity >= 0 && (u->step == u->steps || tool_seconds() - p->shown >= pause);
}

void tool_train_line(tool_train_progress *p, const tr_update *u) {
    char losses[160];
    const double *loss = u->measure.loss;
    if (!tool_train_due(p, u)) return;
    snprintf(losses, sizeof losses,
             "objects %.3f, proposals %.3f, classes %.3f, boxes %.3f, masks %.3f",
             loss[TR_LOSS_OBJECTNESS], loss[TR_LOSS_PROPOSALS], loss[TR_LOSS_CLASSES],
             loss[TR_LOSS_BOXES], loss[TR_LOSS_MASKS]);
    tool_train_show(p, u, losses);
}

void tool_train_show(tool_train_progress *p, const tr_update *u, const char *losses) {
    bool last = u->step == u->steps;
    char left[32];
    clock_text(u->seconds_left, left, sizeof left);
    p->shown = tool_seconds();
    fprintf(stderr,
            "%sstep %lld/%lld  loss %.4f (%s)  lr %.2g  norm %.3g  %.2f pictures/s  %.1f GB  %s "
            "left%s",
            p->terminal ? "\r\033[K" : "", (long long)u->step, (long long)u->steps, u->loss, losses,
            u->rate, u->norm, u->pictures_per_second, (double)u->memory / 1e9, left,
            p->terminal && !last ? "" : "\n");
    p->open = p->terminal && !last;
}

void tool_train_break(tool_train_progress *p) {
    if (p->open) fputc('\n', stderr);
    p->open = false;
}

tool_train_progress tool_train_progress_start(void) {
    return (tool_train_progress){.terminal = isatty(2) && tool_verbosity >= 0};
}

int tool_run_ended(tn_status status, const tn_error *err) {
    if (status == TN_OK) return 0;
    if (status != TN_ECANCELLED) return tool_failed(err);
    tool_note("%s", err->text);
    return tool_interrupted() ? 1 : 0;
}
