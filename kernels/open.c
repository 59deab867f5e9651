// SPDX-License-Identifier: Apache-2.0
// Opens contexts and chooses the level for this processor.
#include "kernels/table.h"

#include <stdlib.h>
#include <string.h>

#define SCRATCH_BYTES                                                                              \
    ((size_t)1 << 30) // address space per worker; pages are committed on first use

typedef struct level {
    const kn_table *(*table)(void);
    bool (*runs)(void); // NULL: runs on any processor
} level;

// Features that the processor has and whose registers the system saves; queried once per context.
static bool runs_avx2(void) {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return false;
#endif
}

static bool runs_avx512(void) {
#if defined(__x86_64__)
    return runs_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#else
    return false;
#endif
}

// Lowest first; the default is the last one that runs.
static const level levels[] = {
    {kn_ref_table, NULL},
    {kn_portable_table, NULL},
    {kn_avx2_table, runs_avx2},
    {kn_avx512_table, runs_avx512},
};
#define LEVELS ((int)(sizeof levels / sizeof levels[0]))

static const char *name_of(const level *l) {
    return l->table()->name;
}

static bool level_runs(const level *l) {
    return l->table() && (!l->runs || l->runs());
}

const char *kn_level_at(int i) {
    for (int at = 0; at < LEVELS; at++)
        if (levels[at].table() && i-- == 0) return name_of(&levels[at]);
    return NULL;
}

// Processor extensions that belong to a level and have no table of their own.
static const char *level_of_extension(const char *name) {
#if defined(__x86_64__)
    if (strcmp(name, "avx512vnni") == 0 && __builtin_cpu_supports("avx512vnni")) return "avx512";
    if (strcmp(name, "avx512bf16") == 0 && __builtin_cpu_supports("avx512bf16")) return "avx512";
#endif
    return name;
}

static void list_levels(char *text, size_t bytes) {
    text[0] = 0;
    for (int i = 0; i < LEVELS; i++) {
        if (!level_runs(&levels[i])) continue;
        if (text[0]) strncat(text, ", ", bytes - strlen(text) - 1);
        strncat(text, name_of(&levels[i]), bytes - strlen(text) - 1);
    }
}

const char *kn_table_lacks(const kn_table *table) {
#define KN_OP(result, name, parameters, arguments)                                                 \
    if (!table->name) return #name;
#include "kernels/ops.def"
    return NULL;
}

static tn_status choose(const char *name, const kn_table **out, tn_error *err) {
    const char *asked_by = "";
    char choices[128];
    if (!name) {
        name = getenv("LEXMASK_CPU");
        asked_by = " (from LEXMASK_CPU)";
    }
    const level *chosen = NULL;
    if (name && *name) {
        const char *wanted = level_of_extension(name);
        for (int i = 0; i < LEVELS; i++)
            if (level_runs(&levels[i]) && strcmp(name_of(&levels[i]), wanted) == 0)
                chosen = &levels[i];
    } else {
        for (int i = 0; i < LEVELS; i++)
            if (level_runs(&levels[i])) chosen = &levels[i];
    }
    if (!chosen) {
        list_levels(choices, sizeof choices);
        return tn_fail(err, TN_EDEVICE,
                       "processor level '%s'%s: not one of those that this processor runs: %s",
                       name, asked_by, choices);
    }
    *out = chosen->table();
    const char *lacks = kn_table_lacks(*out);
    if (lacks)
        return tn_fail(err, TN_EDEVICE, "the table of level %s lacks the operation %s",
                       (*out)->name, lacks);
    return TN_OK;
}

tn_status kn_device_check(const char *device, tn_error *err) {
    if (!strcmp(device, "cpu")) return TN_OK;
    return tn_fail(err, TN_EDEVICE, "device '%s' is not known: this build offers cpu", device);
}

tn_status kn_open(const char *device, const char *level_name, int threads, kn_ctx **out,
                  tn_error *err) {
    const kn_table *table = NULL;
    if (device) TN_TRY(kn_device_check(device, err));
    TN_TRY(choose(level_name, &table, err));
    kn_ctx *cx = tn_alloc_zero(1, sizeof *cx);
    if (!cx) return tn_fail(err, TN_ENOMEM, "out of memory for a context");
    cx->table = table;
    tn_status status = tn_pool_open(threads, &cx->pool, err);
    if (status == TN_OK) {
        cx->scratch = tn_alloc_zero((size_t)kn_threads(cx), sizeof *cx->scratch);
        if (!cx->scratch) status = tn_fail(err, TN_ENOMEM, "out of memory for a context");
    }
    for (int i = 0; status == TN_OK && i < kn_threads(cx); i++)
        status = tn_arena_init(&cx->scratch[i], SCRATCH_BYTES, err);
    if (status != TN_OK) {
        kn_close(cx);
        return status;
    }
    *out = cx;
    return TN_OK;
}

void kn_close(kn_ctx *cx) {
    if (!cx) return;
    for (int i = 0; cx->scratch && i < kn_threads(cx); i++) tn_arena_deinit(&cx->scratch[i]);
    tn_free(cx->scratch);
    tn_pool_close(cx->pool);
    tn_free(cx);
}

const char *kn_level(const kn_ctx *cx) {
    return cx->table->name;
}

static bool multiplies_pairs(const kn_ctx *cx) {
#if defined(__x86_64__)
    return !strcmp(cx->table->name, "avx512") && __builtin_cpu_supports("avx512bf16");
#else
    (void)cx;
    return false;
#endif
}

tn_status kn_set_products(kn_ctx *cx, tn_dtype type, tn_error *err) {
    TN_CHECK(type == TN_F32 || type == TN_BF16, "%s: %s", __func__, tn_dtype_name(type));
    if (type == TN_BF16 && cx->table->float64)
        return tn_fail(err, TN_EDEVICE, "level %s does not support bfloat16 products",
                       kn_level(cx));
    cx->bf16 = type == TN_F32         ? KN_BF16_OFF
               : multiplies_pairs(cx) ? KN_BF16_PAIRS
                                      : KN_BF16_ROUNDED;
    return TN_OK;
}

tn_dtype kn_products(const kn_ctx *cx) {
    return cx->bf16 == KN_BF16_OFF ? TN_F32 : TN_BF16;
}

int kn_threads(const kn_ctx *cx) {
    return tn_pool_workers(cx->pool);
}

tn_pool *kn_pool(const kn_ctx *cx) {
    return cx->pool;
}

void *kn_scratch(kn_ctx *cx, int worker, size_t bytes) {
    TN_CHECK(worker >= 0 && worker < kn_threads(cx), "worker %d of %d", worker, kn_threads(cx));
    tn_arena *arena = &cx->scratch[worker];
    void *block = tn_arena_alloc(arena, bytes);
    TN_CHECK(block, "scratch of worker %d: %zu bytes requested, %zu of %zu in use", worker, bytes,
             arena->used, arena->capacity);
    return block;
}

void kn_scratch_reset(kn_ctx *cx, int worker) {
    TN_CHECK(worker >= 0 && worker < kn_threads(cx), "worker %d of %d", worker, kn_threads(cx));
    tn_arena_reset(&cx->scratch[worker], 0);
}
