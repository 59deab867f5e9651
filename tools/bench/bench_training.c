// SPDX-License-Identifier: Apache-2.0
// Gradients, norms over a batch, losses and the optimizer at the shapes of two presets.
#include "kernels/kernels.h"
#include "tools/bench/bench.h"

#include <stdio.h>
#include <stdlib.h>

#define MOST_RUNS 15
#define ENOUGH 0.15 // seconds of one kernel
#define LEVELS 4

typedef struct work work;

// A row of the table; what the numbers mean is up to `prepare`.
typedef struct row {
    const char *preset, *name;
    void (*prepare)(work *w);
    void (*run)(work *w);
    int64_t n, h, w, c, k;
} row;

struct work {
    kn_ctx *cx;
    tn_arena arena;
    const row *row;
    tn_tensor x, dy, dx, a, b, c, d; // a to d: vectors, targets, moments
    tn_tensor level[LEVELS];
    double scale[LEVELS], bytes; // of one run: what must be read and written at least
};

static tn_error fault;

static tn_tensor index_below(work *w, int64_t count, int64_t below) {
    tn_tensor t = bench_make(&w->arena, TN_I32, TN_DIMS(count));
    for (int64_t i = 0; i < count; i++) tn_i32(&t)[i] = (int32_t)(i * 7919 % below);
    return t;
}

// x, dy, dx of [n,h,w,c] and four vectors [c].
static void prepare_map(work *w) {
    const row *r = w->row;
    w->x = bench_noise(&w->arena, -1, 1, TN_DIMS(r->n, r->h, r->w, r->c));
    w->dy = bench_noise(&w->arena, -1, 1, TN_DIMS(r->n, r->h, r->w, r->c));
    w->dx = bench_noise(&w->arena, -1, 1, TN_DIMS(r->n, r->h, r->w, r->c));
    w->a = bench_noise(&w->arena, 0.5, 1, TN_DIMS(r->c));
    w->b = bench_noise(&w->arena, -1, 1, TN_DIMS(r->c));
    w->c = bench_noise(&w->arena, -1, 1, TN_DIMS(r->c));
    w->d = bench_noise(&w->arena, 0.5, 1, TN_DIMS(r->c));
    w->bytes = 3 * (double)tn_bytes(&w->x);
}

static void prepare_forward(work *w) {
    prepare_map(w);
    w->bytes = 2 * (double)tn_bytes(&w->x);
}

static void run_batch_norm(work *w) {
    kn_batch_norm_train_fwd(w->cx, 1e-5, &w->x, &w->a, &w->b, KN_RELU, &w->c, &w->d, &w->dx);
}

static void prepare_batch_norm_bwd(work *w) {
    prepare_map(w);
    tn_tensor x = w->x, y = bench_make(&w->arena, TN_F32, x.rank, x.dim);
    kn_batch_norm_train_fwd(w->cx, 1e-5, &x, &w->a, &w->b, KN_RELU, &w->c, &w->d, &y);
    w->level[0] = y;
    w->bytes = 4 * (double)tn_bytes(&x);
}

static void run_batch_norm_bwd(work *w) {
    tn_tensor dgamma = w->b, dbeta = w->b;
    kn_batch_norm_train_bwd(w->cx, 1e-5, &w->x, &w->a, KN_RELU, &w->c, &w->d, &w->level[0], &w->dy,
                            0, &w->dx, 0, &dgamma, &dbeta);
}

static void run_group_norm(work *w) {
    kn_group_norm_fwd(w->cx, (int)w->row->k, 1e-5, &w->x, &w->a, &w->b, &w->dx);
}

static void run_group_norm_bwd(work *w) {
    kn_group_norm_bwd(w->cx, (int)w->row->k, 1e-5, &w->x, &w->a, &w->dy, 0, &w->dx, 0, &w->b,
                      &w->c);
}

static void run_layer_norm_bwd(work *w) {
    kn_layer_norm_bwd(w->cx, 1e-5, &w->x, &w->a, &w->dy, 0, &w->dx, 0, &w->b, &w->c);
}

static void run_gelu_bwd(work *w) {
    kn_act_bwd(w->cx, KN_GELU, &w->x, &w->dy, 0, &w->dx);
}

static void run_relu_bwd(work *w) {
    kn_act_bwd(w->cx, KN_RELU, &w->x, &w->dy, 0, &w->dx);
}

static void run_softmax_bwd(work *w) {
    kn_softmax_bwd(w->cx, 1, &w->x, &w->dy, 0, &w->dx);
}

static void run_l2_normalize_bwd(work *w) {
    kn_l2_normalize_bwd(w->cx, 1e-12, &w->x, &w->dy, 0, &w->dx);
}

static void prepare_gather(work *w) {
    const row *r = w->row;
    w->a = index_below(w, r->n, r->h);
    w->dy = bench_noise(&w->arena, -1, 1, TN_DIMS(r->n, r->c));
    w->dx = bench_noise(&w->arena, -1, 1, TN_DIMS(r->h, r->c));
    w->bytes = (double)(tn_bytes(&w->dy) + tn_bytes(&w->dx));
}

static void run_gather(work *w) {
    kn_gather_rows_bwd(w->cx, &w->a, &w->dy, 0, &w->dx);
}

// From [n,h,w,c] to a side that is k times as long (or, below 0, -k times shorter).
static void prepare_sizes(work *w) {
    const row *r = w->row;
    int64_t h = r->k > 0 ? r->h * r->k : r->h / -r->k, wide = r->k > 0 ? r->w * r->k : r->w / -r->k;
    w->x = bench_noise(&w->arena, -1, 1, TN_DIMS(r->n, r->h, r->w, r->c));
    w->dx = bench_noise(&w->arena, -1, 1, TN_DIMS(r->n, r->h, r->w, r->c));
    w->dy = bench_noise(&w->arena, -1, 1, TN_DIMS(r->n, h, wide, r->c));
    w->bytes = (double)(tn_bytes(&w->dx) + tn_bytes(&w->dy)) + (r->k < 0 ? tn_bytes(&w->x) : 0);
}

static void run_max_pool(work *w) {
    kn_max_pool2d_bwd(w->cx, &(kn_pool2d){.kh = 2, .kw = 2, .stride_h = 2, .stride_w = 2}, &w->x,
                      &w->dy, 0, &w->dx);
}

static void run_upsample(work *w) {
    kn_upsample_bwd(w->cx, &w->dy, 0, &w->dx);
}

static void run_resize(work *w) {
    kn_resize_bwd(w->cx, &(kn_resize){.filter = KN_BICUBIC}, &w->dy, 0, &w->dx);
}

// n regions of two pictures to k x k bins, on levels of h, h/2, … elements over a picture of w.
static void prepare_roi_align(work *w) {
    const row *r = w->row;
    w->x = bench_noise(&w->arena, 0, 1, TN_DIMS(r->n, 4));
    w->a = index_below(w, r->n, 2);
    w->b = bench_make(&w->arena, TN_I32, TN_DIMS(r->n));
    for (int64_t i = 0; i < r->n; i++) { // as proposals: many small, few large ones
        float *box = tn_f32(&w->x) + 4 * i;
        float width = (float)r->w * (0.03f + 0.7f * box[2] * box[2] * box[2]);
        float height = (float)r->w * (0.03f + 0.7f * box[3] * box[3] * box[3]);
        float share = width * height / (float)(r->w * r->w);
        tn_i32(&w->b)[i] = share < 0.02f ? 0 : share < 0.08f ? 1 : share < 0.3f ? 2 : 3;
        box[0] *= (float)r->w - width, box[1] *= (float)r->w - height;
        box[2] = box[0] + width, box[3] = box[1] + height;
    }
    w->dy = bench_noise(&w->arena, -1, 1, TN_DIMS(r->n, r->k, r->k, r->c));
    w->bytes = (double)tn_bytes(&w->dy);
    for (int i = 0; i < LEVELS; i++) {
        w->level[i] = bench_noise(&w->arena, -1, 1, TN_DIMS(2, r->h >> i, r->h >> i, r->c));
        w->scale[i] = (double)(r->h >> i) / (double)r->w;
        w->bytes += (double)tn_bytes(&w->level[i]);
    }
}

static void run_roi_align(work *w) {
    kn_roi_align cfg = {2, true, LEVELS, w->level, w->scale};
    kn_roi_align_bwd(w->cx, &cfg, &w->x, &w->a, &w->b, &w->dy, 0, w->level);
}

static void prepare_rows(work *w) {
    const row *r = w->row;
    w->x = bench_noise(&w->arena, -4, 4, TN_DIMS(r->n, r->c));
    w->dx = bench_noise(&w->arena, -1, 1, TN_DIMS(r->n, r->c));
    w->dy = bench_noise(&w->arena, 0, 1, TN_DIMS(r->n, r->c));
    w->a = index_below(w, r->n, r->c);
    w->bytes = 2 * (double)tn_bytes(&w->x);
}

static void run_cross_entropy(work *w) {
    kn_cross_entropy(w->cx, 50, &w->x, &w->a, NULL, 1, &w->dx);
}

static void run_bce(work *w) {
    kn_bce_logits(w->cx, &w->x, &w->dy, NULL, 1, &w->dx);
}

static void run_smooth_l1(work *w) {
    kn_smooth_l1(w->cx, 1.0 / 9, &w->x, &w->dy, NULL, 1, &w->dx);
}

static void prepare_flat(work *w) {
    const row *r = w->row;
    w->x = bench_noise(&w->arena, -1, 1, TN_DIMS(r->n));
    w->dx = bench_noise(&w->arena, -1, 1, TN_DIMS(r->n));
    w->a = bench_noise(&w->arena, -1, 1, TN_DIMS(r->n));
    w->b = bench_noise(&w->arena, 0, 1, TN_DIMS(r->n));
    w->bytes = 7 * (double)tn_bytes(&w->x);
}

static void run_adamw(work *w) {
    kn_adamw cfg = {1e-4, 0.9, 0.999, 1e-8, 0.1, 10, 1};
    kn_adamw_step(w->cx, &cfg, &w->x, &w->dx, &w->a, &w->b);
}

static void prepare_squares(work *w) {
    w->x = bench_noise(&w->arena, -1, 1, TN_DIMS(w->row->n));
    w->bytes = (double)tn_bytes(&w->x);
}

static void run_squares(work *w) {
    kn_sum_squares(w->cx, &w->x);
}

#define VIT "fvit-b16, 2 pictures of 640"
#define SMALL "small, 8 pictures of 256"

static const row rows[] = {
    // clang-format off
    {VIT, "batch norm + ReLU 160x160x256", prepare_forward, run_batch_norm, 2, 160, 160, 256, 0},
    {VIT, "its gradient", prepare_batch_norm_bwd, run_batch_norm_bwd, 2, 160, 160, 256, 0},
    {VIT, "layer norm gradient 3200x768", prepare_map, run_layer_norm_bwd, 1, 1, 3200, 768, 0},
    {VIT, "GELU gradient 3200x3072", prepare_map, run_gelu_bwd, 1, 1, 3200, 3072, 0},
    {VIT, "ReLU gradient 1024x7x7x256", prepare_map, run_relu_bwd, 1024, 7, 7, 256, 0},
    {VIT, "softmax gradient 3200x1600", prepare_map, run_softmax_bwd, 1, 1, 3200, 1600, 0},
    {VIT, "unit rows gradient 1024x512", prepare_map, run_l2_normalize_bwd, 1, 1, 1024, 512, 0},
    {VIT, "max pool gradient 40x40x768", prepare_sizes, run_max_pool, 2, 40, 40, 768, -2},
    {VIT, "upsample gradient 80x80x256", prepare_sizes, run_upsample, 2, 80, 80, 256, 2},
    {VIT, "bicubic gradient 14 to 42, 768", prepare_sizes, run_resize, 1, 14, 14, 768, 3},
    {VIT, "RoIAlign gradient 1024x7x7x256", prepare_roi_align, run_roi_align, 1024, 160, 640, 256, 7},
    {VIT, "RoIAlign gradient 256x14x14x256", prepare_roi_align, run_roi_align, 256, 160, 640, 256, 14},
    {VIT, "cross-entropy 1024x66", prepare_rows, run_cross_entropy, 1024, 0, 0, 66, 0},
    {VIT, "cross-entropy 1024x1204", prepare_rows, run_cross_entropy, 1024, 0, 0, 1204, 0},
    {VIT, "BCE of masks 256x784", prepare_rows, run_bce, 256, 0, 0, 784, 0},
    {VIT, "smooth L1 204600x4", prepare_rows, run_smooth_l1, 204600, 0, 0, 4, 0},
    {VIT, "token table gradient 6160 of 49408", prepare_gather, run_gather, 6160, 49408, 0, 512, 0},
    {VIT, "AdamW 25 million", prepare_flat, run_adamw, 25000000, 0, 0, 0, 0},
    {VIT, "square of a norm, 25 million", prepare_squares, run_squares, 25000000, 0, 0, 0, 0},
    {SMALL, "group norm 128x128x64, 32 groups", prepare_forward, run_group_norm, 8, 128, 128, 64, 32},
    {SMALL, "its gradient", prepare_map, run_group_norm_bwd, 8, 128, 128, 64, 32},
    {SMALL, "layer norm gradient 8192x256", prepare_map, run_layer_norm_bwd, 1, 1, 8192, 256, 0},
    {SMALL, "upsample gradient 64x64x64", prepare_sizes, run_upsample, 8, 64, 64, 64, 2},
    {SMALL, "RoIAlign gradient 1024x7x7x64", prepare_roi_align, run_roi_align, 1024, 128, 256, 64, 7},
    {SMALL, "AdamW 1 million", prepare_flat, run_adamw, 1000000, 0, 0, 0, 0},
    // clang-format on
};
#define ROWS ((int)(sizeof rows / sizeof rows[0]))

static void run_once(void *of) {
    work *w = of;
    w->row->run(w);
}

int tool_bench_training(kn_ctx *cx, bool json) {
    work w = {.cx = cx};
    if (tn_arena_init(&w.arena, (size_t)4 << 30, &fault) != TN_OK) {
        fprintf(stderr, "lexmask: bench: %s\n", fault.text);
        return 1;
    }
    if (json)
        printf("[\n");
    else
        printf("level %s, threads %d, float32\n%-28s %-35s %9s %7s\n", kn_level(cx), kn_threads(cx),
               "preset", "kernel", "median ms", "GB/s");
    for (int i = 0; i < ROWS; i++) {
        size_t mark = tn_arena_mark(&w.arena);
        w.row = &rows[i];
        w.row->prepare(&w);
        double seconds = bench_time(run_once, &w, MOST_RUNS, ENOUGH),
               gbytes = w.bytes / seconds / 1e9;
        if (json)
            printf("  {\"preset\": \"%s\", \"kernel\": \"%s\", \"ms\": %.4f, \"gbytes\": %.3f}%s\n",
                   w.row->preset, w.row->name, seconds * 1e3, gbytes, i + 1 < ROWS ? "," : "");
        else
            printf("%-28s %-35s %9.3f %7.1f\n", w.row->preset, w.row->name, seconds * 1e3, gbytes);
        fflush(stdout);
        tn_arena_reset(&w.arena, mark);
    }
    if (json) printf("]\n");
    tn_arena_deinit(&w.arena);
    return 0;
}
