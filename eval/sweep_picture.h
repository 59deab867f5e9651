// SPDX-License-Identifier: Apache-2.0
// The boxes of one picture under several settings, one after the other.
#pragma once

#include "eval/sweep.h"

typedef struct ev_span { // the boxes of one picture
    int64_t picture, from, to;
} ev_span;

// Several settings, and what they find.
typedef struct ev_sweep_job {
    const ev_span *spans;
    size_t span_count;
    const ev_setting *settings; // [count]
    size_t count;
    // Their different weights: setting k has weight[part][at[part][k]]. Part 0 are base names
    // (alpha), 1 all others (beta).
    double weight[2][EV_SWEEP_MOST];
    size_t weights[2], at[2][EV_SWEEP_MOST];
    int64_t top;         // places of a picture
    nn_candidate *kept;  // [count][span_count][top], best first; box: counted from the picture's
                         // first
    int64_t *kept_count; // [count][span_count]
} ev_sweep_job;

// What a worker needs for a picture of up to `most` boxes.
typedef struct ev_sweep_room {
    const io_scores *scores;
    const uint8_t *base; // [T]
    float *log1, *log2;  // [columns][most] of the picture at hand; log2 NULL: no second score
    double *sum[2];      // [weights of the part][most]: a row's fused scores of the part, for the
                         // part of the others with the background's
    float *shift;        // [most]: what is added to the logarithms of a row
    nn_candidate *list;  // [most*T]
    void *scratch;       // of nn_select
    int64_t most;
} ev_sweep_room;

bool ev_sweep_room_init(ev_sweep_room *room, const io_scores *scores, const uint8_t *base,
                        int64_t most);
void ev_sweep_room_deinit(ev_sweep_room *room); // fine on one that is all 0

// Fills what is kept of one picture, for every setting.
void ev_sweep_picture(ev_sweep_room *room, const ev_sweep_job *job, size_t picture);
