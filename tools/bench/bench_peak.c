// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/bench.h"
#include "tools/shared/options.h"
#include "tools/shared/progress.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define CHAINS 12    // independent sums: more than latency times ports
#define STEPS 400000 // a round of a few milliseconds
#define LOOK 0.3     // seconds; the best round counts
#define COPY_MB 48   // for each thread; well over the caches

static volatile float sink; // so that nothing is left out

#if defined(__clang__)
#define UNROLLED _Pragma("unroll")
#else
#define UNROLLED _Pragma("GCC unroll 16")
#endif

// KEEP tells the compiler that v is used and changed: the loop stays as written.
#define KEEP(v) __asm__ volatile("" : "+" VECTOR_REGISTER(v))

#if defined(__x86_64__)
#define VECTOR_REGISTER "v"

__attribute__((target("avx512f"))) static void chains_avx512(void) {
    __m512 sum[CHAINS], x = _mm512_set1_ps(0.999f);
    UNROLLED for (int i = 0; i < CHAINS; i++) sum[i] = _mm512_set1_ps((float)i);
    for (int k = 0; k < STEPS; k++) UNROLLED for (int i = 0; i < CHAINS; i++) {
            sum[i] = _mm512_fmadd_ps(sum[i], x, x);
            KEEP(sum[i]);
        }
    UNROLLED for (int i = 0; i < CHAINS; i++) sink = _mm512_cvtss_f32(sum[i]);
}

__attribute__((target("avx2,fma"))) static void chains_avx2(void) {
    __m256 sum[CHAINS], x = _mm256_set1_ps(0.999f);
    UNROLLED for (int i = 0; i < CHAINS; i++) sum[i] = _mm256_set1_ps((float)i);
    for (int k = 0; k < STEPS; k++) UNROLLED for (int i = 0; i < CHAINS; i++) {
            sum[i] = _mm256_fmadd_ps(sum[i], x, x);
            KEEP(sum[i]);
        }
    UNROLLED for (int i = 0; i < CHAINS; i++) sink = _mm256_cvtss_f32(sum[i]);
}
#elif defined(__aarch64__)
#define VECTOR_REGISTER "w"
#else
#define VECTOR_REGISTER "m"
#endif

typedef float four __attribute__((vector_size(16)));

static void chains_portable(void) {
    four sum[CHAINS], x = {0.999f, 0.999f, 0.999f, 0.999f};
    UNROLLED for (int i = 0; i < CHAINS; i++) sum[i] = x * (float)i;
    for (int k = 0; k < STEPS; k++) UNROLLED for (int i = 0; i < CHAINS; i++) {
            sum[i] = sum[i] * x + x;
            KEEP(sum[i]);
        }
    UNROLLED for (int i = 0; i < CHAINS; i++) sink = sum[i][0];
}

typedef struct peak_job {
    void (*chains)(void);
    char *memory; // two halves for each thread
} peak_job;

static void chains_task(void *job, int64_t task, int worker) {
    const peak_job *p = job;
    p->chains();
    (void)task;
    (void)worker;
}

static void copy_task(void *job, int64_t task, int worker) {
    const peak_job *p = job;
    size_t half = (size_t)COPY_MB << 20;
    char *from = p->memory + (size_t)task * 2 * half;
    memcpy(from + half, from, half);
    (void)worker;
}

static double best_of(kn_ctx *cx, tn_task run, peak_job *job) {
    double best = 1e30;
    double end = tool_seconds() + LOOK;
    for (double start = tool_seconds(); start < end; start = tool_seconds()) {
        tn_pool_run(kn_pool(cx), kn_threads(cx), run, job);
        double seconds = tool_seconds() - start;
        if (seconds < best) best = seconds;
    }
    return best;
}

bench_peak bench_measure_peak(kn_ctx *cx) {
    bench_peak peak = {0};
    peak_job job = {.chains = chains_portable};
    double width = 4, threads = kn_threads(cx);
#if defined(__x86_64__)
    if (strcmp(kn_level(cx), "avx512") == 0) job.chains = chains_avx512, width = 16;
    if (strcmp(kn_level(cx), "avx2") == 0) job.chains = chains_avx2, width = 8;
#endif
    double flop = threads * 2 * width * CHAINS * (double)STEPS;
    peak.gflops = flop / best_of(cx, chains_task, &job) / 1e9;
    size_t bytes = (size_t)kn_threads(cx) * 2 * ((size_t)COPY_MB << 20);
    job.memory = tn_alloc(bytes);
    if (!job.memory) return peak;
    memset(job.memory, 1, bytes);
    peak.gbytes = (double)bytes / best_of(cx, copy_task, &job) / 1e9;
    tn_free(job.memory);
    return peak;
}
