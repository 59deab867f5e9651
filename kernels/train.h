// SPDX-License-Identifier: Apache-2.0
// The operations that only training needs: gradients, norms over a batch, losses, the optimizer's
// step. The rules of kernels.h hold: shapes are checked here, the table computes; outputs are the
// caller's and overlap nothing unless said; any number of threads gives the same bits.
//
// Gradients are named after what they are the gradient of: dx of x. Each has a BLAS-style
// `beta`: 0 writes it (what was there is not read), 1 adds to it, nothing else is allowed. A NULL
// gradient is not wanted: so may be dx, dgamma, dbeta of a norm and dx of a loss. An empty dy (no
// regions, no rows) is fine: gradients that are not empty are then zero where beta is 0.
//
// Some gradients need no operation of their own. With w [C,K,2,2] of a transposed convolution: its
// dx is kn_conv2d_fwd of dy by w packed plainly, stride 2; its dw is kn_conv2d_bwd_w with x and dy
// in each other's place. A linear layer's dw [K,C] is kn_matmul_tn(dy, x). A sum passes its dy on.
#pragma once

#include "kernels/kernels.h"

// ---- weights that change -----------------------------------------------------------------------

// Packs the adjoint of w ([K,C] or [K,C,kh,kw], real): the weight with which kn_linear_bwd_x and
// kn_conv2d_bwd_x turn dy into dx. Memory comes from arena. TN_ENOMEM.
tn_status kn_weight_pack_adjoint(kn_ctx *cx, tn_arena *arena, const tn_tensor *w, kn_weight *out,
                                 tn_error *err);
// Packs new values of the same shape into a weight that is packed already, in whichever of the
// three forms it has. w and scale as they were given then.
void kn_weight_repack(kn_ctx *cx, const tn_tensor *w, const tn_tensor *scale, kn_weight *packed);

// ---- products ----------------------------------------------------------------------------------

// dy [...,K], adjoint of [K,C] -> dx [...,C] = dy W.
void kn_linear_bwd_x(kn_ctx *cx, const tn_tensor *dy, const kn_weight *adjoint, double beta,
                     tn_tensor *dx);
// cfg is the forward's; dy [N,Ho,Wo,K] -> dx [N,H,W,C]. Any stride, padding and dilation.
void kn_conv2d_bwd_x(kn_ctx *cx, const kn_conv *cfg, const tn_tensor *dy, const kn_weight *adjoint,
                     double beta, tn_tensor *dx);
// x [N,H,W,C], dy [N,Ho,Wo,K] -> dw [K,C,kh,kw], PyTorch's order.
void kn_conv2d_bwd_w(kn_ctx *cx, const kn_conv *cfg, const tn_tensor *x, const tn_tensor *dy,
                     double beta, tn_tensor *dw);
// y [M,N] = alpha a^T b + beta y; a [...,M], b [...,N] with equally many rows.
void kn_matmul_tn(kn_ctx *cx, double alpha, const tn_tensor *a, const tn_tensor *b, double beta,
                  tn_tensor *y);
// y [M,N] = alpha a b + beta y; a [M,K], b [K,N].
void kn_matmul_nn(kn_ctx *cx, double alpha, const tn_tensor *a, const tn_tensor *b, double beta,
                  tn_tensor *y);
// y [C] = sum of the rows of x [...,C] + beta y: the gradient of a bias. Sums are cut by size.
void kn_sum_rows(kn_ctx *cx, const tn_tensor *x, double beta, tn_tensor *y);
// cfg and its strides as the forward's; q [N,Lq,C], k v [N,Lk,C], y dy [N,Lq,C] -> dq, dk, dv with
// the strides of q, k, v, so that they may be slices of one [N,L,3C]. They are written (beta 0).
// All three are wanted. Memory grows with L, not with L*L.
void kn_attention_bwd(kn_ctx *cx, const kn_attention *cfg, const tn_tensor *q, const tn_tensor *k,
                      const tn_tensor *v, const tn_tensor *y, const tn_tensor *dy, tn_tensor *dq,
                      tn_tensor *dk, tn_tensor *dv);

// ---- rows and elements -------------------------------------------------------------------------

// y = alpha x + beta y, elementwise, beta any number (0 does not read y): moving averages, sums of
// gradients. y may be x.
void kn_axpby(kn_ctx *cx, double alpha, const tn_tensor *x, double beta, tn_tensor *y);
// x is the activation's input, except for KN_RELU and KN_SIGMOID, which are told its output.
// dx may be dy where beta is 0.
void kn_act_bwd(kn_ctx *cx, kn_act act, const tn_tensor *x, const tn_tensor *dy, double beta,
                tn_tensor *dx);
// dx [...,C], dgamma [C], dbeta [C]; beta goes with dx, beta_p with the other two.
void kn_layer_norm_bwd(kn_ctx *cx, double eps, const tn_tensor *x, const tn_tensor *gamma,
                       const tn_tensor *dy, double beta, tn_tensor *dx, double beta_p,
                       tn_tensor *dgamma, tn_tensor *dbeta);
// Batch norm with the statistics of x [...,C] itself (Ioffe and Szegedy 2015): mean [C] and biased
// variance [C] are written (0 where x has no rows), y = act((x-mean)/sqrt(var+eps)*gamma+beta).
// act: KN_LINEAR or KN_RELU.
void kn_batch_norm_train_fwd(kn_ctx *cx, double eps, const tn_tensor *x, const tn_tensor *gamma,
                             const tn_tensor *beta, kn_act act, tn_tensor *mean, tn_tensor *var,
                             tn_tensor *y);
// mean, var, y: as the forward wrote them.
void kn_batch_norm_train_bwd(kn_ctx *cx, double eps, const tn_tensor *x, const tn_tensor *gamma,
                             kn_act act, const tn_tensor *mean, const tn_tensor *var,
                             const tn_tensor *y, const tn_tensor *dy, double beta, tn_tensor *dx,
                             double beta_p, tn_tensor *dgamma, tn_tensor *dbeta);
// Group norm (Wu and He 2018): x [N,H,W,C] (or [N,L,C], [N,C]), groups divides C; statistics of
// each picture and group. No activation: y may be x.
void kn_group_norm_fwd(kn_ctx *cx, int groups, double eps, const tn_tensor *x,
                       const tn_tensor *gamma, const tn_tensor *beta, tn_tensor *y);
void kn_group_norm_bwd(kn_ctx *cx, int groups, double eps, const tn_tensor *x,
                       const tn_tensor *gamma, const tn_tensor *dy, double beta, tn_tensor *dx,
                       double beta_p, tn_tensor *dgamma, tn_tensor *dbeta);
// y: the forward's output, softmax(scale*x). dx may be dy where beta is 0.
void kn_softmax_bwd(kn_ctx *cx, double scale, const tn_tensor *y, const tn_tensor *dy, double beta,
                    tn_tensor *dx);
void kn_l2_normalize_bwd(kn_ctx *cx, double eps, const tn_tensor *x, const tn_tensor *dy,
                         double beta, tn_tensor *dx);
// ids int32 [M], dy [M,C] -> dtable [V,C]. Rows that meet are added in the order of ids.
void kn_gather_rows_bwd(kn_ctx *cx, const tn_tensor *ids, const tn_tensor *dy, double beta,
                        tn_tensor *dtable);

// ---- pictures ----------------------------------------------------------------------------------

// Each dy goes to the first largest x of its window, as in PyTorch.
void kn_max_pool2d_bwd(kn_ctx *cx, const kn_pool2d *cfg, const tn_tensor *x, const tn_tensor *dy,
                       double beta, tn_tensor *dx);
void kn_avg_pool2d_bwd(kn_ctx *cx, const kn_pool2d *cfg, const tn_tensor *dy, double beta,
                       tn_tensor *dx);
// dy [N,Ho,Wo,C] -> dx [N,H,W,C].
void kn_resize_bwd(kn_ctx *cx, const kn_resize *cfg, const tn_tensor *dy, double beta,
                   tn_tensor *dx);
// The top of kn_upsample_add_fwd: dy [N,Ho,Wo,C] -> dtop [N,H,W,C]. The lateral's gradient is dy.
void kn_upsample_bwd(kn_ctx *cx, const tn_tensor *dy, double beta, tn_tensor *dtop);
// cfg, rois, image, map as in the forward (cfg->level gives the shapes alone); dy [R,ph,pw,C] ->
// dlevel [cfg->levels] maps of the shapes of cfg->level. No atomics: a fixed order of regions.
void kn_roi_align_bwd(kn_ctx *cx, const kn_roi_align *cfg, const tn_tensor *rois,
                      const tn_tensor *image, const tn_tensor *map, const tn_tensor *dy,
                      double beta, tn_tensor *dlevel);

// ---- losses ------------------------------------------------------------------------------------
// Each returns the sum of its terms in double (in a fixed order) and writes the gradient of
// factor * sum. The caller divides: factor is 1 / a fixed count.

// Terms -weight[t] * log softmax(scale*x)[t] for rows x [R,T] with target t = target[r] (int32
// [R]); a negative target is left out, whatever its row holds, and its gradient 0. A column of
// -inf is one that cannot be: gradient 0. weight: real [T] or NULL.
double kn_cross_entropy(kn_ctx *cx, double scale, const tn_tensor *x, const tn_tensor *target,
                        const tn_tensor *weight, double factor, tn_tensor *dx);
// Binary cross-entropy of logits x with targets in 0..1; weight: NULL or the shape of x (0 leaves
// a term out, even one that is not a number).
double kn_bce_logits(kn_ctx *cx, const tn_tensor *x, const tn_tensor *target,
                     const tn_tensor *weight, double factor, tn_tensor *dx);
// |d| < delta ? d*d/(2 delta) : |d| - delta/2 with d = x - target (PyTorch's smooth_l1_loss; delta
// 0 is |d|). weight as above.
double kn_smooth_l1(kn_ctx *cx, double delta, const tn_tensor *x, const tn_tensor *target,
                    const tn_tensor *weight, double factor, tn_tensor *dx);
// 1 - cos(x, target) for each row of x [R,D] with weight[r] (real [R] or NULL; 0 leaves the row
// out). Lengths below eps count as eps, which is then a constant.
double kn_cosine_loss(kn_ctx *cx, double eps, const tn_tensor *x, const tn_tensor *target,
                      const tn_tensor *weight, double factor, tn_tensor *dx);

// ---- the optimizer -----------------------------------------------------------------------------

typedef struct kn_adamw {
    double lr, beta1, beta2, eps, decay; // decay is decoupled: w -= lr * decay * w
    int64_t step;                        // 1 for the first: the bias corrections
    double grad_scale;                   // gradients are multiplied with it first: clipping
} kn_adamw;
// One step (Loshchilov and Hutter 2019, in the order of PyTorch's AdamW) over flat buffers of equal
// length; value, m and v are changed in place.
void kn_adamw_step(kn_ctx *cx, const kn_adamw *cfg, const tn_tensor *grad, tn_tensor *value,
                   tn_tensor *m, tn_tensor *v);
double kn_sum_squares(kn_ctx *cx, const tn_tensor *x); // in double, in a fixed order
