// SPDX-License-Identifier: Apache-2.0
// Whole updates of a small CLIP that learns: forward, loss, backward, norm, AdamW, repacking.
#include "models/clip/clip_train.h"
#include "nn/tape.h"
#include "tensor/rng.h"
#include "tools/bench/bench.h"
#include "train/clip_loss.h"
#include "train/state.h"

#include <stdio.h>
#include <time.h>

#define PICTURES 128
#define WORDS 12   // tokens of a text
#define NAMES 1377 // of the bank
#define RUNS 5
#define KEPT 32 // patches, where half is left out

typedef struct work {
    kn_ctx *kn;
    nn_params params;
    md_clip *clip;
    nn_tape *tape;
    tn_arena step, data;
    tr_trained trained;
    tn_tensor x, keep, ids, place, names, bank;
    bool half;
    int64_t done;
    tn_error *err;
} work;

static tn_tensor numbers(work *w, int64_t rows, int64_t columns, int64_t below) {
    tn_rng rng = tn_rng_new(4, (uint64_t)(rows * columns));
    tn_tensor t = bench_make(&w->data, TN_I32, TN_DIMS(rows, columns));
    for (int64_t i = 0; i < tn_count(&t); i++) tn_i32(&t)[i] = (int32_t)tn_rng_below(&rng, below);
    return t;
}

static tn_tensor all_equal(work *w, int64_t count, int32_t value) {
    tn_tensor t = bench_make(&w->data, TN_I32, TN_DIMS(count));
    for (int64_t i = 0; i < count; i++) tn_i32(&t)[i] = value < 0 ? (int32_t)i : value;
    return t;
}

static void prepare(work *w) {
    w->x = bench_noise(&w->data, -2, 2, TN_DIMS(PICTURES, 64, 64, 3));
    w->keep = bench_make(&w->data, TN_I32, TN_DIMS(PICTURES, KEPT));
    for (int64_t i = 0; i < PICTURES * KEPT; i++)
        tn_i32(&w->keep)[i] = (int32_t)(2 * (i % KEPT) + i / KEPT % 2);
    w->ids = numbers(w, PICTURES, WORDS, 2046);
    w->place = all_equal(w, PICTURES, WORDS - 1);
    w->names = all_equal(w, PICTURES, -1);
    w->bank = bench_noise(&w->data, -0.15, 0.15, TN_DIMS(NAMES, 128));
}

static tn_status update(work *w) {
    nn_ctx cx = {w->kn, &w->step, w->err, w->tape};
    tr_optimizer optimizer = tr_optimizer_default();
    double loss[TR_CLIP_TERMS] = {0};
    tr_clip_pairs p = {.picture_names = w->names, .text_names = w->names, .bank = w->bank};
    tn_arena_reset(&w->step, 0);
    nn_tape_reset(w->tape);
    nn_params_zero_grad(&w->params);
    TN_TRY(md_clip_train_images(&cx, w->clip, &w->x, w->half ? &w->keep : NULL, &p.pictures));
    TN_TRY(md_clip_train_texts(&cx, w->clip, &w->ids, &w->place, &p.texts));
    TN_TRY(tr_clip_loss(&cx, &p, md_clip_scale(w->clip), 1, loss));
    TN_TRY(nn_tape_backward(&cx));
    double norm = tr_gradient_norm(w->kn, &w->trained.flat);
    tr_optimizer_step(w->kn, &optimizer, ++w->done, 1e-4, norm, &w->trained.flat, NULL);
    nn_params_changed(&w->params, w->kn);
    return TN_OK;
}

static double clock_of(clockid_t which) {
    struct timespec t;
    clock_gettime(which, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// busy: of all processors together, which does not grow when others use them too.
static void print_row(const char *name, double seconds, double busy, bool json, bool last) {
    if (json)
        printf("%s  {\"update\": \"%s\", \"ms\": %.3f, \"busy_ms\": %.3f}%s\n", last ? "" : "[\n",
               name, seconds * 1e3, busy * 1e3, last ? "\n]" : ",");
    else
        printf("%-22s %9.1f ms  %8.1f pictures/s  %9.1f ms of processors\n", name, seconds * 1e3,
               PICTURES / seconds, busy * 1e3);
}

static tn_status open_work(work *w) {
    md_clip_config config = md_clip_small();
    TN_TRY(nn_params_init(&w->params, TN_F32, w->err));
    TN_TRY(tn_arena_init_large(&w->step, w->err));
    TN_TRY(tn_arena_init(&w->data, (size_t)1 << 30, w->err));
    TN_TRY(nn_tape_new(&w->tape, w->err));
    TN_TRY(md_clip_new(&config, 1, &w->params, w->kn, &w->clip, w->err));
    return tr_trained_init(&w->trained, &w->params, false, NULL, 0, w->err);
}

static void close_work(work *w) {
    tr_trained_deinit(&w->trained);
    md_clip_close(w->clip);
    nn_tape_free(w->tape);
    nn_params_deinit(&w->params);
    tn_arena_deinit(&w->step);
    tn_arena_deinit(&w->data);
}

static tn_status measure(work *w, bool json) {
    static const char *const names[] = {"all patches", "half of the patches"};
    TN_TRY(open_work(w));
    prepare(w);
    for (int i = 0; i < 2; i++) {
        w->half = i == 1;
        double seconds[RUNS], busy[RUNS];
        for (int run = -1; run < RUNS; run++) {
            double start = clock_of(CLOCK_MONOTONIC), used = clock_of(CLOCK_PROCESS_CPUTIME_ID);
            TN_TRY(update(w));
            if (run < 0) continue;
            seconds[run] = clock_of(CLOCK_MONOTONIC) - start;
            busy[run] = clock_of(CLOCK_PROCESS_CPUTIME_ID) - used;
        }
        print_row(names[i], bench_median(seconds, RUNS), bench_median(busy, RUNS), json, i == 1);
    }
    return TN_OK;
}

tn_status tool_bench_pretrain(kn_ctx *kn, bool json, tn_error *err) {
    work w = {.kn = kn, .err = err};
    if (!json)
        printf("level %s, threads %d, float32, updates of %d pictures and texts\n", kn_level(kn),
               kn_threads(kn), PICTURES);
    tn_status status = measure(&w, json);
    close_work(&w);
    return status;
}
