// SPDX-License-Identifier: Apache-2.0
// COCO's evaluation of boxes and masks, as pycocotools' COCOeval computes it: the same matches, the
// same order among equal scores, the same epsilon, and its oddities (an annotation with id 0 counts
// as not matched; the area of a result is its box's where the file has boxes).
#pragma once

#include "io/coco/coco.h"
#include "tensor/pool.h"

enum {
    EV_IOUS = 10,     // 0.5, 0.55, … 0.95
    EV_RECALLS = 101, // 0, 0.01, … 1
    EV_AREAS = 4,     // all, small (to 32*32), medium (to 96*96), large
    EV_LIMITS = 3,    // results a picture: 1, 10, 100
    EV_STATS = 12,
};

typedef struct ev_coco_options {
    bool masks;    // compare masks, not boxes
    bool agnostic; // forget the categories, as for proposals (pycocotools' useCats = 0)
    // As the lvis package has it, truth being read with IO_COCO_LVIS: the best 300 results of a
    // picture (limits are all 300), none of categories about which nothing is known there; what
    // is too much of a category that is annotated in part is ignored; no crowds, no areas of 0.
    // Not together with agnostic, images or categories.
    bool lvis;
    // Objects of all sizes together, nothing of small, medium and large ones (their figures are
    // -1): a third of the work.
    bool all_sizes;
    int limits[EV_LIMITS]; // ascending; all 0: 1, 10, 100
    // Only these ids, where not NULL; results in other pictures or of other categories are left
    // out.
    const int64_t *images, *categories;
    size_t image_count, category_count;
} ev_coco_options;

typedef struct ev_coco {
    int limits[EV_LIMITS];
    size_t category_count;  // 1 if agnostic
    int64_t *category_ids;  // ascending; of agnostic evaluation -1
    double *precision;      // [category][area][limit][iou][recall]; -1 where nothing is to be found
    double *recall;         // [category][area][limit][iou]; -1 where nothing is to be found
    size_t truths, results; // that were compared
    size_t zero_ids;        // annotations with id 0, which count as never matched: worth a warning
    // AP, AP50, AP75, AP small medium large, AR at the three limits, AR small medium large
    double stats[EV_STATS];
} ev_coco;

// truth: what io_coco_open gave (with shapes if masks). results: image_id, category_id, score, box
// and shape count; with a box in the first, areas are those of boxes, else of masks. pool NULL: one
// thread; the figures are the same bits for any. Release with ev_coco_deinit.
// TN_EFORMAT: a result in an unknown picture, a missing box, area or segmentation, a broken mask
// (of those that are compared); lvis: a picture without its lists, a category without frequency.
// TN_ENOMEM.
tn_status ev_coco_evaluate(const io_coco *truth, const io_coco_object *results, size_t count,
                           const ev_coco_options *options, tn_pool *pool, ev_coco *out,
                           tn_error *err);
// Both files, read by two threads at once.
tn_status ev_coco_evaluate_files(const char *truth, const char *results,
                                 const ev_coco_options *options, tn_pool *pool, ev_coco *out,
                                 tn_error *err);
void ev_coco_deinit(ev_coco *coco); // fine on one that is all 0

// Mean precision (over recalls and categories) or mean recall; iou -1: over all ten. categories:
// indices into category_ids, NULL: all. -1 where there is nothing to be found.
double ev_coco_precision(const ev_coco *coco, int iou, int area, int limit,
                         const size_t *categories, size_t count);
double ev_coco_recall(const ev_coco *coco, int iou, int area, int limit, const size_t *categories,
                      size_t count);
// The twelve lines that pycocotools prints; at most bytes-1 characters and a 0.
void ev_coco_text(const ev_coco *coco, char *text, size_t bytes);
