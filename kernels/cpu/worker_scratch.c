// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/cpu.h"

void **kn_cpu_worker_scratch(kn_ctx *cx, size_t bytes) {
    int workers = kn_threads(cx);
    void **rooms = kn_scratch(cx, 0, (size_t)workers * sizeof *rooms);
    for (int i = 0; i < workers; i++) rooms[i] = kn_scratch(cx, i, bytes);
    return rooms;
}

void kn_cpu_worker_scratch_end(kn_ctx *cx) {
    for (int i = 0; i < kn_threads(cx); i++) kn_scratch_reset(cx, i);
}

typedef struct ranges {
    int64_t count, chunk;
    kn_cpu_range run;
    void *job;
} ranges;

static void range_task(void *job, int64_t task, int worker) {
    const ranges *r = job;
    int64_t from = task * r->chunk, to = from + r->chunk;
    r->run(r->job, from, to < r->count ? to : r->count, worker);
}

void kn_cpu_ranges(kn_ctx *cx, int64_t count, int64_t chunk, kn_cpu_range run, void *job) {
    if (count <= 0) return;
    if (chunk < 1) chunk = 1;
    ranges r = {count, chunk, run, job};
    tn_pool_run(kn_pool(cx), (count + chunk - 1) / chunk, range_task, &r);
}
