// SPDX-License-Identifier: Apache-2.0
#include "tensor/pool.h"

#include "tensor/alloc.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

// Workers look for new work this many times before they sleep: kernels follow each other within
// microseconds, and waking a sleeper costs more than most of them.
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
    int64_t tasks;
    _Atomic int64_t next;   // the next task that nobody has taken
    _Atomic int busy;       // workers that have not finished this round
    _Atomic uint64_t round; // grows with each tn_pool_run
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

static void take_tasks(tn_pool *pool, int index) {
    for (;;) {
        int64_t task = atomic_fetch_add(&pool->next, 1);
        if (task >= pool->tasks) return;
        pool->run(pool->job, task, index);
    }
}

static bool news(tn_pool *pool, uint64_t seen) {
    return atomic_load(&pool->round) != seen || atomic_load(&pool->quit);
}

static void wait_for_news(tn_pool *pool, uint64_t seen) {
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
    uint64_t seen = 0;
    for (;;) {
        wait_for_news(pool, seen);
        if (atomic_load(&pool->quit)) return NULL;
        seen = atomic_load(&pool->round);
        take_tasks(pool, self->index);
        atomic_fetch_sub(&pool->busy, 1);
    }
}

static int processors(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}

static void wake_all(tn_pool *pool) {
    if (!atomic_load(&pool->sleepers)) return;
    pthread_mutex_lock(&pool->lock);
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
    pool->workers = threads ? threads : processors();
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

void tn_pool_run(tn_pool *pool, int64_t tasks, tn_task run, void *job) {
    if (tasks <= 0) return;
    if (pool->workers == 1 || tasks == 1) {
        for (int64_t task = 0; task < tasks; task++) run(job, task, 0);
        return;
    }
    pool->run = run;
    pool->job = job;
    pool->tasks = tasks;
    atomic_store(&pool->next, 0);
    atomic_store(&pool->busy, pool->workers - 1);
    atomic_fetch_add(&pool->round, 1);
    wake_all(pool);
    take_tasks(pool, 0);
    // Every worker must have seen this round before the next one may change the job.
    for (int i = 0; atomic_load(&pool->busy); i++) {
        if (i < SPINS)
            relax();
        else
            sched_yield();
    }
}
