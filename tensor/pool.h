// SPDX-License-Identifier: Apache-2.0
// The thread pool of a context. Work is divided by size, never by the number of threads, so 1
// thread and 64 threads give the same bits: which worker runs a task affects only the time.
#pragma once

#include "tensor/status.h"

typedef struct tn_pool tn_pool;

// One unit of the work: task in [0,tasks), worker in [0,tn_pool_workers).
typedef void (*tn_task)(void *job, int64_t task, int worker);

// threads >= 1 includes the caller; 0 asks for one per processor that this process may use.
tn_status tn_pool_open(int threads, tn_pool **out, tn_error *err);
void tn_pool_close(tn_pool *pool); // NULL is fine
int tn_pool_workers(const tn_pool *pool);

// Runs all tasks and returns when they are done; the caller works too. Must not be called from
// inside a task. One caller at a time: a pool belongs to one session.
void tn_pool_run(tn_pool *pool, int64_t tasks, tn_task run, void *job);
