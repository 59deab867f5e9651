// SPDX-License-Identifier: Apache-2.0
#include "models/detector/sampler.h"

#include <stdlib.h>

// Puts `take` random elements of list[n] in front (Fisher and Yates, stopped early).
static void shuffle_front(tn_rng *rng, int32_t *list, int64_t n, int64_t take) {
    for (int64_t i = 0; i < take && i < n - 1; i++) {
        int64_t other = i + tn_rng_below(rng, n - i);
        int32_t swap = list[i];
        list[i] = list[other], list[other] = swap;
    }
}

static int ascending(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

tn_status md_sample(tn_arena *arena, const md_sampler *sampler, tn_rng *rng, const tn_tensor *label,
                    md_choice *out, tn_error *err) {
    TN_CHECK(label->rank == 1 && sampler->count >= 0 && sampler->positive >= 0 &&
                 sampler->positive <= 1,
             "a choice of %lld, %g positive", (long long)sampler->count, sampler->positive);
    const int32_t *from = tn_i32(label);
    int64_t total = label->dim[0], positives = 0, negatives = 0;
    for (int64_t i = 0; i < total; i++) positives += from[i] > 0, negatives += from[i] == 0;
    int64_t p = (int64_t)((double)sampler->count * sampler->positive);
    if (p > positives) p = positives;
    int64_t n = sampler->count - p < negatives ? sampler->count - p : negatives;
    TN_TRY(tn_new(arena, &out->index, TN_I32, TN_DIMS(p + n), err));
    size_t mark = tn_arena_mark(arena);
    int32_t *list = tn_arena_alloc(arena, (size_t)(positives + negatives + 1) * sizeof *list);
    if (!list)
        return tn_fail(err, TN_ENOMEM, "out of memory to choose from %lld boxes", (long long)total);
    int32_t *positive = list, *negative = list + positives, *index = tn_i32(&out->index);
    for (int64_t i = 0; i < total; i++)
        if (from[i] > 0)
            *positive++ = (int32_t)i;
        else if (from[i] == 0)
            *negative++ = (int32_t)i;
    shuffle_front(rng, list, positives, p);
    shuffle_front(rng, list + positives, negatives, n);
    for (int64_t i = 0; i < p; i++) index[i] = list[i];
    for (int64_t i = 0; i < n; i++) index[p + i] = list[positives + i];
    qsort(index, (size_t)(p + n), sizeof *index, ascending);
    out->positives = p;
    tn_arena_reset(arena, mark);
    return TN_OK;
}
