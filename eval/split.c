// SPDX-License-Identifier: Apache-2.0
#include "eval/split.h"

#include "tensor/alloc.h"

#include <string.h>

static void part_figures(const io_coco *truth, const io_coco_split *split, const ev_coco *coco,
                         io_part part, size_t *chosen, double *ap50, double *ap) {
    size_t count = 0;
    for (size_t k = 0; k < coco->category_count; k++) {
        int64_t at = io_coco_find_category(truth, coco->category_ids[k]);
        if (part == IO_PART_NONE || split->part[at] == part) chosen[count++] = k;
    }
    *ap50 = ev_coco_precision(coco, 0, 0, EV_LIMITS - 1, chosen, count);
    *ap = ev_coco_precision(coco, -1, 0, EV_LIMITS - 1, chosen, count);
}

static tn_status all_parts(const io_coco *truth, const io_coco_split *split, const ev_coco *coco,
                           ev_split *out, tn_error *err) {
    static const io_part parts[] = {IO_PART_NOVEL, IO_PART_BASE, IO_PART_NONE};
    size_t *chosen = tn_alloc_zero(coco->category_count + 1, sizeof *chosen);
    if (!chosen) return tn_fail(err, TN_ENOMEM, "out of memory for the figures of a split");
    for (int i = 0; i < 3; i++)
        part_figures(truth, split, coco, parts[i], chosen, &out->ap50[i], &out->ap[i]);
    tn_free(chosen);
    return TN_OK;
}

typedef struct chosen {
    int64_t *images, *categories;
    size_t image_count, category_count;
} chosen;

static tn_status choose(const io_coco *truth, const io_coco_split *split, ev_coco_options *o,
                        chosen *c, tn_error *err) {
    TN_TRY(io_coco_split_images(split, truth, &c->images, &c->image_count, err));
    TN_TRY(io_coco_split_ids(split, truth, IO_PART_NONE, &c->categories, &c->category_count, err));
    o->images = c->images, o->image_count = c->image_count;
    o->categories = c->categories, o->category_count = c->category_count;
    return TN_OK;
}

tn_status ev_split_evaluate(const io_coco *truth, const io_coco_object *results, size_t count,
                            const io_coco_split *split, const ev_coco_options *options,
                            tn_pool *pool, ev_coco *coco, ev_split *out, tn_error *err) {
    chosen c = {0};
    ev_coco_options o = *options;
    *coco = (ev_coco){0};
    tn_status status = choose(truth, split, &o, &c, err);
    *out = (ev_split){.base = split->base, .novel = split->novel, .images = c.image_count};
    if (status == TN_OK) status = ev_coco_evaluate(truth, results, count, &o, pool, coco, err);
    if (status == TN_OK) {
        status = all_parts(truth, split, coco, out, err);
        if (status != TN_OK) ev_coco_deinit(coco);
    }
    tn_free(c.images);
    tn_free(c.categories);
    return status;
}

// Copies results whose category the data set does not have (proposals have none at all) under an
// evaluated category; for the other results this is what pycocotools does without categories. *out
// is NULL if there are no such results, which avoids copying five million proposals.
static tn_status renamed(const io_coco *truth, const io_coco_object *results, size_t count,
                         int64_t category, io_coco_object **out, tn_error *err) {
    size_t first = 0;
    *out = NULL;
    while (first < count && io_coco_find_category(truth, results[first].category_id) >= 0) first++;
    if (first == count) return TN_OK;
    *out = tn_alloc_zero(count, sizeof **out);
    if (!*out) return tn_fail(err, TN_ENOMEM, "out of memory for %zu results", count);
    memcpy(*out, results, count * sizeof *results);
    for (size_t i = first; i < count; i++)
        if (io_coco_find_category(truth, (*out)[i].category_id) < 0)
            (*out)[i].category_id = category;
    return TN_OK;
}

static void take_recall(const ev_coco *coco, ev_recall *out) {
    *out = (ev_recall){
        .ar100 = ev_coco_recall(coco, -1, 0, 1, NULL, 0),
        .ar1000 = ev_coco_recall(coco, -1, 0, 2, NULL, 0),
        .r50_100 = ev_coco_recall(coco, 0, 0, 1, NULL, 0),
        .r50_1000 = ev_coco_recall(coco, 0, 0, 2, NULL, 0),
        .small = ev_coco_recall(coco, -1, 1, 2, NULL, 0),
        .medium = ev_coco_recall(coco, -1, 2, 2, NULL, 0),
        .large = ev_coco_recall(coco, -1, 3, 2, NULL, 0),
    };
}

tn_status ev_recall_evaluate(const io_coco *truth, const io_coco_object *results, size_t count,
                             const io_coco_split *split, const ev_coco_options *options,
                             tn_pool *pool, ev_recall *out, tn_error *err) {
    chosen c = {0};
    ev_coco coco = {0};
    io_coco_object *objects = NULL;
    ev_coco_options o = *options;
    o.agnostic = true, o.lvis = false;
    o.limits[0] = 10, o.limits[1] = 100, o.limits[2] = 1000;
    tn_status status = split ? choose(truth, split, &o, &c, err) : TN_OK;
    int64_t any = split && c.category_count ? c.categories[0]
                  : truth->category_count   ? truth->categories[0].id
                                            : 0;
    if (status == TN_OK) status = renamed(truth, results, count, any, &objects, err);
    if (status == TN_OK)
        status = ev_coco_evaluate(truth, objects ? objects : results, count, &o, pool, &coco, err);
    if (status == TN_OK) take_recall(&coco, out);
    ev_coco_deinit(&coco);
    tn_free(objects);
    tn_free(c.images);
    tn_free(c.categories);
    return status;
}
