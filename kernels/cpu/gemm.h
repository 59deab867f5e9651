// SPDX-License-Identifier: Apache-2.0
// One product C = A B. Rows of A come from a matrix or from the windows of a convolution, B is
// packed into panels, C is stored through an epilogue. gemm.inc runs it.
#pragma once

#include "kernels/cpu/cpu.h"

#define KP                                                                                         \
    (KC +                                                                                          \
     16) // floats from one row of the block to the next; the padding spreads rows over cache sets
#define B_NEAR (1 << 19) // floats of B small enough to stay in cache without blocking
// Register tiles that share a block of A. The block and its part of C stay in the second-level
// cache, and B is read again only every TILE_ROWS tiles.
#define TILE_ROWS (112 / MR)

// Source of the rows of A.
typedef struct gemm_rows {
    const float *x;
    int64_t stride; // of a plain matrix; the other fields are for convolutions
    bool windows;
    int64_t height, width, channels, out_height, out_width;
    int64_t kh;
    int64_t runs; // contiguous runs per window row in x: 1, or kw when dilated
    int64_t run;  // floats per run
    kn_conv conv;
} gemm_rows;

// Scattered rows of C: row m is pixel (top + y*stride_h, left + x*stride_w) of a picture, where
// (y,x) is the window of row m of A.
typedef struct gemm_scatter {
    int64_t stride_h, stride_w; // 0: rows are contiguous
    int64_t top, left, height, width;
} gemm_scatter;

typedef struct gemm {
    kn_ctx *cx;
    int64_t m, n, k;
    gemm_rows a;
    const float *b; // [groups] of panels, each [k][panel width]
    // A panel of B may hold more steps than are used: b_steps in total (0: k), b_skip before the
    // first used one.
    int64_t b_steps, b_skip;
    int64_t groups;     // 4 for the transposed convolution, else 1
    int64_t group_size; // floats of B per group
    float *c;
    int64_t c_stride; // floats between rows; for the transposed convolution: between pixels
    const float *residual, *bias; // may be NULL
    float alpha;
    kn_act act;
    int64_t image_width; // transposed convolution: W of x, else 0
    gemm_scatter scatter;
    // The partition, filled by gemm_run.
    bool rows_first, b_is_far;
    int64_t row_tiles, tile_rows, panels, panels_in_task, block;
    void **scratch; // a block of A per worker
} gemm;

// Job that rounds B to bfloat16.
typedef struct bf16_job {
    const gemm *g;
    float *to;
    int64_t group_size; // floats of B per group
} bf16_job;

// One register tile: c[rows[i] + j] = alpha * (add[rows[i] + j] + sum over k of a[i][k] b[k][j]) +
// bias[j], clipped at zero if relu.
typedef struct gemm_tile {
    const float *a; // rows KP apart
    const float *b;
    int64_t k;
    float *c;
    const int64_t *rows; // offset of each row, in floats from c and add
    const float *add;    // NULL: nothing; c itself: the sum of the previous blocks
    const float *bias;   // NULL: nothing
    float alpha;
    bool relu;
    kn_bf16_mode bf16; // format of a and b (bf16.inc)
} gemm_tile;
