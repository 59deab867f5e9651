// SPDX-License-Identifier: Apache-2.0
#include "train/checkpoint.h"

#include "train/checkpoint_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct reading {
    const char *path;
    const tr_checkpoint *run;
    io_weights *file;
    tr_state state;
    const io_tensor **found;  // of each part
    const io_tensor **sorted; // all tensors of the file, by name
    io_text_pair *meta;
    char (*keys)[TR_KEY];
    tn_error *err;
} reading;

static tn_status text_of(reading *r, const char *key, const char **out) {
    *out = io_weights_meta(r->file, key);
    if (*out) return TN_OK;
    return tn_fail(r->err, TN_EFORMAT, "%s: not a checkpoint of lexmask train: no '%s' in it",
                   r->path, key);
}

static tn_status number_of(reading *r, const char *key, uint64_t max, uint64_t *out) {
    const char *text;
    TN_TRY(text_of(r, key, &text));
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno || value > max)
        return tn_fail(r->err, TN_EFORMAT,
                       "%s: %s: expected a number from 0 to %llu, found '%.40s'", r->path, key,
                       (unsigned long long)max, text);
    *out = value;
    return TN_OK;
}

static tn_status read_state(reading *r) {
    const char *format;
    uint64_t step, position;
    TN_TRY(text_of(r, "format", &format));
    if (strcmp(format, TR_FORMAT))
        return tn_fail(r->err, TN_EUNSUPPORTED, "%s: format: expected '%s', found '%.40s'", r->path,
                       TR_FORMAT, format);
    TN_TRY(number_of(r, "step", INT64_MAX, &step));
    TN_TRY(number_of(r, "position", INT64_MAX, &position));
    TN_TRY(number_of(r, "seed", UINT64_MAX, &r->state.seed));
    r->state.step = (int64_t)step;
    r->state.position = (int64_t)position;
    return TN_OK;
}

// Checks that it is the same run, before its tensors: other settings often mean other tensors, and
// the setting is what the user can change.
static tn_status check_settings(reading *r) {
    uint64_t count;
    TN_TRY(number_of(r, "settings", INT32_MAX, &count));
    for (size_t i = 0; i < r->run->setting_count; i++) {
        const io_text_pair *want = &r->run->settings[i];
        snprintf(r->keys[i], TR_KEY, TR_SETTING "%s", want->key);
        const char *is = io_weights_meta(r->file, r->keys[i]);
        if (!is)
            return tn_fail(r->err, TN_EFORMAT, "%s: no setting '%s' in it, expected '%.80s'",
                           r->path, want->key, want->value);
        if (strcmp(is, want->value))
            return tn_fail(r->err, TN_EINVAL,
                           "%s: belongs to a run with %s %.200s, but this run has %.200s; to "
                           "resume, use the same setting as before",
                           r->path, want->key, is, want->value);
    }
    if (count != r->run->setting_count)
        return tn_fail(r->err, TN_EFORMAT, "%s: %llu settings, expected %zu", r->path,
                       (unsigned long long)count, r->run->setting_count);
    return TN_OK;
}

static tn_status find_part(reading *r, size_t i) {
    const tr_part *part = &r->run->parts[i];
    const io_tensor *t = r->found[i] = io_weights_find(r->file, part->name);
    if (!t) return tn_fail(r->err, TN_EFORMAT, "%s: no tensor '%s' in it", r->path, part->name);
    char is[96], want[96];
    if (t->dtype != part->tensor.dtype)
        return tn_fail(r->err, TN_EFORMAT, "%s: '%s' is %s, expected %s", r->path, part->name,
                       tn_dtype_name(t->dtype), tn_dtype_name(part->tensor.dtype));
    if (!tn_has_shape(&part->tensor, t->rank, t->dim))
        return tn_fail(r->err, TN_EFORMAT, "%s: '%s' has the shape %s, expected %s", r->path,
                       part->name, tn_shape_text(t->rank, t->dim, is, sizeof is),
                       tn_shape_text(part->tensor.rank, part->tensor.dim, want, sizeof want));
    return TN_OK;
}

static tn_status find_parts(reading *r) {
    for (size_t i = 0; i < r->run->part_count; i++) TN_TRY(find_part(r, i));
    size_t count = io_weights_count(r->file);
    if (count != r->run->part_count)
        return tn_fail(r->err, TN_EFORMAT, "%s: %zu tensors, expected %zu", r->path, count,
                       r->run->part_count);
    return TN_OK;
}

static tn_status check_digest(reading *r) {
    char digest[IO_SHA256_HEX];
    const char *stored;
    tr_meta own;
    size_t count = io_weights_count(r->file), settings = r->run->setting_count;
    TN_TRY(text_of(r, "digest", &stored));
    tr_checkpoint_meta(r->run, &r->state, &own);
    memcpy(r->meta, own.pair, sizeof own.pair);
    for (size_t i = 0; i < settings; i++)
        r->meta[TR_META + i] = (io_text_pair){r->keys[i], r->run->settings[i].value};
    for (size_t i = 0; i < count; i++) r->sorted[i] = io_weights_at(r->file, i);
    tr_checkpoint_digest(r->sorted, count, r->meta, TR_META + settings, digest);
    if (strcmp(digest, stored))
        return tn_fail(r->err, TN_EFORMAT,
                       "%s: damaged: its content's SHA-256 is %s, expected %.64s", r->path, digest,
                       stored);
    return TN_OK;
}

static tn_status read_all(reading *r) {
    size_t count = io_weights_count(r->file);
    r->found = tn_alloc_zero(r->run->part_count + 1, sizeof *r->found);
    r->sorted = tn_alloc_zero(count + 1, sizeof *r->sorted);
    r->meta = tn_alloc_zero(TR_META + r->run->setting_count, sizeof *r->meta);
    r->keys = tn_alloc_zero(r->run->setting_count + 1, sizeof *r->keys);
    if (!r->found || !r->sorted || !r->meta || !r->keys)
        return tn_fail(r->err, TN_ENOMEM, "%s: out of memory", r->path);
    TN_TRY(read_state(r));
    TN_TRY(check_settings(r));
    TN_TRY(find_parts(r));
    TN_TRY(check_digest(r));
    for (size_t i = 0; i < r->run->part_count; i++) {
        const tn_tensor *to = &r->run->parts[i].tensor;
        if (tn_bytes(to)) memcpy(to->data, r->found[i]->data, tn_bytes(to));
    }
    return TN_OK;
}

tn_status tr_checkpoint_read(const char *path, const tr_checkpoint *run, tr_state *state,
                             tn_error *err) {
    reading r = {.path = path, .run = run, .err = err};
    TN_TRY(io_weights_open(path, &r.file, err));
    tn_status status = read_all(&r);
    if (status == TN_OK) *state = r.state;
    tn_free(r.found);
    tn_free(r.sorted);
    tn_free(r.meta);
    tn_free(r.keys);
    io_weights_close(r.file);
    return status;
}

tn_status tr_checkpoint_load(const char *folder, const tr_checkpoint *run, tr_state *state,
                             tn_error *note, tn_error *err) {
    char newest[PATH_MAX], previous[PATH_MAX];
    tn_error first, second = {0};
    *note = (tn_error){0};
    if (!tr_checkpoint_exists(folder))
        return tn_fail(err, TN_EIO, "%s: no checkpoint in it", folder);
    tr_checkpoint_path(folder, false, newest, sizeof newest);
    tr_checkpoint_path(folder, true, previous, sizeof previous);
    tn_status status = tr_checkpoint_read(newest, run, state, err);
    if (status == TN_OK || status == TN_EINVAL || status == TN_ENOMEM) return status;
    tn_status other = tr_checkpoint_read(previous, run, state, &second);
    if (other == TN_OK) {
        *note = *err;
        *err = (tn_error){0};
        return TN_OK;
    }
    first = *err; // the newer file's status is returned; the text gives both reasons
    return tn_fail(err, status, "%.480s; and the previous one: %.480s", first.text, second.text);
}
