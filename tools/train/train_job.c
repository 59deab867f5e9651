// SPDX-License-Identifier: Apache-2.0
// lexmask train, from the configuration to the finished run.
#include "tools/train/train_job.h"

#include "io/file.h"
#include "io/weights/safetensors.h"
#include "tools/shared/options.h"
#include "tools/shared/progress.h"
#include "tools/train/charts.h"

#include <limits.h>
#include <string.h>

// ---- the settings that a run that goes on must share -------------------------------------------

// What the user can change by a flag has a line of its own, so that the text names it; the rest of
// the configuration is a hash.
static tn_status collect_settings(tool_trainer *t) {
    const md_fvlm_config *c = &t->config;
    uint8_t digest[IO_SHA256];
    char hex[IO_SHA256_HEX], *text;
    size_t bytes;
    tool_run_set(&t->settings, "--batch", "%lld", (long long)t->batch);
    tool_run_set(&t->settings, "--accumulate", "%lld", (long long)t->accumulate);
    tool_run_set(&t->settings, "--steps", "%lld", (long long)c->training_steps);
    tool_run_set(&t->settings, "--warmup", "%lld", (long long)c->training_warmup);
    tool_run_set(&t->settings, "--optimizer", "%s",
                 t->options->optimizer ? t->options->optimizer : "adamw");
    tool_run_set(&t->settings, "--matmul", "%s", t->options->matmul ? t->options->matmul : "f32");
    tool_run_set(&t->settings, "--lr", "%.17g", c->training_lr);
    tool_run_set(&t->settings, "--decay", "%.17g", c->training_decay);
    tool_run_set(&t->settings, "--clip-norm", "%.17g", c->training_clip);
    tool_run_set(&t->settings, "--average", "%.17g", t->options->average);
    tool_run_set(&t->settings, "--background-weight", "%.17g", c->training_background);
    tool_run_set(&t->settings, "--regions", "%lld", (long long)t->options->regions);
    tool_run_set(&t->settings, "--loss", "%s",
                 c->training_loss == MD_LOSS_COSINE ? "cosine" : "softmax");
    tool_run_set(&t->settings, "--jitter", "%.9g,%.9g", c->training_jitter[0],
                 c->training_jitter[1]);
    tool_run_set(&t->settings, "--no-flip", "%s", c->training_flip ? "not given" : "given");
    tool_run_set(&t->settings, "--size", "%lld", (long long)c->picture_size);
    tool_run_set(&t->settings, "--seed", "%lld", (long long)t->options->seed);
    tool_run_set(&t->settings, "--dtype", "%s", tool_trainer_in_double(t) ? "f64" : "f32");
    TN_TRY(io_sha256_file(t->options->data, digest, t->err));
    tool_run_set(&t->settings, "--data", "%s", io_sha256_text(digest, hex));
    TN_TRY(md_fvlm_config_text(c, &text, &bytes, t->err));
    io_sha256_memory(text, bytes, digest);
    tn_free(text);
    tool_run_set(&t->settings, "configuration", "%s", io_sha256_text(digest, hex));
    return TN_OK;
}

// ---- what the run calls ------------------------------------------------------------------------

// Kept until the run asks. Without memory for it the text is lost, and still counted.
static void skipped(void *context, const char *path, const tn_error *why) {
    tool_trainer *t = context;
    (void)path;
    size_t bytes = t->left_outs * sizeof *t->left_out;
    char **more = tn_realloc(t->left_out, bytes, bytes + sizeof *more);
    if (!more) return;
    t->left_out = more;
    if ((more[t->left_outs] = tn_strdup(why->text))) t->left_outs++;
}

static const char *next_left_out(void *self) {
    tool_trainer *t = self;
    return t->told < t->left_outs ? t->left_out[t->told++] : NULL;
}

static int64_t unusable(const tr_loader *loader) {
    tr_loader_counts c = tr_loader_tally(loader);
    return c.missing + c.broken + c.other_size;
}

static bool cancelled(void *context) {
    (void)context;
    return tool_interrupted();
}

static tn_status open_loader(tool_trainer *t, int64_t position) {
    const md_fvlm_config *c = &t->config;
    const md_clip_config *clip = md_clip_settings(md_fvlm_clip(t->model));
    tr_loader_options options = {.data = t->data,
                                 .augment = tr_augment_default(c->picture_size),
                                 .seed = (uint64_t)t->options->seed,
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
    return tr_loader_open(&options, &t->loader, t->err);
}

static tn_status gradients(void *self, int64_t step, int64_t *position, int64_t pictures,
                           double share, tr_measure *measure, tn_error *err) {
    tool_trainer *t = self;
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
    tool_train_watch_cache(t);
    for (int i = 0; i < TR_LOSSES; i++) measure->loss[i] += own.loss[i];
    measure->pictures += own.pictures;
    for (int i = 0; i < TR_FVLM_TALLIES; i++) measure->tally[i] += own.tally[i];
    *position = t->position = batch.position;
    if (!dump) return TN_OK;
    return tool_train_dump(t->options->dump, step, &t->task, &t->params, batch.count, &seen,
                           own.loss, err);
}

static const char *suspect(void *self) {
    const tool_trainer *t = self;
    return t->task.suspect[0] ? t->task.suspect : NULL;
}

static bool stop(void *user) {
    const tool_trainer *t = user;
    return tool_interrupted() || (t->options->stop_after && t->updates >= t->options->stop_after);
}

static void see(void *user, const tr_update *update) {
    tool_trainer *t = user;
    t->updates++;
    tool_train_line(&t->progress, update);
}

static void note(void *user, const char *event, const char *text) {
    tool_trainer *t = user;
    tool_train_break(&t->progress);
    tool_note("%s: %s", event, text);
}

static tn_status keep(void *user, int64_t step, tn_error *err) {
    tool_trainer *t = user;
    char path[PATH_MAX], text[32];
    size_t count = (size_t)t->params.count + (size_t)t->params.buffers;
    io_tensor *tensors = tn_alloc_zero(count + 1, sizeof *tensors);
    if (!tensors) return tn_fail(err, TN_ENOMEM, "%s: out of memory", t->options->out);
    nn_params_tensors(&t->params, tensors);
    snprintf(path, sizeof path, "%s/adapters.safetensors", t->options->out);
    snprintf(text, sizeof text, "%lld", (long long)step);
    const io_text_pair meta[] = {{"format", "pt"}, {"step", text}};
    tn_status status = io_safetensors_write(path, tensors, count, meta, 2, TN_F32, err);
    tn_free(tensors);
    return status;
}

static tn_status validate(void *user, int64_t step, tr_value *out, size_t *count, tn_error *err) {
    tool_trainer *t = user;
    tool_train_break(&t->progress);
    TN_TRY(tool_validation_run(&t->validation, step, out, count, err));
    char text[1024];
    size_t used = 0;
    for (size_t i = 0; i < *count && used < sizeof text; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "  %s %.4f", out[i].name,
                                 out[i].value);
    if (*count) tool_note("step %lld:%s", (long long)step, text);
    return TN_OK;
}

// ---- the run -----------------------------------------------------------------------------------

static tn_status check_frozen(tool_trainer *t) {
    uint8_t now[2][IO_SHA256];
    char hex[2][IO_SHA256_HEX];
    TN_TRY(tool_trainer_hash(t, now));
    for (int i = 0; i < 2; i++) io_sha256_text(now[i], hex[i]);
    if (memcmp(now, t->frozen, sizeof now))
        return tn_fail(t->err, TN_EFORMAT,
                       "%s: the frozen weights have changed while training (SHA-256 of the image "
                       "tower now %s): this must not happen; the run cannot be trusted",
                       t->config.clip_path, hex[0]);
    tool_note("frozen weights unchanged: SHA-256 %s (image tower), %s (text tower)", hex[0],
              hex[1]);
    return TN_OK;
}

static void tell_tally(const tool_trainer *t) {
    if (!t->loader) return;
    tr_loader_counts c = tr_loader_tally(t->loader);
    if (unusable(t->loader))
        tool_note("pictures left out: %lld missing, %lld broken; %lld of another size than the "
                  "annotations say",
                  (long long)c.missing, (long long)c.broken, (long long)c.other_size);
}

// What the annotations held, for the log.
static size_t collect_facts(const tool_trainer *t, tr_value facts[TR_COUNTS]) {
    size_t count = 0;
    for (int i = 0; i < TR_COUNTS; i++)
        if (t->data->counts[i])
            facts[count++] = (tr_value){tr_count_name((tr_count)i), (double)t->data->counts[i]};
    return count;
}

static tn_status train(tool_trainer *t) {
    const tool_train_options *o = t->options;
    const md_fvlm_config *c = &t->config;
    TN_TRY(tool_trainer_open(t));
    TN_TRY(collect_settings(t));
    tool_note("%lld parameters to train, %zu names, %lld updates of %lld pictures",
              (long long)nn_params_elements(&t->params), t->data->name_count,
              (long long)c->training_steps, (long long)c->training_batch);
    tr_value facts[TR_COUNTS];
    tr_loop run = {.folder = o->out,
                   .schedule = {.lr = c->training_lr,
                                .start = 1e-3,
                                .warmup = c->training_warmup,
                                .steps = c->training_steps},
                   .optimizer = tr_optimizer_default(),
                   .batch = t->batch,
                   .accumulate = t->accumulate,
                   .save_every = o->save_every,
                   .validate_every = o->val_every,
                   .plot_every = o->save_every < 50 ? o->save_every : 50,
                   .seed = (uint64_t)o->seed,
                   .resume = o->resume,
                   .settings = t->settings.pair,
                   .setting_count = t->settings.count,
                   .figures = tool_validation_charts,
                   .figure_count = o->val ? tool_validation_chart_count : 0};
    run.facts = facts, run.fact_count = collect_facts(t, facts);
    run.optimizer.decay = c->training_decay;
    run.optimizer.clip = c->training_clip;
    run.optimizer.average = o->average;
    // All but the RPN: its few outputs see each place alone, and learn better by AdamW.
    if (o->optimizer && !strcmp(o->optimizer, "muon"))
        run.optimizer.muon = "", run.optimizer.not_muon = "rpn.";
    tr_task task = {.self = t,
                    .kn = t->kn,
                    .params = &t->params,
                    .gradients = gradients,
                    .loss_name = tr_loss_name,
                    .losses = TR_LOSSES,
                    .tally_name = tr_fvlm_tally_name,
                    .tallies = TR_FVLM_TALLIES,
                    .suspect = suspect,
                    .left_out = next_left_out};
    tr_watcher watcher = {t, stop, see, note, keep, o->val ? validate : NULL, tool_chart};
    t->progress = tool_train_progress_start();
    tn_status status = tr_loop_run(&run, &task, &watcher, t->err);
    tool_train_break(&t->progress);
    tell_tally(t);
    tool_train_tell_cache(t);
    if (status != TN_OK && status != TN_ECANCELLED) return status;
    tn_error ended = *t->err;
    TN_TRY(check_frozen(t));
    *t->err = ended;
    return status;
}

tn_status tool_train_go(const tool_train_options *options, tn_error *err) {
    tool_trainer t = {.options = options, .err = err};
    tn_status status = train(&t);
    tool_trainer_close(&t);
    return status;
}
