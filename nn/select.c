// SPDX-License-Identifier: Apache-2.0
// Only as many candidates are processed as the best `top` need: they leave a heap, survive
// suppression and wait in a pool while their scores fade.
#include "nn/select.h"

#include "kernels/rules.h"
#include "nn/pick.h"

#include <math.h>
#include <string.h>

typedef struct selection {
    const nn_select_rules *rules;
    const float *boxes;
    nn_candidate *heap, *pool; // pool: survivors whose scores may still fade
    int32_t *survivor;         // boxes that no better box of the same label suppressed
    int32_t *before;           // index of the previous survivor with the same label, or -1
    int32_t *newest;           // [labels] last survivor of each label, or -1
    int64_t heaped, survived, waiting, kept, left; // left: number that may still leave the heap
    nn_candidate *out;
} selection;

nn_select_rules nn_select_hard(double score, double nms, int64_t top) {
    return (nn_select_rules){.score = score, .nms = nms, .soft = 1, .inside = 1, .top = top};
}

static inline bool better(const nn_candidate *x, const nn_candidate *y) {
    if (x->score != y->score) return x->score > y->score;
    if (x->box != y->box) return x->box < y->box;
    return x->label < y->label;
}

static inline int32_t group_of(const selection *s, const nn_candidate *one) {
    return s->rules->agnostic ? 0 : one->label;
}

static inline const float *box_of(const selection *s, const nn_candidate *one) {
    return s->boxes + 4 * (int64_t)one->box;
}

// Moves the candidate at `at` down a heap of n, whose best is on top.
static void sink(nn_candidate *heap, int64_t n, int64_t at) {
    nn_candidate item = heap[at];
    for (int64_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && better(&heap[child + 1], &heap[child])) child++;
        if (!better(&heap[child], &item)) break;
        heap[at] = heap[child];
    }
    heap[at] = item;
}

// Most pairs of boxes are disjoint: their IoU is 0 and never exceeds a threshold.
static inline bool disjoint(const float *a, const float *b) {
    return a[2] <= b[0] || b[2] <= a[0] || a[3] <= b[1] || b[3] <= a[1];
}

// Whether a better survivor with the same label overlaps it.
static bool suppressed(const selection *s, const nn_candidate *one) {
    const float *box = box_of(s, one);
    if (s->rules->nms >= 1) return false;
    for (int32_t k = s->newest[group_of(s, one)]; k >= 0; k = s->before[k]) {
        const float *other = s->boxes + 4 * (int64_t)s->survivor[k];
        if (!disjoint(other, box) && kn_iou_above(other, box, s->rules->nms)) return true;
    }
    return false;
}

static void fade(const selection *s, nn_candidate *one, const nn_candidate *by) {
    if (s->rules->soft >= 1 || group_of(s, one) != group_of(s, by)) return;
    float iou = kn_iou(box_of(s, by), box_of(s, one));
    if (!((double)iou > s->rules->soft)) return;
    one->score = s->rules->logarithms ? one->score + log1pf(-iou) : one->score * (1 - iou);
}

// A box inside a better one of the same label is usually a part of the same object.
static bool is_part(const selection *s, const nn_candidate *one) {
    for (int64_t k = 0; k < s->kept && s->rules->inside < 1; k++)
        if (group_of(s, &s->out[k]) == group_of(s, one) &&
            kn_share_within(box_of(s, one), box_of(s, &s->out[k])) > s->rules->inside)
            return true;
    return false;
}

// Takes the best from the heap; if it survives, it joins the pool.
static void take_from_heap(selection *s) {
    nn_candidate one = s->heap[0];
    s->heap[0] = s->heap[--s->heaped];
    s->left--;
    sink(s->heap, s->heaped, 0);
    if (suppressed(s, &one)) return;
    int32_t *newest = &s->newest[group_of(s, &one)];
    s->before[s->survived] = *newest;
    *newest = (int32_t)s->survived;
    s->survivor[s->survived++] = one.box;
    for (int64_t k = 0; k < s->kept; k++) fade(s, &one, &s->out[k]);
    s->pool[s->waiting++] = one;
}

static int64_t best_waiting(const selection *s) {
    int64_t best = 0;
    for (int64_t i = 1; i < s->waiting; i++)
        if (better(&s->pool[i], &s->pool[best])) best = i;
    return best;
}

// The best of all remaining candidates after fading: none in the heap can be better.
static bool next(selection *s, nn_candidate *one) {
    int64_t best = best_waiting(s);
    while (s->heaped > 0 && s->left > 0 && (!s->waiting || better(&s->heap[0], &s->pool[best]))) {
        take_from_heap(s);
        if (s->waiting && better(&s->pool[s->waiting - 1], &s->pool[best])) best = s->waiting - 1;
    }
    if (!s->waiting) return false;
    *one = s->pool[best];
    s->pool[best] = s->pool[--s->waiting];
    return true;
}

bool nn_select_bytes(int64_t count, int64_t labels, size_t *bytes) {
    size_t each = sizeof(nn_candidate) + 2 * sizeof(int32_t), of_labels;
    return count <= INT32_MAX && tn_mul_size((size_t)count, each, bytes) &&
           tn_mul_size((size_t)labels + 1, sizeof(int32_t), &of_labels) &&
           tn_add_size(*bytes, of_labels, bytes);
}

int64_t nn_select(const nn_select_rules *rules, const float *boxes, nn_candidate *candidates,
                  int64_t count, int64_t labels, void *scratch, nn_candidate *out) {
    selection s = {.rules = rules, .boxes = boxes, .heap = candidates, .heaped = count, .out = out};
    nn_candidate one;
    s.pool = scratch;
    s.survivor = (int32_t *)(s.pool + count);
    s.before = s.survivor + count;
    s.newest = s.before + count;
    s.left = rules->best ? rules->best : count;
    memset(s.newest, -1, ((size_t)labels + 1) * sizeof *s.newest);
    for (int64_t i = count / 2; i-- > 0;) sink(s.heap, count, i);
    while (s.kept < rules->top && next(&s, &one) && one.score > (float)rules->score) {
        if (is_part(&s, &one)) continue;
        for (int64_t i = 0; i < s.waiting && rules->soft < 1; i++) fade(&s, &s.pool[i], &one);
        out[s.kept++] = one;
    }
    return s.kept;
}

// ---- for a model -------------------------------------------------------------------------------

static tn_status out_of_memory(nn_ctx *cx, int64_t count) {
    return tn_fail(cx->err, TN_ENOMEM, "out of memory for %lld candidates", (long long)count);
}

tn_status nn_candidates_new(nn_ctx *cx, int64_t count, int64_t labels, nn_candidate **out) {
    size_t bytes;
    bool fits = tn_mul_size((size_t)count, (size_t)labels, &bytes) &&
                tn_mul_size(bytes, sizeof **out, &bytes);
    *out = fits ? tn_arena_alloc(cx->step, bytes) : NULL;
    return *out ? TN_OK : out_of_memory(cx, count);
}

tn_status nn_select_rows(nn_ctx *cx, const nn_select_rules *rules, const tn_tensor *boxes,
                         nn_candidate *candidates, int64_t count, int64_t labels,
                         nn_selected *out) {
    size_t bytes;
    int64_t most = count < rules->top ? count : rules->top;
    nn_candidate *kept;
    TN_TRY(nn_candidates_new(cx, most, 1, &kept));
    void *scratch = nn_select_bytes(count, labels, &bytes) ? tn_arena_alloc(cx->step, bytes) : NULL;
    if (!scratch) return out_of_memory(cx, count);
    int64_t n = nn_select(rules, tn_f32(boxes), candidates, count, labels, scratch, kept);
    TN_TRY(tn_new(cx->step, &out->scores, TN_F32, TN_DIMS(n), cx->err));
    TN_TRY(tn_new(cx->step, &out->rows, TN_I32, TN_DIMS(n), cx->err));
    TN_TRY(tn_new(cx->step, &out->labels, TN_I32, TN_DIMS(n), cx->err));
    for (int64_t i = 0; i < n; i++) {
        tn_f32(&out->scores)[i] = kept[i].score;
        tn_i32(&out->rows)[i] = kept[i].box;
        tn_i32(&out->labels)[i] = kept[i].label;
    }
    return nn_pick_rows(cx, boxes, &out->rows, &out->boxes);
}
