// SPDX-License-Identifier: Apache-2.0
// lexmask train, until all is open: configuration and flags, data, model, text, validation.
#include "tools/train/train_job.h"

#include "io/file.h"
#include "io/published.h"
#include "tools/shared/context.h"
#include "tools/shared/progress.h"

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
static void apply_batch(tool_trainer *t) {
    const tool_train_options *o = t->options;
    int64_t whole = t->config.training_batch;
    t->batch = o->batch ? o->batch : whole < MOST_AT_ONCE ? whole : MOST_AT_ONCE;
    t->accumulate = o->accumulate ? o->accumulate
                    : o->batch    ? 1
                                  : (whole + t->batch - 1) / t->batch;
    t->config.training_batch = t->batch * t->accumulate;
}

static tn_status apply_flags(tool_trainer *t) {
    md_fvlm_config *c = &t->config;
    const tool_train_options *o = t->options;
    given(o->lr, &c->training_lr);
    given(o->decay, &c->training_decay);
    given(o->clip_norm, &c->training_clip);
    given(o->background, &c->training_background);
    if (o->size) c->picture_size = o->size;
    if (o->no_flip) c->training_flip = false;
    if (o->norm)
        c->pyramid_norm = !strcmp(o->norm, "batch")   ? MD_NORM_BATCH
                          : !strcmp(o->norm, "group") ? MD_NORM_GROUP
                                                      : MD_NORM_NONE;
    if (o->loss) c->training_loss = strcmp(o->loss, "cosine") ? MD_LOSS_SOFTMAX : MD_LOSS_COSINE;
    if (o->jitter) TN_TRY(apply_jitter(o->jitter, c->training_jitter, t->err));
    apply_batch(t);
    return TN_OK;
}

static tn_status configure(tool_trainer *t) {
    if (t->options->model) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/config.json", t->options->model);
        TN_TRY(md_fvlm_config_read(path, &t->config, t->err));
        t->config.contrast[0] = 0; // a run's folder has no such file
    } else {
        bool known = md_fvlm_preset(t->options->preset, &t->config);
        TN_CHECK(known, "the preset %s is offered but unknown", t->options->preset);
    }
    return apply_flags(t);
}

// How long: --steps, --epochs, or what the configuration has. A warm-up that was not asked for is
// never more than a tenth of it.
static void plan(tool_trainer *t) {
    const tool_train_options *o = t->options;
    md_fvlm_config *c = &t->config;
    if (o->steps) c->training_steps = o->steps;
    if (o->epochs > 0) {
        double steps = ceil(o->epochs * (double)t->data->count / (double)c->training_batch);
        c->training_steps = steps < 1 ? 1 : steps > MOST_STEPS ? MOST_STEPS : (int64_t)steps;
    }
    if (o->warmup >= 0)
        c->training_warmup = o->warmup;
    else if (c->training_warmup > c->training_steps / 10)
        c->training_warmup = c->training_steps / 10;
}

// ---- opening -----------------------------------------------------------------------------------

static tn_status open_data(tool_trainer *t) {
    char text[1024];
    tr_dataset_options options = {.annotations = t->options->data,
                                  .pictures = t->options->pictures,
                                  .base = t->options->base};
    TN_TRY(tr_dataset_open(&options, &t->data, t->err));
    TN_TRY(tool_train_find_pictures(t->data, t->options->data, t->err));
    tool_note("%s: %s", t->options->data, tr_counts_text(t->data->counts, text, sizeof text));
    plan(t);
    if (t->config.pyramid_norm == MD_NORM_BATCH && t->batch < FEW)
        tool_note("batch norm: its statistics are those of %lld pictures, which go through "
                  "together, not of the %lld of an update; --norm group does without",
                  (long long)t->batch, (long long)t->config.training_batch);
    return md_fvlm_config_set_base(&t->config, t->data->names, (int64_t)t->data->name_count,
                                   t->err);
}

bool tool_trainer_in_double(const tool_trainer *t) {
    return t->options->dtype && !strcmp(t->options->dtype, "f64");
}

// A run's folder is a model's folder, and may be elsewhere than the CLIP: its path is made
// absolute.
static tn_status find_clip(tool_trainer *t, char clip[PATH_MAX]) {
    char given_path[PATH_MAX];
    if (t->options->clip) {
        TN_TRY(md_published_resolve(t->options->clip, given_path, sizeof given_path, t->err));
    } else if (t->config.clip_path[0] == '/') {
        snprintf(given_path, sizeof given_path, "%s", t->config.clip_path);
    } else {
        snprintf(given_path, sizeof given_path, "%s/%s", t->options->model, t->config.clip_path);
    }
    if (!realpath(given_path, clip)) return tn_fail(t->err, TN_EIO, "%s: no such CLIP", given_path);
    if (strlen(clip) >= sizeof t->config.clip_path)
        return tn_fail(t->err, TN_EINVAL, "%s: too long a path", clip);
    strcpy(t->config.clip_path, clip);
    return t->options->clip ? md_fvlm_clip_hash(clip, t->config.clip_sha256, t->err) : TN_OK;
}

static tn_status open_tokenizer(tool_trainer *t, const char *clip) {
    char path[PATH_MAX];
    const char *known = t->config.clip_tokenizer[0] ? t->config.clip_tokenizer : NULL;
    if (t->options->tokenizer) known = t->options->tokenizer;
    TN_TRY(md_find_tokenizer(clip, known, path, sizeof path, t->err));
    char whole[PATH_MAX];
    if (t->options->tokenizer && realpath(path, whole) &&
        strlen(whole) < sizeof t->config.clip_tokenizer)
        strcpy(t->config.clip_tokenizer, whole);
    return md_bpe_open(path, &t->bpe, t->err);
}

static tn_status check_clip(tool_trainer *t) {
    const char *is = md_fvlm_settings(t->model)->clip_sha256, *was = t->config.clip_sha256;
    if (!was[0] || !strcmp(is, was)) return TN_OK;
    return tn_fail(t->err, TN_EFORMAT,
                   "%s: SHA-256 %s, expected %s: it is not the CLIP that %s was made with",
                   t->config.clip_path, is, was, t->options->model);
}

// A model that goes on being trained gives its adapters; a new one begins at random, and so does a
// folder that holds a configuration alone.
static tn_status open_model(tool_trainer *t) {
    char clip[PATH_MAX], adapters[PATH_MAX];
    if (tool_trainer_in_double(t) && strcmp(kn_level(t->kn), "ref"))
        return tn_fail(
            t->err, TN_EINVAL,
            "--dtype f64 is computed by the reference backend alone: set LEXMASK_CPU=ref");
    TN_TRY(find_clip(t, clip));
    TN_TRY(open_tokenizer(t, clip));
    TN_TRY(nn_params_init(&t->params, tool_trainer_in_double(t) ? TN_F64 : TN_F32, t->err));
    md_fvlm_open_options options = {.config = &t->config,
                                    .clip = clip,
                                    .params = &t->params,
                                    .seed = (uint64_t)t->options->seed};
    TN_TRY(md_fvlm_open(&options, t->kn, &t->model, t->err));
    TN_TRY(check_clip(t));
    if (!t->options->model || t->options->own) return TN_OK;
    io_weights *file;
    snprintf(adapters, sizeof adapters, "%s/adapters.safetensors", t->options->model);
    if (access(adapters, F_OK) != 0) {
        tool_note("%s: no adapters yet: they begin at random", t->options->model);
        return TN_OK;
    }
    TN_TRY(io_weights_open(adapters, &file, t->err));
    tn_status status = nn_params_read(&t->params, file, t->err);
    io_weights_close(file);
    nn_params_changed(&t->params, t->kn);
    return status;
}

static void tell(void *user, const char *text) {
    (void)user;
    tool_note("%s", text);
}

tn_status tool_train_text(nn_ctx *cx, const md_fvlm *model, const md_bpe *bpe,
                          const char *const *names, int64_t count, md_vocabulary *out,
                          tn_error *err) {
    const md_fvlm_config *config = md_fvlm_settings(model);
    const char *prompts[MD_FVLM_PROMPTS];
    md_names list = {0};
    md_templates templates = {0};
    for (int i = 0; i < config->prompts; i++) prompts[i] = config->prompt[i];
    bool told = config->background_kind == MD_BACKGROUND_TEXT;
    md_vocabulary_options options = {.background = told ? config->background_text : NULL,
                                     .note = tell,
                                     .progress = tool_sentences_progress};
    TN_TRY(md_names_take(names, (size_t)count, &list, err));
    tn_status status = md_templates_init(prompts, config->prompts, &templates, err);
    if (status == TN_OK)
        status =
            md_vocabulary_make(cx, md_fvlm_clip(model), bpe, &list, &templates, &options, out, err);
    if (status == TN_OK && out->rows != md_vocabulary_columns(out))
        status = tn_fail(err, TN_EINVAL,
                         "a name with '|' stands for two names, which training does "
                         "not take");
    md_templates_deinit(&templates);
    md_names_deinit(&list);
    return status;
}

static tn_status open_task(tool_trainer *t) {
    nn_ctx cx = {.kn = t->kn, .step = &t->step, .err = t->err};
    tn_dtype dtype = t->params.dtype;
    TN_TRY(tool_train_text(&cx, t->model, t->bpe, t->data->names, (int64_t)t->data->name_count,
                           &t->vocabulary, t->err));
    const tn_tensor *text = &t->vocabulary.embedding;
    tr_fvlm_configure(&t->task, t->model, (uint64_t)t->options->seed);
    t->task.regions.sampler.count = t->task.losses.regions = t->options->regions;
    t->task.kn = t->kn;
    t->task.step = &t->step;
    t->task.names = (int64_t)t->data->name_count;
    TN_TRY(tn_new_heap(&t->task.text, dtype, text->rank, text->dim, t->err));
    tn_convert(text->data, text->dtype, t->task.text.data, dtype, (size_t)tn_count(text));
    return nn_tape_new(&t->task.tape, t->err);
}

static tn_status open_validation(tool_trainer *t) {
    const tool_train_options *o = t->options;
    if (!o->val) return TN_OK;
    t->validation = (tool_validation){.model = t->model,
                                      .kn = t->kn,
                                      .step = &t->step,
                                      .file = o->val,
                                      .pictures = o->val_pictures ? o->val_pictures : o->pictures,
                                      .limit = o->val_limit,
                                      .stop = tool_interrupted};
    return tool_validation_open(&t->validation, t->bpe, o->base, t->err);
}

tn_status tool_trainer_hash(tool_trainer *t, uint8_t out[2][IO_SHA256]) {
    const md_clip *clip = md_fvlm_clip(t->model);
    TN_TRY(md_clip_hash(clip, MD_CLIP_IMAGE, t->kn, out[0], t->err));
    return md_clip_hash(clip, MD_CLIP_TEXT, t->kn, out[1], t->err);
}

tn_status tool_trainer_open(tool_trainer *t) {
    char path[PATH_MAX];
    const tool_train_options *o = t->options;
    TN_TRY(configure(t));
    TN_TRY(open_data(t));
    TN_TRY(kn_open("cpu", NULL, (int)o->threads, &t->kn, t->err));
    TN_TRY(tool_set_matmul(t->kn, o->matmul, t->err));
    TN_TRY(tn_arena_init_large(&t->step, t->err));
    TN_TRY(open_model(t));
    TN_TRY(open_task(t));
    TN_TRY(open_validation(t));
    TN_TRY(tool_trainer_hash(t, t->frozen));
    TN_TRY(tool_train_open_cache(t));
    TN_TRY(io_make_folder(o->out, t->err));
    if (o->dump) TN_TRY(io_make_folder(o->dump, t->err));
    snprintf(path, sizeof path, "%s/config.json", o->out);
    if (!o->resume || !tr_checkpoint_exists(o->out)) {
        if (tr_checkpoint_exists(o->out)) return TN_OK; // tr_run_go says what is wrong
        TN_TRY(md_fvlm_config_write(path, &t->config, t->err));
        TN_TRY(tool_train_remember(t));
    }
    return TN_OK;
}

void tool_trainer_close(tool_trainer *t) {
    tr_loader_close(t->loader);
    for (size_t i = 0; i < t->left_outs; i++) tn_free(t->left_out[i]);
    tn_free(t->left_out);
    tool_validation_close(&t->validation);
    tr_cache_close(t->task.cache);
    nn_tape_free(t->task.tape);
    tn_free(t->task.text.data);
    md_vocabulary_deinit(&t->vocabulary);
    md_bpe_close(t->bpe);
    md_fvlm_close(t->model);
    nn_params_deinit(&t->params);
    tn_arena_deinit(&t->step);
    kn_close(t->kn);
    tr_dataset_close(t->data);
    md_fvlm_config_deinit(&t->config);
}
