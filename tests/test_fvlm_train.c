// SPDX-License-Identifier: Apache-2.0
// The trainable parts of an F-VLM under a tape: small models of every pyramid, all losses' inputs
// at once. In double against differences, and every level in float32 against double; every adapter
// gets a gradient, and CLIP is not changed.
#include "io/weights/safetensors.h"
#include "models/fvlm/fvlm_parts.h"
#include "nn/real.h"
#include "nn/tape.h"
#include "tensor/rng.h"
#include "tests/support/levels.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"

#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define GOLDEN "tests/golden/fvlm/"
#define BOXES 6
#define STEP 3e-6 // a smaller one loses digits in the difference, a larger one flips ReLUs
#define OUTPUTS (2 * MD_FVLM_LEVELS + 3)

static const char *const cases[] = {"vit4", "simple",  "single", "stem",
                                    "deep", "windows", "resnet"};
#define CASES (sizeof cases / sizeof *cases)

typedef struct bench {
    const char *name;
    md_fvlm *model;
    nn_params params;
    tn_arena step, data;
    nn_ctx cx;
    tn_error err;
    tn_tensor map[MD_FVLM_MAPS], picture, text, boxes, out[OUTPUTS];
} bench;

static int compared;

static double random_number(uint64_t stream, int64_t i) {
    uint32_t block[4];
    tn_philox(stream, (uint64_t)i, 0, block);
    return (double)(float)((double)block[0] / 4294967296.0 - 0.5);
}

// Shifts channels before a ReLU away from zero: with this many values some would be so close to
// zero that a step, or float32, flips them.
static void settle_relus(bench *b) {
    static const char *const before[] = {
        "rpn.head.conv",   "box_head",     "mask_head",    "mask_predictor.conv5_mask",
        "pyramid.adapter", "pyramid.stem", "pyramid.block"};
    for (int i = 0; i < b->params.count; i++) {
        nn_param *param = b->params.param[i];
        for (size_t k = 0; k < sizeof before / sizeof *before; k++)
            if (strncmp(param->name, before[k], strlen(before[k])) == 0 &&
                strstr(param->name, ".bias"))
                for (int64_t c = 0; c < tn_count(&param->value); c++)
                    nn_real_set(&param->value, c, c % 3 ? 8 : -8);
    }
    nn_params_changed(&b->params, b->cx.kn);
}

static void open_bench(bench *b, const char *name, kn_ctx *kn, tn_dtype dtype) {
    char path[256];
    memset(b, 0, sizeof *b);
    b->name = name;
    snprintf(path, sizeof path, GOLDEN "%s", name);
    ASSERT_OK(nn_params_init(&b->params, dtype, &b->err), b->err);
    md_fvlm_open_options options = {.folder = path, .params = &b->params};
    ASSERT_OK(md_fvlm_open(&options, kn, &b->model, &b->err), b->err);
    ASSERT_OK(tn_arena_init(&b->step, (size_t)1 << 30, &b->err), b->err);
    ASSERT_OK(tn_arena_init(&b->data, (size_t)1 << 28, &b->err), b->err);
    b->cx = (nn_ctx){.kn = kn, .step = &b->step, .err = &b->err};
    ASSERT_OK(nn_tape_new(&b->cx.tape, &b->err), b->err);
    settle_relus(b);
}

static void close_bench(bench *b) {
    nn_tape_free(b->cx.tape);
    md_fvlm_close(b->model);
    nn_params_deinit(&b->params);
    tn_arena_deinit(&b->step);
    tn_arena_deinit(&b->data);
}

static void new_data(bench *b, tn_tensor *t, int rank, const int64_t *dim) {
    ASSERT_OK(tn_new(&b->data, t, b->params.dtype, rank, dim, &b->err), b->err);
}

// Random maps of the shapes of CLIP's (those of a random ResNet are nearly constant, and batch norm
// would amplify their last bits), names as unit vectors, boxes of many sizes.
static void make_inputs(bench *b, const bench *like) {
    const md_fvlm_config *c = md_fvlm_settings(b->model);
    int64_t side = c->picture_size, d = b->model->head.embedding.w.out;
    tn_tensor x;
    md_fvlm_features features;
    ASSERT_OK(tn_new(&b->step, &x, TN_F32, TN_DIMS(1, side, side, 3), &b->err), b->err);
    for (int64_t i = 0; i < tn_count(&x); i++) tn_f32(&x)[i] = (float)random_number(1, i);
    if (!like) ASSERT_OK(md_fvlm_frozen(&b->cx, b->model, &x, MD_SCORE2_NONE, &features), b->err);
    assert_int_equal(nn_tape_records(b->cx.tape), 0);
    for (int i = 0; i < c->pyramid_taps; i++) {
        const tn_tensor *from = like ? &like->map[i] : &features.map[i];
        new_data(b, &b->map[i], from->rank, from->dim);
        for (int64_t k = 0; k < tn_count(from); k++)
            nn_real_set(&b->map[i], k, random_number(10 + (uint64_t)i, k));
    }
    new_data(b, &b->picture, x.rank, x.dim);
    for (int64_t k = 0; k < tn_count(&x); k++) nn_real_set(&b->picture, k, tn_f32(&x)[k]);
    new_data(b, &b->text, TN_DIMS(5, d));
    for (int64_t i = 0; i < tn_count(&b->text); i++) nn_real_set(&b->text, i, random_number(2, i));
    kn_l2_normalize_fwd(b->cx.kn, 1e-12, &b->text, &b->text);
    ASSERT_OK(tn_new(&b->data, &b->boxes, TN_F32, TN_DIMS(BOXES, 4), &b->err), b->err);
    for (int64_t i = 0; i < BOXES; i++) {
        double size = (double)side * (double)(i + 1) / (BOXES + 1), room = (double)side - size;
        for (int k = 0; k < 4; k++)
            tn_f32(&b->boxes)[4 * i + k] =
                (float)(room * (0.5 + random_number(3, 2 * i + k % 2)) + (k > 1 ? size : 0));
    }
}

static tn_status forward(bench *b) {
    tn_tensor level[MD_FVLM_LEVELS], pooled, embedding, *out = b->out;
    md_fvlm_features features = {.picture = b->picture};
    memcpy(features.map, b->map, sizeof b->map);
    tn_arena_reset(&b->step, 0);
    nn_tape_reset(b->cx.tape);
    TN_TRY(md_fvlm_pyramid(&b->cx, b->model, &features, level));
    TN_TRY(md_fvlm_rpn(&b->cx, b->model, level, out, out + MD_FVLM_LEVELS));
    out += 2 * MD_FVLM_LEVELS;
    TN_TRY(md_fvlm_box_regions(&b->cx, b->model, level, &b->boxes, NULL, &pooled));
    TN_TRY(md_fvlm_box_fwd(&b->cx, b->model, &pooled, &out[0], &embedding));
    TN_TRY(md_fvlm_classify(&b->cx, b->model, &b->text, &embedding, &out[1]));
    TN_TRY(md_fvlm_mask_regions(&b->cx, b->model, level, &b->boxes, NULL, &pooled));
    return md_fvlm_mask_fwd(&b->cx, b->model, &pooled, &out[2]);
}

// Every output has the same weight in the loss.
static double upstream(const tn_tensor *out, int o, int64_t i) {
    return random_number(20 + (uint64_t)o, i) / sqrt((double)tn_count(out));
}

static double loss_of(bench *b) {
    double sum = 0;
    ASSERT_OK(forward(b), b->err);
    for (int o = 0; o < OUTPUTS; o++)
        for (int64_t i = 0; i < tn_count(&b->out[o]); i++)
            sum += upstream(&b->out[o], o, i) * nn_real(&b->out[o], i);
    return sum;
}

static void backward(bench *b) {
    nn_params_zero_grad(&b->params);
    ASSERT_OK(forward(b), b->err);
    for (int o = 0; o < OUTPUTS; o++) {
        tn_tensor dout;
        ASSERT_OK(nn_tape_loss_grad(&b->cx, &b->out[o], &dout), b->err);
        for (int64_t i = 0; i < tn_count(&dout); i++)
            nn_real_set(&dout, i, upstream(&b->out[o], o, i));
    }
    ASSERT_OK(nn_tape_backward(&b->cx), b->err);
}

// ---- the checks -------------------------------------------------------------------------------

static void move_all(bench *b, const double *kept, double amount, uint64_t stream) {
    tn_tensor value = nn_params_flat(&b->params, NN_VALUE);
    for (int64_t i = 0; i < tn_count(&value); i++)
        nn_real_set(&value, i, kept[i] + amount * random_number(stream, i));
    nn_params_changed(&b->params, b->cx.kn);
}

// Derivative of the loss along a random direction.
static double rise(bench *b, const double *kept, double step, uint64_t stream) {
    move_all(b, kept, step, stream);
    double above = loss_of(b);
    move_all(b, kept, -step, stream);
    return (above - loss_of(b)) / (2 * step);
}

// Along random directions of all parameters at once.
static void check_differences(bench *b) {
    tn_tensor value = nn_params_flat(&b->params, NN_VALUE);
    tn_tensor grad = nn_params_flat(&b->params, NN_GRAD);
    double *kept = tn_alloc((size_t)tn_count(&value) * sizeof *kept);
    assert_non_null(kept);
    for (int64_t i = 0; i < tn_count(&value); i++) kept[i] = nn_real(&value, i);
    for (uint64_t stream = 100; stream < 104; stream++) {
        double told = 0;
        for (int64_t i = 0; i < tn_count(&value); i++)
            told += nn_real(&grad, i) * random_number(stream, i);
        // Two steps (Richardson): the remaining error is of fourth order.
        double found = (4 * rise(b, kept, STEP, stream) - rise(b, kept, 2 * STEP, stream)) / 3;
        move_all(b, kept, 0, stream);
        double error = fabs(told - found) / fmax(1, fabs(found));
        if (!(error <= 1e-8))
            fail_msg("%s: the loss rises by %.12g, the gradients say %.12g (off by %g)", b->name,
                     found, told, error);
        compared++;
    }
    tn_free(kept);
}

static double largest(const tn_tensor *t) {
    double most = 0;
    for (int64_t i = 0; i < tn_count(t); i++) most = fmax(most, fabs(nn_real(t, i)));
    return most;
}

static void check_all_reached(const bench *b) {
    for (int i = 0; i < b->params.count; i++)
        if (!(largest(&b->params.param[i]->grad) > 0))
            fail_msg("%s: no gradient reached '%s'", b->name, b->params.param[i]->name);
}

static void compare(const bench *got, const bench *want) {
    tn_tensor all = nn_params_flat(&want->params, NN_GRAD);
    double most_of_all = largest(&all);
    for (int i = 0; i < want->params.count; i++) {
        const tn_tensor *a = &got->params.param[i]->grad, *b = &want->params.param[i]->grad;
        double most = 0;
        for (int64_t k = 0; k < tn_count(b); k++) {
            double error = fabs(nn_real(a, k) - nn_real(b, k));
            if (!(error <= most)) most = error;
        }
        // Batch norm cancels a bias before it: its gradient is only rounding.
        double size = fmax(largest(b), 1e-2 * most_of_all);
        if (!(most <= 1e-4 * size))
            fail_msg("%s at level %s: the gradient of '%s' is off by %g of %g", want->name,
                     kn_level(got->cx.kn), want->params.param[i]->name, most, size);
        compared++;
    }
}

static void gradients_of_all_adapters(void **state) {
    (void)state;
    static bench truth, one, other;
    for (size_t i = 0; i < CASES; i++) {
        open_bench(&truth, cases[i], levels_at(0)->cx[TWO_THREADS], TN_F64);
        make_inputs(&truth, NULL);
        backward(&truth);
        check_all_reached(&truth);
        check_differences(&truth);
        backward(&truth);
        for (int l = 0; l < levels_count(); l++) {
            open_bench(&one, cases[i], levels_at(l)->cx[ONE_THREAD], TN_F32);
            open_bench(&other, cases[i], levels_at(l)->cx[SEVEN_THREADS], TN_F32);
            make_inputs(&one, &truth);
            make_inputs(&other, &truth);
            backward(&one);
            backward(&other);
            compare(&one, &truth);
            tn_tensor a = nn_params_flat(&one.params, NN_GRAD);
            tn_tensor b = nn_params_flat(&other.params, NN_GRAD);
            assert_memory_equal(a.data, b.data, tn_bytes(&a));
            close_bench(&one);
            close_bench(&other);
        }
        close_bench(&truth);
    }
}

// A new model of a configuration: random adapters, written to a folder under the names that the
// frozen model reads.
static void a_new_model_is_written_and_read(void **state) {
    (void)state;
    static bench b;
    io_tensor all[256];
    nn_params made;
    md_fvlm *model;
    tn_error err;
    kn_ctx *kn = levels_at(levels_count() - 1)->cx[TWO_THREADS];
    for (size_t i = 0; i < CASES; i++) {
        open_bench(&b, cases[i], kn, TN_F32);
        ASSERT_OK(nn_params_init(&made, TN_F32, &err), err);
        md_fvlm_open_options options = {.config = md_fvlm_settings(b.model),
                                        .clip = md_fvlm_clip_path(b.model),
                                        .params = &made,
                                        .seed = 4};
        ASSERT_OK(md_fvlm_open(&options, kn, &model, &err), err);
        // The same parameters, shapes and buffers as of the model that was read.
        assert_int_equal(made.count, b.params.count);
        assert_int_equal(made.buffers, b.params.buffers);
        for (int k = 0; k < made.count; k++) {
            const nn_param *other = nn_params_find(&b.params, made.param[k]->name);
            assert_non_null(other);
            assert_true(tn_same_shape(&other->value, &made.param[k]->value));
        }
        size_t count = (size_t)(made.count + made.buffers);
        assert_true(count <= 256);
        nn_params_tensors(&made, all);
        const char *path = temporary_path("adapters.safetensors");
        io_weights *file;
        ASSERT_OK(io_safetensors_write(path, all, count, NULL, 0, IO_AS_STORED, &err), err);
        ASSERT_OK(io_weights_open(path, &file, &err), err);
        ASSERT_OK(nn_params_read(&b.params, file, &err), err);
        io_weights_close(file);
        md_fvlm_close(model);
        nn_params_deinit(&made);
        close_bench(&b);
    }
}

// Whether a child that writes to this address crashes.
static bool write_crashes(void *place) {
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL); // otherwise cmocka would continue with the tests in the child
        volatile char *byte = place;
        *byte = (char)~*byte;
        _exit(0);
    }
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    return !(WIFEXITED(how) && WEXITSTATUS(how) == 0);
}

static void a_stray_write_to_the_frozen_tower_crashes(void **state) {
    (void)state;
    static bench b;
    kn_ctx *kn = levels_at(levels_count() - 1)->cx[TWO_THREADS];
    for (size_t i = 0; i < CASES; i++) {
        open_bench(&b, cases[i], kn, TN_F32);
        const md_vit *vit = b.model->scene.vit;
        const md_clip_resnet *resnet = b.model->resnet;
        assert_true(!vit != !resnet);
        if (vit) {
            assert_true(write_crashes(vit->position.rows.data));
            assert_true(write_crashes(vit->patch.w.data));
            assert_true(write_crashes(vit->projection.w.data));
            assert_true(write_crashes(vit->block)); // the modules themselves
            assert_true(write_crashes(b.model->scene.position.data));
        } else {
            assert_true(write_crashes(resnet->stem[0].w.data));
            assert_true(write_crashes(resnet->pool.key_value.w.data));
        }
        for (int k = 0; k < b.params.count; k++)
            assert_false(write_crashes(b.params.param[k]->value.data));
        close_bench(&b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stray_write_to_the_frozen_tower_crashes),
        cmocka_unit_test(gradients_of_all_adapters),
        cmocka_unit_test(a_new_model_is_written_and_read),
    };
    int failed = cmocka_run_group_tests(tests, levels_setup, levels_teardown);
    printf("%d gradients compared\n", compared);
    return temporary_teardown(NULL) || failed || compared == 0;
}
