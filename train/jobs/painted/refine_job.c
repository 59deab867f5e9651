// SPDX-License-Identifier: Apache-2.0
// The job of lexmask refine, from the options to its end.
#include "train/jobs/painted/refine_parts.h"

#include "io/sha256.h"
#include "train/order.h"

#include <stdio.h>
#include <string.h>

// ---- options -----------------------------------------------------------------------------------

tr_refine_job_options tr_refine_defaults(void) {
    return (tr_refine_job_options){.job = {.steps = 600,
                                           .batch = 8,
                                           .lr = 5e-4,
                                           .warmup = 50,
                                           .clip_norm = 1,
                                           .seed = 1,
                                           .save_every = 200,
                                           .validate_every = 100},
                                   .size = 256,
                                   .regions = 20,
                                   .things = 0.5,
                                   .smallest = 20,
                                   .context = 1.15,
                                   .which = 1,
                                   .val_pictures = 64};
}

static tn_status check(const tr_refine_job_options *o, tn_error *err) {
    const tr_job_number numbers[] = {
        {"size", (double)o->size, 8, 4096},
        {"window", (double)o->window, 0, 512},
        {"regions", (double)o->regions, 1, 4096},
        {"things", o->things, 0, 1},
        {"smallest", o->smallest, 1, 4096},
        {"context", o->context, 0.1, 10},
        {"which", o->which, 0, 1e3},
        {"val-pictures", (double)o->val_pictures, 1, 1e6},
    };
    if (!o->clip) return tn_fail(err, TN_EINVAL, "--clip: no CLIP was given");
    TN_TRY(tr_clip_job_check(&o->job, 1024, o->dtype, err));
    TN_TRY(tr_job_check_word("pool", o->pool, "base|all", err));
    return tr_job_check_numbers(numbers, sizeof numbers / sizeof *numbers, err);
}

// ---- settings ----------------------------------------------------------------------------------

// The settings that a resumed run must share.
static tn_status collect_settings(tr_refiner *t) {
    const tr_refine_job_options *o = t->options;
    char hash[65];
    TN_TRY(md_fvlm_clip_hash(o->clip, hash, t->job.err));
    tr_job_set(&t->job, "--clip", "%s", hash);
    tr_job_set(&t->job, "--pool", "%s", o->pool ? o->pool : "all");
    tr_job_set(&t->job, "--size", "%lld", (long long)o->size);
    tr_job_set(&t->job, "--window", "%lld", (long long)o->window);
    tr_job_set(&t->job, "--batch", "%lld", (long long)o->job.batch);
    tr_job_set(&t->job, "--regions", "%lld", (long long)o->regions);
    tr_job_set(&t->job, "--steps", "%lld", (long long)o->job.steps);
    tr_job_set(&t->job, "--warmup", "%lld", (long long)o->job.warmup);
    tr_job_set(&t->job, "--seed", "%lld", (long long)o->job.seed);
    tr_job_set(&t->job, "--matmul", "%s", o->job.matmul ? o->job.matmul : "f32");
    tr_job_set(&t->job, "--lr", "%.17g", o->job.lr);
    tr_job_set(&t->job, "--clip-norm", "%.17g", o->job.clip_norm);
    tr_job_set(&t->job, "--average", "%.17g", o->job.average);
    tr_job_set(&t->job, "--which", "%.17g", o->which);
    tr_job_set(&t->job, "--things", "%.17g", o->things);
    tr_job_set(&t->job, "--smallest", "%.17g", o->smallest);
    tr_job_set(&t->job, "--context", "%.17g", o->context);
    return TN_OK;
}

// ---- one batch ---------------------------------------------------------------------------------

static tn_status new_batch(tr_refiner *t, int64_t pictures, tr_refine_batch *b) {
    const tr_refine_job_options *o = t->options;
    int64_t regions = pictures * o->regions;
    TN_TRY(tn_new(&t->job.step, &b->pixels, TN_F32, TN_DIMS(pictures, o->size, o->size, 3),
                  t->job.err));
    TN_TRY(tn_new(&t->job.step, &b->boxes, TN_F32, TN_DIMS(regions, 4), t->job.err));
    TN_TRY(tn_new(&t->job.step, &b->image, TN_I32, TN_DIMS(regions), t->job.err));
    return tn_new(&t->job.step, &b->target, TN_F32,
                  TN_DIMS(regions, md_clip_settings(t->teacher)->embed_dim), t->job.err);
}

// Picture i of a batch, whose number in the data is `position`.
static tn_status add_picture(tr_refiner *t, int64_t position, int64_t i, tr_refine_batch *b) {
    const tr_refine_job_options *o = t->options;
    const tr_scene *scene = &t->made[i];
    int64_t from = i * o->regions;
    tn_rng rng = tr_rng((uint64_t)o->job.seed, TR_STREAM_BOXES, position);
    tn_tensor x = tn_slice(&b->pixels, i, 1), boxes = tn_slice(&b->boxes, from, o->regions);
    tn_tensor target = tn_slice(&b->target, from, o->regions);
    md_frame frame;
    TN_TRY(tr_refine_input(t, scene, &x, &frame));
    tr_refine_boxes(scene, o->things, o->smallest, o->regions, &rng, tn_f32(&boxes));
    TN_TRY(tr_refine_cut(t, t->teacher, scene, &boxes, &target));
    md_frame_to_network(&frame, &boxes);
    for (int64_t k = 0; k < o->regions; k++) tn_i32(&b->image)[from + k] = (int32_t)i;
    return TN_OK;
}

static tn_status gradients(void *self, int64_t step, int64_t *position, int64_t pictures,
                           double share, tr_measure *measure, tn_error *err) {
    tr_refiner *t = self;
    nn_ctx cx = {t->job.kn, &t->job.step, err, t->job.tape};
    tr_refine_options options = {{1, t->options->which}, md_clip_settings(t->teacher)->logit_scale};
    tr_refine_batch batch;
    (void)step;
    tn_arena_reset(&t->job.step, 0);
    TN_TRY(tr_refine_scenes(t, &t->how, (uint64_t)t->options->job.seed, *position, pictures));
    TN_TRY(new_batch(t, pictures, &batch));
    for (int64_t i = 0; i < pictures; i++) TN_TRY(add_picture(t, *position + i, i, &batch));
    *position += pictures;
    return tr_refine_learn(&cx, &t->scene, &options, &batch, share, measure);
}

// ---- what the loop calls -----------------------------------------------------------------------

static tn_status keep(void *self, int64_t step, tn_error *err) {
    const tr_refiner *t = self;
    (void)step;
    return tr_clip_job_keep(&t->job, t->student, t->bpe, t->options->dtype, err);
}

// ---- the run -----------------------------------------------------------------------------------

// How good it is before it begins, for the reader; the log begins with the first update.
static tn_status measure_beginning(tr_refiner *t) {
    tr_value before[TR_VALUES];
    size_t count;
    if (t->options->job.resume) return TN_OK;
    TN_TRY(tr_refine_score(t, 0, before, &count, t->job.err));
    if (count) tr_job_measured(&t->job, 0, before, count);
    return TN_OK;
}

static tn_status refine(tr_refiner *t) {
    const tr_refine_job_options *o = t->options;
    static const char *const figures[] = {"dense", "dense_novel", "crops"};
    TN_TRY(check(o, t->job.err));
    TN_TRY(tr_refiner_open(t));
    TN_TRY(collect_settings(t));
    tr_job_note(&t->job,
                "%lld parameters, %lld names, %lld updates of %lld scenes with %lld regions",
                (long long)nn_params_elements(&t->job.params), (long long)t->text.classes,
                (long long)o->job.steps, (long long)o->job.batch, (long long)o->regions);
    TN_TRY(measure_beginning(t));
    // Without decay: the text tower has no gradient and is to stay as it is.
    tr_loop loop = tr_clip_job_loop(&t->job, figures, sizeof figures / sizeof *figures);
    tr_task task = {.self = t,
                    .kn = t->job.kn,
                    .params = &t->job.params,
                    .gradients = gradients,
                    .loss_name = tr_refine_term_name,
                    .losses = TR_REFINE_TERMS};
    t->job.keep = keep;
    t->job.validate = tr_refine_score;
    return tr_job_run(&t->job, &loop, &task);
}

tn_status tr_refine_run(const tr_refine_job_options *options, const tr_job_watcher *watcher,
                        tn_error *err) {
    tr_refiner t = {.options = options};
    tr_job_init(&t.job, &options->job, watcher, err);
    tn_status status = refine(&t);
    tr_refiner_close(&t);
    return status;
}
