// SPDX-License-Identifier: Apache-2.0
// The job of lexmask pretrain, from the options to its end.
#include "train/jobs/painted/pretrain_parts.h"

#include "io/sha256.h"
#include "models/text/bpe_train.h"

#include <stdio.h>
#include <string.h>

// ---- options -----------------------------------------------------------------------------------

tr_pretrain_options tr_pretrain_defaults(void) {
    return (tr_pretrain_options){.job = {.steps = 3000,
                                         .batch = 160,
                                         .lr = 1e-3,
                                         .warmup = 200,
                                         .clip_norm = 1,
                                         .seed = 1,
                                         .save_every = 200,
                                         .validate_every = 250},
                                 .empty = 16,
                                 .decay = 0.05,
                                 .half = 0.65,
                                 .easy = 0.175,
                                 .refresh = 20,
                                 .size = 64,
                                 .patch = 8,
                                 .width = 128,
                                 .layers = 6,
                                 .heads = 4,
                                 .embed = 128,
                                 .text_width = 128,
                                 .text_layers = 3,
                                 .text_heads = 4,
                                 .context = 32,
                                 .vocabulary = 2048};
}

// What the sizes of a CLIP must be besides, md_clip_new says.
static tn_status check(const tr_pretrain_options *o, tn_error *err) {
    const tr_job_number numbers[] = {
        {"empty", (double)o->empty, 0, (double)o->job.batch - 1},
        {"refresh", (double)o->refresh, 0, 1e9},
        {"decay", o->decay, 0, 1e3},
        {"half-until", o->half, 0, 1},
        {"easy-until", o->easy, 0, 1},
        {"size", (double)o->size, 8, 1024},
        {"patch", (double)o->patch, 1, 1024},
        {"width", (double)o->width, 1, 65536},
        {"layers", (double)o->layers, 1, 1024},
        {"heads", (double)o->heads, 1, 1024},
        {"embed", (double)o->embed, 1, 65536},
        {"text-width", (double)o->text_width, 1, 65536},
        {"text-layers", (double)o->text_layers, 1, 1024},
        {"text-heads", (double)o->text_heads, 1, 1024},
        {"context", (double)o->context, 4, 65536},
        {"vocabulary", (double)o->vocabulary, MD_BPE_MIN_SIZE, 1 << 24},
    };
    TN_TRY(tr_clip_job_check(&o->job, 65536, o->dtype, err));
    TN_TRY(tr_job_check_word("optimizer", o->optimizer, "adamw|muon", err));
    return tr_job_check_numbers(numbers, sizeof numbers / sizeof *numbers, err);
}

// ---- the settings that a resumed run must share ------------------------------------------------

static bool is_muon(const tr_pretrain_options *o) {
    return o->optimizer && !strcmp(o->optimizer, "muon");
}

// Names and texts are compared by a hash over all ids.
static tn_status collect_settings(tr_pretrainer *t) {
    const tr_pretrain_options *o = t->options;
    const tr_clip_texts *texts = &t->texts;
    uint8_t digest[IO_SHA256];
    char hex[IO_SHA256_HEX];
    const struct {
        const char *key;
        int64_t value;
    } whole[] = {{"--batch", o->job.batch},
                 {"--empty", o->empty},
                 {"--steps", o->job.steps},
                 {"--warmup", o->job.warmup},
                 {"--refresh", o->refresh},
                 {"--seed", o->job.seed},
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
        tr_job_set(&t->job, whole[i].key, "%lld", (long long)whole[i].value);
    tr_job_set(&t->job, "--optimizer", "%s", is_muon(o) ? "muon" : "adamw");
    tr_job_set(&t->job, "--matmul", "%s", o->job.matmul ? o->job.matmul : "f32");
    tr_job_set(&t->job, "--lr", "%.17g", o->job.lr);
    tr_job_set(&t->job, "--decay", "%.17g", o->decay);
    tr_job_set(&t->job, "--clip-norm", "%.17g", o->job.clip_norm);
    tr_job_set(&t->job, "--average", "%.17g", o->job.average);
    tr_job_set(&t->job, "--half-until", "%.17g", o->half);
    tr_job_set(&t->job, "--easy-until", "%.17g", o->easy);
    size_t rows = (size_t)(texts->names * texts->templates + texts->empties);
    io_sha256_memory(texts->ids, rows * (size_t)texts->context * sizeof *texts->ids, digest);
    tr_job_set(&t->job, "names and texts", "%s", io_sha256_text(digest, hex));
    return TN_OK;
}

// ---- one batch ---------------------------------------------------------------------------------

// Which part of the run is over.
static double part_of(const tr_pretrainer *t, int64_t step) {
    return (double)step / (double)t->options->job.steps;
}

// Names of the crops at position; the last ones of a batch hold no object.
static void choose_names(tr_pretrainer *t, int64_t position, int32_t *names, int32_t *glyphs) {
    const tr_pretrain_options *o = t->options;
    int64_t shown = o->job.batch - o->empty, first = position / o->job.batch * shown;
    for (int64_t i = 0; i < o->job.batch; i++) {
        names[i] = i < shown ? (int32_t)tr_order_at(&t->order, first + i) : -1;
        glyphs[i] = i < shown ? t->glyph_of[names[i]] : -1;
    }
}

static tn_status make_batch(tr_pretrainer *t, int64_t step, int64_t position,
                            tr_clip_batch *batch) {
    const tr_pretrain_options *o = t->options;
    const md_clip_config *c = md_clip_settings(t->clip);
    int64_t cells = c->grid * c->grid;
    double part = part_of(t, step), easy = o->easy > 0 ? 0.7 * (1 - part / o->easy) : 0;
    tn_tensor names, glyphs;
    *batch = (tr_clip_batch){0};
    TN_TRY(tn_new(&t->job.step, &names, TN_I32, TN_DIMS(o->job.batch), t->job.err));
    TN_TRY(tn_new(&t->job.step, &glyphs, TN_I32, TN_DIMS(o->job.batch), t->job.err));
    TN_TRY(tn_new(&t->job.step, &batch->pixels, TN_F32,
                  TN_DIMS(o->job.batch, c->image_size, c->image_size, 3), t->job.err));
    choose_names(t, position, tn_i32(&names), tn_i32(&glyphs));
    TN_TRY(tr_crops_make(&t->crops, kn_pool(t->job.kn), (uint64_t)o->job.seed, position,
                         o->job.batch, tn_i32(&glyphs), easy > 0 ? easy : 0, &batch->pixels,
                         t->job.err));
    TN_TRY(tr_clip_texts_draw(&t->texts, &t->job.step, (uint64_t)o->job.seed, position,
                              o->job.batch, tn_i32(&names), batch, t->job.err));
    if (part >= o->half || cells < 2) return TN_OK;
    return tr_clip_keep(&t->job.step, (uint64_t)o->job.seed, position, o->job.batch, cells,
                        cells / 2, &batch->keep, t->job.err);
}

static tn_status gradients(void *self, int64_t step, int64_t *position, int64_t pictures,
                           double share, tr_measure *measure, tn_error *err) {
    tr_pretrainer *t = self;
    tr_clip_batch batch;
    tn_arena_reset(&t->job.step, 0);
    if (t->options->refresh && step % t->options->refresh == 0)
        TN_TRY(tr_pretrain_bank(t, &t->bank->value));
    TN_TRY(make_batch(t, step, *position, &batch));
    *position += pictures;
    return tr_clip_learn(&t->task, &batch, share, measure, err);
}

// ---- what the loop calls ------------------------------------------------------------------------

static const char *suspect(void *self) {
    const tr_pretrainer *t = self;
    return t->task.suspect[0] ? t->task.suspect : NULL;
}

static void constrain(void *self) {
    const tr_pretrainer *t = self;
    tr_clip_limit_scale(&t->task);
}

static tn_status keep(void *self, int64_t step, tn_error *err) {
    const tr_pretrainer *t = self;
    (void)step;
    return tr_clip_job_keep(&t->job, t->clip, t->bpe, t->options->dtype, err);
}

// ---- the run -----------------------------------------------------------------------------------

static tn_status pretrain(tr_pretrainer *t) {
    const tr_pretrain_options *o = t->options;
    static const char *const figures[] = {"top1", "top5", "lost", "empty"};
    TN_TRY(check(o, t->job.err));
    TN_TRY(tr_pretrainer_open(t));
    TN_TRY(collect_settings(t));
    tr_job_note(&t->job, "%lld parameters, %lld names, %lld symbols, %lld updates of %lld crops",
                (long long)nn_params_elements(&t->job.params), (long long)t->texts.names,
                (long long)md_bpe_size(t->bpe), (long long)o->job.steps, (long long)o->job.batch);
    tr_loop loop = tr_clip_job_loop(&t->job, figures, sizeof figures / sizeof *figures);
    loop.optimizer.decay = o->decay;
    if (is_muon(o)) loop.optimizer.muon = ".resblocks.";
    tr_task task = {.self = t,
                    .kn = t->job.kn,
                    .params = &t->job.params,
                    .gradients = gradients,
                    .suspect = suspect,
                    .loss_name = tr_clip_term_name,
                    .losses = TR_CLIP_TERMS,
                    .constrain = constrain};
    t->job.keep = keep;
    t->job.validate = tr_pretrain_score;
    return tr_job_run(&t->job, &loop, &task);
}

tn_status tr_pretrain_run(const tr_pretrain_options *options, const tr_job_watcher *watcher,
                          tn_error *err) {
    tr_pretrainer t = {.options = options};
    tr_job_init(&t.job, &options->job, watcher, err);
    tn_status status = pretrain(&t);
    tr_pretrainer_close(&t);
    return status;
}
