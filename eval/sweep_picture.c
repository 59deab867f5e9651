// SPDX-License-Identifier: Apache-2.0
// Scores are added as logarithms, name by name: within a name the weight is the same for all boxes.
#include "eval/sweep_picture.h"

#include "tensor/alloc.h"

#include <math.h>
#include <string.h>

// The logarithm of 0: times the smallest weight that is not 0 it is still nothing, times 0 it is 0,
// where minus infinity would give NaN.
#define LOG_ZERO (-1e30f)
#define LOG_LEAST (-103.97f) // below it a float32 is 0

bool ev_sweep_room_init(ev_sweep_room *room, const io_scores *scores, const uint8_t *base,
                        int64_t most) {
    size_t classes = scores->head.classes, columns = (size_t)io_scores_columns(&scores->head);
    size_t boxes = (size_t)most, logs, pairs, bytes;
    *room = (ev_sweep_room){.scores = scores, .base = base, .most = most};
    if (!tn_mul_size(boxes, columns, &logs) || !tn_mul_size(boxes, classes, &pairs)) return false;
    if (!nn_select_bytes((int64_t)pairs, (int64_t)classes, &bytes)) return false;
    bool two = scores->head.has_score2;
    room->log1 = tn_alloc_zero(logs + 1, sizeof *room->log1);
    room->log2 = two ? tn_alloc_zero(logs + 1, sizeof *room->log2) : NULL;
    for (int part = 0; part < 2; part++)
        room->sum[part] = tn_alloc_zero(EV_SWEEP_MOST * boxes + 1, sizeof *room->sum[part]);
    room->shift = tn_alloc_zero(boxes + 1, sizeof *room->shift);
    room->list = tn_alloc_zero(pairs + 1, sizeof *room->list);
    room->scratch = tn_alloc_zero(bytes, 1);
    return room->log1 && (room->log2 || !two) && room->sum[0] && room->sum[1] && room->shift &&
           room->list && room->scratch;
}

void ev_sweep_room_deinit(ev_sweep_room *room) {
    tn_free(room->log1);
    tn_free(room->log2);
    tn_free(room->sum[0]);
    tn_free(room->sum[1]);
    tn_free(room->shift);
    tn_free(room->list);
    tn_free(room->scratch);
    *room = (ev_sweep_room){0};
}

// ---- scores ------------------------------------------------------------------------------------

// Probabilities to the power of k, brought to sum 1: the softmax with k times the scale. In
// logarithms, [columns][most].
static void logs_of(const float *p, double k, int64_t boxes, int64_t columns, int64_t most,
                    float *out) {
    for (int64_t i = 0; i < boxes; i++, p += columns, out++) {
        double best = (double)LOG_ZERO, sum = 0;
        for (int64_t t = 0; t < columns; t++) {
            float one = p[t] > 0 ? (float)(k * (double)logf(p[t])) : LOG_ZERO;
            if ((double)one > best) best = (double)one;
            out[t * most] = one;
        }
        if (k == 1 || !(best > (double)LOG_ZERO)) continue;
        for (int64_t t = 0; t < columns; t++) sum += exp((double)out[t * most] - best);
        float shift = (float)(best + log(sum));
        for (int64_t t = 0; t < columns; t++) out[t * most] -= shift;
    }
}

static void sum_names(const ev_sweep_room *room, int64_t boxes, int part, float w, double *sum) {
    const io_scores_head *head = &room->scores->head;
    memset(sum, 0, (size_t)boxes * sizeof *sum);
    for (size_t t = 0; t < head->classes; t++) {
        if ((room->base[t] ? 0 : 1) != part) continue;
        const float *l1 = room->log1 + (int64_t)t * room->most;
        const float *l2 = room->log2 ? room->log2 + (int64_t)t * room->most : l1;
        for (int64_t i = 0; i < boxes; i++)
            sum[i] += (double)expf(nn_geometric_mean_log(l1[i], l2[i], w));
    }
    if (part == 0 || !head->background) return;
    const float *l1 = room->log1 + (int64_t)head->classes * room->most;
    for (int64_t i = 0; i < boxes; i++) sum[i] += (double)expf(l1[i]);
}

static void set_scales(ev_sweep_room *room, const ev_span *span, const ev_sweep_job *job,
                       const ev_setting *how) {
    int64_t boxes = span->to - span->from, columns = io_scores_columns(&room->scores->head);
    const float *p1 = tn_f32(&room->scores->score1) + span->from * columns;
    logs_of(p1, how->scale1, boxes, columns, room->most, room->log1);
    if (room->log2)
        logs_of(tn_f32(&room->scores->score2) + span->from * columns, how->scale2, boxes, columns,
                room->most, room->log2);
    bool sums = false;
    for (size_t k = 0; k < job->count; k++) sums |= job->settings[k].fusion.renormalise;
    for (int part = 0; sums && part < 2; part++)
        for (size_t i = 0; i < job->weights[part]; i++)
            sum_names(room, boxes, part, (float)job->weight[part][i],
                      room->sum[part] + (int64_t)i * room->most);
}

// Objectness, renormalisation; a box without an area is never found.
static void set_shift(ev_sweep_room *room, const ev_span *span, const nn_fusion *how,
                      const double *base_sum, const double *other_sum) {
    const float *box = tn_f32(&room->scores->boxes) + 4 * span->from;
    const float *objectness = tn_f32(&room->scores->objectness) + span->from;
    for (int64_t i = 0; i < span->to - span->from; i++, box += 4) {
        double shift = how->objectness > 0 ? how->objectness * log((double)objectness[i]) : 0;
        double sum = how->renormalise ? base_sum[i] + other_sum[i] : 1;
        if (sum > 0) shift -= log(sum);
        room->shift[i] = box[2] > box[0] && box[3] > box[1] ? (float)shift : -INFINITY;
    }
}

static int64_t list_candidates(ev_sweep_room *room, int64_t boxes, const nn_fusion *how,
                               float least) {
    int64_t n = 0;
    for (size_t t = 0; t < room->scores->head.classes; t++) {
        float w = (float)nn_fusion_weight(how, room->base[t]);
        const float *l1 = room->log1 + (int64_t)t * room->most;
        const float *l2 = room->log2 ? room->log2 + (int64_t)t * room->most : l1;
        for (int64_t i = 0; i < boxes; i++) {
            float score = nn_geometric_mean_log(l1[i], l2[i], w) + room->shift[i];
            room->list[n] = (nn_candidate){score, (int32_t)i, (int32_t)t};
            n += score > least; // no branch: nobody can foresee it
        }
    }
    return n;
}

void ev_sweep_picture(ev_sweep_room *room, const ev_sweep_job *job, size_t picture) {
    const ev_span *span = &job->spans[picture];
    const float *boxes = tn_f32(&room->scores->boxes) + 4 * span->from;
    int64_t classes = (int64_t)room->scores->head.classes;
    for (size_t k = 0; k < job->count; k++) {
        const ev_setting *how = &job->settings[k];
        size_t place = k * job->span_count + picture;
        if (k == 0 || how->scale1 != how[-1].scale1 || how->scale2 != how[-1].scale2)
            set_scales(room, span, job, how);
        set_shift(room, span, &how->fusion, room->sum[0] + (int64_t)job->at[0][k] * room->most,
                  room->sum[1] + (int64_t)job->at[1][k] * room->most);
        float least = how->rules.score > 0 ? logf((float)how->rules.score) : LOG_LEAST;
        nn_select_rules rules = how->rules;
        rules.score = (double)least, rules.logarithms = true;
        int64_t n = list_candidates(room, span->to - span->from, &how->fusion, least);
        nn_candidate *kept = job->kept + (int64_t)place * job->top;
        n = nn_select(&rules, boxes, room->list, n, classes, room->scratch, kept);
        for (int64_t i = 0; i < n; i++) kept[i].score = expf(kept[i].score);
        job->kept_count[place] = n;
    }
}
