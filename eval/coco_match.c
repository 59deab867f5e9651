// SPDX-License-Identifier: Apache-2.0
// Matches results to truths for one category in one picture, at every threshold and area range.
#include "eval/coco_internal.h"
#include "io/coco/coco_rle.h"

#include <math.h>
#include <string.h>

// Minimum and maximum area of all, small, medium and large.
static const double area_range[EV_AREAS][2] = {
    {0, 1e10}, {0, 32 * 32}, {32 * 32, 96 * 96}, {96 * 96, 1e10}};

#define RUN 16 // sorted by insertion

static void insert(ev_ranked *items, size_t count) {
    for (size_t i = 1; i < count; i++) {
        ev_ranked item = items[i];
        size_t at = i;
        for (; at > 0 && items[at - 1].score < item.score; at--) items[at] = items[at - 1];
        items[at] = item;
    }
}

// Merges two adjacent sorted lists, stably.
static void merge(const ev_ranked *a, const ev_ranked *b, const ev_ranked *end, ev_ranked *out) {
    const ev_ranked *middle = b;
    while (a < middle && b < end) *out++ = b->score > a->score ? *b++ : *a++;
    memcpy(out, a, (size_t)(middle - a) * sizeof *out);
    memcpy(out + (middle - a), b, (size_t)(end - b) * sizeof *out);
}

void ev_rank(ev_ranked *items, ev_ranked *scratch, size_t count) {
    ev_ranked *from = items, *to = scratch;
    for (size_t at = 0; at < count; at += RUN)
        insert(items + at, count - at < RUN ? count - at : RUN);
    for (size_t width = RUN; width < count; width *= 2) {
        for (size_t at = 0; at < count; at += 2 * width) {
            size_t middle = at + width < count ? at + width : count;
            size_t end = at + 2 * width < count ? at + 2 * width : count;
            merge(from + at, from + middle, from + end, to + at);
        }
        ev_ranked *next = from;
        from = to, to = next;
    }
    if (from != items) memcpy(items, from, count * sizeof *items);
}

static tn_status no_memory(tn_error *err) {
    return tn_fail(err, TN_ENOMEM, "out of memory for the comparison of one picture");
}

typedef struct item { // a truth or a result
    const io_coco_object *object;
    double box[4], area;
    io_rle mask;
} item;

typedef struct group_work {
    const ev_job *job;
    const ev_group *group;
    const io_coco_image *image;
    tn_arena *scratch;
    item *truths, *results;
    double *iou;      // [results][truths]
    uint32_t *order;  // of truths, those not ignored first
    uint8_t *ignored; // by position in that order
    uint16_t *taken;  // by position in that order, one bit per threshold
    uint32_t *nearby; // positions of truths that overlap enough
    tn_error *err;
} group_work;

static tn_status prefix(group_work *w, const item *t, bool result) {
    return tn_fail_prefix(w->err, "%s %lld (picture %lld)", result ? "result" : "annotation",
                          (long long)t->object->id, (long long)t->object->image_id);
}

// A result without segmentation is replaced by its box, as a polygon.
static tn_status make_mask(group_work *w, item *t, bool result) {
    uint32_t h = (uint32_t)w->image->h, width = (uint32_t)w->image->w;
    const io_coco_shape *shape = &t->object->shape;
    bool drawn = shape->kind == IO_COCO_POLYGONS || shape->kind == IO_COCO_NONE;
    tn_status status;
    if (drawn && (h == 0 || width == 0))
        status = tn_fail(w->err, TN_EFORMAT, "the picture has no width and height");
    else if (shape->kind == IO_COCO_NONE && result && t->object->has_box)
        status = io_rle_from_box(t->object->box, h, width, w->scratch, &t->mask, w->err);
    else
        status = io_rle_from_shape(shape, h, width, w->scratch, &t->mask, w->err);
    return status == TN_OK ? TN_OK : prefix(w, t, result);
}

static void box_of_mask(item *t) {
    uint32_t box[4];
    io_rle_box(&t->mask, box);
    for (int i = 0; i < 4; i++) t->box[i] = box[i];
}

static tn_status make_truths(group_work *w) {
    const ev_group *g = w->group;
    for (uint32_t i = 0; i < g->truths; i++) {
        item *t = &w->truths[i];
        t->object = &w->job->truth->objects[w->job->truth_order[g->first_truth + i]];
        t->area = t->object->area;
        if (w->job->masks && g->hits) {
            TN_TRY(make_mask(w, t, false));
            box_of_mask(t);
        } else {
            memcpy(t->box, t->object->box, sizeof t->box);
        }
    }
    return TN_OK;
}

// Masks are needed only if there is a truth to compare with, or if the area depends on them.
static tn_status make_result(group_work *w, item *t) {
    const ev_job *job = w->job;
    bool box = t->object->has_box;
    if ((job->masks && w->group->truths) || !job->box_areas || (!job->masks && !box))
        TN_TRY(make_mask(w, t, true));
    if (job->masks ? w->group->truths > 0 : !box)
        box_of_mask(t);
    else
        memcpy(t->box, t->object->box, sizeof t->box);
    t->area = job->box_areas ? t->object->box[2] * t->object->box[3] : io_rle_area(&t->mask);
    return TN_OK;
}

// The best results of the group, in order.
static tn_status make_results(group_work *w) {
    const ev_group *g = w->group;
    size_t mark = tn_arena_mark(w->scratch);
    ev_ranked *ranked = tn_arena_alloc(w->scratch, g->results * sizeof *ranked);
    ev_ranked *spare = tn_arena_alloc(w->scratch, g->results * sizeof *spare);
    if (!ranked || !spare) return no_memory(w->err);
    for (uint32_t i = 0; i < g->results; i++) {
        uint32_t index = w->job->result_order[g->first_result + i];
        // A group has the order of the file (except agnostic ones), so i breaks ties.
        ranked[i] = (ev_ranked){w->job->results[index].score, i};
    }
    ev_rank(ranked, spare, g->results);
    for (uint32_t i = 0; i < g->hits; i++)
        w->results[i].object =
            &w->job->results[w->job->result_order[g->first_result + ranked[i].index]];
    tn_arena_reset(w->scratch, mark);
    for (uint32_t i = 0; i < g->hits; i++) TN_TRY(make_result(w, &w->results[i]));
    return TN_OK;
}

static bool is_crowd(const group_work *w, const item *truth) {
    return truth->object->crowd && !w->job->lvis;
}

static void compare(group_work *w) {
    for (uint32_t d = 0; d < w->group->hits; d++)
        for (uint32_t t = 0; t < w->group->truths; t++) {
            const item *result = &w->results[d], *truth = &w->truths[t];
            double iou = io_box_iou(result->box, truth->box, is_crowd(w, truth));
            if (iou > 0 && w->job->masks)
                iou = io_rle_iou(&result->mask, &truth->mask, is_crowd(w, truth));
            w->iou[(size_t)d * w->group->truths + t] = iou;
        }
}

static bool outside(double area, int range) {
    return area < area_range[range][0] || area > area_range[range][1];
}

// Sorts the truths that count before the others, each part in file order.
static void order_truths(group_work *w, int range, uint32_t *wanted) {
    uint32_t n = w->group->truths, at = 0;
    for (int ignored = 0; ignored < 2; ignored++) {
        for (uint32_t i = 0; i < n; i++) {
            const item *t = &w->truths[i];
            bool never = w->job->lvis ? t->object->ignore : t->object->crowd;
            if ((never || outside(t->area, range)) != ignored) continue;
            w->ignored[at] = (uint8_t)ignored;
            w->taken[at] = 0;
            w->order[at++] = i;
        }
        if (!ignored) *wanted = at;
    }
}

// The truth that a result matches at a threshold: the one with the largest overlap among those that
// are free (crowds always are), later ones winning ties; an ignored one only if there is no other.
// -1: none. near: number of truths whose overlap reaches the lowest threshold, in w->nearby.
static int64_t choose(const group_work *w, const double *iou, uint32_t near, int threshold) {
    double best = fmin(w->job->ious[threshold], 1 - 1e-10);
    int64_t best_at = -1;
    for (uint32_t i = 0; i < near; i++) {
        uint32_t at = w->nearby[i], truth = w->order[at];
        if (w->taken[at] >> threshold & 1 && !is_crowd(w, &w->truths[truth])) continue;
        if (best_at >= 0 && !w->ignored[best_at] && w->ignored[at]) break;
        if (iou[truth] < best) continue;
        best = iou[truth];
        best_at = at;
    }
    return best_at;
}

static void match_result(group_work *w, int range, uint32_t d, ev_hit *hit) {
    uint32_t truths = w->group->truths, near = 0;
    const double *iou = w->iou + (size_t)d * truths;
    double area = w->results[d].area;
    if (w->job->lvis && !(area > 0)) { // as if it did not exist
        hit->matched[range] = 0, hit->ignored[range] = UINT16_MAX;
        return;
    }
    for (uint32_t at = 0; at < truths; at++)
        if (iou[w->order[at]] >= w->job->ious[0]) w->nearby[near++] = at;
    unsigned matched = 0, ignored = 0;
    for (int threshold = 0; near && threshold < EV_IOUS; threshold++) {
        int64_t at = choose(w, iou, near, threshold);
        if (at < 0) continue;
        w->taken[at] = (uint16_t)(w->taken[at] | 1u << threshold);
        if (w->ignored[at]) ignored |= 1u << threshold;
        if (w->truths[w->order[at]].object->id != 0) matched |= 1u << threshold;
    }
    if (outside(area, range) || w->group->partial) ignored |= ~matched;
    hit->matched[range] = (uint16_t)matched;
    hit->ignored[range] = (uint16_t)ignored;
}

static bool allocate(group_work *w) {
    size_t truths = w->group->truths, hits = w->group->hits, pairs;
    if (!tn_mul_size(truths, hits, &pairs) || !tn_mul_size(pairs, sizeof *w->iou, &pairs))
        return false;
    return (w->truths = tn_arena_alloc(w->scratch, truths * sizeof *w->truths)) &&
           (w->results = tn_arena_alloc(w->scratch, hits * sizeof *w->results)) &&
           (w->order = tn_arena_alloc(w->scratch, truths * sizeof *w->order)) &&
           (w->ignored = tn_arena_alloc(w->scratch, truths)) &&
           (w->taken = tn_arena_alloc(w->scratch, truths * sizeof *w->taken)) &&
           (w->nearby = tn_arena_alloc(w->scratch, truths * sizeof *w->nearby)) &&
           (w->iou = tn_arena_alloc(w->scratch, pairs));
}

static tn_status match(group_work *w, ev_group *group) {
    if (!allocate(w)) return no_memory(w->err);
    TN_TRY(make_truths(w));
    TN_TRY(make_results(w));
    compare(w);
    ev_hit *hits = w->job->hits + group->first_hit;
    for (uint32_t d = 0; d < group->hits; d++)
        hits[d] = (ev_hit){.score = w->results[d].object->score, .rank = d};
    for (int range = 0; range < w->job->areas; range++) {
        order_truths(w, range, &group->wanted[range]);
        for (uint32_t d = 0; d < group->hits; d++) match_result(w, range, d, &hits[d]);
    }
    return TN_OK;
}

tn_status ev_match_group(const ev_job *job, ev_group *group, tn_arena *scratch, tn_error *err) {
    size_t mark = tn_arena_mark(scratch);
    group_work w = {.job = job,
                    .group = group,
                    .image = &job->truth->images[group->image],
                    .scratch = scratch,
                    .err = err};
    tn_status status = match(&w, group);
    tn_arena_reset(scratch, mark);
    return status;
}
