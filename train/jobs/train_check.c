// SPDX-License-Identifier: Apache-2.0
// The options of a training, before anything is opened, and their defaults.
#include "models/fvlm/fvlm_config.h"
#include "train/jobs/train_parts.h"

#define MAX_UPDATES 1e9

tr_train_options tr_train_defaults(void) {
    return (tr_train_options){.job = {.warmup = -1,
                                      .lr = -1,
                                      .clip_norm = -1,
                                      .seed = 1,
                                      .save_every = 200,
                                      .validate_every = 1000},
                              .decay = -1,
                              .background = -1,
                              .regions = 512,
                              .workers = 2,
                              .cache_limit = 50};
}

static tn_status check_numbers(const tr_train_options *o, tn_error *err) {
    const tr_job_number numbers[] = {
        {"batch", (double)o->job.batch, 0, TR_BATCH},
        {"accumulate", (double)o->accumulate, 0, 65536},
        {"steps", (double)o->job.steps, 0, MAX_UPDATES},
        {"epochs", o->epochs, 0, 1e6},
        {"lr", o->job.lr, -1, 10},
        {"warmup", (double)o->job.warmup, -1, MAX_UPDATES},
        {"decay", o->decay, -1, 10},
        {"clip-norm", o->job.clip_norm, -1, 1e6},
        {"background-weight", o->background, -1, 100},
        {"regions", (double)o->regions, 8, 4096},
        {"size", (double)o->size, o->size ? MD_FVLM_MIN_SIZE : 0, MD_FVLM_MAX_SIZE},
        {"val-limit", (double)o->val_limit, 0, 1e9},
        {"patience", (double)o->patience, 0, 1e9},
        {"cache-limit", o->cache_limit, 0, 1e6},
        {"workers", (double)o->workers, 0, 256},
    };
    return tr_job_check_numbers(numbers, sizeof numbers / sizeof *numbers, err);
}

static tn_status check_words(const tr_train_options *o, tn_error *err) {
    TN_TRY(tr_job_check_word("optimizer", o->optimizer, "adamw|muon", err));
    TN_TRY(tr_job_check_word("loss", o->loss, "softmax|cosine", err));
    TN_TRY(tr_job_check_word("norm", o->norm, "batch|group|none", err));
    return tr_job_check_word("dtype", o->dtype, "f32|f64", err);
}

// What is missing or contradicts itself.
static const char *misuse(const tr_train_options *o) {
    if (!o->data) return "--data: no annotations to train on were given";
    if (!o->pictures) return "--pictures: no folder of pictures was given";
    if (o->preset && o->model) return "--preset begins a new model: --model does not go with it";
    if (o->preset && !o->clip) return "--preset: a new model needs a CLIP (--clip)";
    if (!o->preset && o->clip) return "--clip goes with --preset: a model says which CLIP it has";
    if (!o->preset && o->norm) return "--norm goes with --preset: a model has its own";
    if (o->job.steps && o->epochs > 0) return "--steps or --epochs, not both";
    if (o->flip && o->no_flip) return "--flip or --no-flip, not both";
    if (o->patience && !o->val) return "--patience goes with --val";
    if (o->val_pictures && !o->val) return "--val-pictures goes with --val";
    return NULL;
}

tn_status tr_train_check(const tr_train_options *o, tn_error *err) {
    const char *wrong = misuse(o);
    TN_TRY(tr_job_check(&o->job, err));
    if (wrong) return tn_fail(err, TN_EINVAL, "%s", wrong);
    TN_TRY(check_words(o, err));
    return check_numbers(o, err);
}
