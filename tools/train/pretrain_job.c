// SPDX-License-Identifier: Apache-2.0
// lexmask pretrain, from the open run to its end.
#include "tools/train/pretrain_job.h"

#include "io/sha256.h"
#include "tools/shared/options.h"
#include "tools/train/charts.h"

#include <stdio.h>
#include <string.h>

// ---- the settings that a run that goes on must share -------------------------------------------

static bool is_muon(const tool_pretrain_options *o) {
    return o->optimizer && !strcmp(o->optimizer, "muon");
}

// Names and texts are told by a hash over all ids.
static tn_status collect_settings(tool_pretrainer *t) {
    const tool_pretrain_options *o = t->options;
    const tr_clip_texts *texts = &t->texts;
    uint8_t digest[IO_SHA256];
    char hex[IO_SHA256_HEX];
    const struct {
        const char *key;
        int64_t value;
    } whole[] = {{"--batch", o->run.batch},
                 {"--empty", o->empty},
                 {"--steps", o->run.steps},
                 {"--warmup", o->run.warmup},
                 {"--refresh", o->refresh},
                 {"--seed", o->run.seed},
                 {"--size", o->size},
                 {"--patch", o->patch},
                 {"--width", o->width},
                 {"--layers", o->layers},
                 {"--heads", o->heads},
                 {"--embed", o->embed},
                 {"--text-width", o->text_width},
                 {"--text-layers", o->text_layers},
                 {"--text-heads", o->text_heads},
                 {"--context", o->context}};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        tool_run_set(&t->settings, whole[i].key, "%lld", (long long)whole[i].value);
    tool_run_set(&t->settings, "--optimizer", "%s", is_muon(o) ? "muon" : "adamw");
    tool_run_set(&t->settings, "--matmul", "%s", o->run.matmul ? o->run.matmul : "f32");
    tool_run_set(&t->settings, "--lr", "%.17g", o->run.lr);
    tool_run_set(&t->settings, "--decay", "%.17g", o->decay);
    tool_run_set(&t->settings, "--clip-norm", "%.17g", o->run.clip_norm);
    tool_run_set(&t->settings, "--average", "%.17g", o->run.average);
    tool_run_set(&t->settings, "--half-until", "%.17g", o->half);
    tool_run_set(&t->settings, "--easy-until", "%.17g", o->easy);
    size_t rows = (size_t)(texts->names * texts->templates + texts->empties);
    io_sha256_memory(texts->ids, rows * (size_t)texts->context * sizeof *texts->ids, digest);
    tool_run_set(&t->settings, "names and texts", "%s", io_sha256_text(digest, hex));
    return TN_OK;
}

// ---- one batch ---------------------------------------------------------------------------------

// Which part of the run is over.
static double part_of(const tool_pretrainer *t, int64_t step) {
    return (double)step / (double)t->options->run.steps;
}

// Names of the crops at position; the last ones of a batch hold no object.
static void choose_names(tool_pretrainer *t, int64_t position, int32_t *names, int32_t *glyphs) {
    const tool_pretrain_options *o = t->options;
    int64_t shown = o->run.batch - o->empty, first = position / o->run.batch * shown;
    for (int64_t i = 0; i < o->run.batch; i++) {
        names[i] = i < shown ? (int32_t)tr_order_at(&t->order, first + i) : -1;
        glyphs[i] = i < shown ? t->glyph_of[names[i]] : -1;
    }
}

static tn_status make_batch(tool_pretrainer *t, int64_t step, int64_t position,
                            tr_clip_batch *batch) {
    const tool_pretrain_options *o = t->options;
    const md_clip_config *c = md_clip_settings(t->clip);
    int64_t cells = c->grid * c->grid;
    double part = part_of(t, step), easy = o->easy > 0 ? 0.7 * (1 - part / o->easy) : 0;
    tn_tensor names, glyphs;
    *batch = (tr_clip_batch){0};
    TN_TRY(tn_new(&t->step, &names, TN_I32, TN_DIMS(o->run.batch), t->err));
    TN_TRY(tn_new(&t->step, &glyphs, TN_I32, TN_DIMS(o->run.batch), t->err));
    TN_TRY(tn_new(&t->step, &batch->pixels, TN_F32,
                  TN_DIMS(o->run.batch, c->image_size, c->image_size, 3), t->err));
    choose_names(t, position, tn_i32(&names), tn_i32(&glyphs));
    TN_TRY(tr_crops_make(&t->crops, kn_pool(t->kn), (uint64_t)o->run.seed, position, o->run.batch,
                         tn_i32(&glyphs), easy > 0 ? easy : 0, &batch->pixels, t->err));
    TN_TRY(tr_clip_texts_draw(&t->texts, &t->step, (uint64_t)o->run.seed, position, o->run.batch,
                              tn_i32(&names), batch, t->err));
    if (part >= o->half || cells < 2) return TN_OK;
    return tr_clip_keep(&t->step, (uint64_t)o->run.seed, position, o->run.batch, cells, cells / 2,
                        &batch->keep, t->err);
}

static tn_status gradients(void *self, int64_t step, int64_t *position, int64_t pictures,
                           double share, tr_measure *measure, tn_error *err) {
    tool_pretrainer *t = self;
    tr_clip_batch batch;
    tn_arena_reset(&t->step, 0);
    if (t->options->refresh && step % t->options->refresh == 0)
        TN_TRY(tool_pretrain_bank(t, &t->bank->value));
    TN_TRY(make_batch(t, step, *position, &batch));
    *position += pictures;
    return tr_clip_learn(&t->task, &batch, share, measure, err);
}

// ---- what the run calls ------------------------------------------------------------------------

static const char *suspect(void *self) {
    const tool_pretrainer *t = self;
    return t->task.suspect[0] ? t->task.suspect : NULL;
}

static void constrain(void *self) {
    const tool_pretrainer *t = self;
    tr_clip_limit_scale(&t->task);
}

static bool stop(void *user) {
    const tool_pretrainer *t = user;
    return tool_clip_run_stop(&t->options->run, t->updates);
}

static void see(void *user, const tr_update *update) {
    tool_pretrainer *t = user;
    char losses[120];
    t->updates++;
    if (!tool_train_due(&t->progress, update)) return;
    snprintf(losses, sizeof losses, "pictures %.3f, texts %.3f, bank %.3f",
             update->measure.loss[TR_CLIP_PICTURES], update->measure.loss[TR_CLIP_TEXTS],
             update->measure.loss[TR_CLIP_BANK]);
    tool_train_show(&t->progress, update, losses);
}

static void note(void *user, const char *event, const char *text) {
    tool_pretrainer *t = user;
    tool_train_break(&t->progress);
    tool_note("%s: %s", event, text);
}

static tn_status keep(void *user, int64_t step, tn_error *err) {
    const tool_pretrainer *t = user;
    (void)step;
    return tool_clip_run_keep(&t->options->run, t->clip, &t->params, t->bpe, err);
}

static tn_status validate(void *user, int64_t step, tr_value *out, size_t *count, tn_error *err) {
    tool_pretrainer *t = user;
    (void)err;
    TN_TRY(tool_pretrain_score(t, out, count));
    if (!*count) return TN_OK;
    tool_train_break(&t->progress);
    tool_note("step %lld: crops named right %.4f (among five %.4f), taken for background %.4f; "
              "crops without an object known as such %.4f",
              (long long)step, out[0].value, out[1].value, out[2].value, out[3].value);
    return TN_OK;
}

// ---- the run -----------------------------------------------------------------------------------

static tn_status pretrain(tool_pretrainer *t) {
    const tool_pretrain_options *o = t->options;
    static const char *const figures[] = {"top1", "top5", "lost", "empty"};
    TN_TRY(tool_pretrainer_open(t));
    TN_TRY(collect_settings(t));
    tool_note("%lld parameters, %lld names, %lld symbols, %lld updates of %lld crops",
              (long long)nn_params_elements(&t->params), (long long)t->texts.names,
              (long long)md_bpe_size(t->bpe), (long long)o->run.steps, (long long)o->run.batch);
    tr_loop run =
        tool_clip_run_begin(&o->run, &t->settings, figures, sizeof figures / sizeof *figures);
    run.optimizer.decay = o->decay;
    if (is_muon(o)) run.optimizer.muon = ".resblocks.";
    tr_task task = {.self = t,
                    .kn = t->kn,
                    .params = &t->params,
                    .gradients = gradients,
                    .suspect = suspect,
                    .loss_name = tr_clip_term_name,
                    .losses = TR_CLIP_TERMS,
                    .constrain = constrain};
    tr_watcher watcher = {t, stop, see, note, keep, validate, tool_chart};
    t->progress = tool_train_progress_start();
    tn_status status = tr_loop_run(&run, &task, &watcher, t->err);
    tool_train_break(&t->progress);
    return status;
}

tn_status tool_pretrain_go(const tool_pretrain_options *options, tn_error *err) {
    tool_pretrainer *t = tn_alloc_zero(1, sizeof *t);
    if (!t) return tn_fail(err, TN_ENOMEM, "out of memory");
    t->options = options, t->err = err;
    tn_status status = pretrain(t);
    tool_pretrainer_close(t);
    tn_free(t);
    return status;
}
