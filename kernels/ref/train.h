// SPDX-License-Identifier: Apache-2.0
// What training adds to the reference backend; the rules of ref.h hold.
#pragma once

#include "kernels/ref/ref.h"

void kn_ref_linear_bwd_x(kn_ctx *cx, const tn_tensor *dy, const kn_weight *adjoint, double beta,
                         tn_tensor *dx);
void kn_ref_conv2d_bwd_x(kn_ctx *cx, const kn_conv *cfg, const tn_tensor *dy,
                         const kn_weight *adjoint, double beta, tn_tensor *dx);
void kn_ref_conv2d_bwd_w(kn_ctx *cx, const kn_conv *cfg, const tn_tensor *x, const tn_tensor *dy,
                         double beta, tn_tensor *dw);
void kn_ref_matmul_tn(kn_ctx *cx, double alpha, const tn_tensor *a, const tn_tensor *b, double beta,
                      tn_tensor *y);
void kn_ref_matmul_nn(kn_ctx *cx, double alpha, const tn_tensor *a, const tn_tensor *b, double beta,
                      tn_tensor *y);
void kn_ref_sum_rows(kn_ctx *cx, const tn_tensor *x, double beta, tn_tensor *y);
void kn_ref_attention_bwd(kn_ctx *cx, const kn_attention *cfg, const tn_tensor *q,
                          const tn_tensor *k, const tn_tensor *v, const tn_tensor *y,
                          const tn_tensor *dy, tn_tensor *dq, tn_tensor *dk, tn_tensor *dv);

void kn_ref_axpby(kn_ctx *cx, double alpha, const tn_tensor *x, double beta, tn_tensor *y);
void kn_ref_act_bwd(kn_ctx *cx, kn_act act, const tn_tensor *x, const tn_tensor *dy, double beta,
                    tn_tensor *dx);
void kn_ref_layer_norm_bwd(kn_ctx *cx, double eps, const tn_tensor *x, const tn_tensor *gamma,
                           const tn_tensor *dy, double beta, tn_tensor *dx, double beta_p,
                           tn_tensor *dgamma, tn_tensor *dbeta);
void kn_ref_batch_norm_train_fwd(kn_ctx *cx, double eps, const tn_tensor *x, const tn_tensor *gamma,
                                 const tn_tensor *beta, kn_act act, tn_tensor *mean, tn_tensor *var,
                                 tn_tensor *y);
void kn_ref_batch_norm_train_bwd(kn_ctx *cx, double eps, const tn_tensor *x, const tn_tensor *gamma,
                                 kn_act act, const tn_tensor *mean, const tn_tensor *var,
                                 const tn_tensor *y, const tn_tensor *dy, double beta,
                                 tn_tensor *dx, double beta_p, tn_tensor *dgamma, tn_tensor *dbeta);
void kn_ref_group_norm_fwd(kn_ctx *cx, int groups, double eps, const tn_tensor *x,
                           const tn_tensor *gamma, const tn_tensor *beta, tn_tensor *y);
void kn_ref_group_norm_bwd(kn_ctx *cx, int groups, double eps, const tn_tensor *x,
                           const tn_tensor *gamma, const tn_tensor *dy, double beta, tn_tensor *dx,
                           double beta_p, tn_tensor *dgamma, tn_tensor *dbeta);
void kn_ref_softmax_bwd(kn_ctx *cx, double scale, const tn_tensor *y, const tn_tensor *dy,
                        double beta, tn_tensor *dx);
void kn_ref_l2_normalize_bwd(kn_ctx *cx, double eps, const tn_tensor *x, const tn_tensor *dy,
                             double beta, tn_tensor *dx);
void kn_ref_gather_rows_bwd(kn_ctx *cx, const tn_tensor *ids, const tn_tensor *dy, double beta,
                            tn_tensor *dtable);
void kn_ref_max_pool2d_bwd(kn_ctx *cx, const kn_pool2d *cfg, const tn_tensor *x,
                           const tn_tensor *dy, double beta, tn_tensor *dx);
void kn_ref_avg_pool2d_bwd(kn_ctx *cx, const kn_pool2d *cfg, const tn_tensor *dy, double beta,
                           tn_tensor *dx);
void kn_ref_resize_bwd(kn_ctx *cx, const kn_resize *cfg, const tn_tensor *dy, double beta,
                       tn_tensor *dx);
void kn_ref_upsample_bwd(kn_ctx *cx, const tn_tensor *dy, double beta, tn_tensor *dtop);
void kn_ref_roi_align_bwd(kn_ctx *cx, const kn_roi_align *cfg, const tn_tensor *rois,
                          const tn_tensor *image, const tn_tensor *map, const tn_tensor *dy,
                          double beta, tn_tensor *dlevel);
double kn_ref_cross_entropy(kn_ctx *cx, double scale, const tn_tensor *x, const tn_tensor *target,
                            const tn_tensor *weight, double factor, tn_tensor *dx);
double kn_ref_bce_logits(kn_ctx *cx, const tn_tensor *x, const tn_tensor *target,
                         const tn_tensor *weight, double factor, tn_tensor *dx);
double kn_ref_smooth_l1(kn_ctx *cx, double delta, const tn_tensor *x, const tn_tensor *target,
                        const tn_tensor *weight, double factor, tn_tensor *dx);
double kn_ref_cosine_loss(kn_ctx *cx, double eps, const tn_tensor *x, const tn_tensor *target,
                          const tn_tensor *weight, double factor, tn_tensor *dx);
void kn_ref_adamw_step(kn_ctx *cx, const kn_adamw *cfg, const tn_tensor *grad, tn_tensor *value,
                       tn_tensor *m, tn_tensor *v);
double kn_ref_sum_squares(kn_ctx *cx, const tn_tensor *x);
