// SPDX-License-Identifier: Apache-2.0
// `lexmask bench`: how fast kernels, models and the reading of training's data are on this machine.
#pragma once

#include "kernels/kernels.h"

// Every kernel at the shapes of Mask R-CNN R50-FPN at 800x1333 and ViT-B/32 at batch 32 (median of
// several runs) on the context's level and threads: a table that fits a screen, or one JSON object
// with "level", "threads", the measured peaks and an array "kernels". Returns the exit code: 1 when
// memory is out, with a message on stderr.
int tool_bench_kernels(kn_ctx *cx, bool json);

// What training needs besides products: gradients of rows and pictures, norms over a batch, losses
// and AdamW at the shapes of the presets fvit-b16 and small; as above, an array with "preset",
// "kernel", "ms" and "gbytes" (bytes that must be moved at least, for each second).
int tool_bench_training(kn_ctx *cx, bool json);

// Whole models at their real sizes with random weights, median of several runs: the parts of Mask
// R-CNN R50-FPN at 800x1333, and CLIP ViT-B/32; with the share of the measured peak and the memory
// of the process. TN_EIO, TN_ENOMEM.
tn_status tool_bench_models(kn_ctx *cx, bool json, tn_error *err);

// Updates of the CLIP that `lexmask pretrain` makes by default, at batch 128, as rows "update",
// "ms", "pictures_per_second". TN_ENOMEM.
tn_status tool_bench_pretrain(kn_ctx *cx, bool json, tn_error *err);

typedef struct bench_data {
    const char *annotations, *pictures; // pictures NULL: annotations alone
    int64_t size, batch, workers;
    bool json;
} bench_data;
// What training reads: annotations into memory, with what was left out; pictures into batches. The
// statuses of tr_dataset_open and tr_loader_next.
tn_status tool_bench_data(const bench_data *how, tn_error *err);

// What the level's instructions reach at most on all threads of the context, measured now:
// multiply-adds on registers, in GFLOP/s, and copying memory, in GB/s read and written.
typedef struct bench_peak {
    double gflops, gbytes;
} bench_peak;
bench_peak bench_measure_peak(kn_ctx *cx);

double bench_median(double *seconds, int runs); // sorts them; of an even number the upper one
// Median seconds of run(of): once to warm caches and scratch, then at least 3 times, and on until
// `enough` seconds or `most` runs (BENCH_RUNS or less) are over.
#define BENCH_RUNS 25
double bench_time(void (*run)(void *of), void *of, int most, double enough);
// Uninitialised, and random in [low,high). Memory that is out ends the program with exit code 1.
tn_tensor bench_make(tn_arena *arena, tn_dtype dtype, int rank, const int64_t *dim);
tn_tensor bench_noise(tn_arena *arena, double low, double high, int rank, const int64_t *dim);
