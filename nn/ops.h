// SPDX-License-Identifier: Apache-2.0
// Operations without parameters that a tape records: each calls one of kernels.h and is recorded if
// the gradient of an input is wanted. Outputs are allocated from cx->step; TN_ENOMEM. Reshaping and
// slicing rows need no operation: the tape recognises views (nn/tape.h).
#pragma once

#include "nn/nn.h"

// y = act(a + b); a and b have the same shape.
tn_status nn_add(nn_ctx *cx, kn_act act, const tn_tensor *a, const tn_tensor *b, tn_tensor *y);
// Writes to an existing y, which may be a without a tape.
void nn_add_into(nn_ctx *cx, kn_act act, const tn_tensor *a, const tn_tensor *b, tn_tensor *y);
tn_status nn_act(nn_ctx *cx, kn_act act, const tn_tensor *x, tn_tensor *y);
// Writes to an existing y, which may be x without a tape.
void nn_act_into(nn_ctx *cx, kn_act act, const tn_tensor *x, tn_tensor *y);
// Concatenates the parts along the first dimension; the other dimensions must be equal.
tn_status nn_concat_rows(nn_ctx *cx, int count, const tn_tensor *parts, tn_tensor *y);
// x [M,C], ids int32 [R] in [0,M) -> y [R,C]. ids is owned by the caller; a tape keeps a reference.
tn_status nn_gather_rows(nn_ctx *cx, const tn_tensor *x, const tn_tensor *ids, tn_tensor *y);
// Writes to an existing y.
void nn_gather_rows_into(nn_ctx *cx, const tn_tensor *x, const tn_tensor *ids, tn_tensor *y);
// Token position[i] of each sequence: x [N,L,C], position int32 [N] in [0,L) (NULL: the first) -> y
// [N,C].
tn_status nn_pick_tokens(nn_ctx *cx, const tn_tensor *x, const tn_tensor *position, tn_tensor *y);
// Each row becomes x / max(|x|_2, eps).
tn_status nn_l2_normalize(nn_ctx *cx, double eps, const tn_tensor *x, tn_tensor *y);
// Softmax over the last dimension of scale*x.
tn_status nn_softmax(nn_ctx *cx, double scale, const tn_tensor *x, tn_tensor *y);
// Pooling of pictures x [N,H,W,C]. Output sizes: floor((H + pads - kh) / stride) + 1.
tn_status nn_max_pool(nn_ctx *cx, const kn_pool2d *cfg, const tn_tensor *x, tn_tensor *y);
tn_status nn_avg_pool(nn_ctx *cx, const kn_pool2d *cfg, const tn_tensor *x, tn_tensor *y);
tn_status nn_resize(nn_ctx *cx, const kn_resize *cfg, int64_t height, int64_t width,
                    const tn_tensor *x, tn_tensor *y);
// y [N,Ho,Wo,C] += nearest(top [N,H,W,C]), in position. The operation that made y must not need its
// output for its gradient: a convolution, or a norm without an activation.
void nn_upsample_add(nn_ctx *cx, const tn_tensor *top, tn_tensor *y);
// Writes to an existing y.
void nn_max_pool_into(nn_ctx *cx, const kn_pool2d *cfg, const tn_tensor *x, tn_tensor *y);
