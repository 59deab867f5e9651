// SPDX-License-Identifier: Apache-2.0
#include "eval/lvis.h"

#include "eval/coco_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_RESULTS 300 // results per picture

static tn_status no_memory(tn_error *err) {
    return tn_fail(err, TN_ENOMEM, "out of memory for the evaluation of LVIS");
}

tn_status ev_lvis_check(const io_coco *truth, tn_error *err) {
    for (size_t i = 0; i < truth->image_count; i++) {
        const io_coco_image *image = &truth->images[i];
        if (!image->absent || !image->partial)
            return tn_fail(err, TN_EFORMAT, "picture %lld has no \"%s\", which LVIS needs",
                           (long long)image->id,
                           image->absent ? "not_exhaustive_category_ids" : "neg_category_ids");
    }
    for (size_t i = 0; i < truth->category_count; i++)
        if (!truth->categories[i].frequency)
            return tn_fail(err, TN_EFORMAT, "category %lld has no \"frequency\", which LVIS needs",
                           (long long)truth->categories[i].id);
    return TN_OK;
}

void ev_lvis_drop_truths(const io_coco *truth, uint8_t *dropped) {
    for (size_t i = 0; i < truth->object_count; i++) {
        const io_coco_object *o = &truth->objects[i];
        dropped[i] = o->has_area && !(o->area > 0);
    }
}

static int by_key(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

// False if the data set does not have both.
static bool key_of(const io_coco *truth, int64_t image_id, int64_t category_id, uint64_t *key) {
    int64_t image = io_coco_find_image(truth, image_id);
    int64_t category = io_coco_find_category(truth, category_id);
    *key = (uint64_t)image << 32 | (uint64_t)category;
    return image >= 0 && category >= 0;
}

// Every category that is known to be present in or absent from a picture, as ascending keys.
static tn_status known_pairs(const io_coco *truth, const uint8_t *dropped, uint64_t **out,
                             size_t *out_count, tn_error *err) {
    size_t capacity = truth->object_count + 1, n = 0;
    for (size_t i = 0; i < truth->image_count; i++) capacity += truth->images[i].absent_count;
    uint64_t *keys = tn_alloc_zero(capacity, sizeof *keys);
    if (!keys) return no_memory(err);
    for (size_t i = 0; i < truth->object_count; i++) {
        const io_coco_object *o = &truth->objects[i];
        if (!dropped[i] && key_of(truth, o->image_id, o->category_id, &keys[n])) n++;
    }
    for (size_t i = 0; i < truth->image_count; i++)
        for (size_t k = 0; k < truth->images[i].absent_count; k++)
            if (key_of(truth, truth->images[i].id, truth->images[i].absent[k], &keys[n])) n++;
    qsort(keys, n, sizeof *keys, by_key);
    *out = keys, *out_count = n;
    return TN_OK;
}

// Drops all but the best of each picture. order: results by picture; from[picture]: index of its
// first one. ranked: space for twice the results of a picture.
static void drop_worst(const io_coco_object *results, const uint32_t *from, size_t images,
                       const uint32_t *order, ev_ranked *ranked, uint8_t *dropped) {
    for (size_t image = 0; image < images; image++) {
        uint32_t n = from[image + 1] - from[image];
        if (n <= MAX_RESULTS) continue;
        for (uint32_t i = 0; i < n; i++) {
            uint32_t index = order[from[image] + i];
            ranked[i] = (ev_ranked){results[index].score, index};
        }
        ev_rank(ranked, ranked + n, n);
        for (uint32_t i = MAX_RESULTS; i < n; i++) dropped[ranked[i].index] = 1;
    }
}

// Regardless of categories: the lvis package considers those later.
static tn_status keep_best(const io_coco *truth, const io_coco_object *results, size_t count,
                           uint8_t *dropped, tn_error *err) {
    size_t images = truth->image_count;
    uint32_t *from = tn_alloc_zero(images + 2, sizeof *from);
    uint32_t *order = from ? tn_alloc_zero(count + 1, sizeof *order) : NULL;
    ev_ranked *ranked = order ? tn_alloc_zero(2 * count + 1, sizeof *ranked) : NULL;
    if (ranked) {
        // Counts are stored two positions ahead, so that after filling each position is a start
        // again.
        for (size_t i = 0; i < count; i++)
            from[io_coco_find_image(truth, results[i].image_id) + 2]++;
        for (size_t i = 2; i < images + 2; i++) from[i] += from[i - 1];
        for (size_t i = 0; i < count; i++)
            order[from[io_coco_find_image(truth, results[i].image_id) + 1]++] = (uint32_t)i;
        drop_worst(results, from, images, order, ranked, dropped);
    }
    bool good = ranked != NULL;
    tn_free(from);
    tn_free(order);
    tn_free(ranked);
    return good ? TN_OK : no_memory(err);
}

tn_status ev_lvis_drop_results(const io_coco *truth, const io_coco_object *results, size_t count,
                               const uint8_t *dropped_truths, uint8_t *dropped, tn_error *err) {
    uint64_t *known = NULL;
    size_t known_count = 0;
    TN_TRY(keep_best(truth, results, count, dropped, err));
    TN_TRY(known_pairs(truth, dropped_truths, &known, &known_count, err));
    for (size_t i = 0; i < count; i++) {
        uint64_t key;
        if (!key_of(truth, results[i].image_id, results[i].category_id, &key) ||
            !bsearch(&key, known, known_count, sizeof key, by_key))
            dropped[i] = 1;
    }
    tn_free(known);
    return TN_OK;
}

void ev_lvis_mark_groups(ev_job *job) {
    for (size_t i = 0; i < job->group_count; i++) {
        ev_group *group = &job->groups[i];
        const io_coco_image *image = &job->truth->images[group->image];
        for (size_t k = 0; k < image->partial_count; k++)
            if (image->partial[k] == job->out->category_ids[group->category]) group->partial = true;
    }
}

// ---- figures -----------------------------------------------------------------------------------

const char *const ev_lvis_names[EV_LVIS_STATS] = {
    "AP",  "AP50", "AP75",   "APs",     "APm",     "APl",     "APr",
    "APc", "APf",  "AR@300", "ARs@300", "ARm@300", "ARl@300",
};

// Threshold (-1: all), area, and which categories by frequency (0: all).
static const struct {
    bool recall;
    int iou, area;
    char frequency;
} figures[EV_LVIS_STATS] = {
    {false, -1, 0, 0},   {false, 0, 0, 0},  {false, 5, 0, 0},    {false, -1, 1, 0},
    {false, -1, 2, 0},   {false, -1, 3, 0}, {false, -1, 0, 'r'}, {false, -1, 0, 'c'},
    {false, -1, 0, 'f'}, {true, -1, 0, 0},  {true, -1, 1, 0},    {true, -1, 2, 0},
    {true, -1, 3, 0},
};

tn_status ev_lvis_stats(const io_coco *truth, const ev_coco *coco, double stats[EV_LVIS_STATS],
                        tn_error *err) {
    size_t *chosen = tn_alloc_zero(coco->category_count + 1, sizeof *chosen);
    if (!chosen) return no_memory(err);
    for (int i = 0; i < EV_LVIS_STATS; i++) {
        size_t count = 0;
        for (size_t k = 0; k < coco->category_count; k++) {
            int64_t at = io_coco_find_category(truth, coco->category_ids[k]);
            char frequency = at < 0 ? 0 : truth->categories[at].frequency;
            if (!figures[i].frequency || frequency == figures[i].frequency) chosen[count++] = k;
        }
        stats[i] = (figures[i].recall ? ev_coco_recall : ev_coco_precision)(
            coco, figures[i].iou, figures[i].area, EV_LIMITS - 1, chosen, count);
    }
    tn_free(chosen);
    return TN_OK;
}

void ev_lvis_text(const double stats[EV_LVIS_STATS], char *text, size_t bytes) {
    static const char *const areas[] = {"all", "s", "m", "l"};
    size_t used = 0;
    if (bytes) text[0] = 0;
    for (int i = 0; i < EV_LVIS_STATS && used < bytes; i++) {
        const char *iou = figures[i].iou < 0 ? "0.50:0.95" : figures[i].iou ? "0.75" : "0.50";
        char frequency[4] = {figures[i].frequency, 0};
        int n = snprintf(text + used, bytes - used,
                         " %-18s %s @[ IoU=%-9s | area=%6s | maxDets=%3d catIds=%3s] = %0.3f\n",
                         figures[i].recall ? "Average Recall" : "Average Precision",
                         figures[i].recall ? "(AR)" : "(AP)", iou, areas[figures[i].area],
                         MAX_RESULTS, figures[i].frequency ? frequency : "all", stats[i]);
        used += n > 0 ? (size_t)n : 0;
    }
}
