// SPDX-License-Identifier: Apache-2.0
// Computes detections from stored scores of boxes again with other weights: fusion (nn/fuse.h) and
// selection (nn/select.h) as in a model, in a fraction of a second.
#pragma once

#include "io/coco/coco.h"
#include "io/coco/scores.h"
#include "nn/fuse.h"
#include "nn/select.h"
#include "tensor/pool.h"

typedef struct ev_setting {
    nn_fusion fusion;
    double scale1, scale2; // factors on the scale of cosines in the softmax: 1: unchanged, 2: half
                           // the temperature
    nn_select_rules rules; // per picture
} ev_setting;
// The setting with which the scores were made.
ev_setting ev_setting_of(const io_scores_head *head);

#define EV_SWEEP_MAX_SETTINGS 32 // settings per run
typedef struct ev_sweep ev_sweep;

// scores must outlive it. base [T]: 1 for names that alpha applies to; NULL: the head's. pool may
// be NULL. TN_EFORMAT: the boxes of a picture are not contiguous. TN_ENOMEM.
tn_status ev_sweep_open(const io_scores *scores, const uint8_t *base, tn_pool *pool, ev_sweep **out,
                        tn_error *err);
// Computes the detections of the first *done settings: at least one, at most EV_SWEEP_MAX_SETTINGS
// and as many as fit into memory. Settings share common work, so equal scales should be adjacent.
// Detections of an earlier run are replaced. The same bits for any number of threads. TN_ENOMEM.
tn_status ev_sweep_run(ev_sweep *sweep, const ev_setting *settings, size_t count, size_t *done,
                       tn_error *err);
typedef struct ev_sweep_found { // clear it first; release with tn_free(results)
    io_coco_object *results;
    size_t count, capacity;
} ev_sweep_found;
// The detections of the last run with one of its settings, as COCO results: sorted by name, then by
// picture, then best first, which is the order that an evaluation needs. Overwrites *out. May be
// called by several threads at once. TN_ENOMEM.
tn_status ev_sweep_results(const ev_sweep *sweep, size_t setting, ev_sweep_found *out,
                           tn_error *err);
void ev_sweep_close(ev_sweep *sweep); // NULL is fine
