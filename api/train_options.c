// SPDX-License-Identifier: Apache-2.0
#include "api/train_options.h"

#include "models/fvlm/fvlm_config.h"
#include "train/fvlm_step.h"

#include <stdio.h>
#include <string.h>

API_ENDS_WITH(lexmask_train_options, resume);

static lexmask_train_options defaults(void) {
    return (lexmask_train_options){.size = sizeof(lexmask_train_options),
                                   .steps = LEXMASK_DEFAULT,
                                   .epochs = LEXMASK_DEFAULT,
                                   .warmup = LEXMASK_DEFAULT,
                                   .lr = LEXMASK_DEFAULT,
                                   .decay = LEXMASK_DEFAULT,
                                   .clip_norm = LEXMASK_DEFAULT,
                                   .average = LEXMASK_DEFAULT,
                                   .background_weight = LEXMASK_DEFAULT,
                                   .jitter_min = LEXMASK_DEFAULT,
                                   .jitter_max = LEXMASK_DEFAULT,
                                   .cache_limit = LEXMASK_DEFAULT,
                                   .seed = LEXMASK_DEFAULT,
                                   .save_every = LEXMASK_DEFAULT,
                                   .val_every = LEXMASK_DEFAULT,
                                   .val_limit = LEXMASK_DEFAULT,
                                   .batch = LEXMASK_DEFAULT,
                                   .accumulate = LEXMASK_DEFAULT,
                                   .regions = LEXMASK_DEFAULT,
                                   .picture_size = LEXMASK_DEFAULT,
                                   .flip = 1,
                                   .workers = LEXMASK_DEFAULT,
                                   .threads = LEXMASK_DEFAULT};
}

void lexmask_train_options_init_sized(lexmask_train_options *options, size_t size) {
    lexmask_train_options all = defaults();
    api_init_sized(options, size, &all, sizeof all);
}

#define TRAIN(name, ...) API_OPTION(lexmask_train_options, name, __VA_ARGS__)
static const api_option of_train[] = {
    TRAIN(preset, TEXT),
    TRAIN(model, TEXT),
    TRAIN(clip, TEXT),
    TRAIN(tokenizer, TEXT),
    TRAIN(data, TEXT),
    TRAIN(pictures, TEXT),
    TRAIN(out, TEXT),
    TRAIN(base, TEXT),
    TRAIN(val, TEXT),
    TRAIN(val_pictures, TEXT),
    TRAIN(cache, TEXT),
    TRAIN(device, TEXT),
    TRAIN(dtype, TEXT),
    TRAIN(optimizer, TEXT),
    TRAIN(loss, TEXT),
    TRAIN(norm, TEXT),
    TRAIN(steps, INT64, 1, 1e9, true),
    TRAIN(epochs, REAL, 1e-6, 1e6, true),
    TRAIN(warmup, INT64, 0, 1e9, true),
    TRAIN(lr, REAL, 0, 10, true),
    TRAIN(decay, REAL, 0, 10, true),
    TRAIN(clip_norm, REAL, 0, 1e6, true),
    TRAIN(average, REAL, 0, 1, true),
    TRAIN(background_weight, REAL, 0, 100, true),
    TRAIN(jitter_min, REAL, 0.01, 10, true),
    TRAIN(jitter_max, REAL, 0.01, 10, true),
    TRAIN(cache_limit, REAL, 0, 1e6, true),
    TRAIN(seed, INT64, 0, 9007199254740992.0, true),
    TRAIN(save_every, INT64, 1, 1e12, true),
    TRAIN(val_every, INT64, 1, 1e12, true),
    TRAIN(val_limit, INT64, 1, 1e9, true),
    TRAIN(batch, INT, 1, TR_BATCH, true),
    TRAIN(accumulate, INT, 1, 65536, true),
    TRAIN(regions, INT, 8, 4096, true),
    TRAIN(picture_size, INT, MD_FVLM_MIN_SIZE, MD_FVLM_MAX_SIZE, true),
    TRAIN(flip, INT, 0, 1),
    TRAIN(workers, INT, 0, 256, true),
    TRAIN(threads, INT, 1, 1024, true),
    TRAIN(resume, INT, 0, 1),
};
enum { TRAIN_OPTIONS = sizeof of_train / sizeof *of_train };

// ---- to the job --------------------------------------------------------------------------------

#define TEXT(field, to)                                                                            \
    if (given->field) o->to = given->field
static void take_texts(const lexmask_train_options *given, tr_train_options *o) {
    TEXT(preset, preset);
    TEXT(model, model);
    TEXT(clip, clip);
    TEXT(tokenizer, tokenizer);
    TEXT(data, data);
    TEXT(pictures, pictures);
    TEXT(base, base);
    TEXT(val, val);
    TEXT(val_pictures, val_pictures);
    TEXT(cache, cache);
    TEXT(device, job.device);
    TEXT(dtype, job.matmul);
    TEXT(optimizer, optimizer);
    TEXT(loss, loss);
    TEXT(norm, norm);
    o->job.out = given->out;
}

#define NUMBER(field, to)                                                                          \
    if (given->field != LEXMASK_DEFAULT) o->to = given->field
static void take_numbers(const lexmask_train_options *given, tr_train_options *o) {
    NUMBER(steps, job.steps);
    NUMBER(epochs, epochs);
    NUMBER(warmup, job.warmup);
    NUMBER(lr, job.lr);
    NUMBER(decay, decay);
    NUMBER(clip_norm, job.clip_norm);
    NUMBER(average, job.average);
    NUMBER(background_weight, background);
    NUMBER(cache_limit, cache_limit);
    NUMBER(seed, job.seed);
    NUMBER(save_every, job.save_every);
    NUMBER(val_every, job.validate_every);
    NUMBER(val_limit, val_limit);
    NUMBER(batch, job.batch);
    NUMBER(accumulate, accumulate);
    NUMBER(regions, regions);
    NUMBER(picture_size, size);
    NUMBER(workers, workers);
    NUMBER(threads, job.threads);
    o->no_flip = !given->flip;
    o->job.resume = given->resume;
}

static tn_status take_jitter(const lexmask_train_options *given, api_train_given *to,
                             tn_error *err) {
    double low = given->jitter_min, high = given->jitter_max;
    if (low == LEXMASK_DEFAULT && high == LEXMASK_DEFAULT) return TN_OK;
    if (low == LEXMASK_DEFAULT || high == LEXMASK_DEFAULT || low > high)
        return tn_fail(err, TN_EINVAL,
                       "training options jitter_min and jitter_max are %.12g and %.12g: expected "
                       "both or neither, the smaller one first",
                       low, high);
    snprintf(to->jitter, sizeof to->jitter, "%.17g,%.17g", low, high);
    to->job.jitter = to->jitter;
    return TN_OK;
}

tn_status api_train_options(const lexmask_train_options *given, api_train_given *to,
                            tn_error *err) {
    lexmask_train_options o = defaults();
    if (!given) return tn_fail(err, TN_EINVAL, "training options are NULL");
    TN_TRY(api_take_sized(given, &o, sizeof o, "training options", err));
    TN_TRY(api_check("training", of_train, TRAIN_OPTIONS, &o, err));
    to->job = tr_train_defaults();
    if (o.resume && o.out && tr_train_is_run(o.out))
        TN_TRY(tr_train_recall(o.out, &to->recalled, &to->job, err));
    take_texts(&o, &to->job);
    take_numbers(&o, &to->job);
    return take_jitter(&o, to, err);
}

void api_train_options_free(api_train_given *given) {
    tr_train_recalled_free(&given->recalled);
}

// ---- names in texts ----------------------------------------------------------------------------

// The field of an option; NULL: none has it.
static const char *field_of(const char *option, size_t length) {
    static const char *const other[][2] = {{"size", "picture_size"},
                                           {"matmul", "dtype"},
                                           {"jitter", "jitter_min, jitter_max"},
                                           {"no-flip", "flip = 0"}};
    char name[32];
    if (length >= sizeof name) return NULL;
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        if (strlen(other[i][0]) == length && !memcmp(option, other[i][0], length))
            return other[i][1];
    for (size_t i = 0; i < length; i++) name[i] = option[i] == '-' ? '_' : option[i];
    name[length] = 0;
    for (size_t i = 0; i < TRAIN_OPTIONS; i++)
        if (!strcmp(of_train[i].name, name)) return of_train[i].name;
    return NULL;
}

void api_train_text(const char *text, char *out, size_t bytes) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz-";
    size_t used = 0;
    for (const char *at = text; *at && used + 1 < bytes;) {
        bool word = at == text || at[-1] == ' ' || at[-1] == '(';
        size_t length = word && !strncmp(at, "--", 2) ? strspn(at + 2, letters) : 0;
        const char *field = length ? field_of(at + 2, length) : NULL;
        if (!field) {
            out[used++] = *at++;
            continue;
        }
        used += (size_t)snprintf(out + used, bytes - used, "%s", field);
        if (used >= bytes) used = bytes - 1;
        at += 2 + length;
    }
    out[used] = 0;
}
