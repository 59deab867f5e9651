// SPDX-License-Identifier: Apache-2.0
// The one thread pool of a context. Work is cut by size, never by thread count, so that the same
// bits come out of 1 thread or 64: which worker runs a task changes nothing but the time.
#pragma once

#include "tensor/status.h"

typedef struct tn_pool tn_pool;

// One piece of the work: task in [0,tasks), worker in [0,tn_pool_workers).
typedef void (*tn_task)(void *job, int64_t task, int worker);

// threads >= 1 counts the caller; 0 asks for one a processor that this process may use.
tn_status tn_pool_open(int threads, tn_pool **out, tn_error *err);
void tn_pool_close(tn_pool *pool); // NULL is fine
int tn_pool_workers(const tn_pool *pool);

// Runs all tasks and returns when they are done; the caller works too. Not to be called from
// inside a task. One caller at a time: a pool belongs to one session.
void tn_pool_run(tn_pool *pool, int64_t tasks, tn_task run, void *job);
