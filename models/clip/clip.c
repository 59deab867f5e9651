// SPDX-License-Identifier: Apache-2.0
#include "models/clip/clip.h"

#include "io/sha256.h"
#include "models/clip/clip_config.h"
#include "models/clip/clip_parts.h"
#include "models/clip/clip_scene.h"
#include "models/clip/clip_train.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

// ---- opening -----------------------------------------------------------------------------------

// Address space for the packed forms of all tensors. Kernels pad rows to panels of up to 64; either
// dimension of a bare matrix may be the rows.
static size_t packed_bytes(const io_weights *file) {
    size_t bytes = 1 << 20;
    for (size_t i = 0; i < io_weights_count(file); i++) {
        const io_tensor *t = io_weights_at(file, i);
        size_t count = 0, row = 0;
        if (!tn_count_checked(t->rank, t->dim, &count)) continue;
        for (int d = 0; d < t->rank && d < 2; d++)
            if (t->dim[d] > 0 && count / (size_t)t->dim[d] > row) row = count / (size_t)t->dim[d];
        bytes += 4 * (2 * count + 64 * row) + 4096;
    }
    return bytes;
}

tn_status md_clip_load(md_clip *clip, nn_loader *load, size_t bytes) {
    TN_TRY(tn_arena_init(&clip->image_arena, bytes, load->err));
    TN_TRY(tn_arena_init(&clip->text_arena, bytes, load->err));
    TN_TRY(tn_arena_init(&clip->parts, (size_t)16 << 20, load->err));
    load->parts = &clip->parts;
    load->arena = &clip->image_arena;
    if (clip->config.family == MD_CLIP_VIT)
        TN_TRY(md_vit_load(load, &clip->config, &clip->vit));
    else
        TN_TRY(md_clip_resnet_load(load, &clip->config, &clip->resnet));
    load->arena = &clip->text_arena;
    TN_TRY(md_text_tower_load(load, &clip->config, &clip->text));
    if (load->params)
        TN_TRY(nn_param_load(load, "logit_scale", 0, NULL, false, (nn_init){.value = -log(0.07)},
                             &clip->scale));
    clip->config.weight_bytes =
        load->params ? load->params->packed.used : clip->image_arena.used + clip->text_arena.used;
    TN_TRY(tn_arena_freeze(&clip->parts, load->err));
    TN_TRY(tn_arena_freeze(&clip->image_arena, load->err));
    return tn_arena_freeze(&clip->text_arena, load->err);
}

static tn_status load_towers(md_clip *clip, const io_weights *file, const md_clip_form *form,
                             nn_params *params, kn_ctx *kn, tn_error *err) {
    nn_loader load = {.file = file, .kn = kn, .rename = form->rename, .err = err, .params = params};
    if (params && clip->config.family != MD_CLIP_VIT)
        return tn_fail(err, TN_EUNSUPPORTED, "%s: only a CLIP with a ViT can be trained",
                       io_weights_path(file));
    return md_clip_load(clip, &load, packed_bytes(file));
}

static tn_status configure(const char *path, const md_clip_options *options, io_weights *file,
                           const md_clip_form **form, md_clip_config *out, tn_error *err) {
    TN_TRY(md_clip_unwrap(file, err));
    *form = md_clip_form_of(file);
    if (!*form)
        return tn_fail(
            err, TN_EFORMAT,
            "%s: not a CLIP: there is no token embedding under the names of OpenAI, OpenCLIP "
            "or Hugging Face",
            io_weights_path(file));
    TN_TRY(md_clip_form_check(*form, file, err));
    TN_TRY(md_clip_configure(file, *form, path, options, out, err));
    const char *prefix = io_weights_prefix(file);
    snprintf(out->prefix, sizeof out->prefix, "%s", prefix ? prefix : "");
    return TN_OK;
}

tn_status md_clip_open_trained(const char *path, const md_clip_options *options, nn_params *params,
                               kn_ctx *kn, md_clip **out, tn_error *err) {
    io_weights *file;
    const md_clip_form *form;
    *out = NULL;
    TN_TRY(io_weights_open(path, &file, err));
    tn_status status = TN_OK;
    md_clip *clip = tn_alloc_zero(1, sizeof *clip);
    if (!clip) status = tn_fail(err, TN_ENOMEM, "%s: no memory", path);
    if (status == TN_OK) status = configure(path, options, file, &form, &clip->config, err);
    if (status == TN_OK) status = load_towers(clip, file, form, params, kn, err);
    io_weights_close(file);
    if (status == TN_OK)
        *out = clip;
    else
        md_clip_close(clip);
    return status;
}

tn_status md_clip_open(const char *path, const md_clip_options *options, kn_ctx *kn, md_clip **out,
                       tn_error *err) {
    return md_clip_open_trained(path, options, NULL, kn, out, err);
}

void md_clip_close(md_clip *clip) {
    if (!clip) return;
    tn_arena_deinit(&clip->parts);
    tn_arena_deinit(&clip->image_arena);
    tn_arena_deinit(&clip->text_arena);
    tn_free(clip);
}

const md_clip_config *md_clip_settings(const md_clip *clip) {
    return &clip->config;
}

const md_vit *md_clip_vit(const md_clip *clip) {
    return clip->config.family == MD_CLIP_VIT ? &clip->vit : NULL;
}

const md_clip_resnet *md_clip_resnet_of(const md_clip *clip) {
    return clip->config.family == MD_CLIP_RESNET ? &clip->resnet : NULL;
}

bool md_clip_is(const io_weights *file) {
    return md_clip_form_of(file) != NULL;
}

tn_status md_clip_describe(const char *path, const md_clip_options *options, md_clip_config *out,
                           tn_error *err) {
    io_weights *file;
    const md_clip_form *form;
    TN_TRY(io_weights_open(path, &file, err));
    tn_status status = configure(path, options, file, &form, out, err);
    io_weights_close(file);
    return status;
}

// ---- hash --------------------------------------------------------------------------------------

#define HASH_BLOCK ((size_t)4 << 20) // hashed separately, so that threads share the work

typedef struct hash_job {
    const char *bytes;
    size_t count;
    uint8_t (*digest)[IO_SHA256];
} hash_job;

static void hash_piece(void *user, int64_t i, int worker) {
    (void)worker;
    hash_job *job = user;
    size_t from = (size_t)i * HASH_BLOCK, left = job->count - from;
    io_sha256_memory(job->bytes + from, left < HASH_BLOCK ? left : HASH_BLOCK, job->digest[i]);
}

static tn_status hash_pieces(const tn_arena *arena, kn_ctx *kn, uint8_t out[32], tn_error *err) {
    int64_t blocks = (int64_t)((arena->used + HASH_BLOCK - 1) / HASH_BLOCK);
    hash_job job = {arena->base, arena->used, tn_alloc_zero((size_t)blocks + 1, IO_SHA256)};
    if (!job.digest)
        return tn_fail(err, TN_ENOMEM, "out of memory for hashing %zu bytes", arena->used);
    tn_pool_run(kn_pool(kn), blocks, hash_piece, &job);
    io_sha256_memory(job.digest, (size_t)blocks * IO_SHA256, out);
    tn_free(job.digest);
    return TN_OK;
}

tn_status md_clip_hash(const md_clip *clip, md_clip_tower tower, kn_ctx *kn, uint8_t out[32],
                       tn_error *err) {
    const md_clip_config *c = &clip->config;
    struct { // no padding: every field is 8 bytes or an array of such
        uint8_t weights[32];
        int64_t heads, activation, context, eps_bits;
        char level[32];
    } key = {.heads = tower == MD_CLIP_TEXT ? c->text_heads : c->heads,
             .activation =
                 tower == MD_CLIP_TEXT ? (int64_t)c->text_activation : (int64_t)c->activation,
             .context = c->context};
    memcpy(&key.eps_bits, &c->norm_eps, sizeof key.eps_bits);
    strncpy(key.level, kn_level(kn), sizeof key.level - 1);
    const tn_arena *arena = tower == MD_CLIP_TEXT ? &clip->text_arena : &clip->image_arena;
    TN_TRY(hash_pieces(arena, kn, key.weights, err));
    io_sha256_memory(&key, sizeof key, out);
    return TN_OK;
}

// ---- pictures ----------------------------------------------------------------------------------

// Number of pictures per pass through a tower: large enough for efficient products, small enough
// that memory stays bounded.
static int64_t pictures_at_once(const md_clip_config *c) {
    int64_t n = c->family == MD_CLIP_VIT ? 4096 / (1 + c->grid * c->grid)
                                         : 16 * 224 * 224 / (c->image_size * c->image_size);
    return n < 1 ? 1 : n;
}

tn_status md_clip_image_features(nn_ctx *cx, const md_clip *clip, const tn_tensor *x,
                                 const md_clip_tap *tap, tn_tensor *y) {
    const md_clip_config *c = &clip->config;
    TN_CHECK(tn_has_shape(x, TN_DIMS(-1, c->image_size, c->image_size, 3)) &&
                 tn_has_shape(y, TN_DIMS(x->dim[0], c->embed_dim)),
             "x or y has another shape than %s wants", c->name);
    int64_t step = pictures_at_once(c);
    for (int64_t from = 0; from < x->dim[0]; from += step) {
        int64_t n = x->dim[0] - from < step ? x->dim[0] - from : step;
        tn_tensor in = tn_slice(x, from, n), out = tn_slice(y, from, n);
        size_t mark = tn_arena_mark(cx->step);
        tn_status status = c->family == MD_CLIP_VIT
                               ? md_vit_fwd(cx, &clip->vit, &in, NULL, tap, &out)
                               : md_clip_resnet_fwd(cx, &clip->resnet, &in, tap, &out);
        tn_arena_reset(cx->step, mark);
        TN_TRY(status);
    }
    return TN_OK;
}

tn_status md_clip_encode_images(nn_ctx *cx, const md_clip *clip, const tn_tensor *x, tn_tensor *y) {
    TN_TRY(md_clip_image_features(cx, clip, x, NULL, y));
    kn_l2_normalize_fwd(cx->kn, 1e-12, y, y);
    return TN_OK;
}

// ---- text --------------------------------------------------------------------------------------

// The position of the end token, which has the highest id; -1 and an error if an id is out of
// range.
static tn_status end_of(const md_clip_config *c, const md_clip_text *text, int64_t row,
                        int64_t *position, tn_error *err) {
    if (text->count < 1 || text->count > c->context)
        return tn_fail(err, TN_EINVAL, "text %lld has %lld tokens, expected 1 to %lld",
                       (long long)row, (long long)text->count, (long long)c->context);
    *position = 0;
    for (int64_t i = 0; i < text->count; i++) {
        if (text->ids[i] < 0 || text->ids[i] >= c->vocabulary)
            return tn_fail(err, TN_EINVAL,
                           "text %lld has the token %d, but the model has only %lld (is the "
                           "tokenizer another model's?)",
                           (long long)row, text->ids[i], (long long)c->vocabulary);
        if (text->ids[i] > text->ids[*position]) *position = i;
    }
    return TN_OK;
}

// Encodes rows of equal length, from `at` in the sorted order, as one batch.
static tn_status encode_group(nn_ctx *cx, const md_clip *clip, const md_clip_text *text,
                              const int32_t *order, int64_t n, int64_t length,
                              const md_clip_tap *tap, tn_tensor *y) {
    tn_tensor ids, last;
    TN_TRY(tn_new(cx->step, &ids, TN_I32, TN_DIMS(n, length), cx->err));
    TN_TRY(tn_new(cx->step, &last, TN_I32, TN_DIMS(n), cx->err));
    for (int64_t i = 0; i < n; i++) {
        memcpy(tn_i32(&ids) + i * length, text[order[i]].ids, (size_t)length * sizeof(int32_t));
        tn_i32(&last)[i] = (int32_t)(length - 1);
    }
    return md_text_tower_fwd(cx, &clip->text, &ids, &last, tap, y);
}

// Sorts the texts by length, so that no row is padded; then restores the caller's order.
static tn_status encode_sorted(nn_ctx *cx, const md_clip *clip, const md_clip_text *text,
                               int64_t rows, const md_clip_tap *tap, tn_tensor *y) {
    const md_clip_config *c = &clip->config;
    tn_tensor length, order, back, sorted;
    TN_TRY(tn_new(cx->step, &length, TN_I32, TN_DIMS(rows), cx->err));
    TN_TRY(tn_new(cx->step, &order, TN_I32, TN_DIMS(rows), cx->err));
    TN_TRY(tn_new(cx->step, &back, TN_I32, TN_DIMS(rows), cx->err));
    TN_TRY(tn_new(cx->step, &sorted, TN_F32, TN_DIMS(rows, c->embed_dim), cx->err));
    for (int64_t i = 0; i < rows; i++) {
        int64_t position = 0;
        TN_TRY(end_of(c, &text[i], i, &position, cx->err));
        tn_i32(&length)[i] = (int32_t)(position + 1);
    }
    int64_t done = 0;
    for (int64_t l = 1; l <= c->context; l++) {
        int64_t first = done, step = 4096 / l ? 4096 / l : 1;
        for (int64_t i = 0; i < rows; i++)
            if (tn_i32(&length)[i] == l) {
                tn_i32(&back)[i] = (int32_t)done;
                tn_i32(&order)[done++] = (int32_t)i;
            }
        for (int64_t from = first; from < done; from += step) {
            int64_t n = done - from < step ? done - from : step;
            size_t mark = tn_arena_mark(cx->step);
            tn_tensor out = tn_slice(&sorted, from, n);
            TN_TRY(encode_group(cx, clip, text, tn_i32(&order) + from, n, l, tap, &out));
            tn_arena_reset(cx->step, mark);
        }
    }
    kn_gather_rows_fwd(cx->kn, &sorted, &back, y);
    return TN_OK;
}

tn_status md_clip_text_features(nn_ctx *cx, const md_clip *clip, const md_clip_text *text,
                                int64_t rows, const md_clip_tap *tap, tn_tensor *y) {
    TN_CHECK(rows <= INT32_MAX && tn_has_shape(y, TN_DIMS(rows, clip->config.embed_dim)),
             "%lld rows into a y of %lld", (long long)rows, (long long)y->dim[0]);
    if (rows == 0) return TN_OK;
    size_t mark = tn_arena_mark(cx->step);
    tn_status status = encode_sorted(cx, clip, text, rows, tap, y);
    tn_arena_reset(cx->step, mark);
    return status;
}

tn_status md_clip_encode_texts(nn_ctx *cx, const md_clip *clip, const md_clip_text *text,
                               int64_t rows, tn_tensor *y) {
    TN_TRY(md_clip_text_features(cx, clip, text, rows, NULL, y));
    if (rows) kn_l2_normalize_fwd(cx->kn, 1e-12, y, y);
    return TN_OK;
}
