// SPDX-License-Identifier: Apache-2.0
// Computes one picture under several settings.
#pragma once

#include "eval/sweep.h"

typedef struct ev_span { // the boxes of one picture
    int64_t picture, from, to;
} ev_span;

// Several settings and their detections.
typedef struct ev_sweep_job {
    const ev_span *spans;
    size_t span_count;
    const ev_setting *settings; // [count]
    size_t count;
    // The distinct weights: setting k has weight[part][at[part][k]]. Part 0 are base names (alpha),
    // part 1 all others (beta).
    double weight[2][EV_SWEEP_MAX_SETTINGS];
    size_t weights[2], at[2][EV_SWEEP_MAX_SETTINGS];
    int64_t top;         // maximum number of detections per picture
    nn_candidate *kept;  // [count][span_count][top], best first; box: index in the picture
    int64_t *kept_count; // [count][span_count]
} ev_sweep_job;

// A worker's buffers for a picture of up to max_boxes boxes.
typedef struct ev_sweep_buffers {
    const io_scores *scores;
    const uint8_t *base; // [T]
    float *log1, *log2;  // [columns][max_boxes] of the current picture; log2 NULL: no second score
    double *sum[2]; // [weights of the part][max_boxes]: a row's fused scores of the part; for part
                    // 1 including the background
    float *shift;   // [max_boxes]: added to the logarithms of a row
    nn_candidate *list; // [max_boxes*T]
    void *scratch;      // of nn_select
    int64_t max_boxes;
} ev_sweep_buffers;

bool ev_sweep_buffers_init(ev_sweep_buffers *buffers, const io_scores *scores, const uint8_t *base,
                           int64_t max_boxes);
void ev_sweep_buffers_deinit(ev_sweep_buffers *buffers); // fine on a cleared one

// Computes the detections of one picture for every setting.
void ev_sweep_picture(ev_sweep_buffers *buffers, const ev_sweep_job *job, size_t picture);
