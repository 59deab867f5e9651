// SPDX-License-Identifier: Apache-2.0
// The best pairs of a picture, as models/fvlm/fvlm_choose.c chooses them: what lies over a better
// one of its name goes, what is left fades by overlap, and parts of what is kept go. Only as much
// is looked at as the best `top` need: pairs leave a heap, survive suppression and wait in a pool
// while they fade.
#include "eval/sweep_picture.h"
#include "kernels/rules.h"

#include <math.h>
#include <string.h>

typedef struct chooser {
    ev_sweep_room *room;
    const float *boxes;
    const ev_fusion *how;
    int64_t heaped, survived, waiting, kept; // of room's heap, survivor, pool, and of out
    ev_pair *out;
} chooser;

static inline bool better(const ev_pair *x, const ev_pair *y) {
    if (x->score != y->score) return x->score > y->score;
    if (x->box != y->box) return x->box < y->box;
    return x->name < y->name;
}

// Lets what lies at `at` sink in a heap of n, the best on top.
static void sink(ev_pair *heap, int64_t n, int64_t at) {
    ev_pair item = heap[at];
    for (int64_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && better(&heap[child + 1], &heap[child])) child++;
        if (!better(&heap[child], &item)) break;
        heap[at] = heap[child];
    }
    heap[at] = item;
}

// Whether a better one of its name that survived lies over it.
static bool suppressed(const chooser *c, const ev_pair *one) {
    const ev_sweep_room *room = c->room;
    const float *box = c->boxes + 4 * one->box;
    for (int32_t k = room->newest[one->name]; k >= 0; k = room->before[k])
        if (kn_iou_above(c->boxes + 4 * room->survivor[k], box, c->how->nms)) return true;
    return false;
}

static void fade(const chooser *c, ev_pair *one, const ev_pair *by) {
    if (c->how->soft >= 1 || one->name != by->name) return;
    float iou = kn_iou(c->boxes + 4 * by->box, c->boxes + 4 * one->box);
    if ((double)iou > c->how->soft) one->score += log1pf(-iou);
}

static bool is_part(const chooser *c, const ev_pair *one) {
    for (int64_t k = 0; k < c->kept && c->how->inside < 1; k++)
        if (c->out[k].name == one->name &&
            kn_share_within(c->boxes + 4 * one->box, c->boxes + 4 * c->out[k].box) > c->how->inside)
            return true;
    return false;
}

// The best of the heap, if it survives, joins those that wait.
static void take_from_heap(chooser *c) {
    ev_sweep_room *room = c->room;
    ev_pair one = room->heap[0];
    room->heap[0] = room->heap[--c->heaped];
    sink(room->heap, c->heaped, 0);
    if (suppressed(c, &one)) return;
    room->before[c->survived] = room->newest[one.name];
    room->newest[one.name] = (int32_t)c->survived;
    room->survivor[c->survived++] = one.box;
    for (int64_t k = 0; k < c->kept; k++) fade(c, &one, &c->out[k]);
    room->pool[c->waiting++] = one;
}

static int64_t best_waiting(const chooser *c) {
    int64_t best = 0;
    for (int64_t i = 1; i < c->waiting; i++)
        if (better(&c->room->pool[i], &c->room->pool[best])) best = i;
    return best;
}

// The best of all that is left, faded as it is: nothing in the heap can be better.
static bool next(chooser *c, ev_pair *one) {
    ev_sweep_room *room = c->room;
    int64_t best = best_waiting(c);
    while (c->heaped > 0 && (!c->waiting || better(&room->heap[0], &room->pool[best]))) {
        take_from_heap(c);
        if (c->waiting && better(&room->pool[c->waiting - 1], &room->pool[best]))
            best = c->waiting - 1;
    }
    if (!c->waiting) return false;
    *one = room->pool[best];
    room->pool[best] = room->pool[--c->waiting];
    return true;
}

int64_t ev_sweep_choose(ev_sweep_room *room, const float *boxes, const ev_fusion *how, int64_t n,
                        float least, ev_pair *out) {
    chooser c = {.room = room, .boxes = boxes, .how = how, .heaped = n, .out = out};
    ev_pair one;
    for (int64_t i = n / 2; i-- > 0;) sink(room->heap, n, i);
    memset(room->newest, -1, room->scores->head.classes * sizeof *room->newest);
    while (c.kept < how->top && next(&c, &one) && one.score > least) {
        if (is_part(&c, &one)) continue;
        for (int64_t i = 0; i < c.waiting; i++) fade(&c, &room->pool[i], &one);
        out[c.kept++] = one;
    }
    for (int64_t i = 0; i < c.kept; i++) out[i].score = expf(out[i].score);
    return c.kept;
}
