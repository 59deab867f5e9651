// SPDX-License-Identifier: Apache-2.0
// From matches to precision at recall, and to the published figures.
#include "eval/coco_internal.h"

#include <float.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static size_t cell(size_t category, int area, int limit, int iou) {
    return ((category * EV_AREAS + (size_t)area) * EV_LIMITS + (size_t)limit) * EV_IOUS +
           (size_t)iou;
}

// Precision at each truth found, in order of score. Between two of these it only falls, so the best
// precision from a recall on is the best at the later ones.
typedef struct curve {
    double *precision;
    uint32_t count;
} curve;

static curve curve_of(const ev_hit *const *hits, size_t count, int area, int limit, int iou,
                      double *buffer) {
    curve c = {buffer, 0};
    uint32_t found = 0, wrong = 0;
    for (size_t i = 0; i < count; i++) {
        const ev_hit *hit = hits[i];
        if ((int64_t)hit->rank >= limit || hit->ignored[area] >> iou & 1) continue;
        if (!(hit->matched[area] >> iou & 1)) {
            wrong++;
            continue;
        }
        found++;
        c.precision[c.count++] = (double)found / ((double)wrong + (double)found + DBL_EPSILON);
    }
    for (uint32_t i = c.count; i-- > 1;)
        if (c.precision[i] > c.precision[i - 1]) c.precision[i - 1] = c.precision[i];
    return c;
}

static void fill_cell(const ev_job *job, curve c, uint32_t wanted, size_t at) {
    double *precision = job->out->precision + at * EV_RECALLS;
    job->out->recall[at] = (double)c.count / (double)wanted;
    uint32_t found = 0;
    for (int r = 0; r < EV_RECALLS; r++) {
        while (found < c.count && (double)(found + 1) / (double)wanted < job->recalls[r]) found++;
        precision[r] = found < c.count ? c.precision[found] : 0;
    }
}

// Repeats the cells of the previous limit, which is the same, from `at` on.
static void repeat_limit(const ev_job *job, size_t at) {
    double *precision = job->out->precision + at * EV_RECALLS, *recall = job->out->recall + at;
    memcpy(precision, precision - EV_IOUS * EV_RECALLS, EV_IOUS * EV_RECALLS * sizeof *precision);
    memcpy(recall, recall - EV_IOUS, EV_IOUS * sizeof *recall);
}

static tn_status no_memory(tn_error *err) {
    return tn_fail(err, TN_ENOMEM, "out of memory for the results of one category");
}

static tn_status accumulate(const ev_job *job, uint32_t category, tn_arena *scratch,
                            tn_error *err) {
    const ev_group *from = job->groups + job->category_group[category];
    const ev_group *to = job->groups + job->category_group[category + 1];
    if (from == to) return TN_OK;
    const ev_hit *first = job->hits + from->first_hit;
    size_t count = to[-1].first_hit + to[-1].hits - from->first_hit;
    uint32_t wanted[EV_AREAS] = {0};
    for (const ev_group *g = from; g < to; g++)
        for (int area = 0; area < EV_AREAS; area++) wanted[area] += g->wanted[area];
    ev_ranked *ranked = tn_arena_alloc(scratch, count * sizeof *ranked);
    const ev_hit **hits = ranked ? tn_arena_alloc(scratch, count * sizeof *hits) : NULL;
    double *buffer = hits ? tn_arena_alloc(scratch, count * sizeof *buffer) : NULL;
    ev_ranked *other = buffer ? tn_arena_alloc(scratch, count * sizeof *other) : NULL;
    if (!other) return no_memory(err);
    for (size_t i = 0; i < count; i++) ranked[i] = (ev_ranked){first[i].score, (uint32_t)i};
    ev_rank(ranked, other, count);
    for (size_t i = 0; i < count; i++) hits[i] = first + ranked[i].index;
    for (int area = 0; area < job->areas; area++)
        for (int limit = 0; wanted[area] && limit < EV_LIMITS; limit++) {
            if (limit && job->limits[limit] == job->limits[limit - 1]) {
                repeat_limit(job, cell(category, area, limit, 0));
                continue;
            }
            for (int iou = 0; iou < EV_IOUS; iou++)
                fill_cell(job, curve_of(hits, count, area, job->limits[limit], iou, buffer),
                          wanted[area], cell(category, area, limit, iou));
        }
    return TN_OK;
}

tn_status ev_accumulate(const ev_job *job, uint32_t category, tn_arena *scratch, tn_error *err) {
    size_t mark = tn_arena_mark(scratch);
    tn_status status = accumulate(job, category, scratch, err);
    tn_arena_reset(scratch, mark);
    return status;
}

// The mean of the values that are not -1, of `width` values per cell.
static double mean(const ev_coco *c, const double *values, size_t width, int iou, int area,
                   int limit, const size_t *categories, size_t count) {
    TN_CHECK(iou >= -1 && iou < EV_IOUS && area >= 0 && area < EV_AREAS && limit >= 0 &&
                 limit < EV_LIMITS,
             "iou %d, area %d, limit %d", iou, area, limit);
    long double sum = 0;
    size_t terms = 0;
    for (size_t i = 0; i < (categories ? count : c->category_count); i++)
        for (int t = iou < 0 ? 0 : iou; t <= (iou < 0 ? EV_IOUS - 1 : iou); t++) {
            const double *from =
                values + cell(categories ? categories[i] : i, area, limit, t) * width;
            for (size_t r = 0; r < width; r++)
                if (from[r] > -1) sum += from[r], terms++;
        }
    return terms ? (double)(sum / (long double)terms) : -1;
}

double ev_coco_precision(const ev_coco *c, int iou, int area, int limit, const size_t *categories,
                         size_t count) {
    return mean(c, c->precision, EV_RECALLS, iou, area, limit, categories, count);
}

double ev_coco_recall(const ev_coco *c, int iou, int area, int limit, const size_t *categories,
                      size_t count) {
    return mean(c, c->recall, 1, iou, area, limit, categories, count);
}

// The published figures: precision or recall, threshold (-1: all), area, limit.
static const struct {
    bool recall;
    int iou, area, limit;
} figures[EV_STATS] = {
    {false, -1, 0, 2}, {false, 0, 0, 2},  {false, 5, 0, 2}, {false, -1, 1, 2},
    {false, -1, 2, 2}, {false, -1, 3, 2}, {true, -1, 0, 0}, {true, -1, 0, 1},
    {true, -1, 0, 2},  {true, -1, 1, 2},  {true, -1, 2, 2}, {true, -1, 3, 2},
};

void ev_summarize(ev_coco *c) {
    for (int i = 0; i < EV_STATS; i++)
        c->stats[i] = (figures[i].recall ? ev_coco_recall : ev_coco_precision)(
            c, figures[i].iou, figures[i].area, figures[i].limit, NULL, 0);
}

void ev_coco_text(const ev_coco *c, char *text, size_t bytes) {
    static const char *const areas[] = {"all", "small", "medium", "large"};
    size_t used = 0;
    if (bytes) text[0] = 0;
    for (int i = 0; i < EV_STATS && used < bytes; i++) {
        const char *iou = figures[i].iou < 0 ? "0.50:0.95" : figures[i].iou ? "0.75" : "0.50";
        int n = snprintf(text + used, bytes - used,
                         " %-18s %s @[ IoU=%-9s | area=%6s | maxDets=%3d ] = %.3f\n",
                         figures[i].recall ? "Average Recall" : "Average Precision",
                         figures[i].recall ? "(AR)" : "(AP)", iou, areas[figures[i].area],
                         c->limits[figures[i].limit], c->stats[i]);
        used += n > 0 ? (size_t)n : 0;
    }
}
