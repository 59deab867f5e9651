// SPDX-License-Identifier: Apache-2.0
// What a training task reports about the pictures of one update, or of a part of it. Summed up.
#pragma once

#include <stdint.h>

#define TR_MAX_LOSSES 8
#define TR_MAX_TALLIES 4

typedef struct tr_measure {
    double loss[TR_MAX_LOSSES];    // the task's losses, in order
    int64_t tally[TR_MAX_TALLIES]; // the task's counts, in order
    int64_t pictures;
    int64_t left_out; // unusable files, each counted once
} tr_measure;
