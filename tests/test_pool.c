// SPDX-License-Identifier: Apache-2.0
// The thread pool, and how many threads it has by itself.
#include "io/file.h"
#include "tensor/pool.h"
#include "tensor/processors.h"
#include "tests/support/program.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

// ---- rounds ------------------------------------------------------------------------------------

#define MOST 300

typedef struct round {
    int workers;
    int64_t tasks;
    _Atomic int runs[MOST];
    _Atomic int wrong; // tasks that saw another round's job, or a worker that there is not
} round;

static void count(void *job, int64_t task, int worker) {
    round *r = job;
    if (task < 0 || task >= r->tasks || worker < 0 || worker >= r->workers) {
        atomic_fetch_add(&r->wrong, 1);
        return;
    }
    atomic_fetch_add(&r->runs[task], 1);
}

// Rounds follow each other at once, each with a job of its own; more threads than processors, so
// that some come late.
static void pool_runs_every_task_once_per_round(void **state) {
    (void)state;
    static const int threads[] = {1, 2, 5, 19};
    for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
        tn_pool *pool;
        tn_error err;
        ASSERT_OK(tn_pool_open(threads[t], &pool, &err), err);
        assert_int_equal(tn_pool_workers(pool), threads[t]);
        round *rounds = calloc(2, sizeof *rounds);
        assert_non_null(rounds);
        for (int i = 0; i < 4000; i++) {
            round *r = &rounds[i % 2];
            memset(r, 0, sizeof *r);
            r->workers = threads[t];
            r->tasks = i * 7 % MOST;
            tn_pool_run(pool, r->tasks, count, r);
            assert_int_equal(r->wrong, 0);
            for (int64_t k = 0; k < MOST; k++) assert_int_equal(r->runs[k], k < r->tasks);
        }
        free(rounds);
        tn_pool_close(pool);
    }
}

// A thousand workers are not waited for where there is work for a few.
static void pool_overhead_is_small(void **state) {
    (void)state;
    tn_pool *pool;
    tn_error err;
    if (tn_pool_open(1000, &pool, &err) != TN_OK) SKIP("this machine does not start 1000 threads");
    round *r = calloc(1, sizeof *r);
    assert_non_null(r);
    r->workers = 1000, r->tasks = 3;
    for (int i = 0; i < 2000; i++) tn_pool_run(pool, r->tasks, count, r);
    for (int64_t k = 0; k < r->tasks; k++) assert_int_equal(r->runs[k], 2000);
    assert_int_equal(r->wrong, 0);
    free(r);
    tn_pool_close(pool);
}

// ---- processors --------------------------------------------------------------------------------

// Writes root/path; its folders are made.
static void put(const char *root, const char *path, const char *text) {
    char name[256];
    tn_error err;
    snprintf(name, sizeof name, "%s/%s", root, path);
    char *last = strrchr(name, '/');
    *last = 0;
    ASSERT_OK(io_make_folder(temporary_path(name), &err), err);
    *last = '/';
    temporary_text(name, text);
}

static int processors_below(const char *root) {
    return tn_processors(temporary_path(root));
}

static void processors_respect_container_quotas(void **state) {
    (void)state;
    int all = processors_below("no-groups");
    assert_in_range(all, 1, 4096);
    if (all < 2) SKIP("one processor: nothing is less");

    const char *root = "version-2"; // a container: the path is its own
    put(root, "proc/self/cgroup", "0::/\n");
    put(root, "sys/fs/cgroup/cpu.max", "max 100000\n");
    assert_int_equal(processors_below(root), all);
    put(root, "sys/fs/cgroup/cpu.max", "50000 100000\n");
    assert_int_equal(processors_below(root), 1); // half a processor is one thread
    put(root, "sys/fs/cgroup/cpu.max", "100000000 100000\n");
    assert_int_equal(processors_below(root), all); // more than there are
    put(root, "sys/fs/cgroup/cpu.max", "nonsense\n");
    assert_int_equal(processors_below(root), all);

    root = "nested"; // the least of all groups that it is in
    put(root, "proc/self/cgroup", "1:memory:/x\n0::/a.slice/b.service\n");
    put(root, "sys/fs/cgroup/a.slice/cpu.max", "100000 100000\n");
    put(root, "sys/fs/cgroup/a.slice/b.service/cpu.max", "max 100000\n");
    assert_int_equal(processors_below(root), 1);

    root = "version-1"; // the path is the host's, and missing here
    put(root, "proc/self/cgroup", "3:cpuset:/\n2:cpu,cpuacct:/docker/0123\n");
    put(root, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    put(root, "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    assert_int_equal(processors_below(root), all);
    put(root, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "90000\n");
    assert_int_equal(processors_below(root), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pool_runs_every_task_once_per_round),
        cmocka_unit_test(pool_overhead_is_small),
        cmocka_unit_test(processors_respect_container_quotas),
    };
    return cmocka_run_group_tests(tests, NULL, temporary_teardown);
}
