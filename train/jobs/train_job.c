// SPDX-License-Identifier: Apache-2.0
// The job of lexmask train, from the configuration to the finished run.
#include "train/jobs/train_parts.h"

#include "io/file.h"
#include "io/weights/safetensors.h"

#include <limits.h>
#include <string.h>

// ---- the settings that a resumed run must share ------------------------------------------------

// What an option can change has a setting of its own, so that the text names it; the rest of the
// configuration is a hash.
static tn_status collect_settings(tr_trainer *t) {
    const md_fvlm_config *c = &t->config;
    const tr_train_options *o = t->options;
    uint8_t digest[IO_SHA256];
    char hex[IO_SHA256_HEX], *text;
    size_t bytes;
    tr_job_set(&t->job, "--batch", "%lld", (long long)t->batch);
    tr_job_set(&t->job, "--accumulate", "%lld", (long long)t->accumulate);
    tr_job_set(&t->job, "--steps", "%lld", (long long)c->training_steps);
    tr_job_set(&t->job, "--warmup", "%lld", (long long)c->training_warmup);
    tr_job_set(&t->job, "--optimizer", "%s", o->optimizer ? o->optimizer : "adamw");
    tr_job_set(&t->job, "--matmul", "%s", o->job.matmul ? o->job.matmul : "f32");
    tr_job_set(&t->job, "--lr", "%.17g", c->training_lr);
    tr_job_set(&t->job, "--decay", "%.17g", c->training_decay);
    tr_job_set(&t->job, "--clip-norm", "%.17g", c->training_clip);
    tr_job_set(&t->job, "--average", "%.17g", o->job.average);
    tr_job_set(&t->job, "--background-weight", "%.17g", c->training_background);
    tr_job_set(&t->job, "--regions", "%lld", (long long)o->regions);
    tr_job_set(&t->job, "--loss", "%s", c->training_loss == MD_LOSS_COSINE ? "cosine" : "softmax");
    tr_job_set(&t->job, "--jitter", "%.9g,%.9g", c->training_jitter[0], c->training_jitter[1]);
    tr_job_set(&t->job, "--no-flip", "%s", c->training_flip ? "not given" : "given");
    tr_job_set(&t->job, "--size", "%lld", (long long)c->picture_size);
    tr_job_set(&t->job, "--seed", "%lld", (long long)o->job.seed);
    tr_job_set(&t->job, "--dtype", "%s", tr_trainer_in_double(t) ? "f64" : "f32");
    TN_TRY(io_sha256_file(o->data, digest, t->job.err));
    tr_job_set(&t->job, "--data", "%s", io_sha256_text(digest, hex));
    TN_TRY(md_fvlm_config_text(c, &text, &bytes, t->job.err));
    io_sha256_memory(text, bytes, digest);
    tn_free(text);
    tr_job_set(&t->job, "configuration", "%s", io_sha256_text(digest, hex));
    return TN_OK;
}

// ---- what the run calls ------------------------------------------------------------------------

// Kept until the loop asks. Without memory for it the text is lost, and still counted.
static void skipped(void *context, const char *path, const tn_error *why) {
    tr_trainer *t = context;
    (void)path;
    size_t bytes = t->left_outs * sizeof *t->left_out;
    char **more = tn_realloc(t->left_out, bytes, bytes + sizeof *more);
    if (!more) return;
    t->left_out = more;
    if ((more[t->left_outs] = tn_strdup(why->text))) t->left_outs++;
}

static const char *next_left_out(void *self) {
    tr_trainer *t = self;
    return t->told < t->left_outs ? t->left_out[t->told++] : NULL;
}

static int64_t unusable(const tr_loader *loader) {
    tr_loader_counts c = tr_loader_tally(loader);
    return c.missing + c.broken + c.other_size;
}

static bool cancelled(void *context) {
    const tr_trainer *t = context;
    return tr_job_interrupted(&t->job);
}

static tn_status open_loader(tr_trainer *t, int64_t position) {
    const md_fvlm_config *c = &t->config;
    const md_clip_config *clip = md_clip_settings(md_fvlm_clip(t->model));
    tr_loader_options options = {.data = t->data,
                                 .augment = tr_augment_default(c->picture_size),
                                 .seed = (uint64_t)t->options->job.seed,
                                 .position = position,
                                 .batch = t->batch,
                                 .workers = (int)t->options->workers,
                                 .masks = true,
                                 .cancelled = cancelled,
                                 .skipped = skipped,
                                 .context = t};
    memcpy(options.mean, clip->mean, sizeof options.mean);
    memcpy(options.std, clip->std, sizeof options.std);
    options.augment.scale[0] = c->training_jitter[0];
    options.augment.scale[1] = c->training_jitter[1];
    options.augment.flip = c->training_flip ? 0.5 : 0;
    tr_loader_close(t->loader);
    t->loader = NULL;
    t->position = position;
    return tr_loader_open(&options, &t->loader, t->job.err);
}

static tn_status gradients(void *self, int64_t step, int64_t *position, int64_t pictures,
                           double share, tr_measure *measure, tn_error *err) {
    tr_trainer *t = self;
    tr_batch batch;
    tr_fvlm_seen seen;
    tr_measure own = {0};
    (void)pictures;
    if (!t->loader || t->position != *position) TN_TRY(open_loader(t, *position));
    int64_t before = unusable(t->loader);
    tn_status status = tr_loader_next(t->loader, &batch, err);
    measure->left_out += unusable(t->loader) - before;
    if (status != TN_OK) return status;
    bool dump = t->options->dump != NULL; // else what was seen makes room for gradients
    TN_TRY(tr_fvlm_learn(&t->task, &batch, NULL, share, &own, dump ? &seen : NULL, err));
    tr_train_note_cache_trouble(t);
    for (int i = 0; i < TR_LOSSES; i++) measure->loss[i] += own.loss[i];
    measure->pictures += own.pictures;
    for (int i = 0; i < TR_FVLM_TALLIES; i++) measure->tally[i] += own.tally[i];
    *position = t->position = batch.position;
    if (!dump) return TN_OK;
    return tr_train_dump(t->options->dump, step, &t->task, &t->job.params, batch.count, &seen,
                         own.loss, err);
}

static const char *suspect(void *self) {
    const tr_trainer *t = self;
    return t->task.suspect[0] ? t->task.suspect : NULL;
}

static tn_status keep_in(tr_trainer *t, const char *folder, int64_t step, tn_error *err) {
    char path[PATH_MAX], text[32];
    size_t count = (size_t)t->job.params.count + (size_t)t->job.params.buffers;
    io_tensor *tensors = tn_alloc_zero(count + 1, sizeof *tensors);
    if (!tensors) return tn_fail(err, TN_ENOMEM, "%s: out of memory", folder);
    nn_params_tensors(&t->job.params, tensors);
    snprintf(path, sizeof path, "%s/adapters.safetensors", folder);
    snprintf(text, sizeof text, "%lld", (long long)step);
    const io_text_pair meta[] = {{"format", "pt"}, {"step", text}};
    tn_status status = io_safetensors_write(path, tensors, count, meta, 2, TN_F32, err);
    tn_free(tensors);
    return status;
}

static tn_status keep(void *self, int64_t step, tn_error *err) {
    tr_trainer *t = self;
    return keep_in(t, t->options->job.out, step, err);
}

// RUN/best is a model's folder like RUN.
static tn_status keep_best(void *self, int64_t step, tn_error *err) {
    tr_trainer *t = self;
    char folder[PATH_MAX], path[PATH_MAX + 16];
    snprintf(folder, sizeof folder, "%s/" TR_TRAIN_BEST, t->options->job.out);
    snprintf(path, sizeof path, "%s/config.json", folder);
    TN_TRY(io_make_folder(folder, err));
    TN_TRY(md_fvlm_config_write(path, &t->config, err));
    return keep_in(t, folder, step, err);
}

static tn_status validate(void *self, int64_t step, tr_value *out, size_t *count, tn_error *err) {
    return tr_validation_run(&((tr_trainer *)self)->validation, step, out, count, err);
}

// ---- the run -----------------------------------------------------------------------------------

static tn_status check_frozen(tr_trainer *t) {
    uint8_t now[2][IO_SHA256];
    char hex[2][IO_SHA256_HEX];
    TN_TRY(tr_trainer_hash(t, now));
    for (int i = 0; i < 2; i++) io_sha256_text(now[i], hex[i]);
    if (memcmp(now, t->frozen, sizeof now))
        return tn_fail(t->job.err, TN_EFORMAT,
                       "%s: the frozen weights have changed while training (SHA-256 of the image "
                       "tower now %s): this must not happen; the run cannot be trusted",
                       t->config.clip_path, hex[0]);
    tr_job_note(&t->job, "frozen weights unchanged: SHA-256 %s (image tower), %s (text tower)",
                hex[0], hex[1]);
    return TN_OK;
}

static void tell_tally(const tr_trainer *t) {
    if (!t->loader) return;
    tr_loader_counts c = tr_loader_tally(t->loader);
    if (unusable(t->loader))
        tr_job_note(&t->job,
                    "pictures left out: %lld missing, %lld broken; %lld of another size than the "
                    "annotations say",
                    (long long)c.missing, (long long)c.broken, (long long)c.other_size);
}

// What the annotations held, for the log.
static size_t collect_facts(const tr_trainer *t, tr_value facts[TR_COUNTS]) {
    size_t count = 0;
    for (int i = 0; i < TR_COUNTS; i++)
        if (t->data->counts[i])
            facts[count++] = (tr_value){tr_count_name((tr_count)i), (double)t->data->counts[i]};
    return count;
}

static tr_loop plan(const tr_trainer *t) {
    const tr_train_options *o = t->options;
    const md_fvlm_config *c = &t->config;
    tr_loop loop = tr_job_loop(&t->job);
    loop.schedule = (tr_schedule){.lr = c->training_lr,
                                  .start = 1e-3,
                                  .warmup = c->training_warmup,
                                  .steps = c->training_steps};
    loop.batch = t->batch;
    loop.accumulate = t->accumulate;
    loop.plot_every = o->job.save_every < 50 ? o->job.save_every : 50;
    loop.figures = tr_validation_charts;
    loop.figure_count = o->val ? tr_validation_chart_count : 0;
    loop.best_of = tr_validation_best_of;
    loop.patience = o->patience;
    loop.optimizer.decay = c->training_decay;
    loop.optimizer.clip = c->training_clip;
    // All but the RPN: its few outputs see each place alone, and learn better by AdamW.
    if (o->optimizer && !strcmp(o->optimizer, "muon"))
        loop.optimizer.muon = "", loop.optimizer.not_muon = "rpn.";
    return loop;
}

static tn_status run_loop(tr_trainer *t) {
    tr_value facts[TR_COUNTS];
    tr_loop loop = plan(t);
    loop.facts = facts, loop.fact_count = collect_facts(t, facts);
    tr_task task = {.self = t,
                    .kn = t->job.kn,
                    .params = &t->job.params,
                    .gradients = gradients,
                    .loss_name = tr_loss_name,
                    .losses = TR_LOSSES,
                    .tally_name = tr_fvlm_tally_name,
                    .tallies = TR_FVLM_TALLIES,
                    .suspect = suspect,
                    .left_out = next_left_out};
    t->job.keep = keep;
    t->job.keep_best = keep_best;
    t->job.validate = t->options->val ? validate : NULL;
    return tr_job_run(&t->job, &loop, &task);
}

static tn_status train(tr_trainer *t) {
    TN_TRY(tr_train_check(t->options, t->job.err));
    TN_TRY(tr_trainer_open(t));
    TN_TRY(collect_settings(t));
    tr_job_note(&t->job, "%lld parameters to train, %zu names, %lld updates of %lld pictures",
                (long long)nn_params_elements(&t->job.params), t->data->name_count,
                (long long)t->config.training_steps, (long long)t->config.training_batch);
    tn_status status = run_loop(t);
    tell_tally(t);
    tr_train_note_cache_counts(t);
    if (status != TN_OK && status != TN_ECANCELLED) return status;
    tn_error ended = *t->job.err;
    TN_TRY(check_frozen(t));
    *t->job.err = ended;
    return status;
}

tn_status tr_train_run(const tr_train_options *options, const tr_job_watcher *watcher,
                       tn_error *err) {
    tr_trainer t = {.options = options};
    tr_job_init(&t.job, &options->job, watcher, err);
    tn_status status = train(&t);
    tr_trainer_close(&t);
    return status;
}
