// SPDX-License-Identifier: Apache-2.0
// A CLIP whose towers are trained: losses and gradients of every parameter against PyTorch's (dump
// of tools/reference/dump_clip_train.py), in double and at every level in float32; against
// differences; the same bits for any number of threads; and a new CLIP that is written and read.
#include "models/clip/clip_tensor_names.h"
#include "models/clip/clip_train.h"
#include "nn/real.h"
#include "nn/tape.h"
#include "tensor/rng.h"
#include "tests/support/levels.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"
#include "train/clip_loss.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FOLDER "tests/golden/clip/train"
#define STEP 1e-6

typedef struct bench {
    kn_ctx *kn;
    nn_params params;
    md_clip *clip;
    io_weights *dump;
    tn_arena step, data;
    nn_ctx cx;
    tn_error err;
    const char *which; // "whole" or "bank"
    double loss[TR_CLIP_TERMS];
} bench;

static int compared;

static void open_bench(bench *b, const char *which, kn_ctx *kn, tn_dtype dtype) {
    *b = (bench){.kn = kn, .which = which};
    ASSERT_OK(nn_params_init(&b->params, dtype, &b->err), b->err);
    ASSERT_OK(md_clip_open_trained(FOLDER, NULL, &b->params, kn, &b->clip, &b->err), b->err);
    ASSERT_OK(io_weights_open(FOLDER "/case.safetensors", &b->dump, &b->err), b->err);
    ASSERT_OK(tn_arena_init(&b->step, (size_t)1 << 30, &b->err), b->err);
    ASSERT_OK(tn_arena_init(&b->data, (size_t)1 << 26, &b->err), b->err);
    b->cx = (nn_ctx){.kn = kn, .step = &b->step, .err = &b->err};
    ASSERT_OK(nn_tape_new(&b->cx.tape, &b->err), b->err);
}

static void close_bench(bench *b) {
    nn_tape_free(b->cx.tape);
    md_clip_close(b->clip);
    io_weights_close(b->dump);
    nn_params_deinit(&b->params);
    tn_arena_deinit(&b->step);
    tn_arena_deinit(&b->data);
}

static const io_tensor *find(const bench *b, const char *prefix, const char *name) {
    char full[320];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    const io_tensor *t = io_weights_find(b->dump, full);
    if (!t) fail_msg("the dump has no '%s'", full);
    return t;
}

static tn_tensor stored(bench *b, const char *name, tn_dtype dtype) {
    const io_tensor *t = find(b, "", name);
    tn_tensor x;
    ASSERT_OK(tn_new(&b->data, &x, dtype, t->rank, t->dim, &b->err), b->err);
    tn_convert(t->data, t->dtype, x.data, dtype, (size_t)tn_count(&x));
    return x;
}

// One step's losses and gradients.
static double learn(bench *b) {
    bool bank = strcmp(b->which, "bank") == 0;
    tn_dtype real = b->params.dtype;
    tn_arena_reset(&b->step, 0);
    tn_arena_reset(&b->data, 0);
    nn_tape_reset(b->cx.tape);
    nn_params_zero_grad(&b->params);
    tn_tensor x = stored(b, "pixels", real), ids = stored(b, "ids", TN_I32);
    tn_tensor place = stored(b, "place", TN_I32), keep = stored(b, "keep", TN_I32);
    tr_clip_pairs p = {.picture_names = stored(b, "picture_names", TN_I32),
                       .text_names = stored(b, "text_names", TN_I32)};
    if (bank) p.bank = stored(b, "bank", real);
    ASSERT_OK(md_clip_train_images(&b->cx, b->clip, &x, bank ? &keep : NULL, &p.pictures), b->err);
    ASSERT_OK(md_clip_train_texts(&b->cx, b->clip, &ids, &place, &p.texts), b->err);
    memset(b->loss, 0, sizeof b->loss);
    ASSERT_OK(tr_clip_loss(&b->cx, &p, md_clip_scale(b->clip), 1, b->loss), b->err);
    ASSERT_OK(nn_tape_backward(&b->cx), b->err);
    return b->loss[0] + b->loss[1] + b->loss[2];
}

// ---- against PyTorch ---------------------------------------------------------------------------

static double number(const io_tensor *t, int64_t i) {
    double value;
    tn_convert((const char *)t->data + (size_t)i * tn_dtype_size(t->dtype), t->dtype, &value,
               TN_F64, 1);
    return value;
}

// The dump's names are Hugging Face's: parameters are compared in the order of the file's tensors,
// which are found by the shapes and names that the model asked for.
static void compare(bench *b, double loss_bar, double bar) {
    char prefix[32], name[256];
    const io_tensor *loss = NULL;
    snprintf(prefix, sizeof prefix, "%s.", b->which);
    learn(b);
    loss = find(b, prefix, "loss");
    for (int i = 0; i < TR_CLIP_TERMS; i++)
        ASSERT_WITHIN(fabs(b->loss[i] - number(loss, i)), loss_bar);
    double largest = 0;
    for (int i = 0; i < b->params.count; i++) {
        const tn_tensor *g = &b->params.param[i]->grad;
        for (int64_t k = 0; k < tn_count(g); k++) largest = fmax(largest, fabs(nn_real(g, k)));
    }
    for (int i = 0; i < b->params.count; i++) {
        md_clip_huggingface_name(b->params.param[i]->name, name, sizeof name);
        const io_tensor *want = find(b, prefix, name);
        const tn_tensor *got = &b->params.param[i]->grad;
        double most = 0, size = 0;
        for (int64_t k = 0; k < tn_count(got); k++) {
            double error = fabs(nn_real(got, k) - number(want, k));
            if (!(error <= most)) most = error;
            size = fmax(size, fabs(number(want, k)));
        }
        // A key's bias moves all scores of a query alike: its gradient is nothing but rounding.
        size = fmax(size, 1e-3 * largest);
        if (!(most <= bar * size))
            fail_msg("%s at level %s: the gradient of '%s' is off by %g of %g", b->which,
                     kn_level(b->kn), name, most, size);
        compared++;
    }
}

static void clip_gradients_equal_pytorch(void **state) {
    (void)state;
    static bench b;
    static const char *const cases[] = {"whole", "bank"};
    for (int i = 0; i < 2; i++) {
        open_bench(&b, cases[i], levels_at(0)->cx[TWO_THREADS], TN_F64);
        compare(&b, 1e-10, 1e-8);
        close_bench(&b);
        for (int l = 0; l < levels_count(); l++) {
            open_bench(&b, cases[i], levels_at(l)->cx[TWO_THREADS], TN_F32);
            compare(&b, 1e-5, 1e-4);
            close_bench(&b);
        }
    }
}

// ---- against differences -----------------------------------------------------------------------

static double random_number(uint64_t stream, int64_t i) {
    uint32_t block[4];
    tn_philox(stream, (uint64_t)i, 0, block);
    return (double)block[0] / 4294967296.0 - 0.5;
}

static void move_all(bench *b, const double *kept, double amount, uint64_t stream) {
    tn_tensor value = nn_params_flat(&b->params, NN_VALUE);
    for (int64_t i = 0; i < tn_count(&value); i++)
        nn_real_set(&value, i, kept[i] + amount * random_number(stream, i));
    nn_params_changed(&b->params, b->kn);
}

static void clip_gradients_equal_finite_differences(void **state) {
    (void)state;
    static bench b;
    open_bench(&b, "bank", levels_at(0)->cx[TWO_THREADS], TN_F64);
    tn_tensor value = nn_params_flat(&b.params, NN_VALUE);
    int64_t count = tn_count(&value);
    double *kept = tn_alloc((size_t)count * sizeof *kept), *told = tn_alloc(4 * sizeof *told);
    assert_true(kept && told);
    for (int64_t i = 0; i < count; i++) kept[i] = nn_real(&value, i);
    learn(&b);
    tn_tensor grad = nn_params_flat(&b.params, NN_GRAD);
    for (int d = 0; d < 4; d++) {
        told[d] = 0;
        for (int64_t i = 0; i < count; i++)
            told[d] += nn_real(&grad, i) * random_number(50 + (uint64_t)d, i);
    }
    for (int d = 0; d < 4; d++) {
        double found[2];
        for (int far = 1; far <= 2; far++) {
            move_all(&b, kept, far * STEP * 100, 50 + (uint64_t)d);
            found[far - 1] = learn(&b);
            move_all(&b, kept, -far * STEP * 100, 50 + (uint64_t)d);
            found[far - 1] -= learn(&b);
        }
        double slope = (8 * found[0] - found[1]) / (12 * STEP * 100);
        ASSERT_WITHIN(fabs(slope - told[d]) / fmax(1, fabs(slope)), 1e-8);
        compared++;
    }
    tn_free(kept);
    tn_free(told);
    close_bench(&b);
}

// ---- bits --------------------------------------------------------------------------------------

static void clip_train_same_bits_for_any_threads(void **state) {
    (void)state;
    static bench one, other;
    for (int l = 0; l < levels_count(); l++) {
        open_bench(&one, "bank", levels_at(l)->cx[ONE_THREAD], TN_F32);
        open_bench(&other, "bank", levels_at(l)->cx[SEVEN_THREADS], TN_F32);
        learn(&one);
        learn(&other);
        tn_tensor a = nn_params_flat(&one.params, NN_GRAD);
        tn_tensor b = nn_params_flat(&other.params, NN_GRAD);
        assert_memory_equal(a.data, b.data, tn_bytes(&a));
        close_bench(&one);
        close_bench(&other);
    }
}

// What is recorded gives the bits of inference. (The level ref does not: it rounds once where a
// tape keeps what goes into an activation.)
static void clip_training_forward_equals_inference(void **state) {
    (void)state;
    static bench b;
    md_clip *frozen;
    for (int l = 1; l < levels_count(); l++) {
        open_bench(&b, "whole", levels_at(l)->cx[TWO_THREADS], TN_F32);
        ASSERT_OK(md_clip_open(FOLDER, NULL, b.kn, &frozen, &b.err), b.err);
        tn_tensor x = stored(&b, "pixels", TN_F32), ids = stored(&b, "ids", TN_I32);
        tn_tensor place = stored(&b, "place", TN_I32), y, want;
        ASSERT_OK(md_clip_train_images(&b.cx, b.clip, &x, NULL, &y), b.err);
        ASSERT_OK(tn_new(&b.data, &want, TN_F32, 2, y.dim, &b.err), b.err);
        ASSERT_OK(md_clip_encode_images(&b.cx, frozen, &x, &want), b.err);
        assert_memory_equal(y.data, want.data, tn_bytes(&y));
        md_clip_text text[8];
        for (int64_t i = 0; i < ids.dim[0]; i++)
            text[i] = (md_clip_text){tn_i32(&ids) + i * ids.dim[1], tn_i32(&place)[i] + 1};
        ASSERT_OK(md_clip_train_texts(&b.cx, b.clip, &ids, &place, &y), b.err);
        ASSERT_OK(tn_new(&b.data, &want, TN_F32, 2, y.dim, &b.err), b.err);
        ASSERT_OK(md_clip_encode_texts(&b.cx, frozen, text, ids.dim[0], &want), b.err);
        assert_memory_equal(y.data, want.data, tn_bytes(&y));
        md_clip_close(frozen);
        close_bench(&b);
    }
}

// ---- a new one ---------------------------------------------------------------------------------

static md_clip_config small_config(void) {
    return (md_clip_config){.image_size = 16,
                            .patch = 4,
                            .width = 16,
                            .layers = 2,
                            .heads = 2,
                            .embed_dim = 12,
                            .text_width = 12,
                            .text_layers = 1,
                            .text_heads = 2,
                            .vocabulary = 30,
                            .context = 8,
                            .activation = KN_GELU,
                            .text_activation = KN_QUICK_GELU,
                            .norm_eps = 1e-5,
                            .mean = {0.4f, 0.5f, 0.6f},
                            .std = {0.2f, 0.3f, 0.4f},
                            .resize = 16,
                            .interpolation = KN_BICUBIC};
}

static double deviation(const nn_param *p) {
    double sum = 0;
    for (int64_t i = 0; i < tn_count(&p->value); i++)
        sum += nn_real(&p->value, i) * nn_real(&p->value, i);
    return sqrt(sum / (double)tn_count(&p->value));
}

static void clip_write_is_read_back(void **state) {
    (void)state;
    tn_error err = {0};
    nn_params params, again;
    md_clip *made, *other, *read;
    md_clip_config config = small_config();
    kn_ctx *kn = levels_at(levels_count() - 1)->cx[TWO_THREADS];
    ASSERT_OK(nn_params_init(&params, TN_F32, &err), err);
    ASSERT_OK(nn_params_init(&again, TN_F32, &err), err);
    ASSERT_OK(md_clip_new(&config, 7, &params, kn, &made, &err), err);
    ASSERT_OK(md_clip_new(&config, 7, &again, kn, &other, &err), err);
    tn_tensor a = nn_params_flat(&params, NN_VALUE), b = nn_params_flat(&again, NN_VALUE);
    assert_memory_equal(a.data, b.data, tn_bytes(&a));
    // Of the sizes that they should have.
    const struct {
        const char *name;
        double deviation;
    } begin[] = {{"token_embedding.weight", 0.02},
                 {"visual.positional_embedding", 0.01},
                 {"visual.transformer.resblocks.1.attn.q_proj.weight", 1 / sqrt(16)},
                 {"visual.transformer.resblocks.0.attn.out_proj.weight", 1 / sqrt(16 * 4)},
                 {"visual.transformer.resblocks.0.mlp.c_fc.weight", 1 / sqrt(32)},
                 {"visual.transformer.resblocks.0.mlp.c_proj.weight", 1 / sqrt(16 * 4)},
                 {"transformer.resblocks.0.mlp.c_proj.weight", 1 / sqrt(12 * 2)},
                 {"visual.proj.weight", 1 / sqrt(16)}};
    for (size_t i = 0; i < sizeof begin / sizeof *begin; i++) {
        const nn_param *p = nn_params_find(&params, begin[i].name);
        if (!p) fail_msg("no parameter '%s'", begin[i].name);
        ASSERT_WITHIN(fabs(deviation(p) / begin[i].deviation - 1), 0.2);
        assert_true(p->decay);
    }
    const char *folder = temporary_path("new");
    assert_int_equal(mkdir(folder, 0777), 0);
    ASSERT_OK(md_clip_write(made, &params, 28, 29, TN_F32, folder, &err), err);
    ASSERT_OK(md_clip_open(folder, NULL, kn, &read, &err), err);
    const md_clip_config *c = md_clip_settings(read);
    assert_int_equal(c->heads, 2);
    assert_int_equal(c->text_activation, KN_QUICK_GELU);
    assert_memory_equal(c->mean, config.mean, sizeof c->mean);
    ASSERT_WITHIN(fabs(c->logit_scale * 0.07 - 1), 1e-6);
    assert_string_equal(c->assumed, "");
    md_clip_close(read);
    md_clip_close(other);
    md_clip_close(made);
    nn_params_deinit(&again);
    // And trained on from there, with the very values.
    ASSERT_OK(nn_params_init(&again, TN_F32, &err), err);
    ASSERT_OK(md_clip_open_trained(folder, NULL, &again, kn, &other, &err), err);
    assert_int_equal(again.count, params.count);
    for (int i = 0; i < params.count; i++) {
        const nn_param *p = params.param[i], *q = nn_params_find(&again, p->name);
        assert_true(q && tn_same_shape(&p->value, &q->value) && p->decay == q->decay);
        assert_memory_equal(p->value.data, q->value.data, tn_bytes(&p->value));
    }
    md_clip_close(other);
    nn_params_deinit(&again);
    nn_params_deinit(&params);
}

static void clip_new_refuses_impossible_sizes(void **state) {
    (void)state;
    tn_error err = {0};
    kn_ctx *kn = levels_at(levels_count() - 1)->cx[ONE_THREAD];
    for (int i = 0; i < 4; i++) {
        md_clip_config c = small_config();
        nn_params params;
        md_clip *clip;
        if (i == 0) c.patch = 5;
        if (i == 1) c.heads = 3;
        if (i == 2) c.text_heads = 5;
        if (i == 3) c.layers = 0;
        ASSERT_OK(nn_params_init(&params, TN_F32, &err), err);
        assert_int_equal(md_clip_new(&c, 1, &params, kn, &clip, &err), TN_EINVAL);
        static const char *const says[] = {"patch size 5", "16 channels", "12 channels", "layers"};
        assert_non_null(strstr(err.text, says[i]));
        nn_params_deinit(&params);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clip_gradients_equal_pytorch),
        cmocka_unit_test(clip_gradients_equal_finite_differences),
        cmocka_unit_test(clip_train_same_bits_for_any_threads),
        cmocka_unit_test(clip_training_forward_equals_inference),
        cmocka_unit_test(clip_write_is_read_back),
        cmocka_unit_test(clip_new_refuses_impossible_sizes),
    };
    int failed = cmocka_run_group_tests(tests, levels_setup, levels_teardown);
    printf("%d gradients compared\n", compared);
    return temporary_teardown(NULL) || failed || compared == 0;
}
