// SPDX-License-Identifier: Apache-2.0
#include "nn/nn.h"

#include <stdio.h>
#include <string.h>

const char *nn_join(char out[NN_NAME], const char *prefix, const char *suffix) {
    int length = snprintf(out, NN_NAME, "%s%s", prefix, suffix);
    TN_CHECK(length >= 0 && length < NN_NAME, "parameter name %s%s is too long", prefix, suffix);
    return out;
}

static const io_tensor *find(const nn_loader *load, const char *name, char in_file[NN_NAME]) {
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
    *out = find(load, name, in_file);
    if (*out) return TN_OK;
    return tn_fail(load->err, TN_EFORMAT, "%s: there is no tensor '%s'",
                   io_weights_path(load->file), in_file);
}

tn_status nn_load_into(const nn_loader *load, tn_arena *arena, const char *name, int rank,
                       const int64_t *dim, tn_tensor *out) {
    const io_tensor *found;
    TN_TRY(nn_find(load, name, &found));
    tn_tensor as_stored = tn_view(NULL, found->dtype, found->rank, found->dim);
    if (!tn_has_shape(&as_stored, rank, dim)) {
        char is[128], want[128];
        return tn_fail(load->err, TN_EFORMAT, "%s: tensor '%s' has shape %s, expected %s",
                       io_weights_path(load->file), found->name,
                       tn_shape_text(found->rank, found->dim, is, sizeof is),
                       tn_shape_text(rank, dim, want, sizeof want));
    }
    TN_TRY(tn_new(arena, out, TN_F32, found->rank, found->dim, load->err));
    tn_convert(found->data, found->dtype, out->data, TN_F32, (size_t)tn_count(out));
    return TN_OK;
}

tn_status nn_load(const nn_loader *load, const char *name, int rank, const int64_t *dim,
                  tn_tensor *out) {
    return nn_load_into(load, load->arena, name, rank, dim, out);
}
