// SPDX-License-Identifier: Apache-2.0
#include "tensor/rng.h"

#include <math.h>

void tn_philox(uint64_t key, uint64_t counter_low, uint64_t counter_high, uint32_t out[4]) {
    uint32_t c0 = (uint32_t)counter_low, c1 = (uint32_t)(counter_low >> 32);
    uint32_t c2 = (uint32_t)counter_high, c3 = (uint32_t)(counter_high >> 32);
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c0 = n0, c1 = (uint32_t)p1, c2 = n2, c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

tn_rng tn_rng_new(uint64_t seed, uint64_t stream) {
    uint32_t block[4]; // mixes seed and stream, so that neighbouring seeds give unrelated numbers
    tn_philox(seed, stream, 0x6c65786d61736bu, block);
    return (tn_rng){.key = (uint64_t)block[1] << 32 | block[0]};
}

uint32_t tn_rng_u32(tn_rng *rng) {
    if (!rng->left) {
        tn_philox(rng->key, rng->counter++, 0, rng->block);
        rng->left = 4;
    }
    return rng->block[4 - rng->left--];
}

double tn_rng_unit(tn_rng *rng) {
    uint64_t high = tn_rng_u32(rng) >> 5, low = tn_rng_u32(rng) >> 6;
    return (double)(high << 26 | low) * 0x1p-53;
}

double tn_rng_uniform(tn_rng *rng, double a, double b) {
    return a + (b - a) * tn_rng_unit(rng);
}

int64_t tn_rng_below(tn_rng *rng, int64_t n) {
    TN_CHECK(n >= 1, "below %lld", (long long)n);
    uint64_t range = (uint64_t)n, limit = UINT64_MAX - UINT64_MAX % range;
    for (;;) {
        uint64_t draw = (uint64_t)tn_rng_u32(rng) << 32;
        draw |= tn_rng_u32(rng);
        if (draw < limit) return (int64_t)(draw % range);
    }
}

double tn_rng_normal(tn_rng *rng) {
    double radius = sqrt(-2 * log(1 - tn_rng_unit(rng)));
    return radius * cos(6.283185307179586 * tn_rng_unit(rng));
}
