// SPDX-License-Identifier: Apache-2.0
// What a backend fills in: one function for each operation of kernels.h and train.h, same
// arguments, already checked. A table is complete; kn_open refuses one with a missing slot. The CPU
// levels begin as a copy of the level below and override what they do better.
#pragma once

#include "kernels/train.h"

struct kn_table {
    const char *name;
    // Bytes and filling of a packed weight. w is [out,in,kh,kw] real in PyTorch's order
    // (transposed, adjoint: [in,out,kh,kw]); scale is [out] or NULL; out has everything set but its
    // bytes.
    size_t (*weight_bytes)(const kn_weight *w);
    void (*weight_pack)(kn_ctx *cx, const tn_tensor *w, const tn_tensor *scale, kn_weight *out);
    void (*linear_fwd)(kn_ctx *, const tn_tensor *x, const kn_weight *, const kn_epilogue *,
                       tn_tensor *y);
    void (*conv2d_fwd)(kn_ctx *, const kn_conv *, const tn_tensor *x, const kn_weight *,
                       const kn_epilogue *, tn_tensor *y);
    void (*conv_transpose2x2_fwd)(kn_ctx *, const tn_tensor *x, const kn_weight *,
                                  const kn_epilogue *, tn_tensor *y);
    void (*matmul_nt_fwd)(kn_ctx *, double alpha, const tn_tensor *a, const tn_tensor *b,
                          tn_tensor *y);
    void (*attention_fwd)(kn_ctx *, const kn_attention *, const tn_tensor *q, const tn_tensor *k,
                          const tn_tensor *v, tn_tensor *y);
    void (*layer_norm_fwd)(kn_ctx *, double eps, const tn_tensor *x, const tn_tensor *gamma,
                           const tn_tensor *beta, tn_tensor *y);
    void (*batch_norm_fwd)(kn_ctx *, double eps, const tn_tensor *x, const tn_tensor *mean,
                           const tn_tensor *var, const tn_tensor *gamma, const tn_tensor *beta,
                           kn_act, tn_tensor *y);
    void (*softmax_fwd)(kn_ctx *, double scale, const tn_tensor *x, tn_tensor *y);
    void (*l2_normalize_fwd)(kn_ctx *, double eps, const tn_tensor *x, tn_tensor *y);
    void (*act_fwd)(kn_ctx *, kn_act, const tn_tensor *x, tn_tensor *y);
    void (*add_fwd)(kn_ctx *, kn_act, const tn_tensor *a, const tn_tensor *b, tn_tensor *y);
    void (*gather_rows_fwd)(kn_ctx *, const tn_tensor *table, const tn_tensor *ids, tn_tensor *y);
    void (*max_pool2d_fwd)(kn_ctx *, const kn_pool2d *, const tn_tensor *x, tn_tensor *y);
    void (*avg_pool2d_fwd)(kn_ctx *, const kn_pool2d *, const tn_tensor *x, tn_tensor *y);
    void (*resize_fwd)(kn_ctx *, const kn_resize *, const tn_tensor *x, tn_tensor *y);
    void (*upsample_add_fwd)(kn_ctx *, const tn_tensor *top, const tn_tensor *lateral,
                             tn_tensor *y);
    void (*resize_u8_fwd)(kn_ctx *, const kn_resize_u8 *, const tn_tensor *x,
                          tn_tensor *y); // box is set
    void (*normalize_u8_fwd)(kn_ctx *, const float *mean, const float *std, const tn_tensor *x,
                             tn_tensor *y);
    void (*roi_align_fwd)(kn_ctx *, const kn_roi_align *, const tn_tensor *rois,
                          const tn_tensor *image, const tn_tensor *map, tn_tensor *y);
    int64_t (*nms)(kn_ctx *, double threshold, const tn_tensor *boxes, const tn_tensor *scores,
                   const tn_tensor *group, tn_tensor *keep);
    void (*box_decode_fwd)(kn_ctx *, const double weights[4], double clip, const tn_tensor *anchors,
                           const tn_tensor *deltas, tn_tensor *y);
    void (*box_clip)(kn_ctx *, double height, double width, tn_tensor *boxes);
    void (*topk)(kn_ctx *, const tn_tensor *x, tn_tensor *index);
    void (*mask_paste_fwd)(kn_ctx *, double threshold, const tn_tensor *masks,
                           const tn_tensor *boxes, tn_tensor *y);

    // Training (kernels/train.h): products.
    void (*linear_bwd_x)(kn_ctx *, const tn_tensor *dy, const kn_weight *adjoint, double beta,
                         tn_tensor *dx);
    void (*conv2d_bwd_x)(kn_ctx *, const kn_conv *, const tn_tensor *dy, const kn_weight *adjoint,
                         double beta, tn_tensor *dx);
    void (*conv2d_bwd_w)(kn_ctx *, const kn_conv *, const tn_tensor *x, const tn_tensor *dy,
                         double beta, tn_tensor *dw);
    void (*matmul_tn)(kn_ctx *, double alpha, const tn_tensor *a, const tn_tensor *b, double beta,
                      tn_tensor *y);
    void (*matmul_nn)(kn_ctx *, double alpha, const tn_tensor *a, const tn_tensor *b, double beta,
                      tn_tensor *y);
    void (*sum_rows)(kn_ctx *, const tn_tensor *x, double beta, tn_tensor *y);
    void (*attention_bwd)(kn_ctx *, const kn_attention *, const tn_tensor *q, const tn_tensor *k,
                          const tn_tensor *v, const tn_tensor *y, const tn_tensor *dy,
                          tn_tensor *dq, tn_tensor *dk, tn_tensor *dv);
    // Rows and elements. beta is 0 or 1, a gradient that may be NULL
    // there may be NULL here; an empty input with an output that is not empty does occur.
    void (*axpby)(kn_ctx *, double alpha, const tn_tensor *x, double beta, tn_tensor *y);
    void (*act_bwd)(kn_ctx *, kn_act, const tn_tensor *x, const tn_tensor *dy, double beta,
                    tn_tensor *dx);
    void (*layer_norm_bwd)(kn_ctx *, double eps, const tn_tensor *x, const tn_tensor *gamma,
                           const tn_tensor *dy, double beta, tn_tensor *dx, double beta_p,
                           tn_tensor *dgamma, tn_tensor *dbeta);
    void (*batch_norm_train_fwd)(kn_ctx *, double eps, const tn_tensor *x, const tn_tensor *gamma,
                                 const tn_tensor *beta, kn_act, tn_tensor *mean, tn_tensor *var,
                                 tn_tensor *y);
    void (*batch_norm_train_bwd)(kn_ctx *, double eps, const tn_tensor *x, const tn_tensor *gamma,
                                 kn_act, const tn_tensor *mean, const tn_tensor *var,
                                 const tn_tensor *y, const tn_tensor *dy, double beta,
                                 tn_tensor *dx, double beta_p, tn_tensor *dgamma, tn_tensor *dbeta);
    void (*group_norm_fwd)(kn_ctx *, int groups, double eps, const tn_tensor *x,
                           const tn_tensor *gamma, const tn_tensor *beta, tn_tensor *y);
    void (*group_norm_bwd)(kn_ctx *, int groups, double eps, const tn_tensor *x,
                           const tn_tensor *gamma, const tn_tensor *dy, double beta, tn_tensor *dx,
                           double beta_p, tn_tensor *dgamma, tn_tensor *dbeta);
    void (*softmax_bwd)(kn_ctx *, double scale, const tn_tensor *y, const tn_tensor *dy,
                        double beta, tn_tensor *dx);
    void (*l2_normalize_bwd)(kn_ctx *, double eps, const tn_tensor *x, const tn_tensor *dy,
                             double beta, tn_tensor *dx);
    void (*gather_rows_bwd)(kn_ctx *, const tn_tensor *ids, const tn_tensor *dy, double beta,
                            tn_tensor *dtable);
    // Pictures.
    void (*max_pool2d_bwd)(kn_ctx *, const kn_pool2d *, const tn_tensor *x, const tn_tensor *dy,
                           double beta, tn_tensor *dx);
    void (*avg_pool2d_bwd)(kn_ctx *, const kn_pool2d *, const tn_tensor *dy, double beta,
                           tn_tensor *dx);
    void (*resize_bwd)(kn_ctx *, const kn_resize *, const tn_tensor *dy, double beta,
                       tn_tensor *dx);
    void (*upsample_bwd)(kn_ctx *, const tn_tensor *dy, double beta, tn_tensor *dtop);
    void (*roi_align_bwd)(kn_ctx *, const kn_roi_align *, const tn_tensor *rois,
                          const tn_tensor *image, const tn_tensor *map, const tn_tensor *dy,
                          double beta, tn_tensor *dlevel); // cfg->level is dlevel
    // Losses and the optimizer.
    double (*cross_entropy)(kn_ctx *, double scale, const tn_tensor *x, const tn_tensor *target,
                            const tn_tensor *weight, double factor, tn_tensor *dx);
    double (*bce_logits)(kn_ctx *, const tn_tensor *x, const tn_tensor *target,
                         const tn_tensor *weight, double factor, tn_tensor *dx);
    double (*smooth_l1)(kn_ctx *, double delta, const tn_tensor *x, const tn_tensor *target,
                        const tn_tensor *weight, double factor, tn_tensor *dx);
    double (*cosine_loss)(kn_ctx *, double eps, const tn_tensor *x, const tn_tensor *target,
                          const tn_tensor *weight, double factor, tn_tensor *dx);
    void (*adamw_step)(kn_ctx *, const kn_adamw *, const tn_tensor *grad, tn_tensor *value,
                       tn_tensor *m, tn_tensor *v);
    double (*sum_squares)(kn_ctx *, const tn_tensor *x);
};

// The levels, lowest first. NULL where the build's processor family lacks one. Whether this
// machine can run a level is asked of kn_cpu_runs().
const kn_table *kn_ref_table(void);      // kernels/ref: the oracle, float32 and float64
const kn_table *kn_portable_table(void); // kernels/cpu, plain C
const kn_table *kn_avx2_table(void);     // AVX2 + FMA
const kn_table *kn_avx512_table(void);   // AVX-512 F, BW, VL, DQ

// How products round what they multiply: not at all; to bfloat16, kept as floats; to pairs of
// bfloat16, which the processor multiplies as they are.
typedef enum kn_bf16_mode { KN_BF16_OFF, KN_BF16_ROUNDED, KN_BF16_PAIRS } kn_bf16_mode;

struct kn_ctx {
    const kn_table *table;
    kn_bf16_mode bf16;
    tn_pool *pool;
    tn_arena *scratch; // [workers]
};
