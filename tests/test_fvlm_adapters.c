// SPDX-License-Identifier: Apache-2.0
// The adapters as trainable parameters: the same results as when frozen, gradients of all of them
// at once against differences in double, and new models that can be saved and opened.
#include "io/weights/safetensors.h"
#include "models/fvlm/fvlm_parts.h"
#include "nn/tape.h"
#include "tensor/rng.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN "tests/golden/fvlm/"
#define STEP ((size_t)1 << 30)

static const char *const cases[] = {"vit4", "simple",  "single", "stem",
                                    "deep", "windows", "resnet"};
#define CASES (sizeof cases / sizeof *cases)

typedef struct fixture {
    kn_ctx *kn;
    md_fvlm *model;
    nn_params params;
    nn_tape *tape;
    io_weights *dump;
    tn_arena step;
    nn_ctx cx;
    tn_error err;
} fixture;

static void open_parts(fixture *f, const char *name, const char *level, tn_dtype dtype) {
    char path[256];
    *f = (fixture){0};
    ASSERT_OK(kn_open("cpu", level, 2, &f->kn, &f->err), f->err);
    ASSERT_OK(nn_params_init(&f->params, dtype, &f->err), f->err);
    ASSERT_OK(nn_tape_new(&f->tape, &f->err), f->err);
    ASSERT_OK(tn_arena_init(&f->step, STEP, &f->err), f->err);
    snprintf(path, sizeof path, GOLDEN "%s/case.safetensors", name);
    ASSERT_OK(io_weights_open(path, &f->dump, &f->err), f->err);
    f->cx = (nn_ctx){.kn = f->kn, .step = &f->step, .err = &f->err};
}

static void open_fixture(fixture *f, const char *name, const char *level, tn_dtype dtype) {
    char path[256];
    open_parts(f, name, level, dtype);
    snprintf(path, sizeof path, GOLDEN "%s", name);
    md_fvlm_open_options options = {.folder = path, .params = &f->params};
    ASSERT_OK(md_fvlm_open(&options, f->kn, &f->model, &f->err), f->err);
}

static void close_fixture(fixture *f) {
    md_fvlm_close(f->model);
    nn_params_deinit(&f->params);
    nn_tape_free(f->tape);
    io_weights_close(f->dump);
    tn_arena_deinit(&f->step);
    kn_close(f->kn);
}

// The dump's tensor in the parameters' type; pictures channels last.
static tn_tensor golden(fixture *f, const char *name, tn_dtype dtype) {
    const io_tensor *t = io_weights_find(f->dump, name);
    tn_tensor x, y;
    assert_non_null(t);
    ASSERT_OK(tn_new(&f->step, &x, dtype, t->rank, t->dim, &f->err), f->err);
    tn_convert(t->data, t->dtype, x.data, dtype, (size_t)tn_count(&x));
    if (t->rank != 4) return x;
    int64_t n = x.dim[0], c = x.dim[1], hw = x.dim[2] * x.dim[3];
    size_t size = tn_dtype_size(dtype);
    ASSERT_OK(tn_new(&f->step, &y, dtype, TN_DIMS(n, x.dim[2], x.dim[3], c), &f->err), f->err);
    for (int64_t i = 0; i < n * c * hw; i++) {
        int64_t k = i / hw % c, to = (i / (c * hw) * hw + i % hw) * c + k;
        memcpy((char *)y.data + (size_t)to * size, (char *)x.data + (size_t)i * size, size);
    }
    return y;
}

static md_fvlm_features maps_of(fixture *f) {
    md_fvlm_features features = {0};
    for (int i = 0; i < md_fvlm_settings(f->model)->pyramid_taps; i++) {
        char name[16];
        snprintf(name, sizeof name, "map%d", i);
        features.map[i] = golden(f, name, f->params.dtype);
    }
    features.picture = golden(f, "x", f->params.dtype);
    return features;
}

// ---- the same results --------------------------------------------------------------------------

static void test_trainable_is_frozen(void **state) {
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        fixture f;
        open_fixture(&f, cases[i], NULL, TN_F32);
        tn_tensor level[MD_FVLM_LEVELS];
        md_fvlm_features features = maps_of(&f);
        ASSERT_OK(md_fvlm_pyramid(&f.cx, f.model, &features, level), f.err);
        for (int k = 0; k < MD_FVLM_LEVELS; k++) {
            char name[24];
            snprintf(name, sizeof name, "level%d", k);
            tn_tensor want = golden(&f, name, TN_F32);
            ASSERT_WITHIN(
                test_relative_error(tn_f32(&level[k]), tn_f32(&want), (size_t)tn_count(&want)),
                1e-5);
        }
        close_fixture(&f);
    }
}

// ---- gradients ---------------------------------------------------------------------------------

// <x, random> as a loss: its gradient is the random numbers.
static double loss_of(fixture *f, const tn_tensor *x, uint64_t stream) {
    tn_rng rng = tn_rng_new(5, stream);
    tn_tensor dx;
    double sum = 0;
    ASSERT_OK(nn_tape_loss_grad(&f->cx, x, &dx), f->err);
    for (int64_t i = 0; i < tn_count(x); i++) {
        double g = tn_rng_normal(&rng) / sqrt((double)tn_count(x));
        ((double *)dx.data)[i] = g;
        sum += g * ((const double *)x->data)[i];
    }
    return sum;
}

// One training forward pass through every stage and every trainable part.
static double forward(fixture *f) {
    tn_arena_reset(&f->step, 0);
    nn_tape_reset(f->tape);
    f->cx.tape = f->tape;
    md_fvlm_features features = maps_of(f);
    tn_tensor level[MD_FVLM_LEVELS], logits[MD_FVLM_LEVELS], deltas[MD_FVLM_LEVELS], regions, moves,
        unit, names, masks, rois = golden(f, "given", TN_F32), text = golden(f, "text", TN_F64);
    double loss = 0;
    ASSERT_OK(md_fvlm_pyramid(&f->cx, f->model, &features, level), f->err);
    ASSERT_OK(md_fvlm_rpn(&f->cx, f->model, level, logits, deltas), f->err);
    for (int i = 0; i < MD_FVLM_LEVELS; i++) {
        loss += loss_of(f, &logits[i], (uint64_t)i);
        loss += loss_of(f, &deltas[i], (uint64_t)i + 10);
    }
    ASSERT_OK(md_fvlm_box_regions(&f->cx, f->model, level, &rois, NULL, &regions), f->err);
    ASSERT_OK(md_fvlm_box_fwd(&f->cx, f->model, &regions, &moves, &unit), f->err);
    ASSERT_OK(md_fvlm_classify(&f->cx, f->model, &text, &unit, &names), f->err);
    ASSERT_OK(md_fvlm_mask_regions(&f->cx, f->model, level, &rois, NULL, &regions), f->err);
    ASSERT_OK(md_fvlm_mask_fwd(&f->cx, f->model, &regions, &masks), f->err);
    return loss + loss_of(f, &moves, 20) + loss_of(f, &names, 21) + loss_of(f, &masks, 22);
}

static void move(fixture *f, double by) {
    tn_tensor flat = nn_params_flat(&f->params, NN_VALUE);
    tn_rng rng = tn_rng_new(6, 0);
    for (int64_t i = 0; i < tn_count(&flat); i++)
        ((double *)flat.data)[i] += by * tn_rng_normal(&rng);
    nn_params_changed(&f->params, f->kn);
}

static void test_gradients(void **state) {
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        const double h = 1e-7;
        fixture f;
        open_fixture(&f, cases[i], "ref", TN_F64);
        nn_params_zero_grad(&f.params);
        forward(&f);
        ASSERT_OK(nn_tape_backward(&f.cx), f.err);
        tn_tensor grad = nn_params_flat(&f.params, NN_GRAD);
        tn_rng rng = tn_rng_new(6, 0);
        double expected = 0;
        for (int64_t k = 0; k < tn_count(&grad); k++)
            expected += tn_rng_normal(&rng) * ((double *)grad.data)[k];
        for (int k = 0; k < f.params.count; k++) { // every parameter is covered
            const nn_param *p = f.params.param[k];
            double most = 0;
            for (int64_t e = 0; e < tn_count(&p->grad); e++)
                most = fmax(most, fabs(((double *)p->grad.data)[e]));
            if (!(most > 0)) fail_msg("%s: no gradient for '%s'", cases[i], p->name);
        }
        move(&f, h);
        double above = forward(&f);
        move(&f, -2 * h);
        double below = forward(&f), found = (above - below) / (2 * h);
        if (!(fabs(found - expected) <= 1e-6 * fabs(expected)))
            fail_msg("%s: the slope is %.12g, the gradient says %.12g", cases[i], found, expected);
        close_fixture(&f);
    }
}

// ---- new models --------------------------------------------------------------------------------

static void save(fixture *f) {
    md_fvlm_config config;
    int count = f->params.count + f->params.buffers;
    io_tensor *tensors = calloc((size_t)count, sizeof *tensors);
    ASSERT_OK(md_fvlm_config_copy(md_fvlm_settings(f->model), &config, &f->err), f->err);
    nn_params_tensors(&f->params, tensors);
    ASSERT_OK(io_safetensors_write(temporary_path("adapters.safetensors"), tensors, (size_t)count,
                                   NULL, 0, IO_AS_STORED, &f->err),
              f->err);
    char *clip = realpath(md_fvlm_clip_path(f->model), NULL);
    snprintf(config.clip_path, sizeof config.clip_path, "%s", clip);
    ASSERT_OK(md_fvlm_config_write(temporary_path("config.json"), &config, &f->err), f->err);
    md_fvlm_config_deinit(&config);
    free(tensors);
    free(clip);
}

static void test_new_models(void **state) {
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        char path[256], clip[256], folder[256];
        fixture f;
        md_fvlm *again;
        md_fvlm_config config;
        open_parts(&f, cases[i], NULL, TN_F32);
        snprintf(path, sizeof path, GOLDEN "%s/config.json", cases[i]);
        snprintf(clip, sizeof clip, GOLDEN "%s.safetensors",
                 strcmp(cases[i], "resnet") ? "vit" : "resnet");
        ASSERT_OK(md_fvlm_config_read(path, &config, &f.err), f.err);
        md_fvlm_open_options options = {
            .config = &config, .clip = clip, .params = &f.params, .seed = 3};
        ASSERT_OK(md_fvlm_open(&options, f.kn, &f.model, &f.err), f.err);
        save(&f);
        snprintf(folder, sizeof folder, "%s", temporary_path("x"));
        *strrchr(folder, '/') = 0;
        ASSERT_OK(md_fvlm_open(&(md_fvlm_open_options){.folder = folder}, f.kn, &again, &f.err),
                  f.err);
        tn_tensor level[MD_FVLM_LEVELS], levels[MD_FVLM_LEVELS];
        md_fvlm_features features = maps_of(&f);
        ASSERT_OK(md_fvlm_pyramid(&f.cx, f.model, &features, level), f.err);
        ASSERT_OK(md_fvlm_pyramid(&f.cx, again, &features, levels), f.err);
        for (int k = 0; k < MD_FVLM_LEVELS; k++)
            ASSERT_WITHIN(test_relative_error(tn_f32(&levels[k]), tn_f32(&level[k]),
                                              (size_t)tn_count(&level[k])),
                          1e-5);
        md_fvlm_close(again);
        md_fvlm_config_deinit(&config);
        close_fixture(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trainable_is_frozen),
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_new_models),
    };
    return cmocka_run_group_tests(tests, NULL, temporary_teardown);
}
