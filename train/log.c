// SPDX-License-Identifier: Apache-2.0
#include "train/log.h"

#include "io/file.h"
#include "io/json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME 80 // bytes of one name, including its zero
#define MAX_LOG_BYTES (1u << 30)

typedef struct curve {
    char name[NAME];
    double *step, *value;
    size_t count, capacity;
} curve;

struct tr_log {
    char *path;
    FILE *file;
    curve *curves;
    size_t curve_count, curve_capacity;
};

// ---- curves ------------------------------------------------------------------------------------

static curve *find(const tr_log *log, const char *name) {
    for (size_t i = 0; i < log->curve_count; i++)
        if (!strcmp(log->curves[i].name, name)) return (curve *)&log->curves[i];
    return NULL;
}

static tn_status no_memory(const tr_log *log, tn_error *err) {
    return tn_fail(err, TN_ENOMEM, "%s: out of memory", log->path);
}

static tn_status grow(curve *c) {
    size_t capacity = c->capacity ? 2 * c->capacity : 256, bytes = c->capacity * sizeof(double);
    double *step = tn_realloc(c->step, bytes, capacity * sizeof(double));
    if (!step) return TN_ENOMEM;
    c->step = step;
    double *value = tn_realloc(c->value, bytes, capacity * sizeof(double));
    if (!value) return TN_ENOMEM;
    c->value = value;
    c->capacity = capacity;
    return TN_OK;
}

// NULL: out of memory.
static curve *add_curve(tr_log *log, const char *name) {
    if (log->curve_count == log->curve_capacity) {
        size_t capacity = log->curve_capacity ? 2 * log->curve_capacity : 64,
               size = sizeof *log->curves;
        curve *more = tn_realloc(log->curves, log->curve_capacity * size, capacity * size);
        if (!more) return NULL;
        log->curves = more, log->curve_capacity = capacity;
    }
    curve *c = &log->curves[log->curve_count++];
    *c = (curve){0};
    snprintf(c->name, sizeof c->name, "%s", name);
    return c;
}

// A longer name is written to the file, but has no curve.
static tn_status keep(tr_log *log, const char *name, int64_t step, double value, tn_error *err) {
    if (strlen(name) >= NAME) return TN_OK;
    curve *c = find(log, name);
    if (!c) c = add_curve(log, name);
    if (!c || (c->count == c->capacity && grow(c) != TN_OK)) return no_memory(log, err);
    c->step[c->count] = (double)step;
    c->value[c->count++] = value;
    return TN_OK;
}

double tr_log_last(const tr_log *log, const char *name) {
    const curve *c = find(log, name);
    return c && c->count ? c->value[c->count - 1] : NAN;
}

int64_t tr_log_last_step(const tr_log *log, const char *name) {
    const curve *c = find(log, name);
    return c && c->count ? (int64_t)c->step[c->count - 1] : -1;
}

// ---- reading an existing log -------------------------------------------------------------------

// Adds the numbers of one line to the curves; sets *later if its step is after `step`.
static tn_status take_line(tr_log *log, const char *line, size_t length, int64_t step, bool *later,
                           tn_error *err) {
    io_json document, member;
    int64_t at;
    TN_TRY(io_json_parse(line, length, log->path, &document, err));
    tn_status status = io_json_int(&document, "step", 0, INT64_MAX, &at, err);
    *later = status == TN_OK && at > step;
    for (void *each = NULL;
         status == TN_OK && !*later && io_json_each(&document, &each, &member);) {
        double value;
        if (!strcmp(member.key, "step") || !io_json_is(&member, IO_JSON_NUMBER)) continue;
        status = io_json_as_number(&member, &value, err);
        if (status == TN_OK) status = keep(log, member.key, at, value, err);
    }
    io_json_close(&document);
    return status;
}

// Reads lines up to the given step: *keep_bytes of the text are kept.
static tn_status take_lines(tr_log *log, const char *text, size_t count, int64_t step,
                            size_t *keep_bytes, tn_error *err) {
    size_t from = 0;
    for (long number = 1; from < count; number++) {
        const char *end = memchr(text + from, '\n', count - from);
        if (!end) break; // incomplete last line
        size_t length = (size_t)(end - text) - from;
        bool later = false;
        tn_status status = take_line(log, text + from, length, step, &later, err);
        if (status != TN_OK) {
            tn_error cause = *err;
            return tn_fail(err, status, "%s: line %ld of the log: %.800s", log->path, number,
                           cause.text);
        }
        if (later) break;
        from += length + 1;
    }
    *keep_bytes = from;
    return TN_OK;
}

static tn_status take_up(tr_log *log, int64_t step, tn_error *err) {
    char *text;
    size_t count, stay = 0;
    if (access(log->path, F_OK) != 0) return TN_OK;
    TN_TRY(io_read_text(log->path, MAX_LOG_BYTES, &text, &count, err));
    tn_status status = take_lines(log, text, count, step, &stay, err);
    tn_free(text);
    if (status == TN_OK && stay < count && truncate(log->path, (off_t)stay) != 0)
        status = tn_fail(err, TN_EIO, "%s: cannot write: %s", log->path, strerror(errno));
    return status;
}

tn_status tr_log_open(const char *path, int64_t step, tr_log **out, tn_error *err) {
    tr_log *log = tn_alloc_zero(1, sizeof *log);
    if (!log || !(log->path = tn_strdup(path))) {
        tr_log_close(log);
        return tn_fail(err, TN_ENOMEM, "%s: out of memory", path);
    }
    tn_status status = take_up(log, step, err);
    if (status == TN_OK && !(log->file = fopen(path, "ae")))
        status = tn_fail(err, TN_EIO, "%s: cannot write: %s", path, strerror(errno));
    if (status != TN_OK) {
        tr_log_close(log);
        return status;
    }
    *out = log;
    return TN_OK;
}

void tr_log_close(tr_log *log) {
    if (!log) return;
    if (log->file) fclose(log->file);
    for (size_t i = 0; i < log->curve_count; i++) {
        tn_free(log->curves[i].step);
        tn_free(log->curves[i].value);
    }
    tn_free(log->curves);
    tn_free(log->path);
    tn_free(log);
}

// ---- writing -----------------------------------------------------------------------------------

static tn_status put_line(tr_log *log, tn_error *err) {
    if (fputs("}\n", log->file) >= 0 && fflush(log->file) == 0 && !ferror(log->file)) return TN_OK;
    return tn_fail(err, TN_EIO, "%s: cannot write: %s", log->path, strerror(errno));
}

tn_status tr_log_add(tr_log *log, int64_t step, const tr_value *values, size_t count,
                     tn_error *err) {
    fprintf(log->file, "{\"step\":%lld", (long long)step);
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i].value)) {
            fprintf(log->file, ",\"%s\":null", values[i].name);
            continue;
        }
        fprintf(log->file, ",\"%s\":%.9g", values[i].name, values[i].value);
        TN_TRY(keep(log, values[i].name, step, values[i].value, err));
    }
    return put_line(log, err);
}

static void put_string(FILE *file, const char *text) {
    fputc('"', file);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            fprintf(file, "\\%c", c);
        else if (c < ' ')
            fprintf(file, "\\u%04x", c);
        else
            fputc(c, file);
    }
    fputc('"', file);
}

tn_status tr_log_note(tr_log *log, int64_t step, const char *event, const char *text,
                      tn_error *err) {
    fprintf(log->file, "{\"step\":%lld,\"event\":", (long long)step);
    put_string(log->file, event);
    fputs(",\"text\":", log->file);
    put_string(log->file, text);
    return put_line(log, err);
}

// ---- charts ------------------------------------------------------------------------------------

size_t tr_log_curve(const tr_log *log, const char *name, double *x, double *y) {
    const curve *c = find(log, name);
    if (!c) return 0;
    size_t points = c->count < TR_POINTS ? c->count : TR_POINTS;
    for (size_t p = 0; p < points; p++) {
        size_t from = p * c->count / points, to = (p + 1) * c->count / points;
        x[p] = y[p] = 0;
        for (size_t i = from; i < to; i++) x[p] += c->step[i], y[p] += c->value[i];
        x[p] /= (double)(to - from);
        y[p] /= (double)(to - from);
    }
    return points;
}

bool tr_log_best(const tr_log *log, const char *name, tr_best *out) {
    const curve *c = find(log, name);
    size_t best = 0;
    if (!c || !c->count) return false;
    for (size_t i = 1; i < c->count; i++)
        if (c->value[i] > c->value[best]) best = i;
    *out = (tr_best){c->value[best], (int64_t)c->step[best], (int64_t)(c->count - 1 - best)};
    return true;
}

// ---- table -------------------------------------------------------------------------------------

// The next step that one of the curves has after `from`; INFINITY when there is none.
static double next_step(const curve *const *curves, size_t count, double from) {
    double next = INFINITY;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < curves[i]->count; k++)
            if (curves[i]->step[k] > from && curves[i]->step[k] < next) next = curves[i]->step[k];
    return next;
}

static void put_row(FILE *file, const curve *const *curves, size_t count, double step) {
    fprintf(file, "%.0f", step);
    for (size_t i = 0; i < count; i++) {
        const double *value = NULL;
        for (size_t k = 0; k < curves[i]->count; k++)
            if (curves[i]->step[k] == step) value = &curves[i]->value[k];
        if (value)
            fprintf(file, ",%.9g", *value);
        else
            fputc(',', file);
    }
    fputc('\n', file);
}

tn_status tr_log_write_table(const tr_log *log, const char *path, const char *const *names,
                             size_t count, tn_error *err) {
    const curve **curves = tn_alloc_zero(count + 1, sizeof *curves);
    size_t used = 0;
    io_writer writer;
    if (!curves) return no_memory(log, err);
    for (size_t i = 0; i < count; i++)
        if ((curves[used] = find(log, names[i]))) used++;
    tn_status status = io_writer_open(&writer, path, err);
    if (status == TN_OK) {
        fputs("step", writer.file);
        for (size_t i = 0; i < used; i++) fprintf(writer.file, ",%s", curves[i]->name);
        fputc('\n', writer.file);
        for (double step = -1; isfinite(step = next_step(curves, used, step));)
            put_row(writer.file, curves, used, step);
        status = io_writer_commit(&writer, err);
    }
    tn_free(curves);
    return status;
}
