// SPDX-License-Identifier: Apache-2.0
#include "tensor/pool.h"

#include "tensor/alloc.h"
#include "tensor/processors.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

// Workers poll for new work this many times before they sleep: kernels follow each other within
// microseconds, and waking a sleeping thread costs more than most kernels.
#define SPINS 2000

typedef struct worker {
    pthread_t thread;
    struct tn_pool *pool;
    int index;
} worker;

struct tn_pool {
    int workers; // the caller is worker 0
    worker *started;
    tn_task run;
    void *job;
    uint32_t tasks;
    // Upper half: number of the round, incremented by each tn_pool_run. Lower half: tasks of the
    // round that are not taken yet. Both are in one word, so a worker that takes a task knows its
    // round.
    _Atomic uint64_t open;
    _Atomic uint32_t done; // finished tasks of this round
    _Atomic int sleepers;
    _Atomic bool quit;
    pthread_mutex_t lock;
    pthread_cond_t wake;
};

static inline void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

// Takes tasks until none is left. A round cannot end, and the job cannot change, before every taken
// task has ended. So a late worker finds nothing to take, or helps with the next round.
static void take_tasks(tn_pool *pool, int index) {
    for (;;) {
        uint64_t open = atomic_load(&pool->open);
        do {
            if (!(uint32_t)open) return;
        } while (!atomic_compare_exchange_weak(&pool->open, &open, open - 1));
        pool->run(pool->job, pool->tasks - (uint32_t)open, index);
        atomic_fetch_add(&pool->done, 1);
    }
}

static uint32_t round_of(tn_pool *pool) {
    return (uint32_t)(atomic_load(&pool->open) >> 32);
}

static bool news(tn_pool *pool, uint32_t seen) {
    return round_of(pool) != seen || atomic_load(&pool->quit);
}

static void wait_for_news(tn_pool *pool, uint32_t seen) {
    for (int i = 0; i < SPINS; i++) {
        if (news(pool, seen)) return;
        relax();
    }
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->sleepers, 1);
    while (!news(pool, seen)) pthread_cond_wait(&pool->wake, &pool->lock);
    atomic_fetch_sub(&pool->sleepers, 1);
    pthread_mutex_unlock(&pool->lock);
}

static void *worker_main(void *argument) {
    worker *self = argument;
    tn_pool *pool = self->pool;
    uint32_t seen = 0;
    for (;;) {
        wait_for_news(pool, seen);
        if (atomic_load(&pool->quit)) return NULL;
        seen = round_of(pool);
        take_tasks(pool, self->index);
    }
}

// Wakes at most as many workers as there are tasks for.
static void wake(tn_pool *pool, uint32_t max) {
    if (!atomic_load(&pool->sleepers)) return;
    pthread_mutex_lock(&pool->lock);
    if (max < (uint32_t)atomic_load(&pool->sleepers))
        for (; max > 0; max--) pthread_cond_signal(&pool->wake);
    else
        pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
}

static void stop(tn_pool *pool, int started) {
    atomic_store(&pool->quit, true);
    pthread_mutex_lock(&pool->lock);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 1; i < started; i++) pthread_join(pool->started[i].thread, NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    tn_free(pool->started);
    tn_free(pool);
}

tn_status tn_pool_open(int threads, tn_pool **out, tn_error *err) {
    if (threads < 0 || threads > 1024)
        return tn_fail(err, TN_EINVAL, "%d threads: expected 0 (all processors) to 1024", threads);
    tn_pool *pool = tn_alloc_zero(1, sizeof *pool);
    if (!pool) return tn_fail(err, TN_ENOMEM, "out of memory for a thread pool");
    pool->workers = threads ? threads : tn_processors("/");
    pool->started = tn_alloc_zero((size_t)pool->workers, sizeof *pool->started);
    if (!pool->started) {
        tn_free(pool);
        return tn_fail(err, TN_ENOMEM, "out of memory for %d threads", threads);
    }
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    for (int i = 1; i < pool->workers; i++) {
        pool->started[i] = (worker){.pool = pool, .index = i};
        int code = pthread_create(&pool->started[i].thread, NULL, worker_main, &pool->started[i]);
        if (code) {
            stop(pool, i);
            return tn_fail(err, TN_ENOMEM, "cannot start thread %d: %s", i, strerror(code));
        }
    }
    *out = pool;
    return TN_OK;
}

void tn_pool_close(tn_pool *pool) {
    if (pool) stop(pool, pool->workers);
}

int tn_pool_workers(const tn_pool *pool) {
    return pool->workers;
}

static void run_round(tn_pool *pool, uint32_t tasks, tn_task run, void *job) {
    pool->run = run;
    pool->job = job;
    pool->tasks = tasks;
    atomic_store(&pool->done, 0);
    uint64_t round = (uint64_t)round_of(pool) + 1;
    atomic_store(&pool->open, round << 32 | tasks);
    wake(pool, tasks - 1);
    take_tasks(pool, 0);
    // Waits for tasks, not for workers: a worker that the system has suspended without a task does
    // not delay the caller.
    for (int i = 0; atomic_load(&pool->done) < tasks; i++) {
        if (i < SPINS)
            relax();
        else
            sched_yield();
    }
}

void tn_pool_run(tn_pool *pool, int64_t tasks, tn_task run, void *job) {
    if (tasks <= 0) return;
    if (pool->workers > 1 && tasks > 1 && tasks <= UINT32_MAX) {
        run_round(pool, (uint32_t)tasks, run, job);
        return;
    }
    for (int64_t task = 0; task < tasks; task++) run(job, task, 0);
}
