// SPDX-License-Identifier: Apache-2.0
// Counter-based random numbers: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011). A number depends only on key and counter, so any thread can draw any number,
// and saving a counter saves the state.
#pragma once

#include "tensor/status.h"

// Four independent 32-bit numbers for a (key, counter) pair.
void tn_philox(uint64_t key, uint64_t counter_low, uint64_t counter_high, uint32_t out[4]);

// A stream of numbers for one key.
typedef struct tn_rng {
    uint64_t key, counter;
    uint32_t block[4];
    int left;
} tn_rng;

tn_rng tn_rng_new(uint64_t seed, uint64_t stream);
uint32_t tn_rng_u32(tn_rng *rng);
double tn_rng_unit(tn_rng *rng); // uniform in [0,1), 53 bits
double tn_rng_uniform(tn_rng *rng, double a, double b);
int64_t tn_rng_below(tn_rng *rng, int64_t n); // uniform in [0,n), n >= 1, without bias
double tn_rng_normal(tn_rng *rng);            // Box-Muller
