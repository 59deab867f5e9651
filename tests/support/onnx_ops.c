// SPDX-License-Identifier: Apache-2.0
#include "tests/support/onnx_node.h"

#include "tests/support/levels.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

#define BAR 1e-5 // max|difference|

// ---- attributes and comparison -----------------------------------------------------------------

int64_t onnx_int(const onnx_node *n, const char *key, int64_t otherwise) {
    tn_error err;
    ASSERT_OK(io_json_maybe_int(&n->attributes, key, INT32_MIN, INT32_MAX, &otherwise, &err), err);
    return otherwise;
}

double onnx_real(const onnx_node *n, const char *key, double otherwise) {
    tn_error err;
    ASSERT_OK(io_json_maybe_number(&n->attributes, key, &otherwise, &err), err);
    return otherwise;
}

bool onnx_is(const onnx_node *n, const char *key, const char *value, const char *otherwise) {
    tn_error err;
    ASSERT_OK(io_json_maybe_string(&n->attributes, key, &otherwise, &err), err);
    return strcmp(otherwise, value) == 0;
}

bool onnx_ints(const onnx_node *n, const char *key, int64_t *out, int room) {
    tn_error err;
    io_json array, item;
    if (!io_json_has(&n->attributes, key)) return false;
    ASSERT_OK(io_json_get(&n->attributes, key, IO_JSON_ARRAY, &array, &err), err);
    assert_true(io_json_count(&array) <= (size_t)room);
    for (size_t i = 0; i < io_json_count(&array); i++) {
        ASSERT_OK(io_json_at(&array, i, IO_JSON_INTEGER, &item, &err), err);
        ASSERT_OK(io_json_as_int(&item, INT32_MIN, INT32_MAX, &out[i], &err), err);
    }
    return true;
}

bool onnx_not_offered(onnx_node *n, const char *why) {
    n->why = why;
    return false;
}

bool onnx_equal(const onnx_node *n, const tn_tensor *got) {
    const tn_tensor *want = &n->out;
    assert_int_equal(tn_count(got), tn_count(want));
    tn_tensor real = guarded_convert(want, TN_F32);
    double error = test_max_difference(got->data, real.data, (size_t)tn_count(want));
    if (!(error <= (want->dtype == TN_F32 ? BAR : 0)))
        fail_msg("%s at level %s: differs by %g", n->name, kn_level(n->cx), error);
    guarded_check();
    return true;
}

// ---- layouts -----------------------------------------------------------------------------------

static const int to_last[] = {0, 2, 3, 1}, to_first[] = {0, 3, 1, 2};

// [N,C,H,W], or [N,C,W] as one row of pixels, as [N,H,W,C] in float32.
static tn_tensor picture(const tn_tensor *t) {
    tn_tensor x = guarded_convert(t, TN_F32);
    if (x.rank == 3) x = tn_reshape(&x, TN_DIMS(x.dim[0], x.dim[1], 1, x.dim[2]));
    return guarded_permute(&x, to_last);
}

static bool equal_picture(const onnx_node *n, const tn_tensor *y) {
    tn_tensor first = guarded_permute(y, to_first);
    return onnx_equal(n, &first);
}

// ---- windows -----------------------------------------------------------------------------------

// Kernel, stride, pads and output size along the two axes, derived as in the standard.
typedef struct windows {
    int64_t kernel[2], stride[2], dilation[2], before[2], after[2], out[2];
} windows;

static bool read_windows(const onnx_node *n, const tn_tensor *x, const int64_t *kernel,
                         windows *w) {
    int64_t pads[8] = {0}, value[4] = {1, 1, 1, 1};
    int axes = n->in[0].rank - 2, skip = 2 - axes; // one axis: the second of ours
    *w = (windows){{1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}, {1, 1}};
    if (axes > 2) return false;
    onnx_ints(n, "pads", pads, 8);
    for (int i = 0; i < axes; i++) w->kernel[skip + i] = kernel[i];
    if (onnx_ints(n, "strides", value, 4))
        for (int i = 0; i < axes; i++) w->stride[skip + i] = value[i];
    if (onnx_ints(n, "dilations", value, 4))
        for (int i = 0; i < axes; i++) w->dilation[skip + i] = value[i];
    for (int i = skip; i < 2; i++) {
        int64_t in = x->dim[1 + i], span = w->dilation[i] * (w->kernel[i] - 1) + 1;
        w->before[i] = pads[i - skip], w->after[i] = pads[axes + i - skip];
        if (!onnx_is(n, "auto_pad", "NOTSET", "NOTSET")) {
            w->out[i] = (in + w->stride[i] - 1) / w->stride[i];
            int64_t pad = (w->out[i] - 1) * w->stride[i] + span - in;
            bool lower = onnx_is(n, "auto_pad", "SAME_LOWER", "NOTSET");
            if (pad < 0) pad = 0;
            w->before[i] = lower ? (pad + 1) / 2 : pad / 2;
            w->after[i] = pad - w->before[i];
            continue;
        }
        int64_t room = in + w->before[i] + w->after[i] - span;
        w->out[i] = room / w->stride[i] + 1;
        if (onnx_int(n, "ceil_mode", 0) && room % w->stride[i] != 0 &&
            w->out[i] * w->stride[i] < in + w->before[i]) {
            w->out[i]++; // one more window, which reaches beyond the pads
            w->after[i] += w->stride[i] - room % w->stride[i];
        }
    }
    return true;
}

static bool pool(onnx_node *n, bool average) {
    int64_t kernel[4] = {1, 1, 1, 1};
    windows w;
    onnx_ints(n, "kernel_shape", kernel, 4);
    if (n->in[0].rank > 4) return onnx_not_offered(n, "three dimensions");
    tn_tensor x = picture(&n->in[0]);
    if (strcmp(n->op, "GlobalAveragePool") == 0) kernel[0] = x.dim[1], kernel[1] = x.dim[2];
    read_windows(n, &x, kernel, &w);
    if (w.dilation[0] != 1 || w.dilation[1] != 1) return onnx_not_offered(n, "dilated windows");
    kn_pool2d cfg = {(int)w.kernel[0], (int)w.kernel[1], (int)w.stride[0],
                     (int)w.stride[1], (int)w.before[0], (int)w.before[1],
                     (int)w.after[0],  (int)w.after[1],  onnx_int(n, "count_include_pad", 0)};
    tn_tensor y = guarded_new(TN_F32, TN_DIMS(x.dim[0], w.out[0], w.out[1], x.dim[3]));
    average ? kn_avg_pool2d_fwd(n->cx, &cfg, &x, &y) : kn_max_pool2d_fwd(n->cx, &cfg, &x, &y);
    return equal_picture(n, &y);
}

static bool max_pool(onnx_node *n) {
    return pool(n, false);
}

static bool average_pool(onnx_node *n) {
    return pool(n, true);
}

static bool conv(onnx_node *n) {
    windows w;
    kn_weight packed;
    tn_error err;
    if (onnx_int(n, "group", 1) != 1) return onnx_not_offered(n, "groups");
    if (n->in[0].rank != 4) return onnx_not_offered(n, "one or three dimensions");
    tn_tensor x = picture(&n->in[0]);
    read_windows(n, &x, n->in[1].dim + 2, &w);
    ASSERT_OK(kn_weight_pack(n->cx, weight_arena(), &n->in[1], NULL, &packed, &err), err);
    kn_conv cfg = {(int)w.stride[0], (int)w.stride[1], (int)w.before[0],   (int)w.before[1],
                   (int)w.after[0],  (int)w.after[1],  (int)w.dilation[0], (int)w.dilation[1]};
    tn_tensor y = guarded_new(TN_F32, TN_DIMS(x.dim[0], w.out[0], w.out[1], packed.out));
    kn_epilogue ep = {.bias = onnx_has(n, 2) ? &n->in[2] : NULL};
    kn_conv2d_fwd(n->cx, &cfg, &x, &packed, &ep, &y);
    return equal_picture(n, &y);
}

// The project has no case with kernel 2 and stride 2, the only ones that a kernel supports.
static bool conv_transpose(onnx_node *n) {
    return onnx_not_offered(n, "kernels and strides other than 2");
}

// ---- products ----------------------------------------------------------------------------------

static tn_tensor transposed(const tn_tensor *t) {
    return guarded_permute(t, (int[]){1, 0});
}

static bool gemm(onnx_node *n) {
    tn_tensor a = n->in[0], b = n->in[1];
    if (onnx_int(n, "transA", 0)) a = transposed(&a);
    if (!onnx_int(n, "transB", 0)) b = transposed(&b);
    tn_tensor y = guarded_new(TN_F32, TN_DIMS(a.dim[0], b.dim[0]));
    kn_matmul_nt_fwd(n->cx, onnx_real(n, "alpha", 1), &a, &b, &y);
    tn_tensor bias = guarded_new(TN_F32, TN_DIMS(b.dim[0]));
    for (int64_t i = 0; i < b.dim[0]; i++)
        tn_f32(&bias)[i] = onnx_has(n, 2) ? (float)onnx_real(n, "beta", 1) *
                                                tn_f32(&n->in[2])[i % tn_count(&n->in[2])]
                                          : 0;
    kn_add_fwd(n->cx, KN_LINEAR, &y, &bias, &y);
    onnx_equal(n, &y);
    if (onnx_real(n, "alpha", 1) != 1) return true;
    kn_weight packed; // the same with a packed weight
    tn_error err;
    ASSERT_OK(kn_weight_pack(n->cx, weight_arena(), &b, NULL, &packed, &err), err);
    kn_linear_fwd(n->cx, &a, &packed, &(kn_epilogue){.bias = &bias}, &y);
    return onnx_equal(n, &y);
}

// [...,M,K] x [...,K,N] with leading dimensions broadcast; a vector is one row or one column.
static bool matmul(onnx_node *n) {
    tn_tensor a = n->in[0], b = n->in[1];
    if (a.rank == 1) a = tn_reshape(&a, TN_DIMS(1, a.dim[0]));
    if (b.rank == 1) b = tn_reshape(&b, TN_DIMS(b.dim[0], 1));
    int64_t m = a.dim[a.rank - 2], k = a.dim[a.rank - 1], columns = b.dim[b.rank - 1];
    int64_t batches = tn_count(&n->out) / (m * columns);
    int axes = (a.rank > b.rank ? a.rank : b.rank) - 2; // number of broadcast dimensions
    tn_tensor y = guarded_new(TN_F32, TN_DIMS(batches, m, columns));
    for (int64_t i = 0; i < batches; i++) {
        int64_t at[2] = {0, 0}, step[2] = {1, 1}, rest = i;
        for (int axis = axes - 1; axis >= 0; axis--) {
            const tn_tensor *side[] = {&a, &b};
            int64_t dim[2], index;
            for (int s = 0; s < 2; s++) {
                int own = side[s]->rank - 2 - axes + axis;
                dim[s] = own < 0 ? 1 : side[s]->dim[own];
            }
            index = rest % (dim[0] > dim[1] ? dim[0] : dim[1]);
            rest /= dim[0] > dim[1] ? dim[0] : dim[1];
            for (int s = 0; s < 2; s++) {
                at[s] += dim[s] == 1 ? 0 : index * step[s];
                step[s] *= dim[s];
            }
        }
        tn_tensor left = tn_view(tn_f32(&a) + at[0] * m * k, TN_F32, TN_DIMS(m, k));
        tn_tensor right = tn_view(tn_f32(&b) + at[1] * k * columns, TN_F32, TN_DIMS(k, columns));
        tn_tensor turned = transposed(&right), part = tn_slice(&y, i, 1);
        part = tn_reshape(&part, TN_DIMS(m, columns));
        kn_matmul_nt_fwd(n->cx, 1, &left, &turned, &part);
    }
    return onnx_equal(n, &y);
}

// ---- rows --------------------------------------------------------------------------------------

static bool batch_norm(onnx_node *n) {
    if (onnx_int(n, "training_mode", 0)) return onnx_not_offered(n, "statistics while training");
    tn_tensor x = picture(&n->in[0]);
    kn_batch_norm_fwd(n->cx, onnx_real(n, "epsilon", 1e-5), &x, &n->in[3], &n->in[4], &n->in[1],
                      &n->in[2], KN_LINEAR, &x);
    return equal_picture(n, &x);
}

// Over all dimensions from `axis` on, which are merged.
static bool layer_norm(onnx_node *n) {
    int64_t channels = tn_count(&n->in[1]);
    tn_tensor x = tn_reshape(&n->in[0], TN_DIMS(tn_count(&n->in[0]) / channels, channels));
    tn_tensor gamma = tn_reshape(&n->in[1], TN_DIMS(channels));
    tn_tensor beta = tn_reshape(&n->in[2], TN_DIMS(channels));
    tn_tensor y = guarded_new(TN_F32, x.rank, x.dim);
    kn_layer_norm_fwd(n->cx, onnx_real(n, "epsilon", 1e-5), &x, &gamma, &beta, &y);
    return onnx_equal(n, &y);
}

// Exchanges `axis` with the last one; it is its own inverse.
static tn_tensor with_last(const tn_tensor *t, int64_t axis) {
    int order[TN_MAX_RANK];
    for (int i = 0; i < t->rank; i++) order[i] = i;
    if (axis < 0) axis += t->rank;
    order[axis] = t->rank - 1, order[t->rank - 1] = (int)axis;
    return guarded_permute(t, order);
}

static bool softmax(onnx_node *n) {
    tn_tensor x = with_last(&n->in[0], onnx_int(n, "axis", -1));
    kn_softmax_fwd(n->cx, 1, &x, &x);
    tn_tensor y = with_last(&x, onnx_int(n, "axis", -1));
    return onnx_equal(n, &y);
}

static bool sigmoid(onnx_node *n) {
    tn_tensor y = guarded_new(TN_F32, n->out.rank, n->out.dim);
    kn_act_fwd(n->cx, KN_SIGMOID, &n->in[0], &y);
    return onnx_equal(n, &y);
}

static bool top_k(onnx_node *n) {
    if (!onnx_int(n, "largest", 1)) return onnx_not_offered(n, "the smallest");
    tn_tensor x = guarded_convert(&n->in[0], TN_F32);
    x = with_last(&x, onnx_int(n, "axis", -1));
    int64_t k = ((const int64_t *)n->in[1].data)[0], count = tn_last(&x);
    tn_tensor values = guarded_new(TN_F32, TN_DIMS(tn_rows(&x), k));
    for (int64_t row = 0; row < tn_rows(&x); row++) {
        tn_tensor one = tn_view(tn_f32(&x) + row * count, TN_F32, TN_DIMS(count));
        tn_tensor index = guarded_new(TN_I32, TN_DIMS(k));
        kn_topk(n->cx, &one, &index);
        for (int64_t i = 0; i < k; i++)
            tn_f32(&values)[row * k + i] = tn_f32(&one)[tn_i32(&index)[i]];
    }
    tn_tensor y = x.rank == 1 ? tn_reshape(&values, TN_DIMS(k)) : values;
    if (y.rank == 2) y = with_last(&y, onnx_int(n, "axis", -1));
    return onnx_equal(n, &y);
}

// ---- resizing ----------------------------------------------------------------------------------

// Input steps per output along each picture axis, from `scales` or from the sizes.
static void steps_of(const onnx_node *n, double step[2]) {
    int64_t axes[4] = {0, 1, 2, 3};
    onnx_ints(n, "axes", axes, 4);
    step[0] = step[1] = 0;
    if (!onnx_has(n, 2) || tn_count(&n->in[2]) == 0) return;
    for (int64_t i = 0; i < tn_count(&n->in[2]); i++)
        if (axes[i] >= 2) step[axes[i] - 2] = 1 / (double)tn_f32(&n->in[2])[i];
}

// The standard's nearest (half-pixel centres, halves down) generally takes other samples than ours;
// a case is checked if they coincide.
static bool nearest_coincides(int64_t in, int64_t out, double step) {
    if (step == 0) step = (double)in / (double)out;
    for (int64_t i = 0; i < out; i++) {
        double at = ((double)i + 0.5) * step - 0.5;
        int64_t theirs = (int64_t)ceil(at - 0.5), ours = (int64_t)floor((double)i * step + 1e-9);
        theirs = theirs < 0 ? 0 : theirs >= in ? in - 1 : theirs;
        if (theirs != (ours >= in ? in - 1 : ours)) return false;
    }
    return true;
}

static bool resize(onnx_node *n) {
    bool nearest = onnx_is(n, "mode", "nearest", "nearest"),
         cubic = onnx_is(n, "mode", "cubic", "");
    bool antialias = onnx_int(n, "antialias", 0), cut = onnx_int(n, "exclude_outside", 0);
    double step[2], a = onnx_real(n, "cubic_coeff_a", -0.75);
    if (!onnx_is(n, "coordinate_transformation_mode", "half_pixel", "half_pixel") &&
        !onnx_is(n, "coordinate_transformation_mode", "pytorch_half_pixel", "half_pixel"))
        return onnx_not_offered(n, "resizing with other centres than half-pixel");
    if (!onnx_is(n, "keep_aspect_ratio_policy", "stretch", "stretch"))
        return onnx_not_offered(n, "resizing that keeps the aspect ratio");
    if (onnx_is(n, "coordinate_transformation_mode", "pytorch_half_pixel", "half_pixel") &&
        (n->out.dim[2] == 1 || n->out.dim[3] == 1))
        return onnx_not_offered(n, "one output at the first sample");
    steps_of(n, step);
    tn_tensor x = picture(&n->in[0]);
    int64_t ho = n->out.dim[2], wo = n->out.dim[3];
    bool shrinks = ho < x.dim[1] || wo < x.dim[2];
    if (nearest &&
        (!onnx_is(n, "nearest_mode", "round_prefer_floor", "round_prefer_floor") ||
         !nearest_coincides(x.dim[1], ho, step[0]) || !nearest_coincides(x.dim[2], wo, step[1])))
        return onnx_not_offered(n, "nearest by another rule than floor(i*step)");
    if (antialias && !cut) return onnx_not_offered(n, "antialias with repeated borders");
    if (cut && shrinks && !antialias) return onnx_not_offered(n, "cut borders without antialias");
    // For enlarging, the antialiased filter is the plain one without weights outside.
    kn_resize cfg = {.filter = nearest ? KN_NEAREST
                               : cubic ? KN_BICUBIC
                                       : KN_BILINEAR,
                     .antialias = antialias || cut,
                     .cubic_a = a,
                     .scale_h = step[0],
                     .scale_w = step[1]};
    tn_tensor y = guarded_new(TN_F32, TN_DIMS(x.dim[0], ho, wo, x.dim[3]));
    kn_resize_fwd(n->cx, &cfg, &x, &y);
    return equal_picture(n, &y);
}

// ---- detection ---------------------------------------------------------------------------------

// The only case uses the maximum of the samples.
static bool roi_align(onnx_node *n) {
    return onnx_not_offered(n, "the maximum of the samples");
}

// boxes [N,R,4] as y1,x1,y2,x2 with corners in any order, scores [N,T,R]: rows (picture, class,
// box).
static bool suppression(onnx_node *n) {
    const tn_tensor *boxes = &n->in[0], *scores = &n->in[1];
    int64_t most = ((const int64_t *)n->in[2].data)[0], regions = boxes->dim[1], rows = 0;
    float threshold = tn_f32(&n->in[3])[0], least = tn_f32(&n->in[4])[0];
    tn_tensor y = guarded_new(TN_F32, n->out.rank, n->out.dim);
    for (int64_t picture = 0; picture < scores->dim[0]; picture++)
        for (int64_t class = 0; class < scores->dim[1]; class ++) {
            tn_tensor box = guarded_new(TN_F32, TN_DIMS(regions, 4));
            tn_tensor score = guarded_new(TN_F32, TN_DIMS(regions));
            tn_tensor keep = guarded_new(TN_I32, TN_DIMS(regions));
            for (int64_t i = 0; i < regions; i++) {
                const float *from = tn_f32(boxes) + (picture * regions + i) * 4;
                float *to = tn_f32(&box) + 4 * i;
                to[0] = fminf(from[1], from[3]), to[1] = fminf(from[0], from[2]);
                to[2] = fmaxf(from[1], from[3]), to[3] = fmaxf(from[0], from[2]);
                tn_f32(&score)[i] =
                    tn_f32(scores)[(picture * scores->dim[1] + class) * regions + i];
            }
            int64_t kept = kn_nms(n->cx, (double)threshold, &box, &score, NULL, &keep);
            for (int64_t i = 0; i < kept && i < most; i++) {
                int32_t index = tn_i32(&keep)[i];
                if (!(tn_f32(&score)[index] > least)) continue;
                if (rows == n->out.dim[0]) fail_msg("%s: too many boxes are kept", n->name);
                float *to = tn_f32(&y) + 3 * rows++;
                to[0] = (float)picture, to[1] = (float)class, to[2] = (float)index;
            }
        }
    assert_int_equal(rows, n->out.dim[0]);
    return onnx_equal(n, &y);
}

onnx_handler onnx_find(const char *op) {
    static const struct {
        const char *op;
        onnx_handler run;
    } handlers[] = {
        {"Attention", onnx_attention},
        {"AveragePool", average_pool},
        {"BatchNormalization", batch_norm},
        {"Conv", conv},
        {"ConvTranspose", conv_transpose},
        {"Gemm", gemm},
        {"GlobalAveragePool", average_pool},
        {"LayerNormalization", layer_norm},
        {"MatMul", matmul},
        {"MaxPool", max_pool},
        {"NonMaxSuppression", suppression},
        {"Resize", resize},
        {"RoiAlign", roi_align},
        {"Sigmoid", sigmoid},
        {"Softmax", softmax},
        {"TopK", top_k},
    };
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++)
        if (strcmp(op, handlers[i].op) == 0) return handlers[i].run;
    return NULL;
}
