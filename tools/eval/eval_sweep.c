// SPDX-License-Identifier: Apache-2.0
#include "tools/eval/eval_sweep.h"

#include "tools/eval/sweep_tables.h"
#include "tools/shared/options.h"
#include "tools/shared/progress.h"

#include <math.h>

static tn_status evaluate(const tool_sweep_run *s, const io_coco_object *results, size_t count,
                          tool_sweep_setting *x, tn_error *err) {
    // Only AP and AP50 are looked at.
    ev_coco_options boxes = {.all_sizes = true, .limits = {100, 100, 100}};
    ev_coco coco;
    ev_split split = {0};
    if (s->has_split)
        TN_TRY(ev_split_evaluate(s->truth, results, count, &s->names, &boxes, NULL, &coco, &split,
                                 err));
    else
        TN_TRY(ev_coco_evaluate(s->truth, results, count, &boxes, NULL, &coco, err));
    x->ap = coco.stats[0], x->ap50 = coco.stats[1];
    x->novel = split.ap50[0], x->base = split.ap50[1];
    ev_coco_deinit(&coco);
    return TN_OK;
}

typedef struct batch { // settings whose detections are there
    tool_sweep_run *s;
    size_t first;
    ev_sweep_found *found; // for each worker
    tn_status status[EV_SWEEP_MAX_SETTINGS];
    tn_error error[EV_SWEEP_MAX_SETTINGS];
} batch;

static void evaluate_task(void *context, int64_t task, int worker) {
    batch *b = context;
    ev_sweep_found *found = &b->found[worker];
    tn_error *err = &b->error[task];
    tn_status status = tool_interrupted()
                           ? tn_fail(err, TN_ECANCELLED, "interrupted")
                           : ev_sweep_results(b->s->detector, (size_t)task, found, err);
    if (status == TN_OK)
        status = evaluate(b->s, found->results, found->count,
                          &b->s->settings[b->first + (size_t)task], err);
    b->status[task] = status;
}

// By the AP50 of novel names, if there are any; among those that are equal in three digits, by that
// of all names.
static bool better(const tool_sweep_run *s, const tool_sweep_setting *x,
                   const tool_sweep_setting *than) {
    bool novel = s->has_split && s->names.novel;
    double a = novel ? round(1000 * x->novel) : 0, b = novel ? round(1000 * than->novel) : 0;
    return a != b ? a > b : x->ap50 > than->ap50;
}

// Detections of several settings at once, then a setting a thread.
static tn_status try_some(batch *b, size_t *done, tn_error *err) {
    ev_setting how[EV_SWEEP_MAX_SETTINGS];
    size_t count = 0;
    for (; count < EV_SWEEP_MAX_SETTINGS && b->first + count < b->s->count; count++)
        how[count] = tool_sweep_setting_of(b->s, &b->s->settings[b->first + count]);
    if (tool_interrupted()) return tn_fail(err, TN_ECANCELLED, "interrupted");
    TN_TRY(ev_sweep_run(b->s->detector, how, count, done, err));
    tn_pool_run(b->s->pool, (int64_t)*done, evaluate_task, b);
    for (size_t i = 0; i < *done; i++) {
        if (b->status[i] == TN_OK) continue;
        *err = b->error[i];
        return b->status[i];
    }
    return TN_OK;
}

static tn_status try_all(tool_sweep_run *s, tn_error *err) {
    size_t workers = (size_t)tn_pool_workers(s->pool), done = 0;
    tn_status status = TN_OK;
    batch b = {.s = s, .found = tn_alloc_zero(workers, sizeof *b.found)};
    if (!b.found) return tn_fail(err, TN_ENOMEM, "out of memory for detections");
    for (; b.first < s->count && status == TN_OK; b.first += done)
        status = try_some(&b, &done, err);
    for (size_t i = 0; i < workers; i++) tn_free(b.found[i].results);
    tn_free(b.found);
    for (size_t i = 1; i < s->count && status == TN_OK; i++)
        if (better(s, &s->settings[i], &s->settings[s->best])) s->best = i;
    return status;
}

// Which names alpha is for: with a split its base names, else those that the model was trained on.
static tn_status open_detector(tool_sweep_run *s, tn_error *err) {
    const io_scores_head *head = &s->scores.head;
    uint8_t *base = tn_alloc_zero(head->classes, 1);
    if (!base) return tn_fail(err, TN_ENOMEM, "out of memory for kept scores");
    tn_status status = TN_OK;
    for (size_t i = 0; i < head->classes && status == TN_OK; i++) {
        int64_t at = io_coco_find_category(s->truth, head->category_ids[i]);
        if (at < 0)
            status = tn_fail(err, TN_EFORMAT,
                             "the kept scores are of category %lld, which the annotations do not "
                             "have",
                             (long long)head->category_ids[i]);
        else
            base[i] = s->has_split ? s->names.part[at] == IO_PART_BASE : head->base[i];
    }
    if (status == TN_OK) status = ev_sweep_open(&s->scores, base, s->pool, &s->detector, err);
    tn_free(base);
    return status;
}

tn_status tool_sweep(const io_coco *truth, const tool_eval_options *how,
                     const tool_sweep_options *options, tn_pool *pool, tn_error *err) {
    tool_sweep_run s = {.truth = truth, .how = how, .pool = pool};
    double start = tool_seconds();
    tn_status status = io_scores_open(options->scores, &s.scores, err);
    if (status == TN_OK) status = tool_sweep_settings(&s, options, err);
    if (status == TN_OK) status = tool_eval_split(how, truth, &s.has_split, &s.names, err);
    if (status == TN_OK) {
        status = open_detector(&s, err);
        if (status == TN_OK) status = try_all(&s, err);
        if (status != TN_OK && status != TN_ECANCELLED) tn_fail_prefix(err, "%s", options->scores);
    }
    if (status == TN_OK) status = tool_sweep_show(&s, err);
    if (status == TN_OK)
        tool_note("%zu settings in %.1f s; * is the best AP50 of %s names", s.count,
                  tool_seconds() - start, s.has_split && s.names.novel ? "novel" : "all");
    ev_sweep_close(s.detector);
    io_coco_split_deinit(&s.names);
    tn_free(s.settings);
    io_scores_close(&s.scores);
    return status;
}
