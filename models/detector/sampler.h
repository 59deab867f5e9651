// SPDX-License-Identifier: Apache-2.0
// The boxes that a loss is taken over: a fixed number, with a share of positives. torchvision's
// BalancedPositiveNegativeSampler, with numbers that depend on key and counter alone.
#pragma once

#include "tensor/rng.h"
#include "tensor/tensor.h"

typedef struct md_sampler {
    int64_t count;   // of boxes: 256 anchors, 512 regions
    double positive; // share of positives at most: 0.5, 0.25
} md_sampler;

// What was chosen. To feed the choice of another program, fill it in: index int32 [n], ascending.
typedef struct md_choice {
    tn_tensor index;   // int32 [n], n <= count: into the boxes, ascending
    int64_t positives; // how many of them are positive
} md_choice;

// label int32 [N]: over 0 positive, 0 negative, under 0 left out. At most floor(count*positive)
// positives, filled up to count with negatives as far as there are some; all equally likely. index
// comes from arena. TN_ENOMEM.
tn_status md_sample(tn_arena *arena, const md_sampler *sampler, tn_rng *rng, const tn_tensor *label,
                    md_choice *out, tn_error *err);
