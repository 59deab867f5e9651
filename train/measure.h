// SPDX-License-Identifier: Apache-2.0
// What a training task tells of the pictures of one update, or of a part of it. Added up.
#pragma once

#include <stdint.h>

#define TR_MAX_LOSSES 8
#define TR_MAX_TALLIES 4

typedef struct tr_measure {
    double loss[TR_MAX_LOSSES];    // the task's losses, in its order
    int64_t tally[TR_MAX_TALLIES]; // what the task counts besides, in its order
    int64_t pictures;
    int64_t left_out; // files that could not be used, each counted once
} tr_measure;
