// SPDX-License-Identifier: Apache-2.0
#include "tools/train/charts.h"

#include "draw/plot.h"
#include "tensor/alloc.h"

tn_status tool_chart(void *user, const tr_log *log, const tr_chart *chart, tn_error *err) {
    (void)user;
    io_series *series = tn_alloc_zero(chart->count + 1, sizeof *series);
    double *points = tn_alloc_zero(2 * TR_POINTS * chart->count + 1, sizeof *points);
    io_plot plot = {
        .title = chart->title, .x_label = "step", .y_label = chart->y_label, .series = series};
    tn_status status = series && points
                           ? TN_OK
                           : tn_fail(err, TN_ENOMEM, "%s: out of memory for a chart", chart->path);
    for (size_t i = 0; i < chart->count && status == TN_OK; i++) {
        double *x = points + 2 * TR_POINTS * i, *y = x + TR_POINTS;
        size_t count = tr_log_curve(log, chart->names[i], x, y);
        if (count) series[plot.count++] = (io_series){chart->names[i], x, y, count};
    }
    if (status == TN_OK && plot.count) status = io_plot_write(chart->path, &plot, err);
    tn_free(series);
    tn_free(points);
    return status;
}
