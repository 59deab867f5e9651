// SPDX-License-Identifier: Apache-2.0
// Gradients of modules against PyTorch's autograd (tools/reference/dump_grad.py): in double, and in
// float32 at every level.
#include "models/detector/box_head.h"
#include "models/detector/mask_head.h"
#include "models/detector/rpn.h"
#include "nn/blocks/block.h"
#include "nn/blocks/classifier.h"
#include "nn/blocks/fpn.h"
#include "nn/ops.h"
#include "nn/real.h"
#include "nn/tape.h"
#include "tests/support/levels.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

#define MOST 5

typedef struct golden_case {
    const char *name;
    tn_status (*load)(const nn_loader *load, void *module);
    tn_status (*forward)(nn_ctx *cx, const void *module, const tn_tensor *in, tn_tensor *out);
    int inputs, outputs;
} golden_case;

// One module as a file has it.
typedef struct bench {
    const golden_case *c;
    io_weights *file;
    tn_error err;
    tn_arena arena, step;
    nn_params params;
    nn_ctx cx;
    tn_tensor in[MOST], out[MOST];
    double tolerance;
    _Alignas(64) char module[1 << 16];
} bench;

static int compared;

static const io_tensor *stored(const bench *b, const char *prefix, const char *name) {
    char full[NN_NAME];
    const io_tensor *t = io_weights_find(b->file, nn_join(full, prefix, name));
    if (!t) fail_msg("%s: no tensor '%s'", b->c->name, full);
    return t;
}

static const io_tensor *numbered(const bench *b, const char *prefix, int i) {
    return stored(b, prefix, (char[]){(char)('0' + i), 0});
}

static void compare(const bench *b, const char *what, const tn_tensor *got, const io_tensor *want) {
    double most = 0, largest = 0;
    assert_int_equal(want->dtype, TN_F64);
    tn_tensor shape = tn_view(NULL, TN_F64, want->rank, want->dim);
    assert_int_equal(tn_count(got), tn_count(&shape));
    for (int64_t i = 0; i < tn_count(got); i++) {
        double expected = ((const double *)want->data)[i];
        double error = fabs(nn_real(got, i) - expected);
        if (!(error <= most)) most = error;
        largest = fmax(largest, fabs(expected));
    }
    // A bias before batch norm has no gradient: its values are rounding.
    if (!(most <= b->tolerance * fmax(largest, 1e-3)))
        fail_msg("%s at level %s (%s): '%s' is off by %g of the largest", b->c->name,
                 kn_level(b->cx.kn), tn_dtype_name(b->params.dtype), what, most / largest);
    compared++;
}

static void read_into(bench *b, const io_tensor *from, tn_tensor *to) {
    ASSERT_OK(tn_new(&b->arena, to, b->params.dtype, from->rank, from->dim, &b->err), b->err);
    tn_convert(from->data, from->dtype, to->data, to->dtype, (size_t)tn_count(to));
}

static void open_bench(bench *b, const golden_case *c, kn_ctx *kn, tn_dtype dtype) {
    char path[256];
    b->c = c, b->tolerance = dtype == TN_F64 ? 1e-11 : 5e-5;
    memset(b->module, 0, sizeof b->module);
    snprintf(path, sizeof path, "tests/golden/grad/%s.safetensors", c->name);
    ASSERT_OK(io_weights_open(path, &b->file, &b->err), b->err);
    ASSERT_OK(tn_arena_init(&b->arena, (size_t)64 << 20, &b->err), b->err);
    ASSERT_OK(tn_arena_init(&b->step, (size_t)256 << 20, &b->err), b->err);
    ASSERT_OK(nn_params_init(&b->params, dtype, &b->err), b->err);
    b->cx = (nn_ctx){.kn = kn, .step = &b->step, .err = &b->err};
    ASSERT_OK(nn_tape_new(&b->cx.tape, &b->err), b->err);
    nn_loader load = {.file = b->file,
                      .kn = kn,
                      .arena = &b->arena,
                      .parts = &b->arena,
                      .err = &b->err,
                      .params = &b->params,
                      .groups = 2};
    ASSERT_OK(c->load(&load, b->module), b->err);
    for (int i = 0; i < c->inputs; i++) read_into(b, numbered(b, "in.", i), &b->in[i]);
}

static void close_bench(bench *b) {
    nn_tape_free(b->cx.tape);
    nn_params_deinit(&b->params);
    tn_arena_deinit(&b->arena);
    tn_arena_deinit(&b->step);
    io_weights_close(b->file);
}

// Every parameter of the file was loaded, and each gradient is PyTorch's.
static void compare_all(bench *b) {
    size_t gradients = 0;
    for (int i = 0; i < b->c->outputs; i++) compare(b, "out", &b->out[i], numbered(b, "out.", i));
    for (int i = 0; i < b->c->inputs; i++) {
        tn_tensor din;
        // What is not differentiated (text) has no gradient here.
        if (nn_tape_watched_grad(&b->cx, &b->in[i], &din))
            compare(b, "din", &din, numbered(b, "din.", i));
        else
            assert_int_not_equal(i, 0);
    }
    for (int i = 0; i < b->params.count; i++) {
        const nn_param *param = b->params.param[i];
        compare(b, param->name, &param->grad, stored(b, "grad.", param->name));
    }
    for (int i = 0; i < b->params.buffers; i++) {
        const nn_buffer *buffer = b->params.buffer[i];
        compare(b, buffer->name, &buffer->value, stored(b, "after.", buffer->name));
    }
    for (size_t i = 0; i < io_weights_count(b->file); i++)
        gradients += strncmp(io_weights_at(b->file, i)->name, "grad.", 5) == 0;
    assert_int_equal(gradients, b->params.count);
}

static void run(const golden_case *c, kn_ctx *kn, tn_dtype dtype) {
    static bench b;
    open_bench(&b, c, kn, dtype);
    for (int i = 0; i < c->inputs; i++) nn_tape_watch(&b.cx, &b.in[i]);
    ASSERT_OK(c->forward(&b.cx, b.module, b.in, b.out), b.err);
    for (int i = 0; i < c->outputs; i++) {
        tn_tensor up;
        const io_tensor *from = numbered(&b, "up.", i);
        ASSERT_OK(nn_tape_loss_grad(&b.cx, &b.out[i], &up), b.err);
        tn_convert(from->data, from->dtype, up.data, up.dtype, (size_t)tn_count(&up));
    }
    ASSERT_OK(nn_tape_backward(&b.cx), b.err);
    compare_all(&b);
    close_bench(&b);
}

// ---- the modules ------------------------------------------------------------------------------

static tn_status load_conv_bn_relu(const nn_loader *load, void *module) {
    return nn_conv_norm_load(load, "unit", 1e-5, NULL, kn_conv_same(1, 1), KN_RELU, module);
}

static tn_status load_conv_gn_gelu(const nn_loader *load, void *module) {
    return nn_conv_norm_load(load, "unit", 1e-5, NULL, kn_conv_same(2, 1), KN_GELU, module);
}

static tn_status run_conv(nn_ctx *cx, const void *module, const tn_tensor *in, tn_tensor *out) {
    return nn_conv_fwd(cx, module, in, NULL, out);
}

static tn_status load_layer_norm(const nn_loader *load, void *module) {
    return nn_layer_norm_load(load, "ln", 12, 1e-5, module);
}

static tn_status run_layer_norm(nn_ctx *cx, const void *module, const tn_tensor *in,
                                tn_tensor *out) {
    return nn_layer_norm_fwd(cx, module, in, out);
}

static tn_status load_mlp(const nn_loader *load, void *module) {
    return nn_mlp_load(load, "fc1", "fc2", 12, KN_GELU, module);
}

static tn_status run_mlp(nn_ctx *cx, const void *module, const tn_tensor *in, tn_tensor *out) {
    TN_TRY(tn_new(cx->step, out, in->dtype, in->rank, in->dim, cx->err));
    return nn_mlp_into(cx, module, in, NULL, out);
}

static tn_status load_deconv(const nn_loader *load, void *module) {
    return nn_deconv_load(load, "up", 5, -1, KN_RELU, module);
}

static tn_status run_deconv(nn_ctx *cx, const void *module, const tn_tensor *in, tn_tensor *out) {
    return nn_deconv_fwd(cx, module, in, out);
}

static tn_status load_attention(const nn_loader *load, void *module) {
    return nn_attention_load(load, "attn", 12, 3, false, module);
}

static tn_status run_attention(nn_ctx *cx, const void *module, const tn_tensor *in,
                               tn_tensor *out) {
    TN_TRY(tn_new(cx->step, out, in->dtype, in->rank, in->dim, cx->err));
    return nn_attention_into(cx, module, in, NULL, out);
}

static tn_status load_block(const nn_loader *load, void *module) {
    const nn_block_config cfg = {12, 3, false, KN_QUICK_GELU, 1e-5};
    return nn_block_load(load, "block", &cfg, module);
}

static tn_status run_block(nn_ctx *cx, const void *module, const tn_tensor *in, tn_tensor *out) {
    *out = *in;
    return nn_block_inplace(cx, module, out);
}

static tn_status load_classifier(const nn_loader *load, void *module) {
    return nn_classifier_load(load, "classifier", 10, true, true, 1, module);
}

static tn_status run_classifier(nn_ctx *cx, const void *module, const tn_tensor *in,
                                tn_tensor *out) {
    return nn_classifier_fwd(cx, module, &in[1], &in[0], out);
}

static tn_status load_fpn(const nn_loader *load, void *module) {
    return nn_fpn_load(load, "fpn", 2, (int64_t[]){4, 6}, -1, 1e-5, module);
}

static tn_status run_fpn(nn_ctx *cx, const void *module, const tn_tensor *in, tn_tensor *out) {
    return nn_fpn_fwd(cx, module, in, out);
}

static tn_status load_box_head(const nn_loader *load, void *module) {
    return md_box_head_load(load, "box_head", "box_predictor", 6, 1e-5, module);
}

static tn_status run_box_head(nn_ctx *cx, const void *module, const tn_tensor *in, tn_tensor *out) {
    const md_box_head *head = module;
    TN_TRY(tn_new(cx->step, &out[0], in->dtype, TN_DIMS(in->dim[0], head->classes), cx->err));
    TN_TRY(tn_new(cx->step, &out[1], in->dtype, TN_DIMS(in->dim[0], 4 * head->classes), cx->err));
    return md_box_head_fwd(cx, head, in, &out[0], &out[1]);
}

static tn_status load_mask_head(const nn_loader *load, void *module) {
    return md_mask_head_load(load, "mask_head", load, "mask_predictor", 6, 2, 1e-5, module);
}

static tn_status run_mask_head(nn_ctx *cx, const void *module, const tn_tensor *in,
                               tn_tensor *out) {
    return md_mask_head_logits(cx, module, in, out);
}

static tn_status load_rpn(const nn_loader *load, void *module) {
    md_anchors anchors = {.levels = 1};
    anchors.level[0].sizes = 1, anchors.level[0].ratios = 3;
    return md_rpn_load(load, "head", 6, &anchors, 1e-5, module);
}

static tn_status run_rpn(nn_ctx *cx, const void *module, const tn_tensor *in, tn_tensor *out) {
    TN_TRY(md_rpn_fwd(cx, module, &in[0], &out[0], &out[2]));
    return md_rpn_fwd(cx, module, &in[1], &out[1], &out[3]);
}

static const golden_case cases[] = {
    {"conv_bn_relu", load_conv_bn_relu, run_conv, 1, 1},
    {"conv_gn_gelu", load_conv_gn_gelu, run_conv, 1, 1},
    {"layer_norm", load_layer_norm, run_layer_norm, 1, 1},
    {"mlp", load_mlp, run_mlp, 1, 1},
    {"deconv_relu", load_deconv, run_deconv, 1, 1},
    {"attention", load_attention, run_attention, 1, 1},
    {"block", load_block, run_block, 1, 1},
    {"classifier", load_classifier, run_classifier, 2, 1},
    {"fpn", load_fpn, run_fpn, 2, 3},
    {"fpn_bn", load_fpn, run_fpn, 2, 3},
    {"box_head", load_box_head, run_box_head, 1, 2},
    {"mask_head", load_mask_head, run_mask_head, 1, 1},
    {"rpn", load_rpn, run_rpn, 2, 4},
};

static void gradients_are_pytorchs(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        run(&cases[i], levels_at(0)->cx[TWO_THREADS], TN_F64);
        for (int l = 0; l < levels_count(); l++)
            run(&cases[i], levels_at(l)->cx[TWO_THREADS], TN_F32);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(gradients_are_pytorchs)};
    int failed = cmocka_run_group_tests(tests, levels_setup, levels_teardown);
    printf("%d tensors compared\n", compared);
    return failed || compared == 0;
}
