// SPDX-License-Identifier: Apache-2.0
// Scores are added as logarithms, name by name: all boxes of a name have the same weight.
#include "eval/sweep_picture.h"

#include "tensor/alloc.h"

#include <math.h>
#include <string.h>

// The logarithm of 0: times the smallest weight that is not 0 it still gives probability 0, times 0
// it is 0, whereas minus infinity would give NaN.
#define LOG_ZERO (-1e30f)
#define LOG_MIN (-103.97f) // below this, exp gives 0 in float32

bool ev_sweep_buffers_init(ev_sweep_buffers *buffers, const io_scores *scores, const uint8_t *base,
                           int64_t max_boxes) {
    size_t classes = scores->head.classes, columns = (size_t)io_scores_columns(&scores->head);
    size_t boxes = (size_t)max_boxes, logs, pairs, bytes;
    *buffers = (ev_sweep_buffers){.scores = scores, .base = base, .max_boxes = max_boxes};
    if (!tn_mul_size(boxes, columns, &logs) || !tn_mul_size(boxes, classes, &pairs)) return false;
    if (!nn_select_bytes((int64_t)pairs, (int64_t)classes, &bytes)) return false;
    bool two = scores->head.has_score2;
    buffers->log1 = tn_alloc_zero(logs + 1, sizeof *buffers->log1);
    buffers->log2 = two ? tn_alloc_zero(logs + 1, sizeof *buffers->log2) : NULL;
    for (int part = 0; part < 2; part++)
        buffers->sum[part] =
            tn_alloc_zero(EV_SWEEP_MAX_SETTINGS * boxes + 1, sizeof *buffers->sum[part]);
    buffers->shift = tn_alloc_zero(boxes + 1, sizeof *buffers->shift);
    buffers->list = tn_alloc_zero(pairs + 1, sizeof *buffers->list);
    buffers->scratch = tn_alloc_zero(bytes, 1);
    return buffers->log1 && (buffers->log2 || !two) && buffers->sum[0] && buffers->sum[1] &&
           buffers->shift && buffers->list && buffers->scratch;
}

void ev_sweep_buffers_deinit(ev_sweep_buffers *buffers) {
    tn_free(buffers->log1);
    tn_free(buffers->log2);
    tn_free(buffers->sum[0]);
    tn_free(buffers->sum[1]);
    tn_free(buffers->shift);
    tn_free(buffers->list);
    tn_free(buffers->scratch);
    *buffers = (ev_sweep_buffers){0};
}

// ---- scores ------------------------------------------------------------------------------------

// Probabilities to the power of k, scaled to sum 1: the softmax with k times the scale. As
// logarithms, [columns][max_boxes].
static void logs_of(const float *p, double k, int64_t boxes, int64_t columns, int64_t max_boxes,
                    float *out) {
    for (int64_t i = 0; i < boxes; i++, p += columns, out++) {
        double best = (double)LOG_ZERO, sum = 0;
        for (int64_t t = 0; t < columns; t++) {
            float one = p[t] > 0 ? (float)(k * (double)logf(p[t])) : LOG_ZERO;
            if ((double)one > best) best = (double)one;
            out[t * max_boxes] = one;
        }
        if (k == 1 || !(best > (double)LOG_ZERO)) continue;
        for (int64_t t = 0; t < columns; t++) sum += exp((double)out[t * max_boxes] - best);
        float shift = (float)(best + log(sum));
        for (int64_t t = 0; t < columns; t++) out[t * max_boxes] -= shift;
    }
}

static void sum_names(const ev_sweep_buffers *buffers, int64_t boxes, int part, float w,
                      double *sum) {
    const io_scores_head *head = &buffers->scores->head;
    memset(sum, 0, (size_t)boxes * sizeof *sum);
    for (size_t t = 0; t < head->classes; t++) {
        if ((buffers->base[t] ? 0 : 1) != part) continue;
        const float *l1 = buffers->log1 + (int64_t)t * buffers->max_boxes;
        const float *l2 = buffers->log2 ? buffers->log2 + (int64_t)t * buffers->max_boxes : l1;
        for (int64_t i = 0; i < boxes; i++)
            sum[i] += (double)expf(nn_geometric_mean_log(l1[i], l2[i], w));
    }
    if (part == 0 || !head->background) return;
    const float *l1 = buffers->log1 + (int64_t)head->classes * buffers->max_boxes;
    for (int64_t i = 0; i < boxes; i++) sum[i] += (double)expf(l1[i]);
}

static void set_scales(ev_sweep_buffers *buffers, const ev_span *span, const ev_sweep_job *job,
                       const ev_setting *how) {
    int64_t boxes = span->to - span->from, columns = io_scores_columns(&buffers->scores->head);
    const float *p1 = tn_f32(&buffers->scores->score1) + span->from * columns;
    logs_of(p1, how->scale1, boxes, columns, buffers->max_boxes, buffers->log1);
    if (buffers->log2)
        logs_of(tn_f32(&buffers->scores->score2) + span->from * columns, how->scale2, boxes,
                columns, buffers->max_boxes, buffers->log2);
    bool sums = false;
    for (size_t k = 0; k < job->count; k++) sums |= job->settings[k].fusion.renormalise;
    for (int part = 0; sums && part < 2; part++)
        for (size_t i = 0; i < job->weights[part]; i++)
            sum_names(buffers, boxes, part, (float)job->weight[part][i],
                      buffers->sum[part] + (int64_t)i * buffers->max_boxes);
}

// Objectness and renormalisation; a box without area is never kept.
static void set_shift(ev_sweep_buffers *buffers, const ev_span *span, const nn_fusion *how,
                      const double *base_sum, const double *other_sum) {
    const float *box = tn_f32(&buffers->scores->boxes) + 4 * span->from;
    const float *objectness = tn_f32(&buffers->scores->objectness) + span->from;
    for (int64_t i = 0; i < span->to - span->from; i++, box += 4) {
        double shift = how->objectness > 0 ? how->objectness * log((double)objectness[i]) : 0;
        double sum = how->renormalise ? base_sum[i] + other_sum[i] : 1;
        if (sum > 0) shift -= log(sum);
        buffers->shift[i] = box[2] > box[0] && box[3] > box[1] ? (float)shift : -INFINITY;
    }
}

static int64_t list_candidates(ev_sweep_buffers *buffers, int64_t boxes, const nn_fusion *how,
                               float threshold) {
    int64_t n = 0;
    for (size_t t = 0; t < buffers->scores->head.classes; t++) {
        float w = (float)nn_fusion_weight(how, buffers->base[t]);
        const float *l1 = buffers->log1 + (int64_t)t * buffers->max_boxes;
        const float *l2 = buffers->log2 ? buffers->log2 + (int64_t)t * buffers->max_boxes : l1;
        for (int64_t i = 0; i < boxes; i++) {
            float score = nn_geometric_mean_log(l1[i], l2[i], w) + buffers->shift[i];
            buffers->list[n] = (nn_candidate){score, (int32_t)i, (int32_t)t};
            n += score > threshold; // branch-free: a branch would be unpredictable
        }
    }
    return n;
}

void ev_sweep_picture(ev_sweep_buffers *buffers, const ev_sweep_job *job, size_t picture) {
    const ev_span *span = &job->spans[picture];
    const float *boxes = tn_f32(&buffers->scores->boxes) + 4 * span->from;
    int64_t classes = (int64_t)buffers->scores->head.classes;
    for (size_t k = 0; k < job->count; k++) {
        const ev_setting *how = &job->settings[k];
        size_t place = k * job->span_count + picture;
        if (k == 0 || how->scale1 != how[-1].scale1 || how->scale2 != how[-1].scale2)
            set_scales(buffers, span, job, how);
        set_shift(buffers, span, &how->fusion,
                  buffers->sum[0] + (int64_t)job->at[0][k] * buffers->max_boxes,
                  buffers->sum[1] + (int64_t)job->at[1][k] * buffers->max_boxes);
        float threshold = how->rules.score > 0 ? logf((float)how->rules.score) : LOG_MIN;
        nn_select_rules rules = how->rules;
        rules.score = (double)threshold, rules.logarithms = true;
        int64_t n = list_candidates(buffers, span->to - span->from, &how->fusion, threshold);
        nn_candidate *kept = job->kept + (int64_t)place * job->top;
        n = nn_select(&rules, boxes, buffers->list, n, classes, buffers->scratch, kept);
        for (int64_t i = 0; i < n; i++) kept[i].score = expf(kept[i].score);
        job->kept_count[place] = n;
    }
}
