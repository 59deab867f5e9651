// SPDX-License-Identifier: Apache-2.0
// The tensor operations: contexts, weights, settings, and the operations that ops.def lists. Each
// operation checks shapes and types (a mismatch is a programmer's mistake and aborts) and calls the
// function in the table of the context's backend. Tensors are channels-last and contiguous;
// outputs are allocated by the caller and never overlap inputs unless a function says so. "real"
// means float32, or float64 at level `ref`.
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
// The levels of this build from the lowest, ref, whether this processor runs them or not; NULL
// after the last.
const char *kn_level_at(int i);
// The type that the products of this context multiply, gradients of weights included, attention
// excluded: TN_F32 (the default), or TN_BF16, where operands are rounded to bfloat16 and summed in
// float32, as PyTorch's set_float32_matmul_precision("medium") allows. With AVX512_BF16 that is
// nearly twice as fast, and elsewhere slower than float32. Tensors and packed weights stay float32.
// TN_EDEVICE with `ref`.
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
    bool adjoint;            // packed for kn_linear_bwd_x and kn_conv2d_bwd_x: in is K,
                             // out is C of the forward
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

// Packs the adjoint of w ([K,C] or [K,C,kh,kw], real): the weight with which kn_linear_bwd_x and
// kn_conv2d_bwd_x turn dy into dx. Memory comes from arena. TN_ENOMEM.
tn_status kn_weight_pack_adjoint(kn_ctx *cx, tn_arena *arena, const tn_tensor *w, kn_weight *out,
                                 tn_error *err);
// Packs new values of the same shape into a weight that is packed already, in whichever of
// the three forms. w and scale have the shapes and meaning that they had then.
void kn_weight_repack(kn_ctx *cx, const tn_tensor *w, const tn_tensor *scale, kn_weight *packed);

// Applied as a result is stored: y = act(y + bias + residual). Every part is optional.
typedef struct kn_epilogue {
    const tn_tensor *bias;     // [K]
    const tn_tensor *residual; // the shape of y; may be y itself
    kn_act act;
} kn_epilogue;

// ---- settings of operations ------------------------------------------------------------------

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

typedef struct kn_pool2d {
    int kh, kw, stride_h, stride_w, pad_top, pad_left, pad_bottom, pad_right;
    bool count_pad; // average only: divide by kh*kw also at the border
} kn_pool2d;

typedef enum kn_filter { KN_NEAREST, KN_BILINEAR, KN_BICUBIC } kn_filter;
typedef struct kn_resize {
    kn_filter filter;
    bool antialias;          // widen the filter when shrinking, as PIL and PyTorch's antialias=True
    double cubic_a;          // 0 means -0.75 (PyTorch), -0.5 with antialias (PIL)
    double scale_h, scale_w; // input/output step; 0 means H/Ho, W/Wo
} kn_resize;

typedef struct kn_roi_align {
    int sampling_ratio; // samples per bin along an axis; 0 means ceil(roi size / bins)
    bool aligned;       // shift by half a pixel (false is torchvision's default for Mask R-CNN)
    int levels;
    const tn_tensor *level; // [levels] maps [N,H,W,C] of equal N and C
    const double *scale;    // [levels] map pixels per picture pixel, e.g. 1/4
} kn_roi_align;

typedef struct kn_adamw {
    double lr, beta1, beta2, eps, decay; // decay is decoupled: w -= lr * decay * w
    int64_t step;                        // 1 for the first: the bias corrections
    double grad_scale;                   // gradients are multiplied with it first: clipping
} kn_adamw;

// ---- operations ------------------------------------------------------------------------------

// Every operation is declared from its line in ops.def, where it is documented: kn_softmax_fwd from
// KN_OP_REAL(void, softmax_fwd, ...).
#define KN_OP(result, name, parameters, arguments) result kn_##name parameters;
#define KN_OP_INNER(result, name, parameters, arguments)
#include "kernels/ops.def"

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
