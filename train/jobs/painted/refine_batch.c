// SPDX-License-Identifier: Apache-2.0
// Scenes as the two towers of lexmask refine see them, and how well the student names things.
#include "train/jobs/painted/refine_parts.h"

#include "models/crop/crop.h"

#include <string.h>

#define SCORE_SEED 7 // of scenes that no training sees: another stream than --seed 7's, see below
#define SCORE_FROM ((int64_t)1 << 40)

// ---- scenes ------------------------------------------------------------------------------------

typedef struct scenes_job {
    tr_refiner *t;
    const tr_scene_options *how;
    uint64_t seed;
    int64_t first;
    tn_status *status; // [count]
    tn_error *err;
} scenes_job;

static void make_scene(void *opaque, int64_t task, int worker) {
    scenes_job *job = opaque;
    (void)worker;
    tn_arena_reset(&job->t->scenes[task], 0);
    job->status[task] = tr_scene_make(&job->t->maker, job->how, job->seed, job->first + task,
                                      &job->t->scenes[task], &job->t->made[task], &job->err[task]);
}

tn_status tr_refine_scenes(tr_refiner *t, const tr_scene_options *how, uint64_t seed, int64_t first,
                           int64_t count) {
    scenes_job job = {t, how, seed, first, NULL, NULL};
    size_t mark = tn_arena_mark(&t->job.step);
    job.status = tn_arena_alloc(&t->job.step, (size_t)count * sizeof *job.status);
    job.err = tn_arena_alloc(&t->job.step, (size_t)count * sizeof *job.err);
    if (!job.status || !job.err) return tn_fail(t->job.err, TN_ENOMEM, "out of memory for scenes");
    tn_pool_run(kn_pool(t->job.kn), count, make_scene, &job);
    for (int64_t i = 0; i < count; i++) {
        if (job.status[i] == TN_OK) continue;
        *t->job.err = job.err[i];
        return job.status[i];
    }
    tn_arena_reset(&t->job.step, mark);
    return TN_OK;
}

tn_status tr_refine_input(tr_refiner *t, const tr_scene *scene, tn_tensor *x, md_frame *frame) {
    nn_ctx cx = {t->job.kn, &t->job.step, t->job.err, NULL};
    size_t mark = tn_arena_mark(&t->job.step);
    tn_tensor seen;
    *frame = md_fvlm_frame_of(t->options->size, scene->picture.dim[0], scene->picture.dim[1]);
    TN_TRY(md_fvlm_input_for(&cx, md_clip_settings(t->teacher), frame, &scene->picture, &seen));
    memcpy(x->data, seen.data, tn_bytes(&seen));
    tn_arena_reset(&t->job.step, mark);
    return TN_OK;
}

tn_status tr_refine_cut(tr_refiner *t, const md_clip *clip, const tr_scene *scene,
                        const tn_tensor *boxes, tn_tensor *rows) {
    nn_ctx cx = {t->job.kn, &t->job.step, t->job.err, NULL};
    int64_t side = md_clip_settings(clip)->image_size, count = boxes->dim[0];
    size_t mark = tn_arena_mark(&t->job.step);
    tn_tensor x;
    TN_TRY(tn_new(&t->job.step, &x, TN_F32, TN_DIMS(count, side, side, 3), t->job.err));
    for (int64_t i = 0; i < count; i++) {
        int64_t edges[4];
        tn_tensor one = tn_slice(&x, i, 1);
        one = tn_reshape(&one, TN_DIMS(side, side, 3));
        md_crop_edges(MD_CROP_SQUARE, t->options->context, tn_f32(boxes) + 4 * i,
                      scene->picture.dim[0], scene->picture.dim[1], edges);
        TN_TRY(md_clip_preprocess(&cx, clip, &scene->picture, edges, &one));
    }
    TN_TRY(md_clip_encode_images(&cx, clip, &x, rows));
    tn_arena_reset(&t->job.step, mark);
    return TN_OK;
}

// ---- the score ---------------------------------------------------------------------------------

typedef struct tally {
    int64_t things, novel, dense, dense_novel, crops;
} tally;

static void true_boxes(const tr_scene *scene, tn_tensor *boxes) {
    for (int64_t i = 0; i < scene->count; i++) {
        const uint32_t *b = scene->objects[i].box;
        const float box[4] = {(float)b[0], (float)b[1], (float)(b[0] + b[2]), (float)(b[1] + b[3])};
        memcpy(tn_f32(boxes) + 4 * i, box, sizeof box);
    }
}

// Regions of the student's dense map, as score 2 by `dense` takes them.
static tn_status by_map(tr_refiner *t, const tr_scene *scene, const tn_tensor *boxes,
                        tn_tensor *rows) {
    nn_ctx cx = {t->job.kn, &t->job.step, t->job.err, NULL};
    md_scene student;
    md_scene_maps maps;
    md_frame frame;
    tn_tensor x, image, placed;
    int64_t side = t->options->size;
    TN_TRY(md_scene_init(t->job.kn, &t->job.step, t->scene.vit, t->scene.rows, t->scene.columns,
                         t->scene.window, t->options->window != 0, &student, t->job.err));
    TN_TRY(tn_new(&t->job.step, &x, TN_F32, TN_DIMS(1, side, side, 3), t->job.err));
    TN_TRY(tn_new(&t->job.step, &image, TN_I32, TN_DIMS(boxes->dim[0]), t->job.err));
    TN_TRY(tn_new(&t->job.step, &placed, TN_F32, 2, boxes->dim, t->job.err));
    memset(image.data, 0, tn_bytes(&image));
    memcpy(placed.data, boxes->data, tn_bytes(&placed));
    TN_TRY(tr_refine_input(t, scene, &x, &frame));
    md_frame_to_network(&frame, &placed);
    TN_TRY(md_scene_run(&cx, &student, &x, &(md_scene_wants){.dense = true}, &maps));
    TN_TRY(md_scene_dense(&cx, &student, &maps.dense, &placed, &image, rows));
    kn_l2_normalize_fwd(t->job.kn, 1e-12, rows, rows);
    return TN_OK;
}

// Whether each row is nearest to the name of its thing.
static tn_status name_rows(tr_refiner *t, const tr_scene *scene, const tn_tensor *rows,
                           bool *right) {
    nn_ctx cx = {t->job.kn, &t->job.step, t->job.err, NULL};
    int64_t names = t->text.classes;
    tn_tensor cosines;
    TN_TRY(tn_new(&t->job.step, &cosines, TN_F32, TN_DIMS(scene->count, names), t->job.err));
    TN_TRY(md_vocabulary_match(&cx, &t->text, rows, &cosines));
    for (int64_t i = 0; i < scene->count; i++) {
        const float *row = tn_f32(&cosines) + i * names;
        int64_t best = 0;
        for (int64_t k = 1; k < names; k++)
            if (row[k] > row[best]) best = k;
        right[i] = best == scene->objects[i].name;
    }
    return TN_OK;
}

static tn_status score_scene(tr_refiner *t, const tr_scene *scene, tally *sum) {
    tn_tensor boxes, rows;
    bool right[TR_SCENE_MAX_OBJECTS];
    TN_TRY(tn_new(&t->job.step, &boxes, TN_F32, TN_DIMS(scene->count, 4), t->job.err));
    TN_TRY(tn_new(&t->job.step, &rows, TN_F32,
                  TN_DIMS(scene->count, md_clip_settings(t->teacher)->embed_dim), t->job.err));
    true_boxes(scene, &boxes);
    TN_TRY(by_map(t, scene, &boxes, &rows));
    TN_TRY(name_rows(t, scene, &rows, right));
    for (int64_t i = 0; i < scene->count; i++) {
        bool novel = t->glyphs->glyph[scene->objects[i].name].novel;
        sum->things++, sum->novel += novel;
        sum->dense += right[i], sum->dense_novel += novel && right[i];
    }
    TN_TRY(tr_refine_cut(t, t->student, scene, &boxes, &rows));
    TN_TRY(name_rows(t, scene, &rows, right));
    for (int64_t i = 0; i < scene->count; i++) sum->crops += right[i];
    return TN_OK;
}

static double share_of(int64_t part, int64_t whole) {
    return whole ? (double)part / (double)whole : 0;
}

tn_status tr_refine_score(void *self, int64_t step, tr_value *out, size_t *count, tn_error *err) {
    tr_refiner *t = self;
    (void)step;
    (void)err;
    tally sum = {0};
    tr_scene_options all = t->how;
    all.pool = NULL, all.pool_count = 0;
    *count = 0;
    tn_arena_reset(&t->job.step, 0);
    for (int64_t i = 0; i < t->options->val_pictures; i++) {
        if (tr_job_interrupted(&t->job)) return TN_OK;
        TN_TRY(tr_refine_scenes(t, &all, SCORE_SEED, SCORE_FROM + i, 1));
        if (t->made[0].count) TN_TRY(score_scene(t, &t->made[0], &sum));
        tn_arena_reset(&t->job.step, 0);
    }
    const tr_value values[] = {{"dense", share_of(sum.dense, sum.things)},
                               {"dense_novel", share_of(sum.dense_novel, sum.novel)},
                               {"crops", share_of(sum.crops, sum.things)}};
    memcpy(out, values, sizeof values);
    *count = sizeof values / sizeof *values;
    return TN_OK;
}
