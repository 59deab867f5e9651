// SPDX-License-Identifier: Apache-2.0
// What the steps of COCO's evaluation hand on: grouping, matching, accumulation.
#pragma once

#include "eval/cocoeval.h"

typedef struct ev_group {     // one category in one picture
    uint32_t category, image; // indices of the ids that are evaluated; image of truth->images
    uint32_t first_truth, truths;
    uint32_t first_result, results; // all that there are
    uint32_t first_hit, hits;       // the best, up to the last limit
    uint32_t wanted[EV_AREAS];      // truths that are not ignored
    bool partial;                   // not all truths are annotated: what is too much is ignored
} ev_group;

typedef struct ev_hit { // a result, compared; a bit for each threshold
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
    uint32_t *truth_order, *result_order; // by category, picture, place in the file
    ev_group *groups;                     // in that order
    size_t group_count, hit_count;
    ev_hit *hits;
    tn_arena *scratch; // one for each worker
    tn_error *errors;  // one for each worker, with the group it is of
    size_t *error_group;
    uint32_t *category_group; // [categories+1]: where a category's groups begin
    ev_coco *out;
} ev_job;

// Fills the group's hits and its counts. scratch is used and given back.
tn_status ev_match_group(const ev_job *job, ev_group *group, tn_arena *scratch, tn_error *err);
// Fills one category's precision and recall from its groups' hits.
tn_status ev_accumulate(const ev_job *job, uint32_t category, tn_arena *scratch, tn_error *err);
void ev_summarize(ev_coco *coco);

// What LVIS leaves out, by index, into flags that are 0: annotations; results (of which the images
// and categories are known in the truth or not).
void ev_lvis_drop_truths(const io_coco *truth, uint8_t *dropped);
tn_status ev_lvis_drop_results(const io_coco *truth, const io_coco_object *results, size_t count,
                               const uint8_t *dropped_truths, uint8_t *dropped, tn_error *err);
tn_status ev_lvis_check(const io_coco *truth, tn_error *err);
void ev_lvis_mark_groups(ev_job *job);

typedef struct ev_ranked {
    double score;
    uint32_t index;
} ev_ranked;
// By falling score; equal ones stay in their order. room: for as many.
void ev_rank(ev_ranked *items, ev_ranked *room, size_t count);
