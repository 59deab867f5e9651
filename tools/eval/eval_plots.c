// SPDX-License-Identifier: Apache-2.0
// Precision over recall, drawn.
#include "draw/plot.h"
#include "tools/eval/eval_output.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>

typedef struct curve {
    double y[EV_RECALLS];
    char name[64];
} curve;

// Of one class, or (SIZE_MAX) the mean of all that have objects; the best 100 results a picture
// (the last limit). NaN where there is nothing to be found.
static void take(const ev_coco *c, size_t category, int area, int iou, curve *out) {
    bool one = category != SIZE_MAX;
    for (int r = 0; r < EV_RECALLS; r++) {
        double sum = 0;
        size_t terms = 0;
        for (size_t k = one ? category : 0; k < (one ? category + 1 : c->category_count); k++) {
            size_t cell = ((k * EV_AREAS + (size_t)area) * EV_LIMITS + EV_LIMITS - 1) * EV_IOUS;
            double value = c->precision[(cell + (size_t)iou) * EV_RECALLS + (size_t)r];
            if (value > -1) sum += value, terms++;
        }
        out->y[r] = terms ? sum / (double)terms : NAN;
    }
}

static bool empty(const curve *one) {
    return isnan(one->y[0]);
}

static tn_status draw(const char *path, const char *title, curve *curves, size_t count,
                      tn_error *err) {
    double x[EV_RECALLS];
    io_series series[EV_IOUS];
    for (int r = 0; r < EV_RECALLS; r++) x[r] = r / (double)(EV_RECALLS - 1);
    for (size_t i = 0; i < count; i++)
        series[i] = (io_series){curves[i].name, x, curves[i].y, EV_RECALLS};
    io_plot plot = {title, "recall", "precision", 0, 1, 0, 1, series, count};
    return io_plot_write(path, &plot, err);
}

static tn_status by_iou(const char *path, const char *title, const ev_coco *c, size_t category,
                        tn_error *err) {
    curve curves[EV_IOUS];
    for (int i = 0; i < EV_IOUS; i++) {
        take(c, category, 0, i, &curves[i]);
        double ap = category == SIZE_MAX ? ev_coco_precision(c, i, 0, EV_LIMITS - 1, NULL, 0)
                                         : ev_coco_precision(c, i, 0, EV_LIMITS - 1, &category, 1);
        snprintf(curves[i].name, sizeof curves[i].name, "IoU %.2f: AP %.3f", 0.5 + 0.05 * i, ap);
    }
    return draw(path, title, curves, EV_IOUS, err);
}

static tn_status by_area(const char *path, const ev_coco *c, tn_error *err) {
    static const char *const names[EV_AREAS] = {"all", "small", "medium", "large"};
    curve curves[EV_AREAS];
    size_t count = 0;
    for (int a = 0; a < EV_AREAS; a++) {
        take(c, SIZE_MAX, a, 0, &curves[count]);
        if (empty(&curves[count])) continue;
        snprintf(curves[count].name, sizeof curves[count].name, "%s: AP50 %.3f", names[a],
                 ev_coco_precision(c, 0, a, EV_LIMITS - 1, NULL, 0));
        count++;
    }
    return draw(path, "By area, IoU 0.50, mean of the classes", curves, count, err);
}

static tn_status path_of(char *path, size_t bytes, const char *folder, const char *name,
                         tn_error *err) {
    if ((size_t)snprintf(path, bytes, "%s/%s", folder, name) < bytes) return TN_OK;
    return tn_fail(err, TN_EINVAL, "%s: the path is too long", folder);
}

static tn_status one_class(const char *folder, const io_coco *truth, const ev_coco *c, size_t k,
                           tn_error *err) {
    char path[4096], file[128], title[256], word[64];
    long long id = (long long)c->category_ids[k];
    int64_t at = io_coco_find_category(truth, c->category_ids[k]);
    const char *name = at >= 0 && truth->categories[at].name ? truth->categories[at].name : "";
    size_t n = 0;
    for (; name[n] && n + 1 < sizeof word; n++)
        word[n] = isalnum((unsigned char)name[n]) || name[n] == '-' ? name[n] : '_';
    word[n] = 0;
    snprintf(file, sizeof file, "class_%lld%s%s.png", id, n ? "_" : "", word);
    snprintf(title, sizeof title, "%.200s (%lld)", name, id);
    TN_TRY(path_of(path, sizeof path, folder, file, err));
    return by_iou(path, title, c, k, err);
}

tn_status tool_eval_plot(const char *folder, const io_coco *truth, const ev_coco *c,
                         size_t *written, tn_error *err) {
    char path[4096];
    *written = 2;
    TN_TRY(io_make_folder(folder, err));
    TN_TRY(path_of(path, sizeof path, folder, "precision_recall.png", err));
    TN_TRY(by_iou(path, "Precision over recall, mean of the classes", c, SIZE_MAX, err));
    TN_TRY(path_of(path, sizeof path, folder, "areas.png", err));
    TN_TRY(by_area(path, c, err));
    for (size_t k = 0; k < c->category_count; k++) {
        curve first;
        take(c, k, 0, 0, &first);
        if (empty(&first) || c->category_ids[k] < 0) continue; // -1: classes are forgotten
        TN_TRY(one_class(folder, truth, c, k, err));
        (*written)++;
    }
    return TN_OK;
}
