// SPDX-License-Identifier: Apache-2.0
#include "nn/linear.h"

#include "nn/pack.h"

#include <string.h>

tn_status nn_linear_load(const nn_loader *load, const char *prefix, int64_t out, int64_t in,
                         kn_act act, nn_linear *linear) {
    char name[NN_NAME];
    *linear = (nn_linear){.act = act};
    TN_TRY(
        nn_pack(load, nn_join(name, prefix, ".weight"), 2, (int64_t[]){out, in}, NULL, &linear->w));
    if (!nn_has(load, nn_join(name, prefix, ".bias"))) return TN_OK;
    return nn_load(load, name, TN_DIMS(linear->w.out), &linear->bias);
}

// Room for two float32 copies of [rows,columns]: a tensor and what is built of it.
static tn_status room_for(const nn_loader *load, const char *name, size_t rows, size_t columns,
                          tn_arena *room) {
    size_t count, bytes;
    if (!tn_mul_size(rows, columns, &count) || !tn_mul_size(count, 8, &bytes) ||
        !tn_add_size(bytes, 16 * TN_ALIGN, &bytes))
        return tn_fail(load->err, TN_EFORMAT, "%s: tensor '%s' is too large",
                       io_weights_path(load->file), name);
    return tn_arena_init(room, bytes, load->err);
}

static tn_status pack_transposed(const nn_loader *load, tn_arena *room, const char *name,
                                 int64_t in, int64_t out, nn_linear *linear) {
    tn_tensor stored, turned;
    TN_TRY(nn_load_into(load, room, name, TN_DIMS(in, out), &stored));
    int64_t rows = stored.dim[0], columns = stored.dim[1];
    TN_TRY(tn_new(room, &turned, TN_F32, TN_DIMS(columns, rows), load->err));
    for (int64_t i = 0; i < rows; i++)
        for (int64_t k = 0; k < columns; k++)
            tn_f32(&turned)[k * rows + i] = tn_f32(&stored)[i * columns + k];
    return kn_weight_pack(load->kn, load->arena, &turned, NULL, &linear->w, load->err);
}

tn_status nn_linear_load_matrix(const nn_loader *load, const char *name, int64_t in, int64_t out,
                                nn_linear *linear) {
    const io_tensor *found;
    *linear = (nn_linear){.act = KN_LINEAR};
    TN_TRY(nn_find(load, name, &found));
    if (found->rank != 2) return nn_pack(load, name, 2, (int64_t[]){in, out}, NULL, &linear->w);
    tn_arena room;
    TN_TRY(room_for(load, name, (size_t)found->dim[0], (size_t)found->dim[1], &room));
    tn_status status = pack_transposed(load, &room, name, in, out, linear);
    tn_arena_deinit(&room);
    return status;
}

// Weights first, then biases, as nn_linear_load has them: the same layer from any form of file then
// lies in memory alike.
static tn_status join(const nn_loader *load, tn_arena *room, int count, const char *const *prefix,
                      int64_t out, int64_t in, nn_linear *linear) {
    char name[NN_NAME];
    tn_tensor w, part;
    bool biased = false;
    TN_TRY(tn_new(room, &w, TN_F32, TN_DIMS(count * out, in), load->err));
    for (int i = 0; i < count; i++) {
        size_t mark = tn_arena_mark(room);
        TN_TRY(
            nn_load_into(load, room, nn_join(name, prefix[i], ".weight"), TN_DIMS(out, in), &part));
        memcpy(tn_f32(&w) + i * out * in, part.data, tn_bytes(&part));
        tn_arena_reset(room, mark);
        biased = biased || nn_has(load, nn_join(name, prefix[i], ".bias"));
    }
    TN_TRY(kn_weight_pack(load->kn, load->arena, &w, NULL, &linear->w, load->err));
    if (!biased) return TN_OK;
    TN_TRY(tn_new(load->arena, &linear->bias, TN_F32, TN_DIMS(count * out), load->err));
    for (int i = 0; i < count; i++) {
        size_t mark = tn_arena_mark(room);
        TN_TRY(nn_load_into(load, room, nn_join(name, prefix[i], ".bias"), TN_DIMS(out), &part));
        memcpy(tn_f32(&linear->bias) + i * out, part.data, tn_bytes(&part));
        tn_arena_reset(room, mark);
    }
    return TN_OK;
}

tn_status nn_linear_load_joined(const nn_loader *load, int count, const char *const *prefix,
                                int64_t out, int64_t in, kn_act act, nn_linear *linear) {
    *linear = (nn_linear){.act = act};
    TN_CHECK(count > 0 && out > 0 && in > 0, "%d layers of [%lld,%lld]", count, (long long)out,
             (long long)in);
    tn_arena room;
    TN_TRY(room_for(load, prefix[0], (size_t)count * (size_t)out, (size_t)in, &room));
    tn_status status = join(load, &room, count, prefix, out, in, linear);
    tn_arena_deinit(&room);
    return status;
}

void nn_linear_into(nn_ctx *cx, const nn_linear *linear, const tn_tensor *x,
                    const tn_tensor *residual, tn_tensor *y) {
    kn_epilogue ep = {
        .bias = linear->bias.data ? &linear->bias : NULL, .residual = residual, .act = linear->act};
    kn_linear_fwd(cx->kn, x, &linear->w, &ep, y);
}

tn_status nn_linear_fwd(nn_ctx *cx, const nn_linear *linear, const tn_tensor *x,
                        const tn_tensor *residual, tn_tensor *y) {
    int64_t dim[TN_MAX_RANK];
    memcpy(dim, x->dim, sizeof dim);
    TN_CHECK(x->rank >= 1, "x has rank %d", x->rank);
    dim[x->rank - 1] = linear->w.out;
    TN_TRY(tn_new(cx->step, y, x->dtype, x->rank, dim, cx->err));
    nn_linear_into(cx, linear, x, residual, y);
    return TN_OK;
}
