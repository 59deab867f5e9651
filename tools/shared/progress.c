// SPDX-License-Identifier: Apache-2.0
#include "tools/shared/progress.h"
#include "tools/shared/options.h"

#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define HANDFUL 5           // items; fewer need no bar
#define MANY_SENTENCES 1000 // more are worth a line, where there is no bar too

static bool drawn;    // a bar stands on the terminal's last line
static char bar[512]; // of all items; a part's progress is written before it

double tool_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

tool_progress tool_progress_start(size_t total) {
    bool many = total > HANDFUL && tool_verbosity >= 0;
    bar[0] = 0;
    return (tool_progress){.total = total, .start = tool_seconds(), .bar = many && isatty(2)};
}

static int terminal_width(void) {
    struct winsize size;
    return ioctl(2, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

static void draw_line(const char *line) {
    fprintf(stderr, "\r\033[K%.*s", terminal_width() - 1, line);
    fflush(stderr);
    drawn = true;
}

static void clock_text(double seconds, char *out, size_t bytes) {
    long s = (long)(seconds + 0.5);
    if (s >= 3600)
        snprintf(out, bytes, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(out, bytes, "%ld:%02ld", s / 60, s % 60);
}

static void draw_bar(const tool_progress *progress, const char *item) {
    double elapsed = tool_seconds() - progress->start;
    double rate = elapsed > 0 ? (double)progress->done / elapsed : 0;
    char left[32], cells[21];
    clock_text(rate > 0 ? (double)(progress->total - progress->done) / rate : 0, left, sizeof left);
    size_t full = progress->done * (sizeof cells - 1) / progress->total;
    memset(cells, '.', sizeof cells - 1);
    memset(cells, '#', full);
    cells[sizeof cells - 1] = 0;
    snprintf(bar, sizeof bar, "[%s] %zu/%zu  %.2f/s  %s left  %s", cells, progress->done,
             progress->total, rate, left, item);
    draw_line(bar);
}

void tool_progress_hide(void) {
    if (drawn) fputs("\r\033[K", stderr);
    drawn = false;
}

void tool_progress_step(tool_progress *progress, const char *item) {
    tool_progress_to(progress, progress->done + 1, item);
}

void tool_progress_to(tool_progress *progress, size_t done, const char *item) {
    progress->done = done;
    double now = tool_seconds();
    bool due = !drawn || now - progress->shown > 0.1 || progress->done == progress->total;
    if (progress->bar && due) {
        progress->shown = now;
        draw_bar(progress, item);
    }
}

void tool_part_start(tool_part *part) {
    *part = (tool_part){.start = tool_seconds(), .shown = tool_seconds()};
}

double tool_part_to(tool_part *part, double done, const char *work) {
    double now = tool_seconds(), elapsed = now - part->start;
    double all = done > 0 ? elapsed / done : 0;
    if (tool_verbosity < 0 || !isatty(2) || !(done > 0) || now - part->shown < 0.1) return all;
    char left[32], line[640];
    part->shown = now;
    clock_text(all - elapsed, left, sizeof left);
    snprintf(line, sizeof line, "%s: %.0f %%, %s left  %s", work, 100 * done, left, bar);
    draw_line(line);
    return all;
}

int tool_sentences_progress(void *user, size_t done, size_t all) {
    static tool_progress progress;
    (void)user;
    if (!done) {
        progress = tool_progress_start(all);
        if (all > MANY_SENTENCES) tool_note("names: %zu sentences to embed", all);
    }
    tool_progress_to(&progress, done, "sentences");
    if (done == all) tool_progress_hide();
    return tool_interrupted();
}
