// SPDX-License-Identifier: Apache-2.0
// The tape itself: what is recorded and what is not, views, sums, memory, and running out of it.
#include "io/weights/safetensors.h"
#include "nn/blocks/block.h"
#include "nn/blocks/fpn.h"
#include "nn/blocks/roi_pool.h"
#include "nn/deconv.h"
#include "nn/ops.h"
#include "nn/tape.h"
#include "tests/support/levels.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

static tn_error err;
static tn_arena weights, step;
static nn_params params;
static nn_ctx cx;
static nn_loader load;

static int setup(void **state) {
    (void)state;
    kn_ctx *kn = levels_at(levels_count() - 1)->cx[TWO_THREADS];
    cx = (nn_ctx){.kn = kn, .step = &step, .err = &err};
    if (tn_arena_init(&weights, (size_t)1 << 28, &err) ||
        tn_arena_init(&step, (size_t)1 << 30, &err) || nn_params_init(&params, TN_F32, &err) ||
        nn_tape_new(&cx.tape, &err))
        return -1;
    load = (nn_loader){.kn = kn,
                       .arena = &weights,
                       .err = &err,
                       .params = &params,
                       .init = {NN_INIT_KAIMING_UNIFORM, 1},
                       .bias = true};
    return 0;
}

static int teardown(void **state) {
    (void)state;
    nn_tape_free(cx.tape);
    nn_params_deinit(&params);
    tn_arena_deinit(&weights);
    tn_arena_deinit(&step);
    guarded_free();
    return 0;
}

static tn_tensor random_map(uint64_t seed, int64_t n, int64_t side, int64_t channels) {
    return guarded_random(seed, -1, 1, TN_DIMS(n, side, side, channels));
}

static void conv_load(const char *name, int64_t out, int64_t in, nn_conv *conv) {
    ASSERT_OK(
        nn_conv_load(&load, name, (int64_t[]){out, in, 3, 3}, kn_conv_same(1, 1), KN_RELU, conv),
        err);
}

static void start(const tn_tensor *y, float value) {
    tn_tensor dy;
    ASSERT_OK(nn_tape_loss_grad(&cx, y, &dy), err);
    for (int64_t i = 0; i < tn_count(&dy); i++) tn_f32(&dy)[i] = value;
}

static void fresh(void) {
    tn_arena_reset(&step, 0);
    nn_tape_reset(cx.tape);
}

// ---- what is recorded -------------------------------------------------------------------------

static void frozen_modules_record_nothing(void **state) {
    (void)state;
    io_tensor file[] = {{.name = "c.weight", .dtype = TN_F32, .rank = 4, .dim = {4, 4, 3, 3}},
                        {.name = "c.bias", .dtype = TN_F32, .rank = 1, .dim = {4}}};
    nn_conv made, frozen;
    conv_load("c", 4, 4, &made);
    for (int i = 0; i < 2; i++) file[i].data = params.param[i]->value.data;
    const char *path = temporary_path("frozen.safetensors");
    io_weights *stored;
    ASSERT_OK(io_safetensors_write(path, file, 2, NULL, 0, IO_AS_STORED, &err), err);
    ASSERT_OK(io_weights_open(path, &stored, &err), err);
    nn_loader as_frozen = load;
    as_frozen.file = stored, as_frozen.params = NULL;
    ASSERT_OK(nn_conv_load(&as_frozen, "c", NULL, kn_conv_same(1, 1), KN_RELU, &frozen), err);
    tn_tensor x = random_map(1, 1, 9, 4), y, z, dx;
    ASSERT_OK(nn_conv_fwd(&cx, &frozen, &x, NULL, &y), err);
    ASSERT_OK(nn_add(&cx, KN_LINEAR, &y, &x, &z), err);
    assert_int_equal(nn_tape_records(cx.tape), 0);
    assert_false(nn_tape_wants(&cx, &z));
    // The first trained module makes a record, and asks for nothing of what lies before it.
    ASSERT_OK(nn_conv_fwd(&cx, &made, &z, NULL, &y), err);
    assert_int_equal(nn_tape_records(cx.tape), 1);
    start(&y, 1);
    ASSERT_OK(nn_tape_backward(&cx), err);
    assert_false(nn_tape_watched_grad(&cx, &z, &dx));
    assert_false(nn_tape_watched_grad(&cx, &x, &dx));
    io_weights_close(stored);
}

// The layers with weights, trained or frozen, over [2,4,4,8].
typedef struct layers {
    nn_conv conv, folded;
    nn_deconv deconv;
    nn_linear plain, joined, matrix, regions;
} layers;
#define LAYERS 7

static void load_layers(const nn_loader *from, layers *l) {
    static const char *const two[] = {"a", "b"};
    const kn_conv same = kn_conv_same(1, 1);
    ASSERT_OK(nn_conv_load(from, "conv", (int64_t[]){6, 8, 3, 3}, same, KN_RELU, &l->conv), err);
    ASSERT_OK(nn_conv_bn_load(from, "bare", "norm", 0, (int64_t[]){6, 8, 3, 3}, same, KN_LINEAR,
                              &l->folded),
              err);
    ASSERT_OK(nn_deconv_load(from, "up", 8, 6, KN_LINEAR, &l->deconv), err);
    ASSERT_OK(nn_linear_load(from, "plain", 5, 8, KN_GELU, &l->plain), err);
    ASSERT_OK(nn_linear_load_joined(from, 2, two, 5, 8, KN_LINEAR, &l->joined), err);
    ASSERT_OK(nn_linear_load_matrix(from, "matrix", 8, 5, &l->matrix), err);
    ASSERT_OK(nn_linear_load_regions(from, "whole", 5, 8, 4, KN_LINEAR, &l->regions), err);
}

// The gradient of x through layer i, where y's is 1.
static tn_tensor through(const layers *l, int i, const tn_tensor *x) {
    const nn_linear *linear[] = {&l->plain, &l->joined, &l->matrix};
    tn_tensor y, dx, region = tn_reshape(x, TN_DIMS(2, 4 * 4 * 8));
    fresh();
    nn_tape_watch(&cx, x);
    if (i < 2)
        ASSERT_OK(nn_conv_fwd(&cx, i ? &l->folded : &l->conv, x, NULL, &y), err);
    else if (i == 2)
        ASSERT_OK(nn_deconv_fwd(&cx, &l->deconv, x, &y), err);
    else if (i < 6)
        ASSERT_OK(nn_linear_fwd(&cx, linear[i - 3], x, NULL, &y), err);
    else
        ASSERT_OK(nn_linear_fwd(&cx, &l->regions, &region, NULL, &y), err);
    start(&y, 1);
    ASSERT_OK(nn_tape_backward(&cx), err);
    assert_true(nn_tape_watched_grad(&cx, x, &dx));
    return dx;
}

// Batch norm of a trained layer takes the batch's statistics, so its layer is compared by the
// product alone: folded with gamma 3, mean 0 and variance 1, the gradient is 3 times that.
static void a_gradient_goes_through_frozen_layers(void **state) {
    (void)state;
    layers trained, frozen;
    load_layers(&load, &trained);
    trained.folded.norm.kind = NN_NORM_NONE;
    io_tensor file[32];
    size_t count = (size_t)params.count + (size_t)params.buffers;
    assert_true(count <= sizeof file / sizeof *file);
    for (int64_t k = 0; k < 6; k++)
        for (int i = 0; i < params.count; i++)
            if (!strcmp(params.param[i]->name, "norm.weight"))
                tn_f32(&params.param[i]->value)[k] = 3;
    nn_params_tensors(&params, file);
    const char *path = temporary_path("through.safetensors");
    io_weights *stored;
    ASSERT_OK(io_safetensors_write(path, file, count, NULL, 0, IO_AS_STORED, &err), err);
    ASSERT_OK(io_weights_open(path, &stored, &err), err);
    nn_loader as_frozen = load;
    as_frozen.file = stored, as_frozen.params = NULL, as_frozen.adjoint = true;
    load_layers(&as_frozen, &frozen);
    tn_tensor x = random_map(1, 2, 4, 8), want = random_map(2, 2, 4, 8);
    for (int i = 0; i < LAYERS; i++) {
        tn_tensor dx = through(&trained, i, &x);
        memcpy(want.data, dx.data, tn_bytes(&want));
        dx = through(&frozen, i, &x);
        for (int64_t k = 0; k < tn_count(&x); k++) {
            float was = tn_f32(&want)[k], is = tn_f32(&dx)[k];
            if (i == 1) was *= 3;
            if (!(fabsf(is - was) <= (i == 1 ? 1e-5F : 0.F)))
                fail_msg("layer %d, place %lld: %g, trained %g", i, (long long)k, (double)is,
                         (double)was);
        }
    }
    io_weights_close(stored);
}

static void relus_are_listed_when_asked_for(void **state) {
    (void)state;
    nn_conv conv, bare;
    int64_t count;
    conv_load("c", 4, 4, &conv);
    conv_load("d", 4, 4, &bare);
    bare.act = KN_LINEAR;
    tn_tensor x = random_map(1, 1, 9, 4), y[3];
    for (int listed = 0; listed < 2; listed++) {
        fresh();
        if (listed) nn_tape_list_relus(cx.tape);
        for (int i = 0; i < 3; i++)
            ASSERT_OK(nn_conv_fwd(&cx, i == 1 ? &bare : &conv, i ? &y[i - 1] : &x, NULL, &y[i]),
                      err);
        const tn_tensor *relu = nn_tape_relus(cx.tape, &count);
        assert_int_equal(count, listed ? 2 : 0);
        for (int i = 0; i < count; i++) assert_ptr_equal(relu[i].data, y[2 * i].data);
    }
    fresh();
    nn_tape_relus(cx.tape, &count);
    assert_int_equal(count, 0);
}

static void scopes_keep_what_is_recorded(void **state) {
    (void)state;
    nn_conv conv;
    conv_load("c", 4, 4, &conv);
    tn_tensor x = random_map(1, 1, 9, 4), y;
    size_t before = step.used;
    nn_scope scope = nn_scope_enter(&cx);
    ASSERT_OK(nn_add(&cx, KN_RELU, &x, &x, &y), err);
    nn_scope_leave(&cx, scope);
    assert_int_equal(step.used, before);
    scope = nn_scope_enter(&cx);
    ASSERT_OK(nn_conv_fwd(&cx, &conv, &x, NULL, &y), err);
    nn_scope_leave(&cx, scope);
    assert_true(step.used > before);
}

static void what_no_loss_reaches_costs_nothing(void **state) {
    (void)state;
    nn_conv used, unused;
    conv_load("used", 4, 4, &used);
    conv_load("unused", 4, 4, &unused);
    tn_tensor x = random_map(1, 1, 9, 4), y, z;
    ASSERT_OK(nn_conv_fwd(&cx, &used, &x, NULL, &y), err);
    ASSERT_OK(nn_conv_fwd(&cx, &unused, &y, NULL, &z), err);
    start(&y, 1);
    ASSERT_OK(nn_tape_backward(&cx), err);
    tn_tensor grad = nn_params_find(&params, "unused.weight")->grad;
    for (int64_t i = 0; i < tn_count(&grad); i++) assert_true(tn_f32(&grad)[i] == 0);
    grad = nn_params_find(&params, "used.bias")->grad;
    assert_true(tn_f32(&grad)[0] != 0);
}

static void no_regions_are_no_fault(void **state) {
    (void)state;
    nn_linear fc;
    nn_conv conv;
    const nn_roi_pool pool = {.sampling_ratio = 2, .levels = 1, .finest = 2};
    conv_load("c", 4, 4, &conv);
    ASSERT_OK(nn_linear_load_regions(&load, "fc", 6, 4, 3, KN_RELU, &fc), err);
    tn_tensor x = random_map(1, 1, 9, 4), map, pooled, flat, y, ids;
    tn_tensor rois = guarded_new(TN_F32, TN_DIMS(0, 4));
    ASSERT_OK(nn_conv_fwd(&cx, &conv, &x, NULL, &map), err);
    ASSERT_OK(nn_roi_pool_fwd(&cx, &pool, &map, &rois, NULL, 3, &pooled), err);
    flat = tn_reshape(&pooled, TN_DIMS(0, 36));
    ASSERT_OK(nn_linear_fwd(&cx, &fc, &flat, NULL, &y), err);
    ids = guarded_new(TN_I32, TN_DIMS(0));
    tn_tensor rows = tn_reshape(&map, TN_DIMS(81, 4)), none;
    ASSERT_OK(nn_gather_rows(&cx, &rows, &ids, &none), err);
    start(&y, 1);
    start(&none, 1);
    assert_int_equal(nn_tape_records(cx.tape), 1);
    ASSERT_OK(nn_tape_backward(&cx), err);
}

// ---- sums and views ---------------------------------------------------------------------------

static void run_twice_is_twice_the_gradient(void **state) {
    (void)state;
    nn_conv conv;
    conv_load("c", 5, 4, &conv);
    tn_tensor x = random_map(1, 2, 9, 4), y;
    tn_tensor grad = nn_params_flat(&params, NN_GRAD), once;
    for (int turn = 0; turn < 2; turn++) {
        fresh();
        ASSERT_OK(nn_conv_fwd(&cx, &conv, &x, NULL, &y), err);
        start(&y, 0.5f);
        ASSERT_OK(nn_tape_backward(&cx), err);
        if (turn == 0) once = guarded_copy(&grad);
    }
    for (int64_t i = 0; i < tn_count(&grad); i++)
        assert_true(tn_f32(&grad)[i] == 2 * tn_f32(&once)[i]);
}

// A loss for each picture of a batch, on views, is one loss on the batch.
static void parts_make_up_the_whole(void **state) {
    (void)state;
    nn_conv conv;
    conv_load("c", 5, 4, &conv);
    tn_tensor x = random_map(1, 2, 9, 4), y, flat, dx, whole;
    for (int turn = 0; turn < 2; turn++) {
        fresh();
        nn_params_zero_grad(&params);
        nn_tape_watch(&cx, &x);
        ASSERT_OK(nn_conv_fwd(&cx, &conv, &x, NULL, &y), err);
        flat = tn_reshape(&y, TN_DIMS(2 * 9 * 9, 5));
        tn_tensor first = tn_slice(&y, 0, 1), second = tn_slice(&flat, 81, 81);
        if (turn == 0) {
            start(&y, 1);
        } else {
            start(&first, 1);
            start(&second, 1);
        }
        ASSERT_OK(nn_tape_backward(&cx), err);
        assert_true(nn_tape_watched_grad(&cx, &x, &dx));
        if (turn == 0)
            whole = guarded_copy(&dx);
        else
            assert_memory_equal(whole.data, dx.data, tn_bytes(&dx));
    }
}

static void a_part_that_no_loss_reaches_is_zero(void **state) {
    (void)state;
    nn_conv conv;
    conv_load("c", 5, 4, &conv);
    tn_tensor x = random_map(1, 2, 9, 4), y, dx;
    for (int turn = 0; turn < 2; turn++) { // the first leaves its gradients in the tape's memory
        fresh();
        nn_tape_watch(&cx, &x);
        ASSERT_OK(nn_conv_fwd(&cx, &conv, &x, NULL, &y), err);
        tn_tensor second = tn_slice(&y, 1, 1);
        start(turn ? &second : &y, 1);
        ASSERT_OK(nn_tape_backward(&cx), err);
        assert_true(nn_tape_watched_grad(&cx, &x, &dx));
    }
    double first_sum = 0, second_sum = 0;
    for (int64_t i = 0; i < tn_count(&dx); i++)
        *(i < tn_count(&dx) / 2 ? &first_sum : &second_sum) += fabs((double)tn_f32(&dx)[i]);
    assert_true(first_sum == 0 && second_sum > 0);
}

// ---- memory -----------------------------------------------------------------------------------

// Gradients of a chain need two at a time, however long the chain is.
static void memory_of_gradients_is_used_again(void **state) {
    (void)state;
    nn_conv conv[12];
    char name[8];
    tn_tensor x = random_map(1, 1, 40, 8), y[12];
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "c%d", i);
        conv_load(name, 8, 8, &conv[i]);
        ASSERT_OK(nn_conv_fwd(&cx, &conv[i], i ? &y[i - 1] : &x, NULL, &y[i]), err);
    }
    start(&y[11], 1);
    ASSERT_OK(nn_tape_backward(&cx), err);
    assert_true(nn_tape_bytes(cx.tape) <= 2 * tn_bytes(&x) + 2 * TN_ALIGN);
}

typedef tn_status walk(nn_ctx *cx);

// One step of a small model; its loss is the sum of all outputs.
static tn_status small_step(const nn_fpn *fpn, const nn_block *block, const tn_tensor *maps,
                            walk *back) {
    tn_tensor level[3], tokens, part[2], joined, dy;
    tn_arena_reset(cx.step, 0);
    nn_tape_reset(cx.tape);
    nn_params_zero_grad(&params);
    TN_TRY(nn_fpn_fwd(&cx, fpn, maps, level));
    for (int i = 0; i < 2; i++)
        part[i] = tn_reshape(&level[i], TN_DIMS(level[i].dim[1] * level[i].dim[2], 8));
    TN_TRY(nn_concat_rows(&cx, 2, part, &joined));
    tokens = tn_reshape(&joined, TN_DIMS(1, joined.dim[0], 8));
    TN_TRY(nn_block_inplace(&cx, block, &tokens));
    TN_TRY(nn_tape_loss_grad(&cx, &tokens, &dy));
    for (int64_t i = 0; i < tn_count(&dy); i++) tn_f32(&dy)[i] = 1;
    return back(&cx);
}

static void small_load(nn_fpn *fpn, nn_block *block) {
    const nn_block_config cfg = {8, 2, false, KN_GELU, 1e-5};
    load.norm = NN_NORM_BATCH;
    ASSERT_OK(nn_fpn_load(&load, "fpn", 2, (int64_t[]){4, 6}, 8, -1, fpn), err);
    ASSERT_OK(nn_block_load(&load, "block", &cfg, block), err);
}

// The same bits, and gradients find room in what was recorded.
static void activations_are_used_up(void **state) {
    (void)state;
    nn_fpn fpn;
    nn_block block;
    small_load(&fpn, &block);
    tn_tensor maps[] = {random_map(1, 1, 16, 4), random_map(2, 1, 8, 6)};
    ASSERT_OK(small_step(&fpn, &block, maps, nn_tape_backward_in_place), err);
    size_t little = nn_tape_bytes(cx.tape);
    tn_tensor grad = nn_params_flat(&params, NN_GRAD), is = guarded_copy(&grad);
    ASSERT_OK(small_step(&fpn, &block, maps, nn_tape_backward), err);
    assert_memory_equal(grad.data, is.data, tn_bytes(&grad));
    if (little >= nn_tape_bytes(cx.tape))
        fail_msg("%zu bytes of gradients, %zu apart", little, nn_tape_bytes(cx.tape));
}

static void running_out_of_memory_is_told(void **state) {
    (void)state;
    nn_fpn fpn;
    nn_block block;
    small_load(&fpn, &block);
    tn_tensor maps[] = {random_map(1, 1, 16, 4), random_map(2, 1, 8, 6)};
    ASSERT_OK(small_step(&fpn, &block, maps, nn_tape_backward), err);
    tn_tensor grad = nn_params_flat(&params, NN_GRAD), want = guarded_copy(&grad);
    size_t need = step.peak, page = 4096;
    int failures = 0;
    for (size_t room = page; room < need; room += page) {
        tn_arena small;
        tn_status status;
        ASSERT_OK(tn_arena_init(&small, room, &err), err);
        err = (tn_error){0};
        cx.step = &small;
        status = small_step(&fpn, &block, maps, nn_tape_backward);
        cx.step = &step;
        tn_arena_deinit(&small);
        if (status != TN_ENOMEM || err.status != TN_ENOMEM || !err.text[0])
            fail_msg("%zu bytes of %zu: status %d, '%s'", room, need, status, err.text);
        failures++;
    }
    assert_true(failures > 20);
    ASSERT_OK(small_step(&fpn, &block, maps, nn_tape_backward), err);
    assert_memory_equal(grad.data, want.data, tn_bytes(&grad));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(frozen_modules_record_nothing),
        TEST(a_gradient_goes_through_frozen_layers),
        TEST(relus_are_listed_when_asked_for),
        TEST(scopes_keep_what_is_recorded),
        TEST(what_no_loss_reaches_costs_nothing),
        TEST(no_regions_are_no_fault),
        TEST(run_twice_is_twice_the_gradient),
        TEST(parts_make_up_the_whole),
        TEST(a_part_that_no_loss_reaches_is_zero),
        TEST(memory_of_gradients_is_used_again),
        TEST(activations_are_used_up),
        TEST(running_out_of_memory_is_told),
    };
    int failed = cmocka_run_group_tests(tests, levels_setup, levels_teardown);
    return temporary_teardown(NULL) || failed;
}
