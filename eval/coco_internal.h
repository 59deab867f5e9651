// SPDX-License-Identifier: Apache-2.0
// Data that the steps of COCO's evaluation share: grouping, matching, accumulation.
#pragma once

#include "eval/cocoeval.h"

typedef struct ev_group {     // one category in one picture
    uint32_t category, image; // indices of the evaluated ids; image: index into truth->images
    uint32_t first_truth, truths;
    uint32_t first_result, results; // all results
    uint32_t first_hit, hits;       // the best results, up to the last limit
    uint32_t wanted[EV_AREAS];      // truths that are not ignored
    bool partial;                   // not all truths are annotated: unmatched results are ignored
} ev_group;

typedef struct ev_hit { // a matched result; one bit per threshold
    double score;
    uint32_t rank; // in its group
    uint16_t matched[EV_AREAS], ignored[EV_AREAS];
} ev_hit;

typedef struct ev_job {
    const io_coco *truth;
    const io_coco_object *results;
    bool masks, agnostic, box_areas, lvis;
    int areas; // of EV_AREAS
    int limits[EV_LIMITS];
    double ious[EV_IOUS], recalls[EV_RECALLS];
    uint32_t *truth_order, *result_order; // by category, picture, position in the file
    ev_group *groups;                     // in that order
    size_t group_count, hit_count;
    ev_hit *hits;
    tn_arena *scratch; // one per worker
    tn_error *errors;  // one per worker, with the group that it concerns
    size_t *error_group;
    uint32_t *category_group; // [categories+1]: first group of each category
    ev_coco *out;
} ev_job;

// Fills the group's hits and counts. scratch is restored on return.
tn_status ev_match_group(const ev_job *job, ev_group *group, tn_arena *scratch, tn_error *err);
// Fills the precision and recall of one category from the hits of its groups.
tn_status ev_accumulate(const ev_job *job, uint32_t category, tn_arena *scratch, tn_error *err);
void ev_summarize(ev_coco *coco);

// What LVIS leaves out: sets flags (0 before), by index, of annotations; of results (whose images
// and categories may be unknown to the truth).
void ev_lvis_drop_truths(const io_coco *truth, uint8_t *dropped);
tn_status ev_lvis_drop_results(const io_coco *truth, const io_coco_object *results, size_t count,
                               const uint8_t *dropped_truths, uint8_t *dropped, tn_error *err);
tn_status ev_lvis_check(const io_coco *truth, tn_error *err);
void ev_lvis_mark_groups(ev_job *job);

typedef struct ev_ranked {
    double score;
    uint32_t index;
} ev_ranked;
// Sorts by descending score, stably. scratch: space for as many items.
void ev_rank(ev_ranked *items, ev_ranked *scratch, size_t count);
