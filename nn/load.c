// SPDX-License-Identifier: Apache-2.0
#include "nn/init.h"
#include "nn/params.h"

#include <stdio.h>
#include <string.h>

const char *nn_join(char out[NN_NAME], const char *prefix, const char *suffix) {
    int length = snprintf(out, NN_NAME, "%s%s", prefix, suffix);
    TN_CHECK(length >= 0 && length < NN_NAME, "parameter name %s%s is too long", prefix, suffix);
    return out;
}

void nn_residual_init(nn_loader *load) {
    if (load->residual_scale > 0) load->init.value *= load->residual_scale;
}

static const io_tensor *find(const nn_loader *load, const char *name, char in_file[NN_NAME]) {
    if (!load->file) return NULL;
    if (load->rename)
        load->rename(name, in_file, NN_NAME);
    else
        snprintf(in_file, NN_NAME, "%s", name);
    return io_weights_find(load->file, in_file);
}

bool nn_has(const nn_loader *load, const char *name) {
    char in_file[NN_NAME];
    return find(load, name, in_file) != NULL;
}

tn_status nn_find(const nn_loader *load, const char *name, const io_tensor **out) {
    char in_file[NN_NAME];
    TN_CHECK(load->file, "'%s' is to be loaded, but there is no file", name);
    *out = find(load, name, in_file);
    if (*out) return TN_OK;
    return tn_fail(load->err, TN_EFORMAT, "%s: there is no tensor '%s'",
                   io_weights_path(load->file), in_file);
}

tn_status nn_expect_shape(const nn_loader *load, const io_tensor *found, int rank,
                          const int64_t *dim) {
    tn_tensor as_stored = tn_view(NULL, found->dtype, found->rank, found->dim);
    if (tn_has_shape(&as_stored, rank, dim)) return TN_OK;
    char is[128], want[128];
    return tn_fail(load->err, TN_EFORMAT, "%s: tensor '%s' has shape %s, expected %s",
                   io_weights_path(load->file), found->name,
                   tn_shape_text(found->rank, found->dim, is, sizeof is),
                   tn_shape_text(rank, dim, want, sizeof want));
}

tn_status nn_load_into(const nn_loader *load, tn_arena *arena, const char *name, int rank,
                       const int64_t *dim, tn_tensor *out) {
    const io_tensor *found;
    TN_TRY(nn_find(load, name, &found));
    TN_TRY(nn_expect_shape(load, found, rank, dim));
    TN_TRY(tn_new(arena, out, load->dtype, found->rank, found->dim, load->err));
    tn_convert(found->data, found->dtype, out->data, load->dtype, (size_t)tn_count(out));
    return TN_OK;
}

tn_status nn_load(const nn_loader *load, const char *name, int rank, const int64_t *dim,
                  tn_tensor *out) {
    return nn_load_into(load, load->arena, name, rank, dim, out);
}

bool nn_has_bias(const nn_loader *load, const char *prefix) {
    char name[NN_NAME];
    return load->file ? nn_has(load, nn_join(name, prefix, ".bias")) : load->bias;
}

tn_status nn_param_load(const nn_loader *load, const char *name, int rank, const int64_t *dim,
                        bool decay, nn_init init, nn_param **out) {
    const io_tensor *found = NULL;
    if (load->file) {
        TN_TRY(nn_find(load, name, &found));
        TN_TRY(nn_expect_shape(load, found, rank, dim));
        dim = found->dim;
    }
    for (int i = 0; i < rank; i++) {
        TN_CHECK(dim[i] >= 0, "'%s' is initialised, but its size is not given", name);
        if (dim[i] == 0)
            return tn_fail(load->err, TN_EFORMAT, "%s: tensor '%s' is empty",
                           load->file ? io_weights_path(load->file) : "a new model", name);
    }
    TN_TRY(nn_params_add(load->params, name, rank, dim, decay, out, load->err));
    tn_tensor *value = &(*out)->value;
    if (found)
        tn_convert(found->data, found->dtype, value->data, value->dtype, (size_t)tn_count(value));
    else
        nn_init_fill(init, load->seed, name, value);
    return TN_OK;
}

tn_status nn_param_load_vector(const nn_loader *load, const char *name, int64_t channels,
                               double initial, nn_param **param, tn_tensor *out) {
    if (!load->params) return nn_load(load, name, TN_DIMS(channels), out);
    TN_TRY(nn_param_load(load, name, TN_DIMS(channels), false, (nn_init){.value = initial}, param));
    *out = (*param)->value;
    return TN_OK;
}
