// SPDX-License-Identifier: Apache-2.0
#include "nn/pack.h"

#include "kernels/kernels.h"
#include "nn/real.h"

tn_status nn_pack_tensor(const nn_loader *load, tn_tensor *w, const tn_tensor *scale,
                         kn_weight *out, kn_weight *adjoint) {
    *adjoint = (kn_weight){0};
    TN_TRY(kn_weight_pack(load->kn, load->arena, w, scale, out, load->err));
    if (!load->adjoint) return TN_OK;
    int64_t rows = w->dim[0], columns = rows ? tn_count(w) / rows : 0;
    for (int64_t k = 0; scale && k < rows; k++)
        for (int64_t i = 0; i < columns; i++)
            nn_real_set(w, k * columns + i, nn_real(w, k * columns + i) * nn_real(scale, k));
    return kn_weight_pack_adjoint(load->kn, load->arena, w, adjoint, load->err);
}

void nn_check_adjoint(const kn_weight *w, const kn_weight *adjoint) {
    TN_CHECK(adjoint->table,
             "a gradient through a frozen layer [%lld,%lld] that was loaded without `adjoint`",
             (long long)w->out, (long long)w->in);
}

tn_status nn_pack(const nn_loader *load, const char *name, int rank, const int64_t *dim,
                  const tn_tensor *scale, kn_weight *out, kn_weight *adjoint) {
    const io_tensor *found;
    TN_TRY(nn_find(load, name, &found));
    size_t count, bytes;
    if (!tn_count_checked(found->rank, found->dim, &count) || !tn_mul_size(count, 4, &bytes))
        return tn_fail(load->err, TN_EFORMAT, "%s: tensor '%s' is too large",
                       io_weights_path(load->file), found->name);
    // A separate arena, so that the weights of a model stay one dense block.
    tn_arena scratch;
    TN_TRY(tn_arena_init(&scratch, bytes + TN_ALIGN, load->err));
    tn_tensor w;
    tn_status status = nn_load_into(load, &scratch, name, rank, dim, &w);
    if (status == TN_OK && count == 0)
        status = tn_fail(load->err, TN_EFORMAT, "%s: tensor '%s' is empty",
                         io_weights_path(load->file), found->name);
    if (status == TN_OK) status = nn_pack_tensor(load, &w, scale, out, adjoint);
    tn_arena_deinit(&scratch);
    return status;
}
