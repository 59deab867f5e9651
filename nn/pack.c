// SPDX-License-Identifier: Apache-2.0
#include "nn/pack.h"

tn_status nn_pack(const nn_loader *load, const char *name, int rank, const int64_t *dim,
                  const tn_tensor *scale, kn_weight *out) {
    const io_tensor *found;
    TN_TRY(nn_find(load, name, &found));
    size_t count, bytes;
    if (!tn_count_checked(found->rank, found->dim, &count) || !tn_mul_size(count, 4, &bytes))
        return tn_fail(load->err, TN_EFORMAT, "%s: tensor '%s' is too large",
                       io_weights_path(load->file), found->name);
    // An arena of its own, so that model weights stay one dense block.
    tn_arena room;
    TN_TRY(tn_arena_init(&room, bytes + TN_ALIGN, load->err));
    tn_tensor w;
    tn_status status = nn_load_into(load, &room, name, rank, dim, &w);
    if (status == TN_OK && count == 0)
        status = tn_fail(load->err, TN_EFORMAT, "%s: tensor '%s' is empty",
                         io_weights_path(load->file), found->name);
    if (status == TN_OK) status = kn_weight_pack(load->kn, load->arena, &w, scale, out, load->err);
    tn_arena_deinit(&room);
    return status;
}
