// SPDX-License-Identifier: Apache-2.0
#include "train/checkpoint.h"

#include "train/checkpoint_internal.h"

#include "io/file.h"
#include "io/sha256.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// ---- shared ------------------------------------------------------------------------------------

const char *tr_checkpoint_path(const char *folder, bool previous, char *out, size_t bytes) {
    snprintf(out, bytes, "%s/checkpoint%s.safetensors", folder, previous ? ".previous" : "");
    return out;
}

bool tr_checkpoint_exists(const char *folder) {
    char path[PATH_MAX];
    for (int previous = 0; previous < 2; previous++)
        if (access(tr_checkpoint_path(folder, previous, path, sizeof path), F_OK) == 0) return true;
    return false;
}

static void add_text(io_sha256 *hash, const char *text) {
    io_sha256_add(hash, text, strlen(text) + 1);
}

static void add_tensor(io_sha256 *hash, const io_tensor *t) {
    tn_tensor view = tn_view(NULL, t->dtype, t->rank, t->dim);
    add_text(hash, t->name);
    add_text(hash, tn_dtype_name(t->dtype));
    io_sha256_add(hash, t->dim, (size_t)t->rank * sizeof *t->dim);
    io_sha256_add(hash, t->data, tn_bytes(&view));
}

void tr_checkpoint_digest(const io_tensor *const *tensors, size_t count, const io_text_pair *meta,
                          size_t meta_count, char out[IO_SHA256_HEX]) {
    io_sha256 hash;
    uint8_t digest[IO_SHA256];
    io_sha256_init(&hash);
    for (size_t i = 0; i < meta_count; i++) {
        add_text(&hash, meta[i].key);
        add_text(&hash, meta[i].value);
    }
    for (size_t i = 0; i < count; i++) add_tensor(&hash, tensors[i]);
    io_sha256_end(&hash, digest);
    io_sha256_text(digest, out);
}

void tr_checkpoint_meta(const tr_checkpoint *run, const tr_state *state, tr_meta *out) {
    snprintf(out->step, sizeof out->step, "%lld", (long long)state->step);
    snprintf(out->position, sizeof out->position, "%lld", (long long)state->position);
    snprintf(out->seed, sizeof out->seed, "%llu", (unsigned long long)state->seed);
    snprintf(out->settings, sizeof out->settings, "%zu", run->setting_count);
    const io_text_pair own[TR_META] = {{"format", TR_FORMAT},
                                       {"position", out->position},
                                       {"seed", out->seed},
                                       {"settings", out->settings},
                                       {"step", out->step}};
    memcpy(out->pair, own, sizeof own);
}

// ---- saving ------------------------------------------------------------------------------------

typedef struct saving {
    const char *folder;
    io_tensor *tensors;
    const io_tensor **sorted;
    io_text_pair *meta;
    char (*keys)[TR_KEY];
    size_t meta_count;
} saving;

static int by_name(const void *a, const void *b) {
    return strcmp((*(const io_tensor *const *)a)->name, (*(const io_tensor *const *)b)->name);
}

static tn_status collect(saving *s, const tr_checkpoint *run, tn_error *err) {
    s->tensors = tn_alloc_zero(run->part_count + 1, sizeof *s->tensors);
    s->sorted = tn_alloc_zero(run->part_count + 1, sizeof *s->sorted);
    s->meta = tn_alloc_zero(TR_META + run->setting_count + 1, sizeof *s->meta);
    s->keys = tn_alloc_zero(run->setting_count + 1, sizeof *s->keys);
    if (!s->tensors || !s->sorted || !s->meta || !s->keys)
        return tn_fail(err, TN_ENOMEM, "%s: out of memory for a checkpoint", s->folder);
    for (size_t i = 0; i < run->part_count; i++) {
        const tn_tensor *t = &run->parts[i].tensor;
        io_tensor *to = &s->tensors[i];
        *to = (io_tensor){.name = run->parts[i].name, t->dtype, t->rank, .data = t->data};
        memcpy(to->dim, t->dim, sizeof to->dim);
        s->sorted[i] = to;
    }
    if (run->part_count) qsort(s->sorted, run->part_count, sizeof *s->sorted, by_name);
    return TN_OK;
}

// The old checkpoint gets a second name before the new one replaces it, so that there is always
// one. File systems without hard links have a gap; loading then finds the previous one.
static tn_status replace_newest(const char *fresh, const char *newest, const char *previous,
                                tn_error *err) {
    if (access(newest, F_OK) == 0) {
        char spare[PATH_MAX + 32];
        snprintf(spare, sizeof spare, "%s.link", previous);
        unlink(spare);
        bool kept = link(newest, spare) == 0 && rename(spare, previous) == 0;
        if (!kept && rename(newest, previous) != 0)
            return tn_fail(err, TN_EIO, "%s: cannot keep the previous checkpoint: %s", previous,
                           strerror(errno));
    }
    if (rename(fresh, newest) != 0)
        return tn_fail(err, TN_EIO, "%s: cannot write: %s", newest, strerror(errno));
    io_sync_folder_of(newest);
    return TN_OK;
}

static tn_status write_checkpoint(saving *s, const tr_checkpoint *run, const tr_state *state,
                                  tn_error *err) {
    char fresh[PATH_MAX], newest[PATH_MAX], previous[PATH_MAX], digest[IO_SHA256_HEX];
    tr_meta meta;
    TN_TRY(collect(s, run, err));
    tr_checkpoint_meta(run, state, &meta);
    memcpy(s->meta, meta.pair, sizeof meta.pair);
    s->meta_count = TR_META;
    for (size_t i = 0; i < run->setting_count; i++) {
        int length = snprintf(s->keys[i], TR_KEY, TR_SETTING "%s", run->settings[i].key);
        TN_CHECK(length < TR_KEY, "the name of setting '%s' is too long", run->settings[i].key);
        s->meta[s->meta_count++] = (io_text_pair){s->keys[i], run->settings[i].value};
    }
    tr_checkpoint_digest(s->sorted, run->part_count, s->meta, s->meta_count, digest);
    s->meta[s->meta_count++] = (io_text_pair){"digest", digest};
    if (snprintf(fresh, sizeof fresh, "%s/checkpoint.new.safetensors", s->folder) >=
        (int)sizeof fresh)
        return tn_fail(err, TN_EINVAL, "%s: the path is too long", s->folder);
    TN_TRY(io_safetensors_write(fresh, s->tensors, run->part_count, s->meta, s->meta_count,
                                IO_AS_STORED, err));
    tr_checkpoint_path(s->folder, false, newest, sizeof newest);
    tr_checkpoint_path(s->folder, true, previous, sizeof previous);
    tn_status status = replace_newest(fresh, newest, previous, err);
    if (status != TN_OK) unlink(fresh);
    return status;
}

tn_status tr_checkpoint_save(const char *folder, const tr_checkpoint *run, const tr_state *state,
                             tn_error *err) {
    saving s = {.folder = folder};
    tn_status status = write_checkpoint(&s, run, state, err);
    tn_free(s.tensors);
    tn_free(s.sorted);
    tn_free(s.meta);
    tn_free(s.keys);
    return status;
}
