// SPDX-License-Identifier: Apache-2.0
#include "tests/support/levels.h"

#include "tensor/rng.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_LEVELS 8

static const int thread_counts[LEVEL_THREADS] = {1, 2, 7};
static test_level levels[MAX_LEVELS];
static int level_count;
static tn_arena weights;

int levels_setup(void **state) {
    (void)state;
    tn_error err;
    if (tn_arena_init(&weights, (size_t)4 << 30, &err) != TN_OK) return -1;
    const char *name;
    for (int i = 0; (name = kn_level_at(i)); i++) {
        assert_true(i < MAX_LEVELS);
        test_level level = {.name = name};
        tn_status status = TN_OK;
        for (int t = 0; t < LEVEL_THREADS && status == TN_OK; t++)
            status = kn_open("cpu", name, thread_counts[t], &level.cx[t], &err);
        if (status == TN_OK)
            levels[level_count++] = level;
        else if (status == TN_EDEVICE && i > 0)
            printf("not run: %s\n", err.text);
        else
            return -1;
    }
    printf("levels:");
    for (int i = 0; i < level_count; i++) printf(" %s", levels[i].name);
    printf("\n");
    return 0;
}

int levels_teardown(void **state) {
    (void)state;
    guarded_free();
    for (int i = 0; i < level_count; i++)
        for (int t = 0; t < LEVEL_THREADS; t++) kn_close(levels[i].cx[t]);
    level_count = 0;
    tn_arena_deinit(&weights);
    return 0;
}

int levels_count(void) {
    return level_count;
}

const test_level *levels_at(int i) {
    return &levels[i];
}

tn_arena *weight_arena(void) {
    return &weights;
}

#define PATTERN 0xa5

// [first page ... pattern ... data][inaccessible page]
typedef struct block {
    struct block *next;
    uint8_t *base;
    size_t usable, bytes, page;
} block;

static block *blocks;

tn_tensor guarded_new(tn_dtype dtype, int rank, const int64_t *dim) {
    tn_tensor t = tn_view(NULL, dtype, rank, dim);
    block *b = tn_alloc_zero(1, sizeof *b);
    assert_non_null(b);
    b->page = (size_t)sysconf(_SC_PAGESIZE);
    b->bytes = tn_bytes(&t);
    b->usable = (b->bytes + TN_ALIGN + b->page - 1) / b->page * b->page;
    b->base =
        mmap(NULL, b->usable + b->page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(b->base != MAP_FAILED);
    assert_int_equal(mprotect(b->base + b->usable, b->page, PROT_NONE), 0);
    memset(b->base, PATTERN, b->usable - b->bytes);
    t.data = b->base + b->usable - b->bytes;
    memset(t.data, 0xff, b->bytes);
    b->next = blocks;
    blocks = b;
    return t;
}

tn_tensor guarded_copy(const tn_tensor *t) {
    return guarded_convert(t, t->dtype);
}

tn_tensor guarded_convert(const tn_tensor *t, tn_dtype dtype) {
    tn_tensor copy = guarded_new(dtype, t->rank, t->dim);
    if (dtype == t->dtype || (dtype == TN_U8 && t->dtype == TN_BOOL))
        memcpy(copy.data, t->data, tn_bytes(t));
    else
        tn_convert(t->data, t->dtype, copy.data, dtype, (size_t)tn_count(t));
    return copy;
}

tn_tensor guarded_permute(const tn_tensor *t, const int *order) {
    int64_t dim[TN_MAX_RANK], step[TN_MAX_RANK];
    size_t size = tn_dtype_size(t->dtype);
    for (int i = 0; i < t->rank; i++) {
        dim[i] = t->dim[order[i]];
        step[i] = 1;
        for (int j = order[i] + 1; j < t->rank; j++) step[i] *= t->dim[j];
    }
    tn_tensor out = guarded_new(t->dtype, t->rank, dim);
    for (int64_t at = 0; at < tn_count(&out); at++) {
        int64_t from = 0, rest = at;
        for (int i = t->rank - 1; i >= 0; i--) {
            from += rest % dim[i] * step[i];
            rest /= dim[i];
        }
        memcpy((char *)out.data + (size_t)at * size, (const char *)t->data + (size_t)from * size,
               size);
    }
    return out;
}

tn_tensor guarded_random(uint64_t seed, double low, double high, int rank, const int64_t *dim) {
    tn_tensor t = guarded_new(TN_F32, rank, dim);
    tn_rng rng = tn_rng_new(seed, 1);
    for (int64_t i = 0; i < tn_count(&t); i++)
        tn_f32(&t)[i] = (float)tn_rng_uniform(&rng, low, high);
    return t;
}

void guarded_check(void) {
    for (const block *b = blocks; b; b = b->next)
        for (size_t i = 0; i < b->usable - b->bytes; i++)
            if (b->base[i] != PATTERN)
                fail_msg("a tensor of %zu bytes was written %zu bytes before its beginning",
                         b->bytes, b->usable - b->bytes - i);
}

void guarded_free(void) {
    while (blocks) {
        block *b = blocks;
        blocks = b->next;
        munmap(b->base, b->usable + b->page);
        tn_free(b);
    }
    if (weights.base) tn_arena_reset(&weights, 0);
}
