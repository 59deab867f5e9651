// SPDX-License-Identifier: Apache-2.0
// Parameters: the flat buffers, initial values, files, and modules that are trained against the
// same modules frozen.
#include "io/weights/safetensors.h"
#include "nn/blocks/block.h"
#include "nn/blocks/conv_norm.h"
#include "nn/deconv.h"
#include "nn/params.h"
#include "nn/real.h"
#include "tests/support/levels.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

#define MOST 64

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
        tn_arena_init(&step, (size_t)1 << 28, &err) || nn_params_init(&params, TN_F32, &err))
        return -1;
    load = (nn_loader){.kn = kn,
                       .arena = &weights,
                       .err = &err,
                       .params = &params,
                       .init = {NN_INIT_NORMAL, 0.1},
                       .bias = true};
    return 0;
}

static int teardown(void **state) {
    (void)state;
    nn_params_deinit(&params);
    tn_arena_deinit(&weights);
    tn_arena_deinit(&step);
    guarded_free();
    return 0;
}

static nn_param *add(const char *name, int rank, const int64_t *dim, bool decay) {
    nn_param *param;
    ASSERT_OK(nn_params_add(&params, name, rank, dim, decay, &param, &err), err);
    return param;
}

// ---- the flat buffers -------------------------------------------------------------------------

static void flat_buffers_have_one_layout(void **state) {
    (void)state;
    add("a", TN_DIMS(3, 5), true);
    add("b", TN_DIMS(7), false);
    add("c", 0, NULL, false);
    nn_param *last = add("d", TN_DIMS(2, 2, 3, 3), true);
    tn_tensor flat[NN_FLATS];
    for (int i = 0; i < NN_FLATS; i++) {
        flat[i] = nn_params_flat(&params, (nn_flat)i);
        assert_int_equal(flat[i].dim[0], last->offset + 48); // 36 numbers, to the next 64 bytes
    }
    for (int i = 0; i < params.count; i++) {
        const nn_param *p = params.param[i];
        const tn_tensor *views[] = {&p->value, &p->grad, &p->m, &p->v};
        for (int k = 0; k < NN_FLATS; k++)
            assert_ptr_equal(views[k]->data, (float *)flat[k].data + p->offset);
        for (int64_t k = 0; k < tn_count(&p->value); k++) tn_f32(&p->value)[k] = 1;
    }
    double sum = 0;
    for (int64_t i = 0; i < flat[NN_VALUE].dim[0]; i++) sum += (double)tn_f32(&flat[NN_VALUE])[i];
    assert_true(sum == 15 + 7 + 1 + 36);
    assert_int_equal(nn_params_elements(&params), 15 + 7 + 1 + 36);
    assert_ptr_equal(nn_params_find(&params, "d"), last);
    assert_null(nn_params_find(&params, "e"));
    memset(last->grad.data, 1, tn_bytes(&last->grad));
    nn_params_zero_grad(&params);
    for (int64_t i = 0; i < flat[NN_GRAD].dim[0]; i++) assert_true(tn_f32(&flat[NN_GRAD])[i] == 0);
}

// ---- initial values ---------------------------------------------------------------------------

static void linear(const char *name, int64_t out, int64_t in) {
    nn_linear fc;
    ASSERT_OK(nn_linear_load(&load, name, out, in, KN_LINEAR, &fc), err);
}

static void names_make_values_not_their_order(void **state) {
    (void)state;
    float first[12];
    load.seed = 5;
    linear("a", 3, 4);
    linear("b", 3, 4);
    memcpy(first, nn_params_find(&params, "b.weight")->value.data, sizeof first);
    assert_memory_not_equal(first, nn_params_find(&params, "a.weight")->value.data, sizeof first);
    nn_params_deinit(&params);
    ASSERT_OK(nn_params_init(&params, TN_F32, &err), err);
    linear("b", 3, 4);
    assert_memory_equal(first, nn_params_find(&params, "b.weight")->value.data, sizeof first);
    nn_params_deinit(&params);
    ASSERT_OK(nn_params_init(&params, TN_F32, &err), err);
    load.seed = 6;
    linear("b", 3, 4);
    assert_memory_not_equal(first, nn_params_find(&params, "b.weight")->value.data, sizeof first);
}

static void moments(const char *name, double *mean, double *deviation, double *largest) {
    const tn_tensor *t = &nn_params_find(&params, name)->value;
    double sum = 0, squares = 0, n = (double)tn_count(t);
    *largest = 0;
    for (int64_t i = 0; i < tn_count(t); i++) {
        sum += nn_real(t, i), squares += nn_real(t, i) * nn_real(t, i);
        *largest = fmax(*largest, fabs(nn_real(t, i)));
    }
    *mean = sum / n, *deviation = sqrt(squares / n - *mean * *mean);
}

static void values_are_spread_as_asked(void **state) {
    (void)state;
    double mean, deviation, largest, bound = sqrt(3.0 / (64 * 9));
    const int64_t dim[4] = {32, 64, 3, 3};
    nn_conv conv;
    linear("normal", 100, 200);
    moments("normal.weight", &mean, &deviation, &largest);
    assert_true(fabs(mean) < 0.003 && fabs(deviation - 0.1) < 0.002);
    load.init = (nn_init){NN_INIT_KAIMING_UNIFORM, 1}; // bound sqrt(6 / (2 * fan in))
    ASSERT_OK(nn_conv_load(&load, "uniform", dim, kn_conv_same(1, 1), KN_LINEAR, &conv), err);
    moments("uniform.weight", &mean, &deviation, &largest);
    assert_true(largest <= bound && largest > 0.999 * bound);
    assert_true(fabs(deviation - bound / sqrt(3)) < 0.01 * bound);
    load.init = (nn_init){NN_INIT_KAIMING_NORMAL_OUT, 0};
    ASSERT_OK(nn_conv_load(&load, "out", dim, kn_conv_same(1, 1), KN_LINEAR, &conv), err);
    moments("out.weight", &mean, &deviation, &largest);
    assert_true(fabs(deviation - sqrt(2.0 / (32 * 9))) < 0.002);
    moments("out.bias", &mean, &deviation, &largest);
    assert_true(largest == 0);
}

static void weights_decay_and_the_rest_does_not(void **state) {
    (void)state;
    const nn_block_config cfg = {16, 2, false, KN_GELU, 1e-5};
    nn_block block;
    nn_conv conv;
    nn_deconv up;
    load.norm = NN_NORM_BATCH;
    ASSERT_OK(nn_block_load(&load, "block", &cfg, &block), err);
    ASSERT_OK(nn_conv_norm_load(&load, "unit", -1, (int64_t[]){8, 4, 3, 3}, kn_conv_same(1, 1),
                                KN_RELU, &conv),
              err);
    ASSERT_OK(nn_deconv_load(&load, "up", 8, 8, KN_RELU, &up), err);
    assert_int_equal(params.count, 12 + 3 + 2);
    assert_int_equal(params.buffers, 2);
    for (int i = 0; i < params.count; i++)
        assert_int_equal(params.param[i]->decay, params.param[i]->value.rank > 1);
}

// ---- files ------------------------------------------------------------------------------------

static void write_all(const char *path) {
    io_tensor all[MOST];
    size_t count = (size_t)(params.count + params.buffers);
    assert_true(count <= MOST);
    nn_params_tensors(&params, all);
    ASSERT_OK(io_safetensors_write(path, all, count, NULL, 0, IO_AS_STORED, &err), err);
}

// A module of every form that a weight has.
typedef struct forms {
    nn_linear plain, matrix, joined, regions;
    nn_conv bare, batch, group;
    nn_deconv up;
    nn_layer_norm norm;
} forms;

static void load_forms(nn_loader *from, forms *f) {
    static const char *const parts[] = {"q", "k", "v"};
    const int64_t dim[4] = {8, 4, 3, 3};
    const kn_conv same = kn_conv_same(1, 1);
    from->groups = 2;
    ASSERT_OK(nn_linear_load(from, "plain", 6, 4, KN_RELU, &f->plain), err);
    ASSERT_OK(nn_linear_load_matrix(from, "matrix", 4, 6, &f->matrix), err);
    ASSERT_OK(nn_linear_load_joined(from, 3, parts, 4, 4, KN_LINEAR, &f->joined), err);
    ASSERT_OK(nn_linear_load_regions(from, "regions", 5, 4, 3, KN_RELU, &f->regions), err);
    ASSERT_OK(nn_conv_load(from, "bare", dim, same, KN_GELU, &f->bare), err);
    from->norm = NN_NORM_BATCH;
    ASSERT_OK(nn_conv_norm_load(from, "batch", 1e-5, dim, same, KN_RELU, &f->batch), err);
    from->norm = NN_NORM_GROUP;
    ASSERT_OK(nn_conv_norm_load(from, "group", 1e-5, dim, same, KN_RELU, &f->group), err);
    ASSERT_OK(nn_deconv_load(from, "up", 4, 3, KN_RELU, &f->up), err);
    ASSERT_OK(nn_layer_norm_load(from, "ln", 4, 1e-5, &f->norm), err);
}

static int run_forms(const forms *f, tn_tensor y[9]) {
    tn_tensor x = guarded_random(1, -1, 1, TN_DIMS(2, 3, 3, 4));
    tn_tensor rows = tn_reshape(&x, TN_DIMS(18, 4)), whole = tn_reshape(&x, TN_DIMS(2, 36));
    ASSERT_OK(nn_linear_fwd(&cx, &f->plain, &rows, NULL, &y[0]), err);
    ASSERT_OK(nn_linear_fwd(&cx, &f->matrix, &rows, NULL, &y[1]), err);
    ASSERT_OK(nn_linear_fwd(&cx, &f->joined, &rows, NULL, &y[2]), err);
    ASSERT_OK(nn_linear_fwd(&cx, &f->regions, &whole, NULL, &y[3]), err);
    ASSERT_OK(nn_conv_fwd(&cx, &f->bare, &x, NULL, &y[4]), err);
    ASSERT_OK(nn_conv_fwd(&cx, &f->group, &x, NULL, &y[5]), err);
    ASSERT_OK(nn_deconv_fwd(&cx, &f->up, &x, &y[6]), err);
    ASSERT_OK(nn_layer_norm_fwd(&cx, &f->norm, &rows, &y[7]), err);
    ASSERT_OK(nn_conv_fwd(&cx, &f->batch, &x, NULL, &y[8]), err);
    return 9;
}

// Values that training left, in buffers too.
static void change_all(uint64_t seed) {
    for (int i = 0; i < params.count + params.buffers; i++) {
        bool is_param = i < params.count;
        tn_tensor *t = is_param ? &params.param[i]->value : &params.buffer[i - params.count]->value;
        tn_tensor from =
            guarded_random(seed + (uint64_t)i, is_param ? -1 : 0.5, 1, t->rank, t->dim);
        memcpy(t->data, from.data, tn_bytes(t));
    }
    nn_params_changed(&params, cx.kn);
}

// Made, changed as by a step, written, loaded again frozen and trained: three times the same.
static void trained_and_frozen_are_one(void **state) {
    (void)state;
    static forms made, frozen, again;
    tn_tensor y[9], of_frozen[9], of_again[9];
    const char *path = temporary_path("forms.safetensors");
    io_weights *file;
    load_forms(&load, &made);
    change_all(3);
    write_all(path);
    ASSERT_OK(io_weights_open(path, &file, &err), err);
    nn_loader from = load;
    from.file = file, from.params = NULL;
    load_forms(&from, &frozen);
    nn_params second;
    ASSERT_OK(nn_params_init(&second, TN_F32, &err), err);
    from.params = &second;
    load_forms(&from, &again);
    int count = run_forms(&made, y);
    run_forms(&frozen, of_frozen);
    run_forms(&again, of_again);
    for (int i = 0; i < count; i++) {
        assert_memory_equal(y[i].data, of_again[i].data, tn_bytes(&y[i]));
        if (i < 8) assert_memory_equal(y[i].data, of_frozen[i].data, tn_bytes(&y[i]));
    }
    // Frozen batch norm is folded into the weights.
    ASSERT_WITHIN(
        test_relative_error(tn_f32(&y[8]), tn_f32(&of_frozen[8]), (size_t)tn_count(&y[8])), 1e-5);
    nn_params_deinit(&second);
    io_weights_close(file);
}

static void values_are_read_back(void **state) {
    (void)state;
    static forms f;
    tn_tensor value = {0}, kept, wrong;
    io_weights *file;
    const char *path = temporary_path("values.safetensors");
    load_forms(&load, &f);
    change_all(3);
    value = nn_params_flat(&params, NN_VALUE);
    kept = guarded_copy(&value);
    write_all(path);
    change_all(4);
    ASSERT_OK(io_weights_open(path, &file, &err), err);
    ASSERT_OK(nn_params_read(&params, file, &err), err);
    assert_memory_equal(kept.data, value.data, tn_bytes(&value));
    // One more than the file has: nothing is changed, and the name is told.
    change_all(5);
    add("more.weight", TN_DIMS(2, 2), true);
    value = nn_params_flat(&params, NN_VALUE);
    wrong = guarded_copy(&value);
    assert_int_equal(nn_params_read(&params, file, &err), TN_EFORMAT);
    assert_non_null(strstr(err.text, "more.weight"));
    assert_memory_equal(wrong.data, value.data, tn_bytes(&value));
    io_weights_close(file);
}

static void another_shape_is_told(void **state) {
    (void)state;
    io_weights *file;
    const char *path = temporary_path("shape.safetensors");
    linear("a", 3, 4);
    write_all(path);
    ASSERT_OK(io_weights_open(path, &file, &err), err);
    nn_params_deinit(&params);
    ASSERT_OK(nn_params_init(&params, TN_F32, &err), err);
    linear("a", 3, 5);
    assert_int_equal(nn_params_read(&params, file, &err), TN_EFORMAT);
    assert_non_null(strstr(err.text, "'a.weight' has shape [3,4], expected [3,5]"));
    nn_params_deinit(&params);
    ASSERT_OK(nn_params_init(&params, TN_F32, &err), err);
    load.file = file;
    nn_linear fc;
    assert_int_equal(nn_linear_load(&load, "a", 2, 4, KN_LINEAR, &fc), TN_EFORMAT);
    assert_int_equal(nn_linear_load(&load, "b", 3, 4, KN_LINEAR, &fc), TN_EFORMAT);
    assert_non_null(strstr(err.text, "b.weight"));
    io_weights_close(file);
}

static void groups_must_divide_channels(void **state) {
    (void)state;
    nn_norm norm;
    load.norm = NN_NORM_GROUP, load.groups = 3;
    assert_int_equal(nn_norm_load(&load, "norm", 8, 1e-5, KN_LINEAR, &norm), TN_EFORMAT);
    assert_non_null(strstr(err.text, "3 groups"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(flat_buffers_have_one_layout), TEST(names_make_values_not_their_order),
        TEST(values_are_spread_as_asked),   TEST(weights_decay_and_the_rest_does_not),
        TEST(trained_and_frozen_are_one),   TEST(values_are_read_back),
        TEST(another_shape_is_told),        TEST(groups_must_divide_channels),
    };
    int failed = cmocka_run_group_tests(tests, levels_setup, levels_teardown);
    return temporary_teardown(NULL) || failed;
}
