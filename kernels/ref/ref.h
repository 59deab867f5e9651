// SPDX-License-Identifier: Apache-2.0
// The reference backend: textbook loops, one source for float32 and float64, sums in double,
// written for clarity and deliberately unlike fast code. It is the oracle of every other backend
// and is never tuned. An operation on real tensors lives in a .inc that its .c includes twice.
#pragma once

#include "kernels/table.h"

// y = act(x) in double.
double kn_ref_act(kn_act act, double x);
// Whether token i of picture n may look at token j.
bool kn_ref_attends(const kn_attention *cfg, int64_t n, int64_t i, int64_t j);

size_t kn_ref_weight_bytes(const kn_weight *w);
void kn_ref_weight_pack(kn_ctx *cx, const tn_tensor *w, const tn_tensor *scale, kn_weight *out);
void kn_ref_linear_fwd(kn_ctx *cx, const tn_tensor *x, const kn_weight *w, const kn_epilogue *ep,
                       tn_tensor *y);
void kn_ref_conv2d_fwd(kn_ctx *cx, const kn_conv *cfg, const tn_tensor *x, const kn_weight *w,
                       const kn_epilogue *ep, tn_tensor *y);
void kn_ref_conv_transpose2x2_fwd(kn_ctx *cx, const tn_tensor *x, const kn_weight *w,
                                  const kn_epilogue *ep, tn_tensor *y);
void kn_ref_matmul_nt_fwd(kn_ctx *cx, double alpha, const tn_tensor *a, const tn_tensor *b,
                          tn_tensor *y);
void kn_ref_attention_fwd(kn_ctx *cx, const kn_attention *cfg, const tn_tensor *q,
                          const tn_tensor *k, const tn_tensor *v, tn_tensor *y);

void kn_ref_layer_norm_fwd(kn_ctx *cx, double eps, const tn_tensor *x, const tn_tensor *gamma,
                           const tn_tensor *beta, tn_tensor *y);
void kn_ref_batch_norm_fwd(kn_ctx *cx, double eps, const tn_tensor *x, const tn_tensor *mean,
                           const tn_tensor *var, const tn_tensor *gamma, const tn_tensor *beta,
                           kn_act act, tn_tensor *y);
void kn_ref_softmax_fwd(kn_ctx *cx, double scale, const tn_tensor *x, tn_tensor *y);
void kn_ref_l2_normalize_fwd(kn_ctx *cx, double eps, const tn_tensor *x, tn_tensor *y);
void kn_ref_act_fwd(kn_ctx *cx, kn_act act, const tn_tensor *x, tn_tensor *y);
void kn_ref_add_fwd(kn_ctx *cx, kn_act act, const tn_tensor *a, const tn_tensor *b, tn_tensor *y);
void kn_ref_gather_rows_fwd(kn_ctx *cx, const tn_tensor *table, const tn_tensor *ids, tn_tensor *y);

void kn_ref_max_pool2d_fwd(kn_ctx *cx, const kn_pool2d *cfg, const tn_tensor *x, tn_tensor *y);
void kn_ref_avg_pool2d_fwd(kn_ctx *cx, const kn_pool2d *cfg, const tn_tensor *x, tn_tensor *y);
void kn_ref_resize_fwd(kn_ctx *cx, const kn_resize *cfg, const tn_tensor *x, tn_tensor *y);
void kn_ref_upsample_add_fwd(kn_ctx *cx, const tn_tensor *top, const tn_tensor *lateral,
                             tn_tensor *y);
void kn_ref_resize_u8_fwd(kn_ctx *cx, const kn_resize_u8 *cfg, const tn_tensor *x, tn_tensor *y);
void kn_ref_normalize_u8_fwd(kn_ctx *cx, const float *mean, const float *std, const tn_tensor *x,
                             tn_tensor *y);

void kn_ref_roi_align_fwd(kn_ctx *cx, const kn_roi_align *cfg, const tn_tensor *rois,
                          const tn_tensor *image, const tn_tensor *map, tn_tensor *y);
int64_t kn_ref_nms(kn_ctx *cx, double threshold, const tn_tensor *boxes, const tn_tensor *scores,
                   const tn_tensor *group, tn_tensor *keep);
void kn_ref_box_decode_fwd(kn_ctx *cx, const double weights[4], double clip,
                           const tn_tensor *anchors, const tn_tensor *deltas, tn_tensor *y);
void kn_ref_box_clip(kn_ctx *cx, double height, double width, tn_tensor *boxes);
void kn_ref_topk(kn_ctx *cx, const tn_tensor *x, tn_tensor *index);
void kn_ref_mask_paste_fwd(kn_ctx *cx, double threshold, const tn_tensor *masks,
                           const tn_tensor *boxes, tn_tensor *y);
