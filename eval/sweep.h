// SPDX-License-Identifier: Apache-2.0
// From kept scores of boxes to detections, again and again with other weights: fusion (nn/fuse.h)
// and selection (nn/select.h) as a model does them, in a fraction of a second.
#pragma once

#include "io/coco/coco.h"
#include "io/coco/scores.h"
#include "nn/fuse.h"
#include "nn/select.h"
#include "tensor/pool.h"

typedef struct ev_setting {
    nn_fusion fusion;
    double scale1, scale2; // factors on what cosines were multiplied with before the softmax: 1 as
                           // it was, 2 half the temperature
    nn_select_rules rules; // of a picture
} ev_setting;
// As the scores were made.
ev_setting ev_setting_of(const io_scores_head *head);

#define EV_SWEEP_MOST 32 // settings at once
typedef struct ev_sweep ev_sweep;

// scores must outlive it. base [T]: 1 for names that alpha is for; NULL: the head's own. pool may
// be NULL. TN_EFORMAT: the boxes of a picture are not one after the other. TN_ENOMEM.
tn_status ev_sweep_open(const io_scores *scores, const uint8_t *base, tn_pool *pool, ev_sweep **out,
                        tn_error *err);
// Finds the detections of the first *done settings: up to EV_SWEEP_MOST, as many as memory is kept
// for, at least one. Several at once share what is the same for all; equal scales best lie
// together. What an earlier run found is gone. The same bits for any number of threads. TN_ENOMEM.
tn_status ev_sweep_run(ev_sweep *sweep, const ev_setting *settings, size_t count, size_t *done,
                       tn_error *err);
typedef struct ev_sweep_found { // all 0 at first; release with tn_free(results)
    io_coco_object *results;
    size_t count, room;
} ev_sweep_found;
// What the last run found with one of its settings, in the form of COCO results: name after name,
// by picture, best first, the order in which an evaluation wants them. What was there is
// overwritten. May be called by several threads at once. TN_ENOMEM.
tn_status ev_sweep_results(const ev_sweep *sweep, size_t setting, ev_sweep_found *out,
                           tn_error *err);
void ev_sweep_close(ev_sweep *sweep); // NULL is fine
