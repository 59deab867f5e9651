// SPDX-License-Identifier: Apache-2.0
// What a sweep gave, as a table, as JSON, and as charts.
#include "draw/plot.h"
#include "tools/eval/sweep_tables.h"
#include "tools/shared/options.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

static void print_figure(double value) {
    if (value < 0)
        printf(" %6s", "-");
    else
        printf(" %6.3f", value);
}

static void print_table(const tool_sweep_run *s) {
    printf("  alpha   beta scale1 scale2  power  score      AP   AP50%s\n",
           s->has_split ? "  novel   base" : "");
    for (size_t i = 0; i < s->count; i++) {
        const tool_sweep_setting *x = &s->settings[i];
        ev_setting how = tool_sweep_setting_of(s, x);
        printf("%c%6.3g %6.3g %6.3g %6.3g %6.3g %6.3g  ", i == s->best ? '*' : ' ',
               how.fusion.alpha, how.fusion.beta, how.scale1, how.scale2, how.fusion.objectness,
               how.rules.score);
        print_figure(x->ap);
        print_figure(x->ap50);
        if (s->has_split) print_figure(x->novel), print_figure(x->base);
        printf("\n");
    }
}

static tn_status print_json(const tool_sweep_run *s, tn_error *err) {
    json_t *rows = json_array();
    for (size_t i = 0; i < s->count; i++) {
        const tool_sweep_setting *x = &s->settings[i];
        ev_setting how = tool_sweep_setting_of(s, x);
        json_t *row =
            json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "alpha", how.fusion.alpha, "beta",
                      how.fusion.beta, "scale1", how.scale1, "scale2", how.scale2, "objectness",
                      how.fusion.objectness, "score", how.rules.score, "AP", x->ap);
        if (s->has_split)
            json_object_set_new(
                row, "AP50",
                json_pack("{s:f, s:f, s:f}", "novel", x->novel, "base", x->base, "all", x->ap50));
        else
            json_object_set_new(row, "AP50", json_pack("{s:f}", "all", x->ap50));
        json_array_append_new(rows, row);
    }
    json_t *root = json_pack("{s:o, s:I}", "settings", rows, "best", (json_int_t)s->best);
    bool good =
        root && json_dumpf(root, stdout, JSON_REAL_PRECISION(17)) == 0 && putchar('\n') != EOF;
    json_decref(root);
    return good ? TN_OK : tn_fail(err, TN_EIO, "standard output: cannot write");
}

// The two lists with the most values: along the chart, and one line each. What is not drawn stays
// at the best setting.
static void choose_axes(const tool_sweep_run *s, int axis[2]) {
    axis[0] = TOOL_SWEEP_BETA, axis[1] = TOOL_SWEEP_ALPHA;
    for (int k = 0; k < TOOL_SWEEP_LISTS; k++)
        if (s->lists[k].count > s->lists[axis[0]].count) axis[0] = k;
    if (axis[0] == TOOL_SWEEP_ALPHA) axis[1] = TOOL_SWEEP_BETA;
    for (int k = 0; k < TOOL_SWEEP_LISTS; k++)
        if (k != axis[0] && s->lists[k].count > s->lists[axis[1]].count) axis[1] = k;
}

static bool drawn(const tool_sweep_run *s, const tool_sweep_setting *x, const int axis[2]) {
    for (int k = 0; k < TOOL_SWEEP_LISTS; k++)
        if (k != axis[0] && k != axis[1] && x->at[k] != s->settings[s->best].at[k]) return false;
    return true;
}

typedef struct line {
    char name[48];
    double y[TOOL_SWEEP_VALUES];
} line;

static tn_status draw(const tool_sweep_run *s, const char *file, const char *what, size_t offset,
                      tn_error *err) {
    char path[4200], title[160];
    int axis[2];
    io_series series[TOOL_SWEEP_VALUES];
    choose_axes(s, axis);
    const tool_sweep_list *along = &s->lists[axis[0]], *each = &s->lists[axis[1]];
    line *lines = tn_alloc_zero(each->count, sizeof *lines);
    if (!lines) return tn_fail(err, TN_ENOMEM, "out of memory for a picture");
    for (size_t i = 0; i < s->count; i++) {
        const tool_sweep_setting *x = &s->settings[i];
        if (!drawn(s, x, axis)) continue;
        double value;
        memcpy(&value, (const char *)x + offset, sizeof value);
        lines[x->at[axis[1]]].y[x->at[axis[0]]] = value < 0 ? NAN : value;
    }
    for (size_t k = 0; k < each->count; k++) {
        snprintf(lines[k].name, sizeof lines[k].name, "%s %.3g", tool_sweep_names[axis[1]].name,
                 each->value[k]);
        series[k] = (io_series){lines[k].name, along->value, lines[k].y, along->count};
    }
    snprintf(title, sizeof title, "AP50 of %s names", what);
    io_plot plot = {title, tool_sweep_names[axis[0]].name, "AP50", 0, 0, 0, 0, series, each->count};
    tn_status status = TN_OK;
    if ((size_t)snprintf(path, sizeof path, "%s/%s", s->how->plots, file) >= sizeof path)
        status = tn_fail(err, TN_EINVAL, "%s: the path is too long", s->how->plots);
    if (status == TN_OK) status = io_plot_write(path, &plot, err);
    tn_free(lines);
    return status;
}

tn_status tool_sweep_show(const tool_sweep_run *s, tn_error *err) {
    if (s->how->plots) {
        TN_TRY(io_make_folder(s->how->plots, err));
        TN_TRY(draw(s, "sweep.png", "all", offsetof(tool_sweep_setting, ap50), err));
        if (s->has_split) {
            TN_TRY(draw(s, "sweep_novel.png", "novel", offsetof(tool_sweep_setting, novel), err));
            TN_TRY(draw(s, "sweep_base.png", "base", offsetof(tool_sweep_setting, base), err));
        }
    }
    if (s->how->json) return print_json(s, err);
    print_table(s);
    return TN_OK;
}
