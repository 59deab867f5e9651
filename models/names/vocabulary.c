// SPDX-License-Identifier: Apache-2.0
#include "models/names/vocabulary.h"

#include "io/npy.h"
#include "io/published.h"
#include "models/names/text_batch.h"
#include "models/names/text_cache.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static tn_status new_rows(int64_t rows, int64_t width, md_vocabulary *out, tn_error *err) {
    out->rows = rows;
    TN_TRY(tn_new_heap(&out->embedding, TN_F32, TN_DIMS(rows, width), err));
    out->class_of = tn_alloc((size_t)rows * sizeof *out->class_of);
    return out->class_of ? TN_OK
                         : tn_fail(err, TN_ENOMEM, "out of memory for %lld names", (long long)rows);
}

void md_vocabulary_deinit(md_vocabulary *vocabulary) {
    tn_free(vocabulary->embedding.data);
    tn_free(vocabulary->class_of);
    *vocabulary = (md_vocabulary){0};
}

// ---- from the text tower -----------------------------------------------------------------------

typedef struct maker {
    nn_ctx *cx;
    const md_clip *clip;
    const md_bpe *bpe;
    const md_templates *templates;
    const md_vocabulary_options *options;
    md_text_cache cache;
    bool cached; // there is a cache
    md_text_batch batch;
    int64_t at_once;   // phrases whose sentences fit into a batch
    int64_t done, all; // sentences
} maker;

static void note(const maker *m, const char *text) {
    if (m->options->note) m->options->note(m->options->user, text);
}

static tn_status add_sentence(maker *m, const char *text) {
    tn_error *err = m->cx->err;
    if (md_text_batch_add(&m->batch, m->bpe, text, err) != TN_OK)
        return tn_fail_prefix(err, "\"%.100s\"", text);
    if (m->batch.tokens.was_cut) {
        char words[256];
        snprintf(words, sizeof words, "\"%.100s…\" is cut to the %lld tokens that CLIP reads", text,
                 (long long)m->batch.context);
        note(m, words);
    }
    return TN_OK;
}

static tn_status add_phrase(maker *m, const char *phrase) {
    for (int64_t i = 0; i < m->templates->count; i++) {
        char *text;
        TN_TRY(md_prompt_fill(m->templates->text[i], phrase, &text, m->cx->err));
        tn_status status = add_sentence(m, text);
        tn_free(text);
        TN_TRY(status);
    }
    return TN_OK;
}

// Mean of unit rows [T,D], summed in double in the templates' order, then normalised.
static void average(const tn_tensor *rows, double *total, float *to) {
    int64_t width = rows->dim[1];
    memset(total, 0, (size_t)width * sizeof *total);
    for (int64_t i = 0; i < rows->dim[0]; i++)
        for (int64_t k = 0; k < width; k++) total[k] += tn_f32(rows)[i * width + k];
    double square = 0;
    for (int64_t k = 0; k < width; k++) square += total[k] * total[k];
    double scale = square > 0 ? 1 / sqrt(square) : 0;
    for (int64_t k = 0; k < width; k++) to[k] = (float)(total[k] * scale);
}

static tn_status tell_progress(maker *m, int64_t sentences) {
    const md_vocabulary_options *o = m->options;
    m->done += sentences;
    if (!o->progress || !m->all) return TN_OK;
    if (!o->progress(o->progress_user, (size_t)m->done, (size_t)m->all)) return TN_OK;
    return tn_fail(m->cx->err, TN_ECANCELLED, "interrupted: %lld of %lld sentences were embedded",
                   (long long)m->done, (long long)m->all);
}

// Computes the rows of a few phrases, all their sentences in one batch; row: their indices in out.
static tn_status make_rows(maker *m, const md_names *names, const int64_t *row, int64_t count,
                           md_vocabulary *out) {
    int64_t width = out->embedding.dim[1], each = m->templates->count;
    nn_scope scope = nn_scope_enter(m->cx);
    tn_tensor y, total;
    TN_TRY(tn_new(m->cx->step, &y, TN_F32, TN_DIMS(count * each, width), m->cx->err));
    TN_TRY(tn_new(m->cx->step, &total, TN_F64, TN_DIMS(width), m->cx->err));
    for (int64_t i = 0; i < count; i++) TN_TRY(add_phrase(m, names->phrase[row[i]]));
    TN_TRY(md_text_batch_encode(m->cx, m->clip, &m->batch, &y));
    for (int64_t i = 0; i < count; i++) {
        float *to = tn_f32(&out->embedding) + row[i] * width;
        tn_tensor rows = tn_slice(&y, i * each, each);
        average(&rows, total.data, to);
        if (m->cached) TN_TRY(md_text_cache_add(&m->cache, names->phrase[row[i]], to, m->cx->err));
    }
    nn_scope_leave(m->cx, scope);
    return tell_progress(m, count * each);
}

// Takes the rows that are in the cache; row [phrases]: those that are not.
static int64_t take_known(maker *m, const md_names *names, int64_t *row, md_vocabulary *out) {
    int64_t width = out->embedding.dim[1], missing = 0;
    for (int64_t i = 0; i < names->phrases; i++) {
        const float *known = m->cached ? md_text_cache_find(&m->cache, names->phrase[i]) : NULL;
        if (known)
            memcpy(tn_f32(&out->embedding) + i * width, known, (size_t)width * sizeof *known);
        else
            row[missing++] = i;
    }
    out->from_cache = names->phrases - missing;
    return missing;
}

// Everything that a cached row depends on besides its phrase.
static tn_status cache_key(const maker *m, uint8_t key[IO_SHA256], tn_error *err) {
    uint8_t tower[32];
    io_sha256 hash;
    uint64_t vocabulary = md_bpe_hash(m->bpe);
    TN_TRY(md_clip_hash(m->clip, MD_CLIP_TEXT, m->cx->kn, tower, err));
    io_sha256_init(&hash);
    io_sha256_add(&hash, tower, sizeof tower);
    io_sha256_add(&hash, &vocabulary, sizeof vocabulary);
    for (int64_t i = 0; i < m->templates->count; i++)
        io_sha256_add(&hash, m->templates->text[i], strlen(m->templates->text[i]) + 1);
    io_sha256_end(&hash, key);
    return TN_OK;
}

// A missing cache is not an error: the embeddings are then computed each time.
static void open_cache(maker *m) {
    const char *folder = m->options->cache_folder;
    char own[4096];
    uint8_t key[IO_SHA256];
    if (folder && !*folder) return;
    if (!folder && md_cache_path(NULL, own, sizeof own, NULL) != TN_OK) return;
    m->cached = cache_key(m, key, NULL) == TN_OK &&
                md_text_cache_open(folder ? folder : own, key, md_clip_settings(m->clip)->embed_dim,
                                   &m->cache, NULL) == TN_OK;
}

static tn_status make_all(maker *m, const md_names *names, md_vocabulary *out) {
    int64_t width = md_clip_settings(m->clip)->embed_dim, count = names->phrases;
    tn_tensor row;
    out->classes = names->classes, out->background = m->options->background != NULL;
    TN_TRY(new_rows(count + out->background, width, out, m->cx->err));
    for (int64_t i = 0; i < out->rows; i++)
        out->class_of[i] = i < count ? names->class_of[i] : (int32_t)names->classes;
    TN_TRY(tn_new(m->cx->step, &row, TN_I64, TN_DIMS(count), m->cx->err));
    int64_t *unknown = row.data, missing = take_known(m, names, unknown, out);
    m->all = missing * m->templates->count;
    TN_TRY(tell_progress(m, 0));
    for (int64_t i = 0; i < missing; i += m->at_once) {
        int64_t left = missing - i, n = left < m->at_once ? left : m->at_once;
        TN_TRY(make_rows(m, names, unknown + i, n, out));
    }
    if (!out->background) return TN_OK;
    tn_tensor last = tn_slice(&out->embedding, count, 1);
    TN_TRY(add_sentence(m, m->options->background)); // used without a template
    return md_text_batch_encode(m->cx, m->clip, &m->batch, &last);
}

// Saves what was computed, also if it was interrupted.
static void close_maker(maker *m) {
    tn_error unsaved = {0};
    if (m->cached && md_text_cache_save(&m->cache, &unsaved) != TN_OK) {
        char text[sizeof unsaved.text + 96];
        snprintf(text, sizeof text, "embeddings of names are not kept for the next run (%s)",
                 unsaved.text);
        note(m, text);
    }
    md_text_cache_close(&m->cache);
    md_text_batch_deinit(&m->batch);
}

tn_status md_vocabulary_make(nn_ctx *cx, const md_clip *clip, const md_bpe *bpe,
                             const md_names *names, const md_templates *templates,
                             const md_vocabulary_options *options, md_vocabulary *out,
                             tn_error *err) {
    const md_vocabulary_options none = {0};
    nn_ctx own = {.kn = cx->kn, .step = cx->step, .err = err};
    maker m = {.cx = &own,
               .clip = clip,
               .bpe = bpe,
               .templates = templates,
               .options = options ? options : &none};
    *out = (md_vocabulary){0};
    if (md_bpe_size(bpe) > md_clip_settings(clip)->vocabulary)
        return tn_fail(err, TN_EINVAL,
                       "the vocabulary has %lld tokens, but this CLIP knows %lld: they do not "
                       "belong together",
                       (long long)md_bpe_size(bpe), (long long)md_clip_settings(clip)->vocabulary);
    m.at_once = MD_TEXTS_AT_ONCE / templates->count;
    if (m.at_once < 1) m.at_once = 1;
    TN_TRY(md_text_batch_init(&m.batch, clip, m.at_once * templates->count, err));
    open_cache(&m);
    size_t mark = tn_arena_mark(cx->step);
    tn_status status = make_all(&m, names, out);
    tn_arena_reset(cx->step, mark);
    close_maker(&m);
    if (status != TN_OK) md_vocabulary_deinit(out);
    return status;
}

// ---- precomputed embeddings -------------------------------------------------------------------

static tn_status take_rows(const tn_tensor *from, const char *path, md_vocabulary *out,
                           tn_error *err) {
    int64_t width = from->dim[1];
    float *to = tn_f32(&out->embedding);
    tn_convert(from->data, from->dtype, to, TN_F32, (size_t)tn_count(from));
    for (int64_t i = 0; i < out->rows; i++, to += width) {
        double square = 0;
        for (int64_t k = 0; k < width; k++) square += (double)to[k] * to[k];
        if (!(square > 0) || !isfinite(square))
            return tn_fail(err, TN_EFORMAT,
                           "%s: row %lld cannot be normalised (all zero, or not finite)", path,
                           (long long)i);
        for (int64_t k = 0; k < width; k++) to[k] = (float)(to[k] / sqrt(square));
        out->class_of[i] = (int32_t)i;
    }
    return TN_OK;
}

tn_status md_vocabulary_read(const char *path, int64_t classes, int64_t embed_dim,
                             md_vocabulary *out, tn_error *err) {
    tn_tensor from;
    char is[128];
    *out = (md_vocabulary){.classes = classes};
    TN_TRY(io_npy_read(path, &from, err));
    bool real = from.dtype == TN_F16 || from.dtype == TN_F32 || from.dtype == TN_F64;
    bool fits = real && from.rank == 2 && from.dim[1] == embed_dim &&
                (from.dim[0] == classes || from.dim[0] == classes + 1);
    tn_status status = TN_OK;
    if (!fits)
        status =
            tn_fail(err, TN_EFORMAT,
                    "%s: an array %s of %s, expected [%lld,%lld] of floats: one row per name (and "
                    "one more for the background)",
                    path, tn_shape_text(from.rank, from.dim, is, sizeof is),
                    tn_dtype_name(from.dtype), (long long)classes, (long long)embed_dim);
    if (status == TN_OK) {
        out->background = from.dim[0] == classes + 1;
        status = new_rows(from.dim[0], embed_dim, out, err);
    }
    if (status == TN_OK) status = take_rows(&from, path, out, err);
    tn_free(from.data);
    if (status != TN_OK) md_vocabulary_deinit(out);
    return status;
}

// ---- matching ----------------------------------------------------------------------------------

tn_status md_vocabulary_match(nn_ctx *cx, const md_vocabulary *vocabulary, const tn_tensor *x,
                              tn_tensor *y) {
    int64_t regions = x->dim[0], rows = vocabulary->rows;
    int64_t columns = md_vocabulary_columns(vocabulary);
    TN_CHECK(tn_has_shape(y, TN_DIMS(regions, columns)), "y is not [R,columns]");
    if (rows == columns) { // no synonyms: rows are columns
        kn_matmul_nt_fwd(cx->kn, 1, x, &vocabulary->embedding, y);
        return TN_OK;
    }
    size_t mark = tn_arena_mark(cx->step);
    tn_tensor all;
    TN_TRY(tn_new(cx->step, &all, TN_F32, TN_DIMS(regions, rows), cx->err));
    kn_matmul_nt_fwd(cx->kn, 1, x, &vocabulary->embedding, &all);
    for (int64_t r = 0; r < regions; r++) {
        const float *from = tn_f32(&all) + r * rows;
        float *to = tn_f32(y) + r * columns;
        for (int64_t t = 0; t < columns; t++) to[t] = -INFINITY;
        for (int64_t i = 0; i < rows; i++) {
            float *best = &to[vocabulary->class_of[i]];
            if (from[i] > *best) *best = from[i];
        }
    }
    tn_arena_reset(cx->step, mark);
    return TN_OK;
}
