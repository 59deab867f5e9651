// SPDX-License-Identifier: Apache-2.0
// One product C = A B with what surrounds it: rows of A come from a matrix or from the windows of a
// convolution, B is packed in panels, C is stored through an epilogue. gemm.inc runs it.
#pragma once

#include "kernels/cpu/cpu.h"

#define KP (KC + 16) // floats from one row of the block to the next; rows fall into different sets
#define B_NEAR (1 << 19) // floats of B that stay near a processor by themselves
// Register tiles, one above the other, that share a block of A: it and its part of C stay in the
// second-level cache, and B is read again only every so many rows
#define TILE_ROWS (112 / MR)

// Where row m of A comes from.
typedef struct gemm_rows {
    const float *x;
    int64_t stride; // of a plain matrix; the rest is for convolutions
    bool windows;
    int64_t height, width, channels, out_height, out_width;
    int64_t kh;
    int64_t runs; // pieces of a window's row that lie together in x: 1, or kw when dilated
    int64_t run;  // floats of one piece
    kn_conv conv;
} gemm_rows;

// Rows of C that lie apart: row m is pixel (top + y*stride_h, left + x*stride_w) of a picture, for
// the window (y,x) that row m of A is.
typedef struct gemm_scatter {
    int64_t stride_h, stride_w; // 0: rows lie together
    int64_t top, left, height, width;
} gemm_scatter;

typedef struct gemm {
    kn_ctx *cx;
    int64_t m, n, k;
    gemm_rows a;
    const float *b; // [groups] of panels, each [k][panel width]
    // A panel of B may hold more steps than are used: b_steps in all (0: just k), b_skip before
    int64_t b_steps, b_skip;
    int64_t groups;     // 4 for the transposed convolution, else 1
    int64_t group_size; // floats of B in a group
    float *c;
    int64_t c_stride; // floats from row to row; of the transposed convolution: from pixel to pixel
    const float *residual, *bias; // may be NULL
    float alpha;
    kn_act act;
    int64_t image_width; // transposed convolution: W of x, else 0
    gemm_scatter scatter;
    // The cut, filled by gemm_run
    bool rows_first, b_is_far;
    int64_t row_tiles, tile_rows, panels, panels_in_task, block;
    void **room; // a block of A for each worker
} gemm;

// B on its way to bfloat16.
typedef struct halving {
    const gemm *g;
    float *to;
    int64_t group_size; // floats of it in a group
} halving;

// One register tile: c[rows[i] + j] = alpha * (add[rows[i] + j] + sum over k of a[i][k] b[k][j])
// + bias[j], clipped at zero when relu.
typedef struct gemm_tile {
    const float *a; // rows KP apart
    const float *b;
    int64_t k;
    float *c;
    const int64_t *rows; // where each row begins, in floats from c and add
    const float *add;    // NULL: nothing; c itself: the sum of the blocks before
    const float *bias;   // NULL: nothing
    float alpha;
    bool relu;
    kn_bf16_mode bf16; // what a and b hold (bf16.inc)
} gemm_tile;
