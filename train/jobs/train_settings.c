// SPDX-License-Identifier: Apache-2.0
// RUN/run.json: what a run was given that its config.json does not say, so that --resume needs no
// other option. Paths are absolute.
#include "train/jobs/train_parts.h"

#include "io/file.h"
#include "io/json.h"
#include "train/checkpoint.h"

#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

typedef enum kind { PATH, TEXT, WHOLE, REAL } kind;

typedef struct setting {
    const char *key; // the option's name
    kind kind;
    size_t offset; // in tr_train_options
    int64_t low, high;
} setting;

#define AT(field) offsetof(tr_train_options, field)
static const setting settings[] = {
    {"data", PATH, AT(data)},
    {"pictures", PATH, AT(pictures)},
    {"base", PATH, AT(base)},
    {"val", PATH, AT(val)},
    {"val-pictures", PATH, AT(val_pictures)},
    {"dtype", TEXT, AT(dtype)},
    {"optimizer", TEXT, AT(optimizer)},
    {"matmul", TEXT, AT(job.matmul)},
    {"cache", PATH, AT(cache)},
    {"batch", WHOLE, AT(job.batch), 1, TR_BATCH},
    {"accumulate", WHOLE, AT(accumulate), 1, 65536},
    {"warmup", WHOLE, AT(job.warmup), 0, 1000000000000},
    {"regions", WHOLE, AT(regions), 8, 4096},
    {"seed", WHOLE, AT(job.seed), 0, (int64_t)1 << 53},
    {"save-every", WHOLE, AT(job.save_every), 1, 1000000000000},
    {"val-every", WHOLE, AT(job.validate_every), 1, 1000000000000},
    {"val-limit", WHOLE, AT(val_limit), 0, 1000000000},
    {"patience", WHOLE, AT(patience), 0, 1000000000},
    {"workers", WHOLE, AT(workers), 0, 256},
    {"average", REAL, AT(job.average), 0, 1},
    {"cache-limit", REAL, AT(cache_limit), 0, 1000000},
};
#define SETTINGS (sizeof settings / sizeof *settings)

static void path_in(const char *folder, char out[PATH_MAX]) {
    snprintf(out, PATH_MAX, "%s/run.json", folder);
}

// ---- writing -----------------------------------------------------------------------------------

// What is no file there (the name of a split that is built in) stays as it is.
static json_t *as_path(const char *text) {
    char whole[PATH_MAX];
    return json_string(realpath(text, whole) ? whole : text);
}

// NULL: not given, so nothing is written; or out of memory, in *lost.
static json_t *value_of(const setting *s, const void *field, bool *lost) {
    const char *text = s->kind == PATH || s->kind == TEXT ? *(const char *const *)field : NULL;
    json_t *value = NULL;
    if ((s->kind == PATH || s->kind == TEXT) && !text) return NULL;
    if (s->kind == PATH) value = as_path(text);
    if (s->kind == TEXT) value = json_string(text);
    if (s->kind == WHOLE) value = json_integer(*(const int64_t *)field);
    if (s->kind == REAL) value = json_real(*(const double *)field);
    *lost = *lost || !value;
    return value;
}

tn_status tr_train_remember(const tr_trainer *t) {
    char path[PATH_MAX];
    io_writer writer;
    tr_train_options o = *t->options;
    o.job.batch = t->batch, o.accumulate = t->accumulate;
    o.job.warmup = t->config.training_warmup;
    path_in(o.job.out, path);
    json_t *root = json_object();
    bool lost = !root;
    for (size_t i = 0; i < SETTINGS && !lost; i++) {
        json_t *value = value_of(&settings[i], (const char *)&o + settings[i].offset, &lost);
        if (value) lost = json_object_set_new(root, settings[i].key, value) != 0;
    }
    tn_status status = lost ? tn_fail(t->job.err, TN_ENOMEM, "%s: out of memory", path)
                            : io_writer_open(&writer, path, t->job.err);
    if (status == TN_OK) {
        json_dumpf(root, writer.file, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
        fputc('\n', writer.file);
        status = io_writer_commit(&writer, t->job.err);
    }
    json_decref(root);
    return status;
}

// ---- reading -----------------------------------------------------------------------------------

static tn_status take_real(const io_json *member, const setting *s, double *out, tn_error *err) {
    TN_TRY(io_json_as_number(member, out, err));
    if (*out >= (double)s->low && *out <= (double)s->high) return TN_OK;
    return io_json_fail(member, err, "expected a number from %lld to %lld, found %g",
                        (long long)s->low, (long long)s->high, *out);
}

static tn_status take(const io_json *member, tr_train_recalled *r, tr_train_options *o,
                      tn_error *err) {
    for (size_t i = 0; i < SETTINGS; i++) {
        const setting *s = &settings[i];
        void *field = (char *)o + s->offset;
        if (strcmp(member->key, s->key)) continue;
        if (s->kind == WHOLE) return io_json_as_int(member, s->low, s->high, field, err);
        if (s->kind == REAL) return take_real(member, s, field, err);
        const char *text;
        TN_TRY(io_json_as_string(member, &text, err));
        TN_CHECK(r->count < TR_TRAIN_RECALLED, "too many texts");
        if (!(r->text[r->count] = tn_strdup(text)))
            return tn_fail(err, TN_ENOMEM, "%s: out of memory", member->file);
        *(const char **)field = r->text[r->count++];
        return TN_OK;
    }
    return io_json_fail(member, err, "no such setting of a run");
}

static tn_status take_all(const io_json *document, tr_train_recalled *r, tr_train_options *o,
                          tn_error *err) {
    io_json member;
    TN_TRY(io_json_expect(document, IO_JSON_OBJECT, err));
    for (void *at = NULL; io_json_each(document, &at, &member);) TN_TRY(take(&member, r, o, err));
    if (!o->data) return io_json_fail(document, err, "no \"data\" in it");
    if (!o->pictures) return io_json_fail(document, err, "no \"pictures\" in it");
    return TN_OK;
}

bool tr_train_is_run(const char *folder) {
    char path[PATH_MAX];
    FILE *file;
    path_in(folder, path);
    if (!tr_checkpoint_exists(folder) || !(file = fopen(path, "re"))) return false;
    fclose(file);
    return true;
}

tn_status tr_train_recall(const char *folder, tr_train_recalled *r, tr_train_options *o,
                          tn_error *err) {
    char path[PATH_MAX];
    io_json document;
    path_in(folder, path);
    TN_TRY(io_json_read(path, (size_t)1 << 20, &document, err));
    tn_status status = take_all(&document, r, o, err);
    io_json_close(&document);
    return status;
}

void tr_train_recalled_free(tr_train_recalled *r) {
    for (int i = 0; i < r->count; i++) tn_free(r->text[i]);
    r->count = 0;
}
