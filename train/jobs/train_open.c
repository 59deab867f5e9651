// SPDX-License-Identifier: Apache-2.0
// The job of lexmask train, until all is open: configuration and options, data, model, text,
// validation.
#include "train/jobs/train_parts.h"

#include "io/file.h"
#include "io/published.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_STEPS 1000000000 // of a configuration
#define FEW 8                 // pictures for a batch norm
#define MOST_AT_ONCE 2        // pictures that go through together, where nothing was said

static void given(double value, double *to) {
    if (value >= 0) *to = value;
}

// ---- configuration -----------------------------------------------------------------------------

static tn_status apply_jitter(const char *text, double jitter[2], tn_error *err) {
    char end;
    if (sscanf(text, "%lf,%lf%c", &jitter[0], &jitter[1], &end) != 2)
        return tn_fail(err, TN_EINVAL, "--jitter %s: expected two numbers, as in 0.1,2", text);
    for (int i = 0; i < 2; i++)
        if (!(jitter[i] >= 0.01 && jitter[i] <= 10))
            return tn_fail(err, TN_EINVAL, "--jitter %s: expected numbers from 0.01 to 10", text);
    return TN_OK;
}

// Pictures of an update: --batch times --accumulate, or as many as the configuration has, a few at
// a time.
static void apply_batch(tr_trainer *t) {
    const tr_train_options *o = t->options;
    int64_t whole = t->config.training_batch, batch = o->job.batch;
    t->batch = batch ? batch : whole < MOST_AT_ONCE ? whole : MOST_AT_ONCE;
    t->accumulate = o->accumulate ? o->accumulate : batch ? 1 : (whole + t->batch - 1) / t->batch;
    t->config.training_batch = t->batch * t->accumulate;
}

static tn_status apply_options(tr_trainer *t) {
    md_fvlm_config *c = &t->config;
    const tr_train_options *o = t->options;
    given(o->job.lr, &c->training_lr);
    given(o->decay, &c->training_decay);
    given(o->job.clip_norm, &c->training_clip);
    given(o->background, &c->training_background);
    if (o->size) c->picture_size = o->size;
    if (o->flip) c->training_flip = true;
    if (o->no_flip) c->training_flip = false;
    if (o->norm)
        c->pyramid_norm = !strcmp(o->norm, "batch")   ? MD_NORM_BATCH
                          : !strcmp(o->norm, "group") ? MD_NORM_GROUP
                                                      : MD_NORM_NONE;
    if (o->loss) c->training_loss = strcmp(o->loss, "cosine") ? MD_LOSS_SOFTMAX : MD_LOSS_COSINE;
    if (o->jitter) TN_TRY(apply_jitter(o->jitter, c->training_jitter, t->job.err));
    apply_batch(t);
    return TN_OK;
}

static tn_status configure(tr_trainer *t) {
    if (t->model_folder) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/config.json", t->model_folder);
        TN_TRY(md_fvlm_config_read(path, &t->config, t->job.err));
        t->config.contrast[0] = 0; // a run's folder has no such file
    } else {
        if (!md_fvlm_preset(t->options->preset, &t->config))
            return tn_fail(t->job.err, TN_EINVAL, "--preset %s: no such preset",
                           t->options->preset);
    }
    return apply_options(t);
}

// How long: --steps, --epochs, or what the configuration has. A warm-up that was not asked for is
// never more than a tenth of it.
static void plan(tr_trainer *t) {
    const tr_train_options *o = t->options;
    md_fvlm_config *c = &t->config;
    if (o->job.steps) c->training_steps = o->job.steps;
    if (o->epochs > 0) {
        double steps = ceil(o->epochs * (double)t->data->count / (double)c->training_batch);
        c->training_steps = steps < 1 ? 1 : steps > MOST_STEPS ? MOST_STEPS : (int64_t)steps;
    }
    if (o->job.warmup >= 0)
        c->training_warmup = o->job.warmup;
    else if (c->training_warmup > c->training_steps / 10)
        c->training_warmup = c->training_steps / 10;
}

// ---- opening -----------------------------------------------------------------------------------

void tr_note_annotations(const tr_job *job, const char *file, const io_coco *coco) {
    char notes[1024];
    io_coco_notes(coco, notes, sizeof notes);
    for (char *at = notes, *line; (line = strsep(&at, "\n"));)
        if (*line) tr_job_note(job, "%s: %s", file, line);
}

static tn_status open_data(tr_trainer *t) {
    char text[1024];
    tr_dataset_options options = {.annotations = t->options->data,
                                  .pictures = t->options->pictures,
                                  .base = t->options->base};
    TN_TRY(tr_dataset_open(&options, &t->data, t->job.err));
    TN_TRY(tr_train_find_pictures(t->data, t->options->data, t->job.err));
    tr_note_annotations(&t->job, t->options->data, t->data->coco);
    tr_job_note(&t->job, "%s: %s", t->options->data,
                tr_counts_text(t->data->counts, text, sizeof text));
    plan(t);
    if (t->config.pyramid_norm == MD_NORM_BATCH && t->batch < FEW)
        tr_job_note(&t->job,
                    "batch norm: its statistics are those of %lld pictures, which go through "
                    "together, not of the %lld of an update; --norm group does without",
                    (long long)t->batch, (long long)t->config.training_batch);
    return md_fvlm_config_set_base(&t->config, t->data->names, (int64_t)t->data->name_count,
                                   t->job.err);
}

bool tr_trainer_in_double(const tr_trainer *t) {
    return t->options->dtype && !strcmp(t->options->dtype, "f64");
}

// A run's folder is a model's folder, and may be elsewhere than the CLIP: its path is made
// absolute.
static tn_status find_clip(tr_trainer *t, char clip[PATH_MAX]) {
    char given_path[PATH_MAX];
    if (t->options->clip) {
        TN_TRY(md_published_resolve(t->options->clip, given_path, sizeof given_path, t->job.err));
    } else if (t->config.clip_path[0] == '/') {
        snprintf(given_path, sizeof given_path, "%s", t->config.clip_path);
    } else {
        snprintf(given_path, sizeof given_path, "%s/%s", t->model_folder, t->config.clip_path);
    }
    if (!realpath(given_path, clip))
        return tn_fail(t->job.err, TN_EIO, "%s: no such CLIP", given_path);
    if (strlen(clip) >= sizeof t->config.clip_path)
        return tn_fail(t->job.err, TN_EINVAL, "%s: too long a path", clip);
    strcpy(t->config.clip_path, clip);
    return t->options->clip ? md_fvlm_clip_hash(clip, t->config.clip_sha256, t->job.err) : TN_OK;
}

static tn_status open_tokenizer(tr_trainer *t, const char *clip) {
    char path[PATH_MAX];
    const char *known = t->config.clip_tokenizer[0] ? t->config.clip_tokenizer : NULL;
    if (t->options->tokenizer) known = t->options->tokenizer;
    TN_TRY(md_find_tokenizer(clip, known, path, sizeof path, t->job.err));
    char whole[PATH_MAX];
    if (t->options->tokenizer && realpath(path, whole) &&
        strlen(whole) < sizeof t->config.clip_tokenizer)
        strcpy(t->config.clip_tokenizer, whole);
    return md_bpe_open(path, &t->bpe, t->job.err);
}

static tn_status check_clip(tr_trainer *t) {
    const char *is = md_fvlm_settings(t->model)->clip_sha256, *was = t->config.clip_sha256;
    if (!was[0] || !strcmp(is, was)) return TN_OK;
    return tn_fail(t->job.err, TN_EFORMAT,
                   "%s: SHA-256 %s, expected %s: it is not the CLIP that %s was made with",
                   t->config.clip_path, is, was, t->model_folder);
}

// A model that goes on being trained gives its adapters; a new one begins at random, and so does a
// folder that holds a configuration alone.
static tn_status open_model(tr_trainer *t) {
    char clip[PATH_MAX], adapters[PATH_MAX];
    if (tr_trainer_in_double(t) && strcmp(kn_level(t->job.kn), "ref"))
        return tn_fail(
            t->job.err, TN_EINVAL,
            "--dtype f64 is computed by the reference backend alone: set LEXMASK_CPU=ref");
    TN_TRY(find_clip(t, clip));
    TN_TRY(open_tokenizer(t, clip));
    TN_TRY(nn_params_init(&t->job.params, tr_trainer_in_double(t) ? TN_F64 : TN_F32, t->job.err));
    md_fvlm_open_options options = {.config = &t->config,
                                    .clip = clip,
                                    .params = &t->job.params,
                                    .seed = (uint64_t)t->options->job.seed};
    TN_TRY(md_fvlm_open(&options, t->job.kn, &t->model, t->job.err));
    TN_TRY(check_clip(t));
    if (!t->model_folder || t->own) return TN_OK;
    io_weights *file;
    snprintf(adapters, sizeof adapters, "%s/adapters.safetensors", t->model_folder);
    if (access(adapters, F_OK) != 0) {
        tr_job_note(&t->job, "%s: no adapters yet: they begin at random", t->model_folder);
        return TN_OK;
    }
    TN_TRY(io_weights_open(adapters, &file, t->job.err));
    tn_status status = nn_params_read(&t->job.params, file, t->job.err);
    io_weights_close(file);
    nn_params_changed(&t->job.params, t->job.kn);
    return status;
}

tn_status tr_train_text(tr_job *job, const md_fvlm *model, const md_bpe *bpe,
                        const char *const *names, int64_t count, md_vocabulary *out,
                        tn_error *err) {
    nn_ctx cx = {.kn = job->kn, .step = &job->step, .err = err};
    const md_fvlm_config *config = md_fvlm_settings(model);
    const char *prompts[MD_FVLM_PROMPTS];
    md_names list = {0};
    md_templates templates = {0};
    for (int i = 0; i < config->prompts; i++) prompts[i] = config->prompt[i];
    bool told = config->background_kind == MD_BACKGROUND_TEXT;
    md_vocabulary_options options = {.background = told ? config->background_text : NULL,
                                     .note = tr_job_vocabulary_note,
                                     .user = job,
                                     .progress = tr_job_vocabulary_progress,
                                     .progress_user = job};
    TN_TRY(md_names_from_array(names, (size_t)count, &list, err));
    tn_status status = md_templates_init(prompts, config->prompts, &templates, err);
    if (status == TN_OK)
        status = md_vocabulary_make(&cx, md_fvlm_clip(model), bpe, &list, &templates, &options, out,
                                    err);
    if (status == TN_OK && out->rows != md_vocabulary_columns(out))
        status = tn_fail(err, TN_EINVAL,
                         "a name with '|' stands for two names, which training does "
                         "not take");
    md_templates_deinit(&templates);
    md_names_deinit(&list);
    return status;
}

static tn_status open_task(tr_trainer *t) {
    tn_dtype dtype = t->job.params.dtype;
    TN_TRY(tr_train_text(&t->job, t->model, t->bpe, t->data->names, (int64_t)t->data->name_count,
                         &t->vocabulary, t->job.err));
    const tn_tensor *text = &t->vocabulary.embedding;
    tr_fvlm_configure(&t->task, t->model, (uint64_t)t->options->job.seed);
    t->task.regions.sampler.count = t->task.losses.regions = t->options->regions;
    t->task.kn = t->job.kn;
    t->task.step = &t->job.step;
    t->task.tape = t->job.tape;
    t->task.names = (int64_t)t->data->name_count;
    TN_TRY(tn_new_heap(&t->task.text, dtype, text->rank, text->dim, t->job.err));
    tn_convert(text->data, text->dtype, t->task.text.data, dtype, (size_t)tn_count(text));
    return TN_OK;
}

static tn_status open_validation(tr_trainer *t) {
    const tr_train_options *o = t->options;
    if (!o->val) return TN_OK;
    t->validation = (tr_validation){.job = &t->job,
                                    .model = t->model,
                                    .file = o->val,
                                    .pictures = o->val_pictures ? o->val_pictures : o->pictures,
                                    .limit = o->val_limit};
    return tr_validation_open(&t->validation, t->bpe, o->base, t->job.err);
}

tn_status tr_trainer_hash(tr_trainer *t, uint8_t out[2][IO_SHA256]) {
    const md_clip *clip = md_fvlm_clip(t->model);
    TN_TRY(md_clip_hash(clip, MD_CLIP_IMAGE, t->job.kn, out[0], t->job.err));
    return md_clip_hash(clip, MD_CLIP_TEXT, t->job.kn, out[1], t->job.err);
}

// A run that goes on without a model being named begins with its own folder.
static tn_status choose_model(tr_trainer *t) {
    const tr_train_options *o = t->options;
    TN_TRY(tr_loop_check_folder(o->job.out, o->job.resume, t->job.err));
    t->own = !o->preset && !o->model;
    t->model_folder = t->own ? o->job.out : o->model;
    if (!t->own || (o->job.resume && tr_train_is_run(o->job.out))) return TN_OK;
    return tn_fail(t->job.err, TN_EINVAL,
                   "%s: holds no run to go on with, and neither a preset nor a model was given",
                   o->job.out);
}

tn_status tr_trainer_open(tr_trainer *t) {
    char path[PATH_MAX];
    const tr_train_options *o = t->options;
    TN_TRY(choose_model(t));
    TN_TRY(configure(t));
    TN_TRY(open_data(t));
    TN_TRY(tr_job_open(&t->job));
    TN_TRY(open_model(t));
    TN_TRY(open_task(t));
    TN_TRY(open_validation(t));
    TN_TRY(tr_trainer_hash(t, t->frozen));
    TN_TRY(tr_train_open_cache(t));
    TN_TRY(io_make_folder(o->job.out, t->job.err));
    if (o->dump) TN_TRY(io_make_folder(o->dump, t->job.err));
    if (tr_checkpoint_exists(o->job.out)) return TN_OK; // it goes on, as it is
    snprintf(path, sizeof path, "%s/config.json", o->job.out);
    TN_TRY(md_fvlm_config_write(path, &t->config, t->job.err));
    return tr_train_remember(t);
}

void tr_trainer_close(tr_trainer *t) {
    tr_loader_close(t->loader);
    for (size_t i = 0; i < t->left_outs; i++) tn_free(t->left_out[i]);
    tn_free(t->left_out);
    tr_validation_close(&t->validation);
    tr_cache_close(t->task.cache);
    tn_free(t->task.text.data);
    md_vocabulary_deinit(&t->vocabulary);
    md_bpe_close(t->bpe);
    md_fvlm_close(t->model);
    tr_job_close(&t->job);
    tr_dataset_close(t->data);
    md_fvlm_config_deinit(&t->config);
}
