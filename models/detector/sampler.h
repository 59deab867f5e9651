// SPDX-License-Identifier: Apache-2.0
// Samples the boxes of a loss: a fixed number, with a share of positives. torchvision's
// BalancedPositiveNegativeSampler, with random numbers that depend on key and counter only.
#pragma once

#include "tensor/rng.h"
#include "tensor/tensor.h"

typedef struct md_sampler {
    int64_t count;   // boxes to sample: 256 anchors, 512 regions
    double positive; // maximum share of positives: 0.5, 0.25
} md_sampler;

// A sample. To use another program's choice, fill it in: index int32 [n], ascending.
typedef struct md_choice {
    tn_tensor index;   // int32 [n], n <= count: into the boxes, ascending
    int64_t positives; // how many of them are positive
} md_choice;

// label int32 [N]: over 0 positive, 0 negative, under 0 ignored. At most floor(count*positive)
// positives, filled up to count with negatives if there are enough, all with equal probability.
// index is allocated from arena. TN_ENOMEM.
tn_status md_sample(tn_arena *arena, const md_sampler *sampler, tn_rng *rng, const tn_tensor *label,
                    md_choice *out, tn_error *err);
