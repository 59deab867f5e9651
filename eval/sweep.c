// SPDX-License-Identifier: Apache-2.0
#include "eval/sweep.h"

#include "eval/sweep_picture.h"
#include "tensor/alloc.h"

#include <stdlib.h>
#include <string.h>

#define KEPT_BYTES ((size_t)256 << 20) // for the detections of several settings

struct ev_sweep {
    const io_scores *scores;
    tn_pool *pool;
    uint8_t *base;
    ev_span *spans;
    size_t span_count;
    int64_t max_boxes;         // maximum number of boxes of a picture
    ev_sweep_buffers *buffers; // one per worker
    ev_sweep_job job;          // the last run
};

ev_setting ev_setting_of(const io_scores_head *head) {
    return (ev_setting){
        .fusion = {head->alpha, head->beta, head->objectness, head->renormalise},
        .scale1 = 1,
        .scale2 = 1,
        .rules = {.score = head->score,
                  .nms = head->nms,
                  .soft = head->soft,
                  .inside = head->inside,
                  .top = head->top},
    };
}

static int workers_of(const ev_sweep *s) {
    return s->pool ? tn_pool_workers(s->pool) : 1;
}

// ---- opening -----------------------------------------------------------------------------------

static int by_picture(const void *a, const void *b) {
    const ev_span *x = a, *y = b;
    if (x->picture != y->picture) return x->picture < y->picture ? -1 : 1;
    return x->from < y->from ? -1 : x->from > y->from;
}

static tn_status find_spans(ev_sweep *s, tn_error *err) {
    const int64_t *picture = s->scores->pictures.data;
    int64_t count = s->scores->count;
    for (int64_t from = 0, to; from < count; from = to) {
        for (to = from; to < count && picture[to] == picture[from];) to++;
        if (to - from > s->max_boxes) s->max_boxes = to - from;
        s->spans[s->span_count++] = (ev_span){picture[from], from, to};
    }
    qsort(s->spans, s->span_count, sizeof *s->spans, by_picture);
    for (size_t i = 1; i < s->span_count; i++)
        if (s->spans[i].picture == s->spans[i - 1].picture)
            return tn_fail(err, TN_EFORMAT,
                           "the boxes of picture %lld are not contiguous (rows %lld and %lld)",
                           (long long)s->spans[i].picture, (long long)s->spans[i - 1].from,
                           (long long)s->spans[i].from);
    return TN_OK;
}

static bool make_rooms(ev_sweep *s) {
    s->buffers = tn_alloc_zero((size_t)workers_of(s), sizeof *s->buffers);
    if (!s->buffers) return false;
    for (int i = 0; i < workers_of(s); i++)
        if (!ev_sweep_buffers_init(&s->buffers[i], s->scores, s->base, s->max_boxes)) return false;
    return true;
}

tn_status ev_sweep_open(const io_scores *scores, const uint8_t *base, tn_pool *pool, ev_sweep **out,
                        tn_error *err) {
    size_t classes = scores->head.classes;
    ev_sweep *s = tn_alloc_zero(1, sizeof *s);
    if (!s) return tn_fail(err, TN_ENOMEM, "out of memory for kept scores");
    s->scores = scores, s->pool = pool;
    s->base = tn_alloc_zero(classes + 1, 1);
    s->spans = tn_alloc_zero((size_t)scores->count + 1, sizeof *s->spans);
    tn_status status = s->base && s->spans ? find_spans(s, err) : TN_ENOMEM;
    if (status == TN_OK) memcpy(s->base, base ? base : scores->head.base, classes);
    if (status == TN_OK && !make_rooms(s)) status = TN_ENOMEM;
    if (status == TN_ENOMEM) tn_fail(err, TN_ENOMEM, "out of memory for kept scores");
    if (status != TN_OK) {
        ev_sweep_close(s);
        return status;
    }
    *out = s;
    return TN_OK;
}

void ev_sweep_close(ev_sweep *s) {
    if (!s) return;
    for (int i = 0; s->buffers && i < workers_of(s); i++) ev_sweep_buffers_deinit(&s->buffers[i]);
    tn_free(s->buffers);
    tn_free(s->job.kept);
    tn_free(s->job.kept_count);
    tn_free(s->spans);
    tn_free(s->base);
    tn_free(s);
}

// ---- running -----------------------------------------------------------------------------------

static void list_weights(ev_sweep_job *job) {
    for (int part = 0; part < 2; part++) {
        job->weights[part] = 0;
        for (size_t k = 0; k < job->count; k++) {
            double w = part ? job->settings[k].fusion.beta : job->settings[k].fusion.alpha;
            size_t at = 0;
            while (at < job->weights[part] && job->weight[part][at] != w) at++;
            if (at == job->weights[part]) job->weight[part][job->weights[part]++] = w;
            job->at[part][k] = at;
        }
    }
}

// Allocates detections for as many settings as KEPT_BYTES hold.
static tn_status allocate_detections(ev_sweep *s, const ev_setting *settings, size_t count,
                                     tn_error *err) {
    ev_sweep_job *job = &s->job;
    // A picture has at max_boxes as many detections as candidates.
    int64_t pairs = s->max_boxes * (int64_t)s->scores->head.classes;
    tn_free(job->kept);
    tn_free(job->kept_count);
    *job = (ev_sweep_job){.spans = s->spans, .span_count = s->span_count, .settings = settings};
    for (size_t k = 0; k < count; k++) {
        TN_CHECK(settings[k].rules.top > 0 && settings[k].scale1 > 0 && settings[k].scale2 > 0,
                 "top %lld, scales %g and %g", (long long)settings[k].rules.top, settings[k].scale1,
                 settings[k].scale2);
        if (settings[k].rules.top > job->top) job->top = settings[k].rules.top;
    }
    if (job->top > pairs) job->top = pairs;
    size_t places, bytes;
    if (tn_mul_size(s->span_count, (size_t)job->top, &places) &&
        tn_mul_size(places, sizeof *job->kept, &bytes)) {
        size_t fit = bytes ? KEPT_BYTES / bytes : count;
        job->count = fit < 1 ? 1 : fit;
        if (job->count > count) job->count = count;
        if (job->count > EV_SWEEP_MAX_SETTINGS) job->count = EV_SWEEP_MAX_SETTINGS;
        job->kept = tn_alloc(job->count * bytes + 1);
        job->kept_count = tn_alloc_zero(job->count * s->span_count + 1, sizeof *job->kept_count);
    }
    if (job->kept && job->kept_count) return TN_OK;
    return tn_fail(err, TN_ENOMEM, "out of memory for detections");
}

static void run_picture(void *context, int64_t task, int worker) {
    ev_sweep *s = context;
    ev_sweep_picture(&s->buffers[worker], &s->job, (size_t)task);
}

tn_status ev_sweep_run(ev_sweep *s, const ev_setting *settings, size_t count, size_t *done,
                       tn_error *err) {
    TN_CHECK(count > 0, "no settings");
    TN_TRY(allocate_detections(s, settings, count, err));
    list_weights(&s->job);
    *done = s->job.count;
    if (s->pool)
        tn_pool_run(s->pool, (int64_t)s->span_count, run_picture, s);
    else
        for (size_t i = 0; i < s->span_count; i++) run_picture(s, (int64_t)i, 0);
    s->job.settings = NULL; // owned by the caller
    return TN_OK;
}

// First index and number of detections of each name.
static size_t name_starts(const ev_sweep_job *job, size_t setting, size_t classes, size_t *start) {
    const int64_t *kept_count = job->kept_count + setting * job->span_count;
    for (size_t i = 0; i < job->span_count; i++) {
        const nn_candidate *p = job->kept + (int64_t)(setting * job->span_count + i) * job->top;
        for (const nn_candidate *end = p + kept_count[i]; p < end; p++) start[p->label + 1]++;
    }
    for (size_t t = 0; t < classes; t++) start[t + 1] += start[t];
    return start[classes];
}

static bool make_found(ev_sweep_found *out) {
    size_t bytes;
    if (out->results && out->count <= out->capacity) return true;
    tn_free(out->results);
    out->capacity = out->count + out->count / 8 + 1; // the next setting may find more
    out->results =
        tn_mul_size(out->capacity, sizeof *out->results, &bytes) ? tn_alloc(bytes) : NULL;
    return out->results != NULL;
}

tn_status ev_sweep_results(const ev_sweep *s, size_t setting, ev_sweep_found *out, tn_error *err) {
    const ev_sweep_job *job = &s->job;
    const io_scores_head *head = &s->scores->head;
    TN_CHECK(setting < job->count, "setting %zu of %zu", setting, job->count);
    size_t *next = tn_alloc_zero(head->classes + 1, sizeof *next);
    out->count = next ? name_starts(job, setting, head->classes, next) : 0;
    if (!next || !make_found(out)) {
        tn_free(next);
        return tn_fail(err, TN_ENOMEM, "out of memory for detections");
    }
    for (size_t i = 0; i < job->span_count; i++) {
        size_t place = setting * job->span_count + i;
        const nn_candidate *p = job->kept + (int64_t)place * job->top;
        for (const nn_candidate *end = p + job->kept_count[place]; p < end; p++) {
            const float *box = tn_f32(&s->scores->boxes) + 4 * (s->spans[i].from + p->box);
            size_t at = next[p->label]++;
            out->results[at] = (io_coco_object){
                .id = (int64_t)at + 1,
                .image_id = s->spans[i].picture,
                .category_id = head->category_ids[p->label],
                .box = {box[0], box[1], box[2] - box[0], box[3] - box[1]},
                .score = (double)p->score,
                .has_box = true,
            };
        }
    }
    tn_free(next);
    return TN_OK;
}
