// SPDX-License-Identifier: Apache-2.0
// lexmask refine, from the open run to its end.
#include "tools/train/refine_job.h"

#include "io/sha256.h"
#include "tools/shared/options.h"
#include "tools/train/charts.h"
#include "train/order.h"

#include <stdio.h>
#include <string.h>

// The settings that a run that goes on must share.
static tn_status collect_settings(tool_refiner *t) {
    const tool_refine_options *o = t->options;
    char hash[65];
    TN_TRY(md_fvlm_clip_hash(o->clip, hash, t->err));
    tool_run_set(&t->settings, "--clip", "%s", hash);
    tool_run_set(&t->settings, "--pool", "%s", o->pool ? o->pool : "all");
    tool_run_set(&t->settings, "--size", "%lld", (long long)o->size);
    tool_run_set(&t->settings, "--window", "%lld", (long long)o->window);
    tool_run_set(&t->settings, "--batch", "%lld", (long long)o->run.batch);
    tool_run_set(&t->settings, "--regions", "%lld", (long long)o->regions);
    tool_run_set(&t->settings, "--steps", "%lld", (long long)o->run.steps);
    tool_run_set(&t->settings, "--warmup", "%lld", (long long)o->run.warmup);
    tool_run_set(&t->settings, "--seed", "%lld", (long long)o->run.seed);
    tool_run_set(&t->settings, "--matmul", "%s", o->run.matmul ? o->run.matmul : "f32");
    tool_run_set(&t->settings, "--lr", "%.17g", o->run.lr);
    tool_run_set(&t->settings, "--clip-norm", "%.17g", o->run.clip_norm);
    tool_run_set(&t->settings, "--average", "%.17g", o->run.average);
    tool_run_set(&t->settings, "--which", "%.17g", o->which);
    tool_run_set(&t->settings, "--things", "%.17g", o->things);
    tool_run_set(&t->settings, "--smallest", "%.17g", o->smallest);
    tool_run_set(&t->settings, "--context", "%.17g", o->context);
    return TN_OK;
}

// ---- one batch ---------------------------------------------------------------------------------

static tn_status new_batch(tool_refiner *t, int64_t pictures, tr_refine_batch *b) {
    const tool_refine_options *o = t->options;
    int64_t regions = pictures * o->regions;
    TN_TRY(tn_new(&t->step, &b->pixels, TN_F32, TN_DIMS(pictures, o->size, o->size, 3), t->err));
    TN_TRY(tn_new(&t->step, &b->boxes, TN_F32, TN_DIMS(regions, 4), t->err));
    TN_TRY(tn_new(&t->step, &b->image, TN_I32, TN_DIMS(regions), t->err));
    return tn_new(&t->step, &b->target, TN_F32,
                  TN_DIMS(regions, md_clip_settings(t->teacher)->embed_dim), t->err);
}

// Picture i of a batch, whose number in the data is `position`.
static tn_status add_picture(tool_refiner *t, int64_t position, int64_t i, tr_refine_batch *b) {
    const tool_refine_options *o = t->options;
    const tr_scene *scene = &t->made[i];
    int64_t from = i * o->regions;
    tn_rng rng = tr_rng((uint64_t)o->run.seed, TR_STREAM_BOXES, position);
    tn_tensor x = tn_slice(&b->pixels, i, 1), boxes = tn_slice(&b->boxes, from, o->regions);
    tn_tensor target = tn_slice(&b->target, from, o->regions);
    md_frame frame;
    TN_TRY(tool_refine_input(t, scene, &x, &frame));
    tr_refine_boxes(scene, o->things, o->smallest, o->regions, &rng, tn_f32(&boxes));
    TN_TRY(tool_refine_cut(t, t->teacher, scene, &boxes, &target));
    md_frame_to_network(&frame, &boxes);
    for (int64_t k = 0; k < o->regions; k++) tn_i32(&b->image)[from + k] = (int32_t)i;
    return TN_OK;
}

static tn_status gradients(void *self, int64_t step, int64_t *position, int64_t pictures,
                           double share, tr_measure *measure, tn_error *err) {
    tool_refiner *t = self;
    nn_ctx cx = {t->kn, &t->step, err, t->tape};
    tr_refine_options options = {{1, t->options->which}, md_clip_settings(t->teacher)->logit_scale};
    tr_refine_batch batch;
    (void)step;
    tn_arena_reset(&t->step, 0);
    TN_TRY(tool_refine_scenes(t, &t->how, (uint64_t)t->options->run.seed, *position, pictures));
    TN_TRY(new_batch(t, pictures, &batch));
    for (int64_t i = 0; i < pictures; i++) TN_TRY(add_picture(t, *position + i, i, &batch));
    *position += pictures;
    return tr_refine_learn(&cx, &t->scene, &options, &batch, share, measure);
}

// ---- what the run calls ------------------------------------------------------------------------

static bool stop(void *user) {
    const tool_refiner *t = user;
    return tool_clip_run_stop(&t->options->run, t->updates);
}

static void see(void *user, const tr_update *update) {
    tool_refiner *t = user;
    char losses[60];
    t->updates++;
    if (!tool_train_due(&t->progress, update)) return;
    snprintf(losses, sizeof losses, "cosine %.4f, which %.4f",
             update->measure.loss[TR_REFINE_COSINE], update->measure.loss[TR_REFINE_WHICH]);
    tool_train_show(&t->progress, update, losses);
}

static void note(void *user, const char *event, const char *text) {
    tool_refiner *t = user;
    tool_train_break(&t->progress);
    tool_note("%s: %s", event, text);
}

static tn_status keep(void *user, int64_t step, tn_error *err) {
    const tool_refiner *t = user;
    (void)step;
    return tool_clip_run_keep(&t->options->run, t->student, &t->params, t->bpe, err);
}

static tn_status validate(void *user, int64_t step, tr_value *out, size_t *count, tn_error *err) {
    tool_refiner *t = user;
    (void)err;
    TN_TRY(tool_refine_score(t, out, count));
    if (!*count) return TN_OK;
    tool_train_break(&t->progress);
    tool_note("step %lld: things named right by the map %.4f (novel ones %.4f), by crops %.4f",
              (long long)step, out[0].value, out[1].value, out[2].value);
    return TN_OK;
}

// ---- the run -----------------------------------------------------------------------------------

// What there was to begin with, for the log and the reader.
static tn_status tell_beginning(tool_refiner *t) {
    tr_value before[TR_VALUES];
    size_t count;
    tool_note("%lld parameters, %lld names, %lld updates of %lld scenes with %lld regions",
              (long long)nn_params_elements(&t->params), (long long)t->text.classes,
              (long long)t->options->run.steps, (long long)t->options->run.batch,
              (long long)t->options->regions);
    return t->options->run.resume ? TN_OK : validate(t, 0, before, &count, t->err);
}

static tn_status refine(tool_refiner *t) {
    const tool_refine_options *o = t->options;
    static const char *const figures[] = {"dense", "dense_novel", "crops"};
    TN_TRY(tool_refiner_open(t));
    TN_TRY(collect_settings(t));
    TN_TRY(tell_beginning(t));
    // Without decay: the text tower has no gradient and is to stay as it is.
    tr_loop run =
        tool_clip_run_begin(&o->run, &t->settings, figures, sizeof figures / sizeof *figures);
    tr_task task = {.self = t,
                    .kn = t->kn,
                    .params = &t->params,
                    .gradients = gradients,
                    .loss_name = tr_refine_term_name,
                    .losses = TR_REFINE_TERMS};
    tr_watcher watcher = {t, stop, see, note, keep, validate, tool_chart};
    t->progress = tool_train_progress_start();
    tn_status status = tr_loop_run(&run, &task, &watcher, t->err);
    tool_train_break(&t->progress);
    return status;
}

tn_status tool_refine_go(const tool_refine_options *options, tn_error *err) {
    tool_refiner *t = tn_alloc_zero(1, sizeof *t);
    if (!t) return tn_fail(err, TN_ENOMEM, "out of memory");
    t->options = options, t->err = err;
    tn_status status = refine(t);
    tool_refiner_close(t);
    tn_free(t);
    return status;
}
