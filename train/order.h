// SPDX-License-Identifier: Apache-2.0
// Random numbers of a run. Everything drawn is a function of the run's seed and a position in the
// data, so a resumed run needs only its position.
//
// Position p is sample p % count of epoch p / count; each epoch has its own permutation.
#pragma once

#include "tensor/rng.h"
#include "tensor/tensor.h"

typedef enum tr_stream {
    TR_STREAM_ORDER = 1, // at: epoch
    TR_STREAM_AUGMENT,   // at: position
    TR_STREAM_ANCHORS,   // at: position; choice of anchors
    TR_STREAM_REGIONS,   // at: position; choice of regions
    TR_STREAM_WEIGHTS,   // at: any number; initial values
    TR_STREAM_TEXTS,     // at: position; choice of a text
    TR_STREAM_PATCHES,   // at: position; choice of patches
    TR_STREAM_BOXES,     // at: position; boxes to learn from
} tr_stream;

// at: 0 .. 2^56-1.
tn_rng tr_rng(uint64_t seed, tr_stream stream, int64_t at);

// Caches the permutation of the last requested epoch; positions may be requested in any order.
typedef struct tr_order {
    uint64_t seed;
    int64_t count, epoch;
    int32_t *index; // [count]
} tr_order;

tn_status tr_order_init(tr_order *order, uint64_t seed, int64_t count, tn_error *err); // count >= 1
void tr_order_deinit(tr_order *order);
int64_t tr_order_at(tr_order *order, int64_t position); // the index of a picture, position >= 0
