// SPDX-License-Identifier: Apache-2.0
// The list of operations. Each function here checks shapes and types (a mismatch is a programmer's
// mistake and aborts) and calls the table of the context's backend. Tensors are channels-last and
// contiguous; outputs are allocated by the caller and never overlap inputs unless a function says
// so. "real" means float32, or float64 where the table is `ref`.
//
// Reductions are cut by size, never by thread count: any number of threads gives the same bits.
#pragma once

#include "tensor/pool.h"
#include "tensor/tensor.h"

typedef struct kn_table kn_table; // kernels/table.h
typedef struct kn_ctx kn_ctx;     // a backend, its threads and its scratch memory

// TN_EDEVICE for a device that this build does not know, naming those that it does.
tn_status kn_device_check(const char *device, tn_error *err);

// device: "cpu". level: NULL for the best that the processor has (or LEXMASK_CPU, if set), else
// ref|portable|avx2|avx512. threads: 0 = all processors. One context belongs to one thread at a
// time. TN_EDEVICE for an unknown device or a level that this processor lacks, naming the choices.
tn_status kn_open(const char *device, const char *level, int threads, kn_ctx **out, tn_error *err);
void kn_close(kn_ctx *cx);
const char *kn_level(const kn_ctx *cx); // "avx512", …
// What the products of this context multiply, weights' gradients too, attention apart: TN_F32 as it
// is (where it begins), or TN_BF16, rounded to bfloat16 and summed in float32, as PyTorch's
// set_float32_matmul_precision("medium") allows. With AVX512_BF16 that is nearly twice as fast, and
// elsewhere slower than float32. Tensors and packed weights stay float32. TN_EDEVICE with `ref`.
tn_status kn_set_products(kn_ctx *cx, tn_dtype type, tn_error *err);
tn_dtype kn_products(const kn_ctx *cx);
int kn_threads(const kn_ctx *cx);
tn_pool *kn_pool(const kn_ctx *cx);
// Scratch of one worker for the length of one operation: grows by kn_scratch calls and is reset
// by kn_scratch_reset. Aborts when the reservation (1 GiB a worker) is used up.
void *kn_scratch(kn_ctx *cx, int worker, size_t bytes);
void kn_scratch_reset(kn_ctx *cx, int worker);

typedef enum kn_act { KN_LINEAR, KN_RELU, KN_GELU, KN_QUICK_GELU, KN_SIGMOID, KN_GELU_TANH } kn_act;
// KN_GELU is x*Phi(x) with erf; KN_QUICK_GELU is x*sigmoid(1.702x) (OpenAI's CLIP); KN_GELU_TANH
// is the tanh approximation.

// ---- weights ---------------------------------------------------------------------------------

// A weight in the order that the backend's kernels want, packed once at load (docs/architecture.md,
// decision 3).
typedef struct kn_weight {
    const kn_table *table;   // the backend that packed it, the only one that can read it
    tn_dtype dtype;          // of the computation: TN_F32, or TN_F64 with `ref`
    int64_t out, in, kh, kw; // K output channels, C input channels, kernel size (1,1 = linear)
    bool transposed;         // packed for kn_conv_transpose2x2_fwd
    bool adjoint;            // packed for the products of train.h: in is the forward's K, out its C
    void *data;
    size_t bytes;
} kn_weight;

// w: [K,C] or [K,C,kh,kw] in PyTorch's order, real. scale: [K] or NULL, multiplied into each row
// (batch norm folded). Memory comes from arena. TN_ENOMEM.
tn_status kn_weight_pack(kn_ctx *cx, tn_arena *arena, const tn_tensor *w, const tn_tensor *scale,
                         kn_weight *out, tn_error *err);
// w: [C,K,2,2], PyTorch's ConvTranspose2d order. scale as above.
tn_status kn_weight_pack_transpose2x2(kn_ctx *cx, tn_arena *arena, const tn_tensor *w,
                                      const tn_tensor *scale, kn_weight *out, tn_error *err);

// What happens as a result is stored: y = act(y + bias + residual). Every part may be left out.
typedef struct kn_epilogue {
    const tn_tensor *bias;     // [K]
    const tn_tensor *residual; // the shape of y; may be y itself
    kn_act act;
} kn_epilogue;

// ---- products --------------------------------------------------------------------------------

// x [..., C] -> y [..., K] = x W^T. ep may be NULL.
void kn_linear_fwd(kn_ctx *cx, const tn_tensor *x, const kn_weight *w, const kn_epilogue *ep,
                   tn_tensor *y);

typedef struct kn_conv {
    int stride_h, stride_w, pad_top, pad_left, pad_bottom, pad_right;
    int dilation_h, dilation_w;
} kn_conv;
static inline kn_conv kn_conv_same(int stride, int pad) {
    return (kn_conv){stride, stride, pad, pad, pad, pad, 1, 1};
}
// Output size along one axis: floor((in + pads - dilation*(kernel-1) - 1) / stride) + 1.
int64_t kn_conv_out(int64_t in, int64_t kernel, int stride, int pad_before, int pad_after,
                    int dilation);
// x [N,H,W,C] -> y [N,Ho,Wo,K], cross-correlation as in PyTorch's conv2d, groups = 1.
void kn_conv2d_fwd(kn_ctx *cx, const kn_conv *cfg, const tn_tensor *x, const kn_weight *w,
                   const kn_epilogue *ep, tn_tensor *y);
// Transposed convolution, kernel 2, stride 2: x [N,H,W,C] -> y [N,2H,2W,K]. No residual.
void kn_conv_transpose2x2_fwd(kn_ctx *cx, const tn_tensor *x, const kn_weight *w,
                              const kn_epilogue *ep, tn_tensor *y);
// y [M,N] = alpha * a [M,K] b^T, b [N,K]: two activations, nothing packed beforehand.
void kn_matmul_nt_fwd(kn_ctx *cx, double alpha, const tn_tensor *a, const tn_tensor *b,
                      tn_tensor *y);

typedef struct kn_attention {
    int heads;
    double scale;          // of the scores; 0 means 1/sqrt(C/heads)
    bool causal;           // token i sees tokens 0..i
    const tn_tensor *mask; // NULL or uint8 [N or 1, Lq, Lk], 1 = may attend. A row without a 1
                           // gives zeros
    int64_t q_stride, k_stride, v_stride; // elements between two tokens; 0 means C. So q, k and v
                                          // may be slices of one [N,L,3C]; pictures follow each
                                          // other at L*stride
} kn_attention;
// q [N,Lq,C], k v [N,Lk,C] -> y [N,Lq,C]: softmax(q k^T * scale) v for each head (Vaswani 2017).
void kn_attention_fwd(kn_ctx *cx, const kn_attention *cfg, const tn_tensor *q, const tn_tensor *k,
                      const tn_tensor *v, tn_tensor *y);

// ---- rows and elements -----------------------------------------------------------------------

// Over the last dimension: (x-mean)/sqrt(var+eps)*gamma+beta, biased variance. y may be x.
void kn_layer_norm_fwd(kn_ctx *cx, double eps, const tn_tensor *x, const tn_tensor *gamma,
                       const tn_tensor *beta, tn_tensor *y);
// Inference form, for channels last: all four are [C]; the oracle of folded batch norm. y may be x.
void kn_batch_norm_fwd(kn_ctx *cx, double eps, const tn_tensor *x, const tn_tensor *mean,
                       const tn_tensor *var, const tn_tensor *gamma, const tn_tensor *beta,
                       kn_act act, tn_tensor *y);
// Softmax over the last dimension of scale*x, the maximum subtracted first. y may be x.
void kn_softmax_fwd(kn_ctx *cx, double scale, const tn_tensor *x, tn_tensor *y);
// x / max(|x|_2, eps) for each row. y may be x.
void kn_l2_normalize_fwd(kn_ctx *cx, double eps, const tn_tensor *x, tn_tensor *y);
void kn_act_fwd(kn_ctx *cx, kn_act act, const tn_tensor *x, tn_tensor *y); // y may be x
// y = act(a + b); b has the shape of a, or is repeated over a's leading dimensions. y may be a.
void kn_add_fwd(kn_ctx *cx, kn_act act, const tn_tensor *a, const tn_tensor *b, tn_tensor *y);
// table [V,C], ids int32 [M] in [0,V) -> y [M,C].
void kn_gather_rows_fwd(kn_ctx *cx, const tn_tensor *table, const tn_tensor *ids, tn_tensor *y);

// ---- pictures --------------------------------------------------------------------------------

typedef struct kn_pool2d {
    int kh, kw, stride_h, stride_w, pad_top, pad_left, pad_bottom, pad_right;
    bool count_pad; // average only: divide by kh*kw also at the border
} kn_pool2d;
void kn_max_pool2d_fwd(kn_ctx *cx, const kn_pool2d *cfg, const tn_tensor *x, tn_tensor *y);
void kn_avg_pool2d_fwd(kn_ctx *cx, const kn_pool2d *cfg, const tn_tensor *x, tn_tensor *y);

typedef enum kn_filter { KN_NEAREST, KN_BILINEAR, KN_BICUBIC } kn_filter;
typedef struct kn_resize {
    kn_filter filter;
    bool antialias;          // widen the filter when shrinking, as PIL and PyTorch's antialias=True
    double cubic_a;          // 0 means -0.75 (PyTorch), -0.5 with antialias (PIL)
    double scale_h, scale_w; // input/output step; 0 means H/Ho, W/Wo
} kn_resize;
// x [N,H,W,C] -> y [N,Ho,Wo,C], half-pixel centres (align_corners=False), borders repeated;
// nearest takes floor(i*scale). Sizes come from y.
void kn_resize_fwd(kn_ctx *cx, const kn_resize *cfg, const tn_tensor *x, tn_tensor *y);
// lateral [N,Ho,Wo,C] + nearest(top [N,H,W,C]) -> y [N,Ho,Wo,C]: the FPN's top-down step. y may be
// lateral.
void kn_upsample_add_fwd(kn_ctx *cx, const tn_tensor *top, const tn_tensor *lateral, tn_tensor *y);
// uint8 [H,W,C] -> uint8 [Ho,Wo,C], equal to the last bit to PIL's Image.resize with BILINEAR or
// BICUBIC: two passes with 8-bit rounding between them, fixed-point weights of 22 fractional bits.
// The horizontal pass comes first, unless the height shrinks by more pixels than twice those that
// the width shrinks by: so does Pillow 13 (12 and older: always first; a few bytes differ by 1).
// box: NULL or {left, top, right, bottom} in x, as PIL's box argument.
void kn_resize_u8_fwd(kn_ctx *cx, kn_filter filter, const double *box, const tn_tensor *x,
                      tn_tensor *y);
// A window of that result, with the same bytes: y [h,w,C] is what lies at (top, left) of a result
// of height x width. Time and memory are those of the window.
typedef struct kn_resize_u8 {
    kn_filter filter;
    const double *box;
    int64_t height, width, top, left;
} kn_resize_u8;
void kn_resize_u8_window_fwd(kn_ctx *cx, const kn_resize_u8 *cfg, const tn_tensor *x, tn_tensor *y);
// uint8 [...,C] -> float32: (x/255 - mean[c]) / std[c], each step rounded as torchvision does it.
void kn_normalize_u8_fwd(kn_ctx *cx, const float *mean, const float *std, const tn_tensor *x,
                         tn_tensor *y);

// ---- detection -------------------------------------------------------------------------------
// Boxes are [R,4] float32 rows x1,y1,x2,y2 in pixels.

typedef struct kn_roi_align {
    int sampling_ratio; // samples a bin along an axis; 0 means ceil(roi size / bins)
    bool aligned;       // shift by half a pixel (false is torchvision's default for Mask R-CNN)
    int levels;
    const tn_tensor *level; // [levels] maps [N,H,W,C] of equal N and C
    const double *scale;    // [levels] map pixels a picture pixel, e.g. 1/4
} kn_roi_align;
// rois [R,4], image int32 [R] (which picture), map int32 [R] (which level; NULL when levels==1)
// -> y [R,ph,pw,C] (He et al. 2017; torchvision's roi_align for the sampling rule).
void kn_roi_align_fwd(kn_ctx *cx, const kn_roi_align *cfg, const tn_tensor *rois,
                      const tn_tensor *image, const tn_tensor *map, tn_tensor *y);
// Greedy suppression at IoU > threshold, in the total order score down, then index up; boxes of
// different groups (int32 [R], may be NULL) never meet. keep: int32 [R], filled with the kept
// indices in that order. Returns how many.
int64_t kn_nms(kn_ctx *cx, double threshold, const tn_tensor *boxes, const tn_tensor *scores,
               const tn_tensor *group, tn_tensor *keep);
// deltas [R,T*4] (dx,dy,dw,dh for each of T), anchors [R,4] -> y [R,T*4] boxes; dw, dh are cut at
// clip (log(1000/16)). weights: the four divisors of the deltas (Faster R-CNN).
void kn_box_decode_fwd(kn_ctx *cx, const double weights[4], double clip, const tn_tensor *anchors,
                       const tn_tensor *deltas, tn_tensor *y);
// Into [0,width] x [0,height], in place.
void kn_box_clip(kn_ctx *cx, double height, double width, tn_tensor *boxes);
// The k largest of x [n] in the total order value down, index up: int32 index [k]. NaN is least.
void kn_topk(kn_ctx *cx, const tn_tensor *x, tn_tensor *index);
// masks [R,M,M] probabilities, boxes [R,4] -> y uint8 [R,H,W] 0/1: one pixel border, box expanded
// by (M+2)/M and truncated to integers, bilinear resize, > threshold; torchvision's
// paste_masks_in_image.
void kn_mask_paste_fwd(kn_ctx *cx, double threshold, const tn_tensor *masks, const tn_tensor *boxes,
                       tn_tensor *y);
