// SPDX-License-Identifier: Apache-2.0
#include "train/cache.h"

#include "io/file.h"
#include "io/weights/safetensors.h"

#include <dirent.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENDING ".safetensors"

struct tr_cache {
    char *folder;
    int64_t limit;
    uint8_t identity[IO_SHA256];
    tr_cache_counts counts;
    tn_tensor shape[MD_FVLM_MAPS]; // of one picture, known after the first computation; no data
    bool known;
    tn_error trouble, told;
};

// The lookup of a batch's pictures.
typedef struct lookup {
    tr_cache *cache;
    nn_ctx *cx;
    const tn_tensor *x;
    int64_t n;
    char (*key)[IO_SHA256_HEX]; // [n]
    bool *found;                // [n]
    md_fvlm_features *out;
} lookup;

static const char *path_of(const tr_cache *c, const char *key, char out[PATH_MAX]) {
    snprintf(out, PATH_MAX, "%s/%s" ENDING, c->folder, key);
    return out;
}

static const char *name_of(int map, char out[16]) {
    snprintf(out, 16, "map.%d", map);
    return out;
}

// ---- keys --------------------------------------------------------------------------------------

static void key_of(const lookup *l, int64_t i) {
    io_sha256 hash;
    uint8_t digest[IO_SHA256];
    tn_tensor picture = tn_slice(l->x, i, 1);
    io_sha256_init(&hash);
    io_sha256_add(&hash, l->cache->identity, IO_SHA256);
    io_sha256_add(&hash, picture.dim, sizeof(int64_t) * 4);
    io_sha256_add(&hash, picture.data, tn_bytes(&picture));
    io_sha256_end(&hash, digest);
    io_sha256_text(digest, l->key[i]);
}

// Digest of the maps of one picture.
static void digest_of(const tr_cache *c, const void *const map[MD_FVLM_MAPS],
                      char out[IO_SHA256_HEX]) {
    io_sha256 hash;
    uint8_t digest[IO_SHA256];
    io_sha256_init(&hash);
    for (int m = 0; m < MD_FVLM_MAPS; m++)
        if (map[m]) io_sha256_add(&hash, map[m], tn_bytes(&c->shape[m]));
    io_sha256_end(&hash, digest);
    io_sha256_text(digest, out);
}

// ---- reading -----------------------------------------------------------------------------------

// Copies into the batch's maps if the file is valid.
static tn_status take(lookup *l, int64_t i, const io_weights *file, tn_error *err) {
    const tr_cache *c = l->cache;
    const void *map[MD_FVLM_MAPS] = {NULL};
    char name[16], digest[IO_SHA256_HEX];
    for (int m = 0; m < MD_FVLM_MAPS; m++) {
        if (!c->shape[m].rank) continue;
        const io_tensor *t = io_weights_find(file, name_of(m, name));
        if (!t || t->dtype != c->shape[m].dtype || !tn_has_shape(&c->shape[m], t->rank, t->dim))
            return tn_fail(err, TN_EFORMAT, "%s: no '%s' of the right shape", io_weights_path(file),
                           name);
        map[m] = t->data;
    }
    const char *stored = io_weights_meta(file, "digest");
    digest_of(c, map, digest);
    if (!stored || strcmp(stored, digest))
        return tn_fail(err, TN_EFORMAT, "%s: damaged", io_weights_path(file));
    for (int m = 0; m < MD_FVLM_MAPS; m++) {
        if (!map[m]) continue;
        tn_tensor to = tn_slice(&l->out->map[m], i, 1);
        memcpy(to.data, map[m], tn_bytes(&to));
    }
    return TN_OK;
}

static void find(lookup *l, int64_t i) {
    char path[PATH_MAX];
    io_weights *file;
    tr_cache *c = l->cache;
    path_of(c, l->key[i], path);
    if (access(path, F_OK) != 0) return;
    tn_status status = io_weights_open(path, &file, &c->trouble);
    if (status == TN_OK) {
        status = take(l, i, file, &c->trouble);
        io_weights_close(file);
    }
    l->found[i] = status == TN_OK;
    c->counts.damaged += status != TN_OK;
}

static tn_status new_maps(lookup *l) {
    for (int m = 0; m < MD_FVLM_MAPS; m++) {
        const tn_tensor *s = &l->cache->shape[m];
        if (!s->rank) continue;
        TN_TRY(tn_new(l->cx->step, &l->out->map[m], s->dtype,
                      TN_DIMS(l->n, s->dim[1], s->dim[2], s->dim[3]), l->cx->err));
    }
    return TN_OK;
}

// ---- computing ---------------------------------------------------------------------------------

static void learn_shapes(tr_cache *c, const md_fvlm_features *all) {
    for (int m = 0; m < MD_FVLM_MAPS; m++) {
        if (!all->map[m].data) continue;
        c->shape[m] = all->map[m];
        c->shape[m].data = NULL;
        c->shape[m].dim[0] = 1;
    }
    c->known = true;
}

// Computes the missing pictures in one batch and copies each into its position.
static tn_status compute_some(lookup *l, const md_fvlm *model, int64_t missing) {
    tn_tensor x;
    md_fvlm_features some;
    TN_TRY(tn_new(l->cx->step, &x, TN_F32,
                  TN_DIMS(missing, l->x->dim[1], l->x->dim[2], l->x->dim[3]), l->cx->err));
    for (int64_t i = 0, at = 0; i < l->n; i++) {
        if (l->found[i]) continue;
        tn_tensor from = tn_slice(l->x, i, 1), to = tn_slice(&x, at++, 1);
        memcpy(to.data, from.data, tn_bytes(&to));
    }
    TN_TRY(md_fvlm_frozen(l->cx, model, &x, MD_SCORE2_NONE, &some));
    for (int m = 0; m < MD_FVLM_MAPS; m++)
        for (int64_t i = 0, at = 0; some.map[m].data && i < l->n; i++) {
            if (l->found[i]) continue;
            tn_tensor from = tn_slice(&some.map[m], at++, 1), to = tn_slice(&l->out->map[m], i, 1);
            memcpy(to.data, from.data, tn_bytes(&to));
        }
    return TN_OK;
}

// ---- writing -----------------------------------------------------------------------------------

// 0 if the file does not exist.
static int64_t size_of(const char *path) {
    struct stat about;
    return stat(path, &about) == 0 && S_ISREG(about.st_mode) ? about.st_size : 0;
}

static void write_entry(lookup *l, int64_t i) {
    tr_cache *c = l->cache;
    char path[PATH_MAX], digest[IO_SHA256_HEX], name[MD_FVLM_MAPS][16];
    const void *map[MD_FVLM_MAPS] = {NULL};
    io_tensor item[MD_FVLM_MAPS];
    size_t count = 0;
    int64_t bytes = 0;
    for (int m = 0; m < MD_FVLM_MAPS; m++) {
        if (!c->shape[m].rank) continue;
        tn_tensor one = tn_slice(&l->out->map[m], i, 1);
        item[count] = (io_tensor){name_of(m, name[m]), one.dtype, one.rank, {0}, one.data};
        memcpy(item[count++].dim, one.dim, sizeof one.dim);
        map[m] = one.data;
        bytes += (int64_t)tn_bytes(&one);
    }
    path_of(c, l->key[i], path);
    bytes -= size_of(path);
    if (c->counts.bytes + bytes > c->limit) c->counts.full = true;
    if (c->counts.full) return;
    digest_of(c, map, digest);
    io_text_pair meta = {"digest", digest};
    if (io_safetensors_write(path, item, count, &meta, 1, IO_AS_STORED, &c->trouble) == TN_OK)
        c->counts.bytes += bytes;
    else
        c->counts.full = true; // disk full or no permission: reported once
}

// ---- the cache ---------------------------------------------------------------------------------

static tn_status run(lookup *l, const md_fvlm *model) {
    tr_cache *c = l->cache;
    int64_t missing = l->n;
    for (int64_t i = 0; i < l->n; i++) key_of(l, i);
    if (c->known) TN_TRY(new_maps(l));
    for (int64_t i = 0; c->known && i < l->n; i++) {
        find(l, i);
        missing -= l->found[i];
    }
    c->counts.found += l->n - missing;
    c->counts.computed += missing;
    if (missing == l->n) TN_TRY(md_fvlm_frozen(l->cx, model, l->x, MD_SCORE2_NONE, l->out));
    if (!c->known) learn_shapes(c, l->out);
    if (missing && missing < l->n) TN_TRY(compute_some(l, model, missing));
    for (int64_t i = 0; i < l->n; i++)
        if (!l->found[i]) write_entry(l, i);
    return TN_OK;
}

tn_status tr_cache_features(tr_cache *cache, nn_ctx *cx, const md_fvlm *model, const tn_tensor *x,
                            md_fvlm_features *out) {
    size_t n = (size_t)x->dim[0];
    lookup l = {.cache = cache, .cx = cx, .x = x, .n = x->dim[0], .out = out};
    *out = (md_fvlm_features){.picture = *x};
    l.key = tn_arena_alloc(cx->step, n * sizeof *l.key);
    l.found = tn_arena_alloc(cx->step, n * sizeof *l.found);
    if (!l.key || !l.found) return tn_fail(cx->err, TN_ENOMEM, "out of memory for %zu keys", n);
    memset(l.found, 0, n * sizeof *l.found);
    return run(&l, model);
}

tr_cache_counts tr_cache_tally(const tr_cache *cache) {
    return cache->counts;
}

const char *tr_cache_error(tr_cache *cache) {
    if (!cache->trouble.text[0]) return NULL;
    cache->told = cache->trouble;
    cache->trouble = (tn_error){0};
    return cache->told.text;
}

// ---- opening -----------------------------------------------------------------------------------

// Counts the entries of earlier runs.
static tn_status count_bytes(tr_cache *c, tn_error *err) {
    DIR *folder = opendir(c->folder);
    if (!folder) return tn_fail(err, TN_EIO, "%s: cannot read the cache's folder", c->folder);
    for (struct dirent *each; (each = readdir(folder));) {
        char path[PATH_MAX];
        size_t length = strlen(each->d_name);
        if (length != IO_SHA256_HEX - 1 + strlen(ENDING)) continue;
        snprintf(path, sizeof path, "%s/%s", c->folder, each->d_name);
        c->counts.bytes += size_of(path);
    }
    closedir(folder);
    return TN_OK;
}

tn_status tr_cache_open(const tr_cache_options *options, tr_cache **out, tn_error *err) {
    TN_TRY(io_make_folder(options->folder, err));
    tr_cache *c = tn_alloc_zero(1, sizeof *c);
    if (!c || !(c->folder = tn_strdup(options->folder))) {
        tr_cache_close(c);
        return tn_fail(err, TN_ENOMEM, "%s: out of memory", options->folder);
    }
    c->limit = options->limit;
    memcpy(c->identity, options->identity, sizeof c->identity);
    tn_status status = count_bytes(c, err);
    if (status == TN_OK)
        *out = c;
    else
        tr_cache_close(c);
    return status;
}

void tr_cache_close(tr_cache *cache) {
    if (!cache) return;
    tn_free(cache->folder);
    tn_free(cache);
}
