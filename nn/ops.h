// SPDX-License-Identifier: Apache-2.0
// Operations without parameters that a tape can see: each is one of kernels.h, and is recorded
// where the gradient of an input is wanted. Outputs come from cx->step; TN_ENOMEM. Reshaping and
// taking rows need no operation: views are known (nn/tape.h).
#pragma once

#include "nn/nn.h"

// y = act(a + b), all of one shape.
tn_status nn_add(nn_ctx *cx, kn_act act, const tn_tensor *a, const tn_tensor *b, tn_tensor *y);
// Into a y that is there; without a tape it may be a.
void nn_add_into(nn_ctx *cx, kn_act act, const tn_tensor *a, const tn_tensor *b, tn_tensor *y);
tn_status nn_act(nn_ctx *cx, kn_act act, const tn_tensor *x, tn_tensor *y);
// Into a y that is there; without a tape it may be x.
void nn_act_into(nn_ctx *cx, kn_act act, const tn_tensor *x, tn_tensor *y);
// The parts one after the other along the first dimension; the others are equal.
tn_status nn_concat_rows(nn_ctx *cx, int count, const tn_tensor *parts, tn_tensor *y);
// x [M,C], ids int32 [R] in [0,M) -> y [R,C]. ids stays the caller's and is kept by the tape.
tn_status nn_gather_rows(nn_ctx *cx, const tn_tensor *x, const tn_tensor *ids, tn_tensor *y);
// Into a y that is there.
void nn_gather_rows_into(nn_ctx *cx, const tn_tensor *x, const tn_tensor *ids, tn_tensor *y);
// Token place[i] of each sequence: x [N,L,C], place int32 [N] in [0,L) (NULL: the first) -> y
// [N,C].
tn_status nn_pick_tokens(nn_ctx *cx, const tn_tensor *x, const tn_tensor *place, tn_tensor *y);
// x / max(|x|_2, eps) for each row.
tn_status nn_l2_normalize(nn_ctx *cx, double eps, const tn_tensor *x, tn_tensor *y);
// Softmax over the last dimension of scale*x.
tn_status nn_softmax(nn_ctx *cx, double scale, const tn_tensor *x, tn_tensor *y);
// Pictures x [N,H,W,C]. Sizes of pooled ones: floor((H + pads - kh) / stride) + 1.
tn_status nn_max_pool(nn_ctx *cx, const kn_pool2d *cfg, const tn_tensor *x, tn_tensor *y);
tn_status nn_avg_pool(nn_ctx *cx, const kn_pool2d *cfg, const tn_tensor *x, tn_tensor *y);
tn_status nn_resize(nn_ctx *cx, const kn_resize *cfg, int64_t height, int64_t width,
                    const tn_tensor *x, tn_tensor *y);
// y [N,Ho,Wo,C] += nearest(top [N,H,W,C]), in place: what made y must not need what it wrote, as a
// convolution or a norm without an activation.
void nn_upsample_add(nn_ctx *cx, const tn_tensor *top, tn_tensor *y);
// Into a y that is there.
void nn_max_pool_into(nn_ctx *cx, const kn_pool2d *cfg, const tn_tensor *x, tn_tensor *y);
