// SPDX-License-Identifier: Apache-2.0
// What the benchmarks of single kernels share: tensors to work on, and the time they take.
#include "tools/bench/bench.h"
#include "tools/shared/options.h"
#include "tools/shared/progress.h"

#include <stdio.h>
#include <stdlib.h>

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(double *seconds, int runs) {
    qsort(seconds, (size_t)runs, sizeof *seconds, by_value);
    return seconds[runs / 2];
}

double bench_time(void (*run)(void *of), void *of, int most, double enough) {
    double seconds[BENCH_RUNS], total = 0;
    int runs = 0;
    run(of);
    while (runs < most && (runs < 3 || total < enough)) {
        double start = tool_seconds();
        run(of);
        total += seconds[runs++] = tool_seconds() - start;
    }
    return bench_median(seconds, runs);
}

tn_tensor bench_make(tn_arena *arena, tn_dtype dtype, int rank, const int64_t *dim) {
    tn_tensor t;
    tn_error err;
    if (tn_new(arena, &t, dtype, rank, dim, &err) != TN_OK) {
        fprintf(stderr, "lexmask: bench: %s\n", err.text);
        exit(1);
    }
    return t;
}

tn_tensor bench_noise(tn_arena *arena, double low, double high, int rank, const int64_t *dim) {
    tn_tensor t = bench_make(arena, TN_F32, rank, dim);
    uint32_t state = 12345;
    for (int64_t i = 0; i < tn_count(&t); i++) {
        state = state * 1664525u + 1013904223u;
        tn_f32(&t)[i] = (float)(low + (high - low) * (state >> 8) / (1 << 24));
    }
    return t;
}
