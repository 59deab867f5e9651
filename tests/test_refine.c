// SPDX-License-Identifier: Apache-2.0
// What lexmask refine teaches: the recorded dense map is inference's own; gradients of every
// parameter against differences; the same bits for any number of threads; and which regions.
#include "models/clip/clip_train.h"
#include "nn/real.h"
#include "nn/tape.h"
#include "tensor/rng.h"
#include "tests/support/levels.h"
#include "tests/support/test.h"
#include "train/refine_step.h"

#include <math.h>
#include <string.h>

#define FOLDER "tests/golden/clip/train" // 16 pixels, patches of 4
#define SIDE 24
#define PICTURES 2
#define REGIONS 5
#define FAR 1e-4

static int compared;

typedef struct bench {
    kn_ctx *kn;
    nn_params params;
    md_clip *clip;
    tn_arena step, kept, data;
    md_scene scene;
    tr_refine_batch batch;
    nn_ctx cx;
    tn_error err;
} bench;

static double noise(uint64_t stream, int64_t i) {
    uint32_t block[4];
    tn_philox(stream, (uint64_t)i, 0, block);
    return (double)block[0] / 4294967296.0 - 0.5;
}

static void fill(bench *b, tn_tensor *x, tn_dtype dtype, int rank, const int64_t *dim,
                 uint64_t stream) {
    ASSERT_OK(tn_new(&b->data, x, dtype, rank, dim, &b->err), b->err);
    for (int64_t i = 0; i < tn_count(x); i++) nn_real_set(x, i, 2 * noise(stream, i));
}

static void make_batch(bench *b, tn_dtype real) {
    static const float boxes[PICTURES * REGIONS][4] = {
        {0, 0, 24, 24},      {3.5f, 2, 11, 19.5f}, {8, 8, 12, 12}, {20, 1, 23, 4},
        {2, 12, 22, 17},     {1, 1, 9, 9},         {0, 5, 24, 9},  {13.25f, 11, 20, 23.5f},
        {4, 4, 4.5f, 20.0f}, {10, 0, 24, 14},
    };
    tr_refine_batch *batch = &b->batch;
    fill(b, &batch->pixels, real, TN_DIMS(PICTURES, SIDE, SIDE, 3), 1);
    fill(b, &batch->target, real, TN_DIMS(PICTURES * REGIONS, 12), 2);
    kn_l2_normalize_fwd(b->kn, 1e-12, &batch->target, &batch->target);
    ASSERT_OK(tn_new(&b->data, &batch->boxes, TN_F32, TN_DIMS(PICTURES * REGIONS, 4), &b->err),
              b->err);
    ASSERT_OK(tn_new(&b->data, &batch->image, TN_I32, TN_DIMS(PICTURES * REGIONS), &b->err),
              b->err);
    memcpy(batch->boxes.data, boxes, sizeof boxes);
    for (int i = 0; i < PICTURES * REGIONS; i++) tn_i32(&batch->image)[i] = i / REGIONS;
}

// window: patches a side, 0 for all. The positions of a ref context are made in double by
// md_scene_train_dense itself, so the scene there has sizes alone.
static void open_bench(bench *b, kn_ctx *kn, tn_dtype real, int64_t window, bool own) {
    *b = (bench){.kn = kn};
    ASSERT_OK(nn_params_init(&b->params, real, &b->err), b->err);
    ASSERT_OK(md_clip_open_trained(FOLDER, NULL, &b->params, kn, &b->clip, &b->err), b->err);
    ASSERT_OK(tn_arena_init(&b->step, (size_t)1 << 30, &b->err), b->err);
    ASSERT_OK(tn_arena_init(&b->kept, (size_t)1 << 26, &b->err), b->err);
    ASSERT_OK(tn_arena_init(&b->data, (size_t)1 << 26, &b->err), b->err);
    b->cx = (nn_ctx){.kn = kn, .step = &b->step, .err = &b->err};
    ASSERT_OK(nn_tape_new(&b->cx.tape, &b->err), b->err);
    const md_vit *vit = md_clip_vit(b->clip);
    if (real == TN_F32) {
        ASSERT_OK(
            md_scene_init(kn, &b->kept, vit, SIDE / 4, SIDE / 4, window, own, &b->scene, &b->err),
            b->err);
    } else {
        b->scene = (md_scene){.vit = vit, .rows = SIDE / 4, .columns = SIDE / 4, .window = window};
        if (own) b->scene.sequence = vit->position.rows; // there is one: that is all it says
    }
    make_batch(b, real);
}

static void close_bench(bench *b) {
    nn_tape_free(b->cx.tape);
    md_clip_close(b->clip);
    nn_params_deinit(&b->params);
    tn_arena_deinit(&b->step);
    tn_arena_deinit(&b->kept);
    tn_arena_deinit(&b->data);
}

static double learn(bench *b) {
    static const tr_refine_options options = {{1, 0.5}, 20};
    tr_measure measure = {0};
    tn_arena_reset(&b->step, 0);
    nn_params_zero_grad(&b->params);
    ASSERT_OK(tr_refine_learn(&b->cx, &b->scene, &options, &b->batch, 1.0 / PICTURES, &measure),
              b->err);
    assert_int_equal(measure.pictures, PICTURES);
    assert_true(measure.loss[0] > 0 && measure.loss[1] > 0);
    return measure.loss[0] + measure.loss[1];
}

static const struct {
    int64_t window;
    bool own;
} kinds[] = {{0, false}, {3, true}, {3, false}};

// ---- beside inference --------------------------------------------------------------------------

static void the_map_is_that_of_inference(void **state) {
    (void)state;
    static bench b;
    for (int l = 1; l < levels_count(); l++) {
        for (size_t k = 0; k < 3; k++) {
            open_bench(&b, levels_at(l)->cx[TWO_THREADS], TN_F32, kinds[k].window, kinds[k].own);
            tn_tensor dense, rows, want;
            md_scene_maps maps;
            ASSERT_OK(md_scene_train_dense(&b.cx, &b.scene, &b.batch.pixels, &dense), b.err);
            ASSERT_OK(md_scene_train_regions(&b.cx, &b.scene, &dense, &b.batch.boxes,
                                             &b.batch.image, &rows),
                      b.err);
            nn_ctx plain = b.cx;
            plain.tape = NULL;
            ASSERT_OK(md_scene_run(&plain, &b.scene, &b.batch.pixels,
                                   &(md_scene_wants){.dense = true}, &maps),
                      b.err);
            assert_memory_equal(dense.data, maps.dense.data, tn_bytes(&dense));
            fill(&b, &want, TN_F32, 2, rows.dim, 0);
            ASSERT_OK(md_scene_dense(&plain, &b.scene, &maps.dense, &b.batch.boxes, &b.batch.image,
                                     &want),
                      b.err);
            kn_l2_normalize_fwd(b.kn, 1e-12, &want, &want);
            assert_memory_equal(rows.data, want.data, tn_bytes(&rows));
            close_bench(&b);
        }
    }
}

// ---- gradients ---------------------------------------------------------------------------------

static void move_all(bench *b, const double *kept, double amount, uint64_t stream) {
    tn_tensor value = nn_params_flat(&b->params, NN_VALUE);
    for (int64_t i = 0; i < tn_count(&value); i++)
        nn_real_set(&value, i, kept[i] + amount * noise(stream, i));
    nn_params_changed(&b->params, b->kn);
}

// The slope along a random direction, by four losses.
static double slope(bench *b, const double *kept, uint64_t stream) {
    double found[2];
    for (int far = 1; far <= 2; far++) {
        move_all(b, kept, far * FAR, stream);
        found[far - 1] = learn(b);
        move_all(b, kept, -far * FAR, stream);
        found[far - 1] -= learn(b);
    }
    return (8 * found[0] - found[1]) / (12 * FAR);
}

static void gradients_are_differences(void **state) {
    (void)state;
    static bench b;
    for (size_t k = 0; k < 3; k++) {
        open_bench(&b, levels_at(0)->cx[TWO_THREADS], TN_F64, kinds[k].window, kinds[k].own);
        tn_tensor value = nn_params_flat(&b.params, NN_VALUE);
        tn_tensor grad = nn_params_flat(&b.params, NN_GRAD);
        int64_t count = tn_count(&value);
        double *kept = tn_alloc((size_t)count * sizeof *kept), told[3] = {0};
        assert_non_null(kept);
        for (int64_t i = 0; i < count; i++) kept[i] = nn_real(&value, i);
        learn(&b);
        for (int64_t i = 0; i < count; i++)
            for (int d = 0; d < 3; d++) told[d] += nn_real(&grad, i) * noise(60 + (uint64_t)d, i);
        for (int d = 0; d < 3; d++) {
            double found = slope(&b, kept, 60 + (uint64_t)d);
            ASSERT_WITHIN(fabs(found - told[d]) / fmax(1e-2, fabs(found)), 1e-7);
            compared++;
        }
        tn_free(kept);
        close_bench(&b);
    }
    assert_int_equal(compared, 9);
}

// What refinement must leave alone: the text tower and the scale.
static void only_the_image_tower_learns(void **state) {
    (void)state;
    static bench b;
    int still = 0;
    open_bench(&b, levels_at(0)->cx[TWO_THREADS], TN_F64, 0, false);
    learn(&b);
    for (int i = 0; i < b.params.count; i++) {
        const nn_param *p = b.params.param[i];
        double most = 0;
        for (int64_t k = 0; k < tn_count(&p->grad); k++)
            most = fmax(most, fabs(nn_real(&p->grad, k)));
        bool image = !strncmp(p->name, "visual.", 7);
        // Queries and keys of the last block have no say in the value path.
        bool mute =
            strstr(p->name, "resblocks.1.attn.q_") || strstr(p->name, "resblocks.1.attn.k_");
        if (most > 0 && !image) fail_msg("'%s' learned", p->name);
        if (most > 0 && mute) fail_msg("'%s' learned", p->name);
        // A key's bias moves all scores of a query alike.
        if (most == 0 && image && !mute) fail_msg("'%s' did not learn", p->name);
        still += most == 0;
    }
    assert_true(still > 10);
    close_bench(&b);
}

static void any_number_of_threads_gives_the_same_bits(void **state) {
    (void)state;
    static bench one, other;
    for (int l = 0; l < levels_count(); l++) {
        open_bench(&one, levels_at(l)->cx[ONE_THREAD], TN_F32, 3, true);
        open_bench(&other, levels_at(l)->cx[SEVEN_THREADS], TN_F32, 3, true);
        double loss = learn(&one);
        assert_true(loss == learn(&other) && loss < 20);
        tn_tensor a = nn_params_flat(&one.params, NN_GRAD);
        tn_tensor b = nn_params_flat(&other.params, NN_GRAD);
        assert_memory_equal(a.data, b.data, tn_bytes(&a));
        close_bench(&one);
        close_bench(&other);
    }
}

// ---- regions -----------------------------------------------------------------------------------

static void regions_lie_in_the_picture(void **state) {
    (void)state;
    enum { COUNT = 2000 };
    static float boxes[COUNT][4];
    tr_scene_object thing = {.box = {90, 2, 10, 40}};
    tr_scene scene = {.objects = &thing, .count = 1};
    uint8_t pixel = 0;
    scene.picture = tn_view(&pixel, TN_U8, TN_DIMS(80, 100, 3));
    const double shares[] = {0, 0.5, 1};
    for (int s = 0; s < 3; s++) {
        tn_rng rng = tn_rng_new(5, (uint64_t)s);
        int near = 0, large = 0;
        tr_refine_boxes(&scene, shares[s], 10, COUNT, &rng, boxes[0]);
        for (int i = 0; i < COUNT; i++) {
            const float *b = boxes[i];
            double w = b[2] - b[0], h = b[3] - b[1];
            assert_true(b[0] >= 0 && b[1] >= 0 && b[2] <= 100 && b[3] <= 80);
            assert_true(w >= 1 && h >= 1);
            near += fabs(w - 10) < 1.5 && fabs(h - 40) < 6 && b[0] > 80;
            large += w * h > 28.3 * 28.3; // the middle of the scales from 10 to 80
        }
        ASSERT_WITHIN(fabs(near / (double)COUNT - shares[s]), 0.05);
        if (s == 0) ASSERT_WITHIN(fabs(large / (double)COUNT - 0.5), 0.05);
    }
    scene.count = 0; // nothing there: anywhere
    tn_rng rng = tn_rng_new(5, 9);
    tr_refine_boxes(&scene, 1, 200, 4, &rng, boxes[0]);
    assert_true(boxes[0][2] - boxes[0][0] > 50);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_map_is_that_of_inference),
        cmocka_unit_test(gradients_are_differences),
        cmocka_unit_test(only_the_image_tower_learns),
        cmocka_unit_test(any_number_of_threads_gives_the_same_bits),
        cmocka_unit_test(regions_lie_in_the_picture),
    };
    return cmocka_run_group_tests(tests, levels_setup, levels_teardown);
}
