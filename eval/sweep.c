// SPDX-License-Identifier: Apache-2.0
#include "eval/sweep.h"

#include "kernels/rules.h"
#include "tensor/alloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct span { // the boxes of one picture
    int64_t picture, from, to;
} span;

typedef struct pair { // a box under a name
    float score;
    int32_t box, name;
} pair;

struct ev_sweep {
    const io_scores *scores;
    tn_pool *pool;
    uint8_t *base;
    span *spans;
    size_t span_count;
    int64_t most;          // boxes of one picture
    float *log1, *log2;    // [P,columns]; NULL where there is no score 2
    double scale1, scale2; // that they have now
    pair **room;           // for each worker, `most` x T
    bool **suppressed;
    ev_fusion how; // of the run under way
    pair *kept;    // [span_count,top]
    int64_t *kept_count;
};

ev_fusion ev_fusion_of(const io_scores_head *head) {
    return (ev_fusion){.alpha = head->alpha,
                       .beta = head->beta,
                       .scale1 = 1,
                       .scale2 = 1,
                       .objectness = head->objectness,
                       .renormalise = head->renormalise,
                       .score = head->score,
                       .nms = head->nms,
                       .top = head->top};
}

static void run_tasks(ev_sweep *s, int64_t tasks, tn_task task) {
    if (s->pool)
        tn_pool_run(s->pool, tasks, task, s);
    else
        for (int64_t i = 0; i < tasks; i++) task(s, i, 0);
}

// ---- pictures ----------------------------------------------------------------------------------

static int by_picture(const void *a, const void *b) {
    const span *x = a, *y = b;
    if (x->picture != y->picture) return x->picture < y->picture ? -1 : 1;
    return x->from < y->from ? -1 : x->from > y->from;
}

static tn_status find_spans(ev_sweep *s, tn_error *err) {
    const int64_t *picture = s->scores->pictures.data;
    int64_t count = s->scores->count;
    for (int64_t from = 0, to; from < count; from = to) {
        for (to = from; to < count && picture[to] == picture[from];) to++;
        if (to - from > s->most) s->most = to - from;
        s->spans[s->span_count++] = (span){picture[from], from, to};
    }
    qsort(s->spans, s->span_count, sizeof *s->spans, by_picture);
    for (size_t i = 1; i < s->span_count; i++)
        if (s->spans[i].picture == s->spans[i - 1].picture)
            return tn_fail(err, TN_EFORMAT,
                           "the boxes of picture %lld lie in two places (rows %lld and %lld)",
                           (long long)s->spans[i].picture, (long long)s->spans[i - 1].from,
                           (long long)s->spans[i].from);
    return TN_OK;
}

// ---- scales ------------------------------------------------------------------------------------

// Probabilities to the power of k, brought to sum 1: the softmax with k times the scale. In
// logarithms.
static void scale_row(const float *p, double k, int64_t columns, float *out) {
    double most = -INFINITY, sum = 0;
    for (int64_t t = 0; t < columns; t++) {
        out[t] = p[t] > 0 ? logf(p[t]) : -INFINITY;
        if (k != 1) out[t] = (float)(k * (double)out[t]);
        if (out[t] > most) most = out[t];
    }
    if (k == 1 || !(most > -INFINITY)) return;
    for (int64_t t = 0; t < columns; t++) sum += exp((double)out[t] - most);
    float shift = (float)(most + log(sum));
    for (int64_t t = 0; t < columns; t++) out[t] -= shift;
}

static void scale_span(void *context, int64_t task, int worker) {
    (void)worker;
    ev_sweep *s = context;
    int64_t columns = io_scores_columns(&s->scores->head);
    const float *p1 = tn_f32(&s->scores->score1);
    const float *p2 = s->log2 ? tn_f32(&s->scores->score2) : NULL;
    for (int64_t i = s->spans[task].from; i < s->spans[task].to; i++) {
        scale_row(p1 + i * columns, s->scale1, columns, s->log1 + i * columns);
        if (p2) scale_row(p2 + i * columns, s->scale2, columns, s->log2 + i * columns);
    }
}

// ---- fusion ------------------------------------------------------------------------------------

// The logarithm of p1^(1-w) p2^w; what has no weight has no say, whatever it is.
static float mixed(float log1, float log2, float w) {
    if (w == 0) return log1;
    if (w == 1) return log2;
    return (1 - w) * log1 + w * log2;
}

// What has to be added to a row's logarithms.
static float shift_of(const ev_sweep *s, int64_t i) {
    const io_scores_head *head = &s->scores->head;
    int64_t columns = io_scores_columns(head), classes = (int64_t)head->classes;
    const float *l1 = s->log1 + i * columns, *l2 = s->log2 ? s->log2 + i * columns : NULL;
    double shift = s->how.objectness > 0
                       ? s->how.objectness * log((double)tn_f32(&s->scores->objectness)[i])
                       : 0;
    if (!s->how.renormalise) return (float)shift;
    double sum = 0;
    for (int64_t t = 0; t < columns; t++) {
        float w = (float)(t < classes && s->base[t] ? s->how.alpha : s->how.beta);
        sum += (double)expf(l2 && t < classes ? mixed(l1[t], l2[t], w) : l1[t]);
    }
    return (float)(sum > 0 ? shift - log(sum) : shift);
}

static int64_t list_pairs(const ev_sweep *s, const span *at, pair *out) {
    const io_scores_head *head = &s->scores->head;
    int64_t columns = io_scores_columns(head), classes = (int64_t)head->classes, n = 0;
    float least = logf((float)s->how.score);
    for (int64_t i = at->from; i < at->to; i++) {
        const float *box = tn_f32(&s->scores->boxes) + 4 * i;
        if (!(box[2] > box[0] && box[3] > box[1])) continue;
        const float *l1 = s->log1 + i * columns, *l2 = s->log2 ? s->log2 + i * columns : NULL;
        float shift = shift_of(s, i);
        for (int64_t t = 0; t < classes; t++) {
            float w = (float)(s->base[t] ? s->how.alpha : s->how.beta);
            float f = (l2 ? mixed(l1[t], l2[t], w) : l1[t]) + shift;
            if (f > least) out[n++] = (pair){expf(f), (int32_t)(i - at->from), (int32_t)t};
        }
    }
    return n;
}

// ---- choosing ----------------------------------------------------------------------------------

static int best_first(const pair *x, const pair *y) {
    if (x->score != y->score) return x->score < y->score ? 1 : -1;
    if (x->box != y->box) return x->box < y->box ? -1 : 1;
    return x->name < y->name ? -1 : x->name > y->name;
}

static int by_score(const void *a, const void *b) {
    return best_first(a, b);
}

static int by_name(const void *a, const void *b) {
    const pair *x = a, *y = b;
    if (x->name != y->name) return x->name < y->name ? -1 : 1;
    return best_first(x, y);
}

// The pairs of one name, best first: those that stay move to the front.
static int64_t suppress(const float *boxes, double limit, pair *p, int64_t n, bool *gone) {
    int64_t kept = 0;
    memset(gone, 0, (size_t)n * sizeof *gone);
    for (int64_t i = 0; i < n; i++) {
        if (gone[i]) continue;
        for (int64_t k = i + 1; k < n; k++)
            if (!gone[k] && kn_iou_above(boxes + 4 * p[i].box, boxes + 4 * p[k].box, limit))
                gone[k] = true;
        p[kept++] = p[i];
    }
    return kept;
}

static void detect_span(void *context, int64_t task, int worker) {
    ev_sweep *s = context;
    const span *at = &s->spans[task];
    pair *p = s->room[worker];
    const float *boxes = tn_f32(&s->scores->boxes) + 4 * at->from;
    int64_t n = list_pairs(s, at, p), kept = 0;
    qsort(p, (size_t)n, sizeof *p, by_name);
    for (int64_t from = 0, to; from < n; from = to) {
        for (to = from; to < n && p[to].name == p[from].name;) to++;
        int64_t stay = suppress(boxes, s->how.nms, p + from, to - from, s->suppressed[worker]);
        memmove(p + kept, p + from, (size_t)stay * sizeof *p);
        kept += stay;
    }
    qsort(p, (size_t)kept, sizeof *p, by_score);
    s->kept_count[task] = kept < s->how.top ? kept : s->how.top;
    if (kept) memcpy(s->kept + task * s->how.top, p, (size_t)s->kept_count[task] * sizeof *p);
}

static tn_status as_results(const ev_sweep *s, io_coco_object **results, size_t *count,
                            tn_error *err) {
    size_t n = 0;
    for (size_t i = 0; i < s->span_count; i++) n += (size_t)s->kept_count[i];
    *count = 0;
    *results = tn_alloc_zero(n + 1, sizeof **results);
    if (!*results) return tn_fail(err, TN_ENOMEM, "out of memory for %zu detections", n);
    for (size_t i = 0; i < s->span_count; i++)
        for (int64_t k = 0; k < s->kept_count[i]; k++) {
            const pair *p = &s->kept[(int64_t)i * s->how.top + k];
            const float *box = tn_f32(&s->scores->boxes) + 4 * (s->spans[i].from + p->box);
            (*results)[*count] = (io_coco_object){
                .id = (int64_t)*count + 1,
                .image_id = s->spans[i].picture,
                .category_id = s->scores->head.category_ids[p->name],
                .box = {box[0], box[1], box[2] - box[0], box[3] - box[1]},
                .score = (double)p->score,
                .has_box = true,
            };
            ++*count;
        }
    return TN_OK;
}

tn_status ev_sweep_detect(ev_sweep *s, const ev_fusion *how, io_coco_object **results,
                          size_t *count, tn_error *err) {
    TN_CHECK(how->top > 0 && how->scale1 > 0 && how->scale2 > 0, "top %lld, scales %g and %g",
             (long long)how->top, how->scale1, how->scale2);
    if (how->scale1 != s->scale1 || how->scale2 != s->scale2) {
        s->scale1 = how->scale1, s->scale2 = how->scale2;
        run_tasks(s, (int64_t)s->span_count, scale_span);
    }
    s->how = *how;
    // What a picture keeps is never more than it has.
    int64_t most = s->most * (int64_t)s->scores->head.classes;
    if (s->how.top > most && most > 0) s->how.top = most;
    size_t room;
    s->kept = NULL;
    if (tn_mul_size(s->span_count, (size_t)s->how.top, &room))
        s->kept = tn_alloc_zero(room + 1, sizeof *s->kept);
    if (!s->kept) return tn_fail(err, TN_ENOMEM, "out of memory for detections");
    run_tasks(s, (int64_t)s->span_count, detect_span);
    tn_status status = as_results(s, results, count, err);
    tn_free(s->kept);
    return status;
}

// ---- opening -----------------------------------------------------------------------------------

static bool make_room(ev_sweep *s) {
    size_t columns = (size_t)io_scores_columns(&s->scores->head), pairs;
    size_t workers = s->pool ? (size_t)tn_pool_workers(s->pool) : 1;
    if (!tn_mul_size((size_t)s->most, s->scores->head.classes, &pairs)) return false;
    size_t logs = (size_t)s->scores->count * columns + 1;
    s->log1 = tn_alloc_zero(logs, sizeof *s->log1);
    if (s->scores->head.has_score2) s->log2 = tn_alloc_zero(logs, sizeof *s->log2);
    s->room = tn_alloc_zero(workers, sizeof *s->room);
    s->suppressed = tn_alloc_zero(workers, sizeof *s->suppressed);
    s->kept_count = tn_alloc_zero(s->span_count + 1, sizeof *s->kept_count);
    if (!s->log1 || (s->scores->head.has_score2 && !s->log2) || !s->room || !s->suppressed ||
        !s->kept_count)
        return false;
    for (size_t i = 0; i < workers; i++) {
        s->room[i] = tn_alloc_zero(pairs + 1, sizeof **s->room);
        s->suppressed[i] = tn_alloc_zero((size_t)s->most + 1, sizeof **s->suppressed);
        if (!s->room[i] || !s->suppressed[i]) return false;
    }
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
    if (status == TN_OK && !make_room(s)) status = TN_ENOMEM;
    if (status == TN_ENOMEM) tn_fail(err, TN_ENOMEM, "out of memory for kept scores");
    if (status != TN_OK) {
        ev_sweep_close(s);
        return status;
    }
    memcpy(s->base, base ? base : scores->head.base, classes);
    *out = s;
    return TN_OK;
}

void ev_sweep_close(ev_sweep *s) {
    if (!s) return;
    size_t workers = s->pool ? (size_t)tn_pool_workers(s->pool) : 1;
    for (size_t i = 0; i < workers; i++) {
        if (s->room) tn_free(s->room[i]);
        if (s->suppressed) tn_free(s->suppressed[i]);
    }
    tn_free(s->room);
    tn_free(s->suppressed);
    tn_free(s->kept_count);
    tn_free(s->spans);
    tn_free(s->base);
    tn_free(s->log1);
    tn_free(s->log2);
    tn_free(s);
}
