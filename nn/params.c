// SPDX-License-Identifier: Apache-2.0
#include "nn/params.h"

#include "nn/trained.h"

#include <string.h>

tn_status nn_params_init(nn_params *params, tn_dtype dtype, tn_error *err) {
    TN_CHECK(dtype == TN_F32 || dtype == TN_F64, "parameters of %s", tn_dtype_name(dtype));
    *params = (nn_params){.dtype = dtype};
    tn_arena *all[] = {&params->flat[NN_VALUE], &params->flat[NN_GRAD], &params->flat[NN_M],
                       &params->flat[NN_V],     &params->buffer_values, &params->packed,
                       &params->parts};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        tn_status status = tn_arena_init_large(all[i], err);
        if (status != TN_OK) {
            nn_params_deinit(params);
            return status;
        }
    }
    return TN_OK;
}

void nn_params_deinit(nn_params *params) {
    for (int i = 0; i < NN_FLATS; i++) tn_arena_deinit(&params->flat[i]);
    tn_arena_deinit(&params->buffer_values);
    tn_arena_deinit(&params->packed);
    tn_arena_deinit(&params->parts);
    tn_free(params->param);
    tn_free(params->buffer);
    *params = (nn_params){0};
}

nn_param *nn_params_find(const nn_params *params, const char *name) {
    for (int i = 0; i < params->count; i++)
        if (strcmp(params->param[i]->name, name) == 0) return params->param[i];
    return NULL;
}

static const nn_buffer *find_buffer(const nn_params *params, const char *name) {
    for (int i = 0; i < params->buffers; i++)
        if (strcmp(params->buffer[i]->name, name) == 0) return params->buffer[i];
    return NULL;
}

// ---- adding -----------------------------------------------------------------------------------

// A cleared record of `bytes`, followed by the name.
static void *new_record(nn_params *params, const char *name, size_t bytes, const char **kept) {
    TN_CHECK(!nn_params_find(params, name) && !find_buffer(params, name),
             "the name '%s' is used twice", name);
    size_t length = strlen(name) + 1;
    char *record = tn_arena_alloc(&params->parts, bytes + length);
    if (!record) return NULL;
    memset(record, 0, bytes);
    memcpy(record + bytes, name, length);
    *kept = record + bytes;
    return record;
}

// Makes space for one more pointer; the capacity is doubled at powers of two.
static bool grow(void **list, int count) {
    if (count & (count - 1)) return true;
    size_t old = (size_t)count * sizeof(void *);
    void *more = tn_realloc(*list, old, old ? 2 * old : sizeof(void *));
    if (more) *list = more;
    return more != NULL;
}

static tn_status no_memory(const char *name, tn_error *err) {
    return tn_fail(err, TN_ENOMEM, "out of memory for parameter '%s'", name);
}

tn_status nn_params_add(nn_params *params, const char *name, int rank, const int64_t *dim,
                        bool decay, nn_param **out, tn_error *err) {
    const char *kept;
    nn_param *param = new_record(params, name, sizeof *param, &kept);
    if (!param || !grow((void **)&params->param, params->count)) return no_memory(name, err);
    *param = (nn_param){.name = kept, .decay = decay};
    param->offset = (int64_t)(params->flat[NN_VALUE].used / tn_dtype_size(params->dtype));
    tn_tensor *views[NN_FLATS] = {&param->value, &param->grad, &param->m, &param->v};
    for (int i = 0; i < NN_FLATS; i++)
        TN_TRY(tn_new(&params->flat[i], views[i], params->dtype, rank, dim, err));
    params->param[params->count++] = param;
    *out = param;
    return TN_OK;
}

tn_status nn_params_add_buffer(nn_params *params, const char *name, int rank, const int64_t *dim,
                               nn_buffer **out, tn_error *err) {
    const char *kept;
    nn_buffer *buffer = new_record(params, name, sizeof *buffer, &kept);
    if (!buffer || !grow((void **)&params->buffer, params->buffers)) return no_memory(name, err);
    buffer->name = kept;
    TN_TRY(tn_new(&params->buffer_values, &buffer->value, params->dtype, rank, dim, err));
    params->buffer[params->buffers++] = buffer;
    *out = buffer;
    return TN_OK;
}

// ---- flat arrays ------------------------------------------------------------------------------

static tn_tensor whole(const tn_arena *arena, tn_dtype dtype) {
    return tn_view(arena->base, dtype, TN_DIMS((int64_t)(arena->used / tn_dtype_size(dtype))));
}

tn_tensor nn_params_flat(const nn_params *params, nn_flat which) {
    return whole(&params->flat[which], params->dtype);
}

tn_tensor nn_params_flat_buffers(const nn_params *params) {
    return whole(&params->buffer_values, params->dtype);
}

int64_t nn_params_elements(const nn_params *params) {
    int64_t sum = 0;
    for (int i = 0; i < params->count; i++) sum += tn_count(&params->param[i]->value);
    return sum;
}

void nn_params_zero_grad(nn_params *params) {
    memset(params->flat[NN_GRAD].base, 0, params->flat[NN_GRAD].used);
}

void nn_params_changed(nn_params *params, kn_ctx *kn) {
    for (nn_trained *t = params->trained; t; t = t->next) nn_trained_repack(kn, t);
}

// ---- files ------------------------------------------------------------------------------------

static io_tensor as_stored(const char *name, const tn_tensor *t) {
    io_tensor out = {.name = name, .dtype = t->dtype, .rank = t->rank, .data = t->data};
    memcpy(out.dim, t->dim, sizeof out.dim);
    return out;
}

void nn_params_tensors(const nn_params *params, io_tensor *out) {
    for (int i = 0; i < params->count; i++)
        *out++ = as_stored(params->param[i]->name, &params->param[i]->value);
    for (int i = 0; i < params->buffers; i++)
        *out++ = as_stored(params->buffer[i]->name, &params->buffer[i]->value);
}

// The i-th tensor of parameters and buffers; sets *name.
static const tn_tensor *at(const nn_params *params, int i, const char **name) {
    *name = i < params->count ? params->param[i]->name : params->buffer[i - params->count]->name;
    return i < params->count ? &params->param[i]->value : &params->buffer[i - params->count]->value;
}

tn_status nn_params_read(nn_params *params, const io_weights *file, tn_error *err) {
    nn_loader load = {.file = file, .err = err};
    const io_tensor *found;
    const char *name;
    for (int i = 0; i < params->count + params->buffers; i++) {
        const tn_tensor *t = at(params, i, &name);
        TN_TRY(nn_find(&load, name, &found));
        TN_TRY(nn_expect_shape(&load, found, t->rank, t->dim));
    }
    for (int i = 0; i < params->count + params->buffers; i++) {
        const tn_tensor *t = at(params, i, &name);
        TN_TRY(nn_find(&load, name, &found));
        tn_convert(found->data, found->dtype, t->data, t->dtype, (size_t)tn_count(t));
    }
    return TN_OK;
}
