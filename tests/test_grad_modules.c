// SPDX-License-Identifier: Apache-2.0
// The gradients of every module and of every recorded operation.
#include "nn/blocks/block.h"
#include "nn/blocks/classifier.h"
#include "nn/blocks/conv_norm.h"
#include "nn/blocks/fpn.h"
#include "nn/blocks/roi_pool.h"
#include "nn/deconv.h"
#include "nn/ops.h"
#include "tests/support/module_grads.h"
#include "tests/support/ops.h"

#include <string.h>

#define SHAPE(...) op_shape(TN_F32, TN_DIMS(__VA_ARGS__))
#define RUN(...) module_check(&(module_case){__VA_ARGS__})

static tn_tensor numbers(const int32_t *value, int64_t count) {
    return tn_view((void *)(uintptr_t)value, TN_I32, TN_DIMS(count));
}

// ---- linear -----------------------------------------------------------------------------------

static tn_status load_linear(const nn_loader *load, void *module) {
    return nn_linear_load(load, "fc", 13, 9, KN_LINEAR, module);
}

static tn_status load_linear_gelu(const nn_loader *load, void *module) {
    return nn_linear_load(load, "fc", 13, 9, KN_QUICK_GELU, module);
}

static tn_status load_linear_relu(const nn_loader *load, void *module) {
    nn_loader bare = *load;
    bare.bias = false;
    return nn_linear_load(&bare, "fc", 13, 9, KN_RELU, module);
}

static tn_status run_linear(nn_ctx *cx, const void *module, const tn_tensor *in, tn_tensor *out) {
    return nn_linear_fwd(cx, module, &in[0], &in[1], out);
}

static tn_status run_linear_alone(nn_ctx *cx, const void *module, const tn_tensor *in,
                                  tn_tensor *out) {
    return nn_linear_fwd(cx, module, &in[0], NULL, out);
}

static tn_status load_matrix(const nn_loader *load, void *module) {
    return nn_linear_load_matrix(load, "projection", 9, 13, module);
}

static tn_status load_joined(const nn_loader *load, void *module) {
    const char *const names[] = {"q", "k", "v"};
    return nn_linear_load_joined(load, 3, names, 5, 9, KN_LINEAR, module);
}

static tn_status load_regions(const nn_loader *load, void *module) {
    return nn_linear_load_regions(load, "fc", 17, 5, 3, KN_RELU, module);
}

static tn_status run_regions(nn_ctx *cx, const void *module, const tn_tensor *in, tn_tensor *out) {
    tn_tensor rows = tn_reshape(&in[0], TN_DIMS(in[0].dim[0], 3 * 3 * 5));
    return nn_linear_fwd(cx, module, &rows, NULL, out);
}

static void linear_layers(void **state) {
    (void)state;
    RUN("linear", load_linear, run_linear, 2, 1, {SHAPE(3, 7, 9), SHAPE(3, 7, 13)});
    RUN("linear, quick gelu", load_linear_gelu, run_linear, 2, 1, {SHAPE(21, 9), SHAPE(21, 13)});
    RUN("linear, relu", load_linear_relu, run_linear, 2, 1, {SHAPE(21, 9), SHAPE(21, 13)});
    RUN("linear, one row", load_linear, run_linear_alone, 1, 1, {SHAPE(1, 9)});
    RUN("matrix", load_matrix, run_linear_alone, 1, 1, {SHAPE(11, 9)});
    RUN("joined", load_joined, run_linear_alone, 1, 1, {SHAPE(11, 9)});
    RUN("regions", load_regions, run_regions, 1, 1, {SHAPE(6, 3, 3, 5)});
}

// ---- convolutions and norms -------------------------------------------------------------------

static tn_status load_conv(const nn_loader *load, void *module) {
    return nn_conv_load(load, "conv", (int64_t[]){11, 6, 3, 3}, kn_conv_same(1, 1), KN_RELU,
                        module);
}

static tn_status load_conv_wide(const nn_loader *load, void *module) {
    return nn_conv_load(load, "conv", (int64_t[]){40, 16, 3, 3}, kn_conv_same(1, 1), KN_LINEAR,
                        module);
}

static tn_status load_conv_strided(const nn_loader *load, void *module) {
    return nn_conv_load(load, "conv", (int64_t[]){11, 6, 3, 3}, kn_conv_same(2, 1), KN_GELU,
                        module);
}

static tn_status load_conv_one(const nn_loader *load, void *module) {
    return nn_conv_load(load, "conv", (int64_t[]){11, 6, 1, 1}, kn_conv_same(1, 0), KN_LINEAR,
                        module);
}

static tn_status run_conv(nn_ctx *cx, const void *module, const tn_tensor *in, tn_tensor *out) {
    return nn_conv_fwd(cx, module, &in[0], NULL, out);
}

static tn_status run_conv_residual(nn_ctx *cx, const void *module, const tn_tensor *in,
                                   tn_tensor *out) {
    return nn_conv_fwd(cx, module, &in[0], &in[1], out);
}

static tn_status load_conv_norm(const nn_loader *load, void *module) {
    return nn_conv_norm_load(load, "unit", -1, (int64_t[]){8, 6, 3, 3}, kn_conv_same(1, 1), KN_RELU,
                             module);
}

static tn_status load_conv_norm_gelu(const nn_loader *load, void *module) {
    return nn_conv_norm_load(load, "unit", -1, (int64_t[]){8, 6, 3, 3}, kn_conv_same(1, 1), KN_GELU,
                             module);
}

static void convolutions(void **state) {
    (void)state;
    RUN("conv 3x3, relu", load_conv, run_conv_residual, 2, 1,
        {SHAPE(2, 7, 5, 6), SHAPE(2, 7, 5, 11)});
    RUN("conv 3x3, large", load_conv_wide, run_conv, 1, 1, {SHAPE(2, 33, 34, 16)});
    RUN("conv 3x3 stride 2, gelu", load_conv_strided, run_conv, 1, 1, {SHAPE(2, 7, 6, 6)});
    RUN("conv 1x1", load_conv_one, run_conv_residual, 2, 1,
        {SHAPE(2, 7, 5, 6), SHAPE(2, 7, 5, 11)});
}

static void convolutions_with_norms(void **state) {
    (void)state;
    const tn_tensor x = SHAPE(2, 6, 7, 6), residual = SHAPE(2, 6, 7, 8);
    RUN("conv, batch norm, relu", load_conv_norm, run_conv, 1, 1, {x}, .norm = NN_NORM_BATCH,
        .batch = true, .tolerance = 1e-4);
    RUN("conv, batch norm, residual, relu", load_conv_norm, run_conv_residual, 2, 1, {x, residual},
        .norm = NN_NORM_BATCH, .batch = true, .tolerance = 1e-4);
    RUN("conv, batch norm, gelu", load_conv_norm_gelu, run_conv, 1, 1, {x}, .norm = NN_NORM_BATCH,
        .batch = true, .tolerance = 1e-4);
    RUN("conv, group norm, relu", load_conv_norm, run_conv, 1, 1, {x}, .norm = NN_NORM_GROUP,
        .tolerance = 1e-4);
    RUN("conv, group norm, residual, gelu", load_conv_norm_gelu, run_conv_residual, 2, 1,
        {x, residual}, .norm = NN_NORM_GROUP, .tolerance = 1e-4);
    RUN("conv, no norm, gelu", load_conv_norm_gelu, run_conv, 1, 1, {x}, .norm = NN_NORM_NONE);
}

static tn_status load_deconv(const nn_loader *load, void *module) {
    return nn_deconv_load(load, "up", 6, 9, KN_RELU, module);
}

static tn_status load_deconv_gelu(const nn_loader *load, void *module) {
    return nn_deconv_load(load, "up", 6, 9, KN_GELU, module);
}

static tn_status run_deconv(nn_ctx *cx, const void *module, const tn_tensor *in, tn_tensor *out) {
    return nn_deconv_fwd(cx, module, in, out);
}

// x is used twice, so that its gradient is added to.
static tn_status run_deconv_twice(nn_ctx *cx, const void *module, const tn_tensor *in,
                                  tn_tensor *out) {
    TN_TRY(nn_deconv_fwd(cx, module, in, &out[0]));
    return nn_deconv_fwd(cx, module, in, &out[1]);
}

static void transposed_convolutions(void **state) {
    (void)state;
    RUN("deconv, relu", load_deconv, run_deconv, 1, 1, {SHAPE(2, 3, 5, 6)});
    RUN("deconv, gelu, twice", load_deconv_gelu, run_deconv_twice, 1, 2, {SHAPE(1, 4, 4, 6)});
}

static tn_status load_layer_norm(const nn_loader *load, void *module) {
    return nn_layer_norm_load(load, "ln", 24, 1e-5, module);
}

static tn_status run_layer_norm(nn_ctx *cx, const void *module, const tn_tensor *in,
                                tn_tensor *out) {
    return nn_layer_norm_fwd(cx, module, in, out);
}

static void layer_norm(void **state) {
    (void)state;
    RUN("layer norm", load_layer_norm, run_layer_norm, 1, 1, {SHAPE(3, 5, 24)});
}

// ---- transformers -----------------------------------------------------------------------------

static tn_status load_attention(const nn_loader *load, void *module) {
    return nn_attention_load(load, "attn", 24, 3, false, module);
}

static tn_status load_causal(const nn_loader *load, void *module) {
    return nn_attention_load(load, "attn", 24, 3, true, module);
}

static tn_status run_attention(nn_ctx *cx, const void *module, const tn_tensor *in,
                               tn_tensor *out) {
    TN_TRY(tn_new(cx->step, out, in->dtype, in->rank, in->dim, cx->err));
    return nn_attention_into(cx, module, &in[0], &in[1], out);
}

static tn_status load_mlp(const nn_loader *load, void *module) {
    return nn_mlp_load(load, "fc1", "fc2", 12, KN_GELU, module);
}

static tn_status run_mlp(nn_ctx *cx, const void *module, const tn_tensor *in, tn_tensor *out) {
    TN_TRY(tn_new(cx->step, out, in->dtype, in->rank, in->dim, cx->err));
    return nn_mlp_into(cx, module, &in[0], &in[1], out);
}

static tn_status load_two_blocks(const nn_loader *load, void *module) {
    nn_block *block = module;
    const nn_block_config cfg = {24, 3, false, KN_QUICK_GELU, 1e-5};
    TN_TRY(nn_block_load(load, "0", &cfg, &block[0]));
    return nn_block_load(load, "1", &cfg, &block[1]);
}

static tn_status run_two_blocks(nn_ctx *cx, const void *module, const tn_tensor *in,
                                tn_tensor *out) {
    const nn_block *block = module;
    TN_TRY(tn_new(cx->step, out, in->dtype, in->rank, in->dim, cx->err));
    memcpy(out->data, in->data, tn_bytes(in));
    if (cx->tape) *out = *in; // it is not written over
    TN_TRY(nn_block_inplace(cx, &block[0], out));
    return nn_block_inplace(cx, &block[1], out);
}

static void transformers(void **state) {
    (void)state;
    const tn_tensor x = SHAPE(2, 7, 24);
    RUN("attention", load_attention, run_attention, 2, 1, {x, x});
    RUN("causal attention", load_causal, run_attention, 2, 1, {x, x});
    RUN("mlp", load_mlp, run_mlp, 2, 1, {SHAPE(2, 7, 12), SHAPE(2, 7, 12)});
    RUN("two blocks", load_two_blocks, run_two_blocks, 1, 1, {x});
}

// ---- pyramids and regions ---------------------------------------------------------------------

static tn_status load_fpn(const nn_loader *load, void *module) {
    return nn_fpn_load(load, "fpn", 3, (int64_t[]){4, 6, 8}, 8, -1, module);
}

static tn_status run_fpn(nn_ctx *cx, const void *module, const tn_tensor *in, tn_tensor *out) {
    return nn_fpn_fwd(cx, module, in, out);
}

// One convolution over all levels: recorded once per use.
static tn_status run_shared(nn_ctx *cx, const void *module, const tn_tensor *in, tn_tensor *out) {
    for (int i = 0; i < 4; i++) TN_TRY(nn_conv_fwd(cx, module, &in[i], NULL, &out[i]));
    return nn_conv_fwd(cx, module, &in[0], NULL, &out[4]);
}

static tn_status run_roi_pool(nn_ctx *cx, const void *module, const tn_tensor *in, tn_tensor *out) {
    static const float box[] = {1, 2, 9, 8, 0, 0, 40, 30, 3, 3, 4, 4, 5, 1, 22, 27, 2, 2, 14, 20};
    static const int32_t picture[] = {0, 1, 1, 0, 1};
    const nn_roi_pool pool = {.sampling_ratio = 2,
                              .canonical_scale = 20,
                              .canonical_level = 3,
                              .levels = 2,
                              .finest = 2,
                              .aligned = true};
    tn_tensor rois = tn_view((void *)(uintptr_t)box, TN_F32, TN_DIMS(5, 4));
    tn_tensor image = numbers(picture, 5), first = tn_slice(&rois, 1, 3);
    (void)module;
    TN_TRY(nn_roi_pool_fwd(cx, &pool, in, &rois, &image, 3, &out[0]));
    return nn_roi_pool_fwd(cx, &pool, in, &first, NULL, 2, &out[1]);
}

static void pyramids(void **state) {
    (void)state;
    const tn_tensor a = SHAPE(2, 9, 11, 4), b = SHAPE(2, 5, 6, 6), c = SHAPE(2, 3, 3, 8);
    RUN("fpn", load_fpn, run_fpn, 3, 4, {a, b, c});
    RUN("fpn with batch norm", load_fpn, run_fpn, 3, 4, {a, b, c}, .norm = NN_NORM_BATCH,
        .batch = true, .tolerance = 2e-4);
    RUN("fpn with group norm", load_fpn, run_fpn, 3, 4, {a, b, c}, .norm = NN_NORM_GROUP,
        .tolerance = 2e-4);
    RUN("one convolution for five", load_conv, run_shared, 4, 5,
        {SHAPE(1, 9, 8, 6), SHAPE(1, 5, 4, 6), SHAPE(1, 3, 2, 6), SHAPE(1, 1, 1, 6)});
    RUN("regions of two maps", NULL, run_roi_pool, 2, 2, {SHAPE(2, 8, 10, 5), SHAPE(2, 4, 5, 5)});
}

// ---- classification by text -------------------------------------------------------------------

static tn_status load_classifier(const nn_loader *load, void *module) {
    nn_loader made = *load;
    made.init = (nn_init){NN_INIT_NORMAL, 0.02};
    return nn_classifier_load(&made, "classifier", 10, true, true, 14, module);
}

static tn_status load_cosines(const nn_loader *load, void *module) {
    return nn_classifier_load(load, "classifier", 10, false, false, 1, module);
}

static tn_status run_classifier(nn_ctx *cx, const void *module, const tn_tensor *in,
                                tn_tensor *out) {
    tn_tensor text;
    TN_TRY(tn_new(cx->step, &text, in->dtype, TN_DIMS(4, 10), cx->err));
    tn_tensor rows = guarded_random(5, -1, 1, TN_DIMS(4, 10));
    tn_convert(rows.data, TN_F32, text.data, text.dtype, 40);
    kn_l2_normalize_fwd(cx->kn, 1e-12, &text, &text);
    return nn_classifier_fwd(cx, module, &text, in, out);
}

static void classifiers(void **state) {
    (void)state;
    RUN("classifier", load_classifier, run_classifier, 1, 1, {SHAPE(7, 10)});
    RUN("cosines", load_cosines, run_classifier, 1, 1, {SHAPE(7, 10)});
    guarded_free();
}

// ---- operations without parameters ------------------------------------------------------------

static tn_status run_adds(nn_ctx *cx, const void *module, const tn_tensor *in, tn_tensor *out) {
    (void)module;
    TN_TRY(nn_add(cx, KN_RELU, &in[0], &in[1], &out[0]));
    TN_TRY(nn_add(cx, KN_GELU_TANH, &in[0], &out[0], &out[1]));
    return nn_add(cx, KN_LINEAR, &in[0], &in[0], &out[2]);
}

static tn_status run_acts(nn_ctx *cx, const void *module, const tn_tensor *in, tn_tensor *out) {
    static const kn_act acts[] = {KN_RELU,      KN_GELU,    KN_QUICK_GELU,
                                  KN_GELU_TANH, KN_SIGMOID, KN_LINEAR};
    (void)module;
    for (int i = 0; i < 6; i++) TN_TRY(nn_act(cx, acts[i], in, &out[i]));
    return TN_OK;
}

static tn_status run_rows(nn_ctx *cx, const void *module, const tn_tensor *in, tn_tensor *out) {
    static const int32_t picked[] = {6, 0, 6, 2};
    tn_tensor ids = numbers(picked, 4), joined, part;
    (void)module;
    TN_TRY(nn_concat_rows(cx, 3, in, &joined));
    TN_TRY(nn_gather_rows(cx, &joined, &ids, &out[0]));
    part = tn_slice(&joined, 1, 3); // a view: nothing is recorded for it
    TN_TRY(nn_softmax(cx, 2, &part, &out[1]));
    TN_TRY(nn_l2_normalize(cx, 1e-12, &joined, &out[2]));
    part = tn_reshape(&joined, TN_DIMS(4, tn_count(&joined) / 4));
    return nn_act(cx, KN_SIGMOID, &part, &out[3]);
}

static tn_status run_pictures(nn_ctx *cx, const void *module, const tn_tensor *in, tn_tensor *out) {
    const kn_pool2d three = {3, 3, 2, 2, 1, 1, 1, 1, true}, every = {1, 1, 2, 2, 0, 0, 0, 0, false};
    (void)module;
    TN_TRY(nn_max_pool(cx, &three, in, &out[0]));
    TN_TRY(nn_max_pool(cx, &every, in, &out[1]));
    TN_TRY(nn_avg_pool(cx, &three, in, &out[2]));
    TN_TRY(nn_resize(cx, &(kn_resize){.filter = KN_BILINEAR}, 4, 13, in, &out[3]));
    TN_TRY(nn_resize(cx, &(kn_resize){.filter = KN_BICUBIC}, 11, 5, in, &out[4]));
    TN_TRY(nn_resize(cx, &(kn_resize){.filter = KN_BILINEAR}, 7, 9, in, &out[5]));
    nn_upsample_add(cx, &out[0], &out[5]);
    return TN_OK;
}

static void operations(void **state) {
    (void)state;
    RUN("sums", NULL, run_adds, 2, 3, {SHAPE(5, 9), SHAPE(5, 9)});
    RUN("activations", NULL, run_acts, 1, 6, {SHAPE(5, 9)}, .low = -3, .high = 3);
    RUN("rows", NULL, run_rows, 3, 4, {SHAPE(3, 4), SHAPE(1, 4), SHAPE(4, 4)});
    RUN("pictures", NULL, run_pictures, 1, 6, {SHAPE(2, 7, 9, 5)});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_layers),
        cmocka_unit_test(convolutions),
        cmocka_unit_test(convolutions_with_norms),
        cmocka_unit_test(transposed_convolutions),
        cmocka_unit_test(layer_norm),
        cmocka_unit_test(transformers),
        cmocka_unit_test(pyramids),
        cmocka_unit_test(classifiers),
        cmocka_unit_test(operations),
    };
    int failed = cmocka_run_group_tests(tests, levels_setup, levels_teardown);
    printf("%d gradients compared\n", module_checked());
    return failed || module_checked() == 0;
}
