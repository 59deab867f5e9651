// SPDX-License-Identifier: Apache-2.0
// COCO's evaluation of boxes and masks as in pycocotools' COCOeval: the same matches, the same
// order among equal scores, the same epsilon, and its oddities (an annotation with id 0 counts as
// unmatched; the area of a result is that of its box if the file has boxes).
#pragma once

#include "io/coco/coco.h"
#include "tensor/pool.h"

enum {
    EV_IOUS = 10,     // 0.5, 0.55, … 0.95
    EV_RECALLS = 101, // 0, 0.01, … 1
    EV_AREAS = 4,     // all, small (to 32*32), medium (to 96*96), large
    EV_LIMITS = 3,    // results per picture: 1, 10, 100
    EV_STATS = 12,
};

typedef struct ev_coco_options {
    bool masks;    // compares masks instead of boxes
    bool agnostic; // ignores categories, as for proposals (pycocotools' useCats = 0)
    // As in the lvis package, with truth read with IO_COCO_LVIS: the best 300 results of a picture
    // (all limits are 300); results of categories whose presence in the picture is unknown are
    // dropped; unmatched results of a category that is not exhaustively annotated are ignored; no
    // crowds, no areas of 0. Not together with agnostic, images or categories.
    bool lvis;
    // Only objects of all sizes together, not small, medium and large ones (whose figures are -1):
    // a third of the work.
    bool all_sizes;
    int limits[EV_LIMITS]; // ascending; all 0: 1, 10, 100
    // Only these ids, if not NULL; results in other pictures or of other categories are dropped.
    const int64_t *images, *categories;
    size_t image_count, category_count;
} ev_coco_options;

typedef struct ev_coco {
    int limits[EV_LIMITS];
    size_t category_count;  // 1 if agnostic
    int64_t *category_ids;  // ascending; -1 if agnostic
    double *precision;      // [category][area][limit][iou][recall]; -1 if there are no truths
    double *recall;         // [category][area][limit][iou]; -1 if there are no truths
    size_t truths, results; // numbers that were compared
    size_t zero_ids;        // annotations with id 0, which count as never matched: worth a warning
    // AP, AP50, AP75, AP small medium large, AR at the three limits, AR small medium large
    double stats[EV_STATS];
} ev_coco;

// truth: from io_coco_open (with shapes if masks). results: image_id, category_id, score, box and
// shape are used; if the first one has a box, areas are those of boxes, else of masks. pool NULL:
// one thread; the figures have the same bits for any pool. Release with ev_coco_deinit. TN_EFORMAT:
// a result in an unknown picture, a missing box, area or segmentation, a broken mask (of those that
// are compared); lvis: a picture without its lists, a category without frequency. TN_ENOMEM.
tn_status ev_coco_evaluate(const io_coco *truth, const io_coco_object *results, size_t count,
                           const ev_coco_options *options, tn_pool *pool, ev_coco *out,
                           tn_error *err);
// The same from files, which two threads read at the same time.
tn_status ev_coco_evaluate_files(const char *truth, const char *results,
                                 const ev_coco_options *options, tn_pool *pool, ev_coco *out,
                                 tn_error *err);
void ev_coco_deinit(ev_coco *coco); // fine on a cleared one

// Mean precision (over recalls and categories) or mean recall; iou -1: over all ten. categories:
// indices into category_ids, NULL: all. -1 if there are no truths.
double ev_coco_precision(const ev_coco *coco, int iou, int area, int limit,
                         const size_t *categories, size_t count);
double ev_coco_recall(const ev_coco *coco, int iou, int area, int limit, const size_t *categories,
                      size_t count);
// Writes the twelve lines that pycocotools prints; at most bytes-1 characters and a 0.
void ev_coco_text(const ev_coco *coco, char *text, size_t bytes);
