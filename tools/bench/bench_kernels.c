// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/bench.h"

#include "kernels/kernels.h"
#include "tensor/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_RUNS 25
#define ENOUGH 0.25 // seconds of one kernel

typedef struct shape shape;

// One kernel with its tensors, ready to run.
typedef struct bench {
    kn_ctx *cx;
    tn_arena arena;
    const shape *shape;
    tn_tensor in[5], out;
    kn_weight weight;
    double flop, bytes; // of one run: multiplies and adds; what must be read and written at least
} bench;

// A row of the table. What the numbers mean is up to `prepare`: mostly N, H, W, C, K, kernel,
// stride, pad.
struct shape {
    const char *model, *name;
    void (*prepare)(bench *b);
    void (*run)(bench *b);
    int64_t n, h, w, c, k;
    int kernel, stride, pad;
    kn_act act;
    bool residual;
};

static tn_error fault;

static tn_tensor bytes_of(bench *b, int rank, const int64_t *dim) {
    tn_tensor t = bench_make(&b->arena, TN_U8, rank, dim);
    for (int64_t i = 0; i < tn_count(&t); i++) tn_u8(&t)[i] = (uint8_t)(i * 31 + i / 997);
    return t;
}

// Bytes of the inputs and the output: what a kernel must move at least.
static void count_bytes(bench *b, int inputs) {
    b->bytes = (double)tn_bytes(&b->out);
    for (int i = 0; i < inputs; i++) b->bytes += (double)tn_bytes(&b->in[i]);
}

// ---- products: in = x, weight, bias, residual ------------------------------------------------

static void pack(bench *b, bool transposed) {
    tn_status status =
        transposed
            ? kn_weight_pack_transpose2x2(b->cx, &b->arena, &b->in[1], NULL, &b->weight, &fault)
            : kn_weight_pack(b->cx, &b->arena, &b->in[1], NULL, &b->weight, &fault);
    if (status != TN_OK) {
        fprintf(stderr, "lexmask: bench: %s\n", fault.text);
        exit(1);
    }
}

static void prepare_conv(bench *b) {
    const shape *s = b->shape;
    int64_t ho = kn_conv_out(s->h, s->kernel, s->stride, s->pad, s->pad, 1);
    int64_t wo = kn_conv_out(s->w, s->kernel, s->stride, s->pad, s->pad, 1);
    b->in[0] = bench_noise(&b->arena, -1, 1, TN_DIMS(s->n, s->h, s->w, s->c));
    b->in[1] = bench_noise(&b->arena, -0.1, 0.1, TN_DIMS(s->k, s->c, s->kernel, s->kernel));
    b->in[2] = bench_noise(&b->arena, -1, 1, TN_DIMS(s->k));
    b->out = bench_make(&b->arena, TN_F32, TN_DIMS(s->n, ho, wo, s->k));
    if (s->residual) b->in[3] = bench_noise(&b->arena, -1, 1, 4, b->out.dim);
    pack(b, false);
    b->flop = 2.0 * (double)(s->n * ho * wo * s->k * s->c * s->kernel * s->kernel);
    count_bytes(b, s->residual ? 4 : 3);
}

static void run_conv(bench *b) {
    const shape *s = b->shape;
    kn_conv conv = kn_conv_same(s->stride, s->pad);
    kn_epilogue ep = {&b->in[2], s->residual ? &b->in[3] : NULL, s->act};
    kn_conv2d_fwd(b->cx, &conv, &b->in[0], &b->weight, &ep, &b->out);
}

static void prepare_transposed(bench *b) {
    const shape *s = b->shape;
    b->in[0] = bench_noise(&b->arena, -1, 1, TN_DIMS(s->n, s->h, s->w, s->c));
    b->in[1] = bench_noise(&b->arena, -0.1, 0.1, TN_DIMS(s->c, s->k, 2, 2));
    b->in[2] = bench_noise(&b->arena, -1, 1, TN_DIMS(s->k));
    b->out = bench_make(&b->arena, TN_F32, TN_DIMS(s->n, 2 * s->h, 2 * s->w, s->k));
    pack(b, true);
    b->flop = 8.0 * (double)(s->n * s->h * s->w * s->k * s->c);
    count_bytes(b, 3);
}

static void run_transposed(bench *b) {
    kn_epilogue ep = {&b->in[2], NULL, b->shape->act};
    kn_conv_transpose2x2_fwd(b->cx, &b->in[0], &b->weight, &ep, &b->out);
}

static void prepare_matmul(bench *b) {
    const shape *s = b->shape;
    b->in[0] = bench_noise(&b->arena, -1, 1, TN_DIMS(s->n, s->c));
    b->in[1] = bench_noise(&b->arena, -1, 1, TN_DIMS(s->k, s->c));
    b->out = bench_make(&b->arena, TN_F32, TN_DIMS(s->n, s->k));
    b->flop = 2.0 * (double)(s->n * s->c * s->k);
    count_bytes(b, 2);
}

static void run_matmul(bench *b) {
    kn_matmul_nt_fwd(b->cx, 100, &b->in[0], &b->in[1], &b->out);
}

// h heads, w tokens
static void prepare_attention(bench *b) {
    const shape *s = b->shape;
    b->in[0] = bench_noise(&b->arena, -1, 1, TN_DIMS(s->n, s->w, 3 * s->c));
    b->out = bench_make(&b->arena, TN_F32, TN_DIMS(s->n, s->w, s->c));
    b->flop = 4.0 * (double)(s->n * s->w * s->w * s->c);
    if (s->pad) b->flop /= 2;
    count_bytes(b, 1);
}

static void run_attention(bench *b) {
    const shape *s = b->shape;
    kn_attention cfg = {.heads = (int)s->h, .causal = s->pad};
    cfg.q_stride = cfg.k_stride = cfg.v_stride = 3 * s->c;
    tn_tensor part[3];
    for (int i = 0; i < 3; i++) {
        part[i] = b->out;
        part[i].data = tn_f32(&b->in[0]) + i * s->c;
    }
    kn_attention_fwd(b->cx, &cfg, &part[0], &part[1], &part[2], &b->out);
}

// ---- gradients of products: in = x, weight, -, -, dy; the result goes where it belongs
// -----------

static void prepare_conv_bwd(bench *b) {
    prepare_conv(b);
    if (kn_weight_pack_adjoint(b->cx, &b->arena, &b->in[1], &b->weight, &fault) != TN_OK) {
        fprintf(stderr, "lexmask: bench: %s\n", fault.text);
        exit(1);
    }
    b->in[4] = bench_noise(&b->arena, -1, 1, 4, b->out.dim);
}

static void run_conv_bwd_x(bench *b) {
    kn_conv conv = kn_conv_same(b->shape->stride, b->shape->pad);
    kn_conv2d_bwd_x(b->cx, &conv, &b->in[4], &b->weight, 0, &b->in[0]);
}

static void run_conv_bwd_w(bench *b) {
    kn_conv conv = kn_conv_same(b->shape->stride, b->shape->pad);
    kn_conv2d_bwd_w(b->cx, &conv, &b->in[0], &b->in[4], 0, &b->in[1]);
}

static void run_sum_rows(bench *b) {
    kn_sum_rows(b->cx, &b->in[4], 0, &b->in[2]);
}

// As attention, and y, dy and the gradient of in[0]
static void prepare_attention_bwd(bench *b) {
    prepare_attention(b);
    b->in[1] = bench_noise(&b->arena, -1, 1, 3, b->out.dim);
    b->in[2] = bench_noise(&b->arena, -1, 1, 3, b->out.dim);
    b->in[3] = bench_make(&b->arena, TN_F32, 3, b->in[0].dim);
    b->flop *= 2.5; // five products of the size of the forward's two
    count_bytes(b, 4);
}

static void run_attention_bwd(bench *b) {
    const shape *s = b->shape;
    kn_attention cfg = {.heads = (int)s->h, .causal = s->pad};
    cfg.q_stride = cfg.k_stride = cfg.v_stride = 3 * s->c;
    tn_tensor part[3], grad[3];
    for (int i = 0; i < 3; i++) {
        part[i] = grad[i] = b->out;
        part[i].data = tn_f32(&b->in[0]) + i * s->c;
        grad[i].data = tn_f32(&b->in[3]) + i * s->c;
    }
    kn_attention_bwd(b->cx, &cfg, &part[0], &part[1], &part[2], &b->in[1], &b->in[2], &grad[0],
                     &grad[1], &grad[2]);
}

// ---- rows and pictures -----------------------------------------------------------------------

static void prepare_rows(bench *b) {
    const shape *s = b->shape;
    b->in[0] = bench_noise(&b->arena, -4, 4, TN_DIMS(s->n, s->c));
    b->in[1] = bench_noise(&b->arena, -1, 1, TN_DIMS(s->c));
    b->out = bench_make(&b->arena, TN_F32, TN_DIMS(s->n, s->c));
    count_bytes(b, 1);
}

static void run_layer_norm(bench *b) {
    kn_layer_norm_fwd(b->cx, 1e-5, &b->in[0], &b->in[1], &b->in[1], &b->out);
}

static void run_softmax(bench *b) {
    kn_softmax_fwd(b->cx, 1, &b->in[0], &b->out);
}

static void run_act(bench *b) {
    kn_act_fwd(b->cx, b->shape->act, &b->in[0], &b->out);
}

static void run_l2_normalize(bench *b) {
    kn_l2_normalize_fwd(b->cx, 1e-12, &b->in[0], &b->out);
}

static void prepare_pool(bench *b) {
    const shape *s = b->shape;
    int64_t ho = kn_conv_out(s->h, s->kernel, s->stride, s->pad, s->pad, 1);
    int64_t wo = kn_conv_out(s->w, s->kernel, s->stride, s->pad, s->pad, 1);
    b->in[0] = bench_noise(&b->arena, -1, 1, TN_DIMS(s->n, s->h, s->w, s->c));
    b->out = bench_make(&b->arena, TN_F32, TN_DIMS(s->n, ho, wo, s->c));
    count_bytes(b, 1);
}

static void run_max_pool(bench *b) {
    const shape *s = b->shape;
    kn_pool2d cfg = {s->kernel, s->kernel, s->stride, s->stride, s->pad, s->pad, s->pad, s->pad, 0};
    kn_max_pool2d_fwd(b->cx, &cfg, &b->in[0], &b->out);
}

// in [n,h/2,w/2,c] and [n,h,w,c]
static void prepare_upsample(bench *b) {
    const shape *s = b->shape;
    b->in[0] = bench_noise(&b->arena, -1, 1, TN_DIMS(s->n, s->h / 2, s->w / 2, s->c));
    b->in[1] = bench_noise(&b->arena, -1, 1, TN_DIMS(s->n, s->h, s->w, s->c));
    b->out = bench_make(&b->arena, TN_F32, TN_DIMS(s->n, s->h, s->w, s->c));
    count_bytes(b, 2);
}

static void run_upsample(bench *b) {
    kn_upsample_add_fwd(b->cx, &b->in[0], &b->in[1], &b->out);
}

// from [h,w,3] to a shorter side of k
static void prepare_resize(bench *b) {
    const shape *s = b->shape;
    int64_t w = s->w * s->k / s->h;
    b->in[0] = bench_noise(&b->arena, 0, 1, TN_DIMS(1, s->h, s->w, 3));
    b->out = bench_make(&b->arena, TN_F32, TN_DIMS(1, s->k, w, 3));
    count_bytes(b, 1);
}

static void run_resize(bench *b) {
    kn_resize cfg = {.filter = KN_BILINEAR};
    kn_resize_fwd(b->cx, &cfg, &b->in[0], &b->out);
}

static void prepare_resize_u8(bench *b) {
    const shape *s = b->shape;
    b->in[0] = bytes_of(b, TN_DIMS(s->h, s->w, 3));
    b->out = bench_make(&b->arena, TN_U8, TN_DIMS(s->k, s->w * s->k / s->h, 3));
    count_bytes(b, 1);
}

static void run_resize_u8(bench *b) {
    kn_resize_u8_fwd(b->cx, KN_BICUBIC, NULL, &b->in[0], &b->out);
}

static void prepare_normalize(bench *b) {
    const shape *s = b->shape;
    b->in[0] = bytes_of(b, TN_DIMS(s->h, s->w, 3));
    b->out = bench_make(&b->arena, TN_F32, TN_DIMS(s->h, s->w, 3));
    count_bytes(b, 1);
}

static void run_normalize(bench *b) {
    kn_normalize_u8_fwd(b->cx, (float[]){0.485f, 0.456f, 0.406f}, (float[]){0.229f, 0.224f, 0.225f},
                        &b->in[0], &b->out);
}

// ---- detection -------------------------------------------------------------------------------

// Boxes of many sizes over a picture of h x w, crowded as proposals are.
static tn_tensor boxes_of(bench *b, int64_t count, double h, double w) {
    tn_tensor t = bench_make(&b->arena, TN_F32, TN_DIMS(count, 4));
    tn_rng rng = tn_rng_new(7, 1);
    for (int64_t i = 0; i < count; i++) {
        double size = 16 * exp(tn_rng_uniform(&rng, 0, 3.2)), x = tn_rng_uniform(&rng, 0, w);
        double y = tn_rng_uniform(&rng, 0, h);
        float *box = tn_f32(&t) + 4 * i;
        box[0] = (float)fmax(0, x - size);
        box[1] = (float)fmax(0, y - size * 0.6);
        box[2] = (float)fmin(w, x + size);
        box[3] = (float)fmin(h, y + size * 0.6);
    }
    return t;
}

// n regions over four levels of a pyramid of c channels, k bins a side. in: boxes, picture, level,
// then the maps in one tensor each
static tn_tensor pyramid[4];
static const double pyramid_scale[4] = {1 / 4., 1 / 8., 1 / 16., 1 / 32.};

static void prepare_roi_align(bench *b) {
    const shape *s = b->shape;
    b->in[0] = boxes_of(b, s->n, 800, 1333);
    b->in[1] = bench_make(&b->arena, TN_I32, TN_DIMS(s->n));
    b->in[2] = bench_make(&b->arena, TN_I32, TN_DIMS(s->n));
    for (int64_t i = 0; i < s->n; i++) {
        const float *box = tn_f32(&b->in[0]) + 4 * i;
        double side = sqrt((double)((box[2] - box[0]) * (box[3] - box[1])));
        double level = floor(4 + log2(side / 224 + 1e-6)) - 2; // He et al.'s rule
        tn_i32(&b->in[1])[i] = 0;
        tn_i32(&b->in[2])[i] = (int32_t)fmin(3, fmax(0, level));
    }
    for (int i = 0; i < 4; i++)
        pyramid[i] = bench_noise(&b->arena, -1, 1, TN_DIMS(1, 200 >> i, 336 >> i, s->c));
    b->out = bench_make(&b->arena, TN_F32, TN_DIMS(s->n, s->k, s->k, s->c));
    b->flop = (double)tn_count(&b->out) * 4 * 8; // 4 samples of a bin, each of 4 products
    b->bytes = (double)tn_bytes(&b->out);
}

static void run_roi_align(bench *b) {
    kn_roi_align cfg = {2, false, 4, pyramid, pyramid_scale};
    kn_roi_align_fwd(b->cx, &cfg, &b->in[0], &b->in[1], &b->in[2], &b->out);
}

// n boxes in k groups
static void prepare_nms(bench *b) {
    const shape *s = b->shape;
    b->in[0] = boxes_of(b, s->n, 800, 1333);
    b->in[1] = bench_noise(&b->arena, 0, 1, TN_DIMS(s->n));
    b->in[2] = bench_make(&b->arena, TN_I32, TN_DIMS(s->n));
    for (int64_t i = 0; i < s->n; i++) tn_i32(&b->in[2])[i] = (int32_t)(i % s->k);
    b->out = bench_make(&b->arena, TN_I32, TN_DIMS(s->n));
    count_bytes(b, 3);
}

static void run_nms(bench *b) {
    kn_nms(b->cx, 0.7, &b->in[0], &b->in[1], &b->in[2], &b->out);
}

static void prepare_topk(bench *b) {
    b->in[0] = bench_noise(&b->arena, -8, 2, TN_DIMS(b->shape->n));
    b->out = bench_make(&b->arena, TN_I32, TN_DIMS(b->shape->k));
    count_bytes(b, 1);
}

static void run_topk(bench *b) {
    kn_topk(b->cx, &b->in[0], &b->out);
}

static void prepare_decode(bench *b) {
    b->in[0] = boxes_of(b, b->shape->n, 800, 1333);
    b->in[1] = bench_noise(&b->arena, -1, 1, TN_DIMS(b->shape->n, 4 * b->shape->k));
    b->out = bench_make(&b->arena, TN_F32, TN_DIMS(b->shape->n, 4 * b->shape->k));
    count_bytes(b, 2);
}

static void run_decode(bench *b) {
    kn_box_decode_fwd(b->cx, (double[]){10, 10, 5, 5}, log(62.5), &b->in[0], &b->in[1], &b->out);
}

static void prepare_paste(bench *b) {
    const shape *s = b->shape;
    b->in[0] = bench_noise(&b->arena, 0, 1, TN_DIMS(s->n, s->k, s->k));
    b->in[1] = boxes_of(b, s->n, (double)s->h, (double)s->w);
    b->out = bench_make(&b->arena, TN_U8, TN_DIMS(s->n, s->h, s->w));
    count_bytes(b, 2);
}

static void run_paste(bench *b) {
    kn_mask_paste_fwd(b->cx, 0.5, &b->in[0], &b->in[1], &b->out);
}

#define DETECTOR "Mask R-CNN R50-FPN 800x1333"
#define VIT "ViT-B/32, batch 32"
#define TEXT "CLIP text, 80 prompts"
#define GRADIENTS "gradients, batch 2"

static const shape shapes[] = {
    // clang-format off
    {DETECTOR, "resize 600x1000 to 800x1333", prepare_resize, run_resize, .h = 600, .w = 1000, .k = 800},
    {DETECTOR, "conv 7x7/2 3>64", prepare_conv, run_conv, 1, 800, 1344, 3, 64, 7, 2, 3, KN_RELU, 0},
    {DETECTOR, "max pool 3x3/2 64", prepare_pool, run_max_pool, 1, 400, 672, 64, 0, 3, 2, 1, 0, 0},
    {DETECTOR, "conv 3x3 64>64 200x336", prepare_conv, run_conv, 1, 200, 336, 64, 64, 3, 1, 1, KN_RELU, 0},
    {DETECTOR, "conv 1x1 64>256 + shortcut", prepare_conv, run_conv, 1, 200, 336, 64, 256, 1, 1, 0, KN_RELU, 1},
    {DETECTOR, "conv 3x3/2 128>128 to 100x168", prepare_conv, run_conv, 1, 200, 336, 128, 128, 3, 2, 1, KN_RELU, 0},
    {DETECTOR, "conv 1x1/2 256>512 to 100x168", prepare_conv, run_conv, 1, 200, 336, 256, 512, 1, 2, 0, 0, 0},
    {DETECTOR, "conv 3x3 256>256 50x84", prepare_conv, run_conv, 1, 50, 84, 256, 256, 3, 1, 1, KN_RELU, 0},
    {DETECTOR, "conv 3x3 512>512 25x42", prepare_conv, run_conv, 1, 25, 42, 512, 512, 3, 1, 1, KN_RELU, 0},
    {DETECTOR, "conv 1x1 512>2048 + shortcut", prepare_conv, run_conv, 1, 25, 42, 512, 2048, 1, 1, 0, KN_RELU, 1},
    {DETECTOR, "upsample + add 200x336x256", prepare_upsample, run_upsample, 1, 200, 336, 256, 0, 0, 0, 0, 0, 0},
    {DETECTOR, "conv 3x3 256>256 200x336", prepare_conv, run_conv, 1, 200, 336, 256, 256, 3, 1, 1, KN_RELU, 0},
    {DETECTOR, "conv 1x1 256>12 200x336", prepare_conv, run_conv, 1, 200, 336, 256, 12, 1, 1, 0, 0, 0},
    {DETECTOR, "top 1000 of 201600", prepare_topk, run_topk, .n = 201600, .k = 1000},
    {DETECTOR, "NMS 4500 boxes, 5 groups", prepare_nms, run_nms, .n = 4500, .k = 5},
    {DETECTOR, "NMS 4500 boxes, 1 group", prepare_nms, run_nms, .n = 4500, .k = 1},
    {DETECTOR, "RoIAlign 1000x7x7x256", prepare_roi_align, run_roi_align, .n = 1000, .c = 256, .k = 7},
    {DETECTOR, "linear 1000x12544>1024", prepare_conv, run_conv, 1000, 1, 1, 12544, 1024, 1, 1, 0, KN_RELU, 0},
    {DETECTOR, "softmax 1000x91", prepare_rows, run_softmax, .n = 1000, .c = 91},
    {DETECTOR, "box decode 1000x91", prepare_decode, run_decode, .n = 1000, .k = 91},
    {DETECTOR, "conv 3x3 256>256 100x14x14", prepare_conv, run_conv, 100, 14, 14, 256, 256, 3, 1, 1, KN_RELU, 0},
    {DETECTOR, "transposed 2x2 256>256 100x14x14", prepare_transposed, run_transposed, 100, 14, 14, 256, 256, 2, 2, 0, KN_RELU, 0},
    {DETECTOR, "paste 100 masks into 800x1333", prepare_paste, run_paste, .n = 100, .h = 800, .w = 1333, .k = 28},
    {VIT, "resize bytes 480x640 to 224", prepare_resize_u8, run_resize_u8, .h = 480, .w = 640, .k = 224},
    {VIT, "normalize bytes 224x224", prepare_normalize, run_normalize, .h = 224, .w = 224},
    {VIT, "conv 32x32/32 3>768", prepare_conv, run_conv, 32, 224, 224, 3, 768, 32, 32, 0, 0, 0},
    {VIT, "layer norm 1600x768", prepare_rows, run_layer_norm, .n = 1600, .c = 768},
    {VIT, "linear 768>2304", prepare_conv, run_conv, 1600, 1, 1, 768, 2304, 1, 1, 0, 0, 0},
    {VIT, "attention 50 tokens, 12 heads", prepare_attention, run_attention, 32, 12, 50, 768, 0, 0, 0, 0, 0, 0},
    {VIT, "linear 768>768 + shortcut", prepare_conv, run_conv, 1600, 1, 1, 768, 768, 1, 1, 0, 0, 1},
    {VIT, "linear 768>3072, QuickGELU", prepare_conv, run_conv, 1600, 1, 1, 768, 3072, 1, 1, 0, KN_QUICK_GELU, 0},
    {VIT, "linear 3072>768 + shortcut", prepare_conv, run_conv, 1600, 1, 1, 3072, 768, 1, 1, 0, 0, 1},
    {VIT, "GELU 1600x3072", prepare_rows, run_act, .n = 1600, .c = 3072, .act = KN_GELU},
    {TEXT, "attention 77 tokens, 8 heads", prepare_attention, run_attention, 80, 8, 77, 512, 0, 0, 0, 1, 0, 0},
    {TEXT, "unit length 1000x512", prepare_rows, run_l2_normalize, .n = 1000, .c = 512},
    {TEXT, "matmul 1000x512 by 80x512", prepare_matmul, run_matmul, .n = 1000, .c = 512, .k = 80},
    {GRADIENTS, "dw of conv 3x3 256>256 64x64", prepare_conv_bwd, run_conv_bwd_w, 2, 64, 64, 256, 256, 3, 1, 1, 0, 0},
    {GRADIENTS, "dx of conv 3x3 256>256 64x64", prepare_conv_bwd, run_conv_bwd_x, 2, 64, 64, 256, 256, 3, 1, 1, 0, 0},
    {GRADIENTS, "dw of conv 3x3/2 128>128 100x168", prepare_conv_bwd, run_conv_bwd_w, 2, 100, 168, 128, 128, 3, 2, 1, 0, 0},
    {GRADIENTS, "dx of conv 3x3/2 128>128 100x168", prepare_conv_bwd, run_conv_bwd_x, 2, 100, 168, 128, 128, 3, 2, 1, 0, 0},
    {GRADIENTS, "dw of conv 1x1 256>64 100x168", prepare_conv_bwd, run_conv_bwd_w, 2, 100, 168, 256, 64, 1, 1, 0, 0, 0},
    {GRADIENTS, "dx of conv 1x1 256>64 100x168", prepare_conv_bwd, run_conv_bwd_x, 2, 100, 168, 256, 64, 1, 1, 0, 0, 0},
    {GRADIENTS, "dw of conv 7x7/2 3>64 320x320", prepare_conv_bwd, run_conv_bwd_w, 2, 320, 320, 3, 64, 7, 2, 3, 0, 0},
    {GRADIENTS, "dw of linear 1024x12544>1024", prepare_conv_bwd, run_conv_bwd_w, 1024, 1, 1, 12544, 1024, 1, 1, 0, 0, 0},
    {GRADIENTS, "dx of linear 1024x12544>1024", prepare_conv_bwd, run_conv_bwd_x, 1024, 1, 1, 12544, 1024, 1, 1, 0, 0, 0},
    {GRADIENTS, "sum of rows 33600x256", prepare_conv_bwd, run_sum_rows, 2, 100, 168, 1, 256, 1, 1, 0, 0, 0},
    {GRADIENTS, "attention 1600 tokens, 12 heads", prepare_attention_bwd, run_attention_bwd, 2, 12, 1600, 768, 0, 0, 0, 0, 0, 0},
    // clang-format on
};
#define SHAPES ((int)(sizeof shapes / sizeof shapes[0]))

static void run_once(void *of) {
    bench *b = of;
    b->shape->run(b);
}

static void print_row(const bench *b, double seconds, bench_peak peak, bool json, bool last) {
    const shape *s = b->shape;
    double gflops = b->flop / seconds / 1e9, gbytes = b->bytes / seconds / 1e9;
    bool products = b->flop > 8 * b->bytes; // which of the two is the limit
    double share = products ? gflops / peak.gflops : gbytes / peak.gbytes;
    if (json) {
        printf("    {\"model\": \"%s\", \"kernel\": \"%s\", \"ms\": %.4f, \"gflops\": %.2f, "
               "\"gbytes\": %.3f, \"share\": %.4f, \"of\": \"%s\"}%s\n",
               s->model, s->name, seconds * 1e3, gflops, gbytes, share,
               products ? "multiply-add" : "memory", last ? "" : ",");
        return;
    }
    printf("%-27.27s %-33s %9.3f %8.1f %7.1f %4.0f %% %s\n", s->model, s->name, seconds * 1e3,
           gflops, gbytes, 100 * share, products ? "" : "of memory");
    fflush(stdout);
}

int tool_bench_kernels(kn_ctx *cx, bool json) {
    bench b = {.cx = cx};
    if (tn_arena_init(&b.arena, (size_t)4 << 30, &fault) != TN_OK) {
        fprintf(stderr, "lexmask: bench: %s\n", fault.text);
        return 1;
    }
    bench_peak peak = bench_measure_peak(cx);
    if (json)
        printf("{\"level\": \"%s\", \"threads\": %d, \"peak_gflops\": %.2f, \"peak_gbytes\": %.2f, "
               "\"kernels\": [\n",
               kn_level(cx), kn_threads(cx), peak.gflops, peak.gbytes);
    else
        printf("level %s, threads %d, float32; measured peak: %.1f GFLOP/s, copying %.1f GB/s\n"
               "%-27s %-33s %9s %8s %7s %6s\n",
               kn_level(cx), kn_threads(cx), peak.gflops, peak.gbytes, "model", "kernel",
               "median ms", "GFLOP/s", "GB/s", "share");
    for (int i = 0; i < SHAPES; i++) {
        size_t mark = tn_arena_mark(&b.arena);
        b.shape = &shapes[i];
        b.flop = b.bytes = 0;
        b.shape->prepare(&b);
        print_row(&b, bench_time(run_once, &b, MOST_RUNS, ENOUGH), peak, json, i == SHAPES - 1);
        tn_arena_reset(&b.arena, mark);
    }
    if (json) printf("]}\n");
    tn_arena_deinit(&b.arena);
    return 0;
}
