// SPDX-License-Identifier: Apache-2.0
#include "models/vocabulary.h"

#include "io/npy.h"
#include "models/published.h"
#include "models/text_cache.h"

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
    md_tokens tokens;
} maker;

static void note(const maker *m, const char *text) {
    if (m->options->note) m->options->note(m->options->user, text);
}

// One sentence -> y [1,D], unit length.
static tn_status encode(maker *m, const char *text, tn_tensor *y) {
    tn_error *err = m->cx->err;
    const md_clip_config *config = md_clip_settings(m->clip);
    if (md_bpe_encode(m->bpe, text, strlen(text), config->context, &m->tokens, err) != TN_OK)
        return tn_fail_prefix(err, "\"%.100s\"", text);
    if (m->tokens.was_cut) {
        char words[256];
        snprintf(words, sizeof words, "\"%.100s…\" is cut to the %lld tokens that CLIP reads", text,
                 (long long)config->context);
        note(m, words);
    }
    md_clip_text row = {m->tokens.ids, (int64_t)m->tokens.count};
    return md_clip_encode_texts(m->cx, m->clip, &row, 1, y);
}

// Mean of the sentences' unit vectors, summed in double in the templates' order, then unit length.
static tn_status average(maker *m, const char *phrase, float *to, int64_t width) {
    tn_arena *step = m->cx->step;
    tn_tensor one, sum;
    TN_TRY(tn_new(step, &one, TN_F32, TN_DIMS(1, width), m->cx->err));
    TN_TRY(tn_new(step, &sum, TN_F64, TN_DIMS(width), m->cx->err));
    double *total = memset(sum.data, 0, tn_bytes(&sum));
    for (int64_t i = 0; i < m->templates->count; i++) {
        char *text;
        TN_TRY(md_prompt_fill(m->templates->text[i], phrase, &text, m->cx->err));
        tn_status status = encode(m, text, &one);
        tn_free(text);
        TN_TRY(status);
        for (int64_t k = 0; k < width; k++) total[k] += tn_f32(&one)[k];
    }
    double square = 0;
    for (int64_t k = 0; k < width; k++) square += total[k] * total[k];
    double scale = square > 0 ? 1 / sqrt(square) : 0;
    for (int64_t k = 0; k < width; k++) to[k] = (float)(total[k] * scale);
    return TN_OK;
}

// phrase NULL: the background, a text that is used as it stands.
static tn_status make_row(maker *m, const char *phrase, float *to, int64_t width,
                          md_vocabulary *out) {
    const char *key = phrase ? phrase : m->options->background;
    const float *known = m->cached && phrase ? md_text_cache_find(&m->cache, key) : NULL;
    if (known) {
        memcpy(to, known, (size_t)width * sizeof *to);
        out->from_cache++;
        return TN_OK;
    }
    size_t mark = tn_arena_mark(m->cx->step);
    tn_tensor row = tn_view(to, TN_F32, TN_DIMS(1, width));
    TN_TRY(phrase ? average(m, phrase, to, width) : encode(m, key, &row));
    tn_arena_reset(m->cx->step, mark);
    return m->cached && phrase ? md_text_cache_add(&m->cache, key, to, m->cx->err) : TN_OK;
}

// What a cached row depends on besides its phrase.
static tn_status cache_key(const maker *m, uint8_t key[IO_SHA256], tn_error *err) {
    uint8_t tower[32];
    io_sha256 hash;
    uint64_t vocabulary = md_bpe_hash(m->bpe);
    TN_TRY(md_clip_hash(m->clip, MD_CLIP_TEXT, m->cx->kn, tower, err));
    TN_TRY(io_sha256_open(&hash, err));
    tn_status status = io_sha256_add(&hash, tower, sizeof tower, err);
    if (status == TN_OK) status = io_sha256_add(&hash, &vocabulary, sizeof vocabulary, err);
    for (int64_t i = 0; status == TN_OK && i < m->templates->count; i++)
        status =
            io_sha256_add(&hash, m->templates->text[i], strlen(m->templates->text[i]) + 1, err);
    if (status == TN_OK) return io_sha256_end(&hash, key, err);
    io_sha256_abort(&hash);
    return status;
}

// No cache is no failure: the embeddings are then made each time.
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
    int64_t width = md_clip_settings(m->clip)->embed_dim;
    out->classes = names->classes, out->background = m->options->background != NULL;
    TN_TRY(new_rows(names->phrases + out->background, width, out, m->cx->err));
    for (int64_t i = 0; i < out->rows; i++) {
        const char *phrase = i < names->phrases ? names->phrase[i] : NULL;
        out->class_of[i] = phrase ? names->class_of[i] : (int32_t)names->classes;
        TN_TRY(make_row(m, phrase, tn_f32(&out->embedding) + i * width, width, out));
    }
    return TN_OK;
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
    open_cache(&m);
    size_t mark = tn_arena_mark(cx->step);
    tn_status status = make_all(&m, names, out);
    tn_arena_reset(cx->step, mark);
    tn_error unsaved = {0};
    if (status == TN_OK && m.cached && md_text_cache_save(&m.cache, &unsaved) != TN_OK)
        note(&m, unsaved.text);
    md_text_cache_close(&m.cache);
    md_tokens_deinit(&m.tokens);
    if (status != TN_OK) md_vocabulary_deinit(out);
    return status;
}

// ---- ready embeddings --------------------------------------------------------------------------

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
                           "%s: row %lld has no direction (all zero, or not finite)", path,
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
                    "%s: an array %s of %s, expected [%lld,%lld] of floats: one row a name (and "
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
