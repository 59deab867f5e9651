// SPDX-License-Identifier: Apache-2.0
#include "nn/linear.h"
#include "nn/pack.h"

#include <string.h>

// ---- trained ----------------------------------------------------------------------------------

static tn_status finish(const nn_loader *load, const nn_trained *parts, nn_linear *linear) {
    TN_TRY(nn_trained_new(load, parts, &linear->trained));
    linear->w = linear->trained->plain;
    linear->bias = nn_trained_bias(linear->trained);
    return TN_OK;
}

static tn_status add_weight(const nn_loader *load, const char *name, int rank, const int64_t *dim,
                            nn_param **out) {
    return nn_param_load(load, name, rank, dim, true, load->init, out);
}

static tn_status add_bias(const nn_loader *load, const char *name, int64_t count, nn_param **out) {
    return nn_param_load(load, name, TN_DIMS(count), false, (nn_init){0}, out);
}

static tn_status train_joined(const nn_loader *load, int count, const char *const *prefix,
                              int64_t out, int64_t in, nn_linear *linear) {
    char name[NN_NAME];
    nn_trained parts = {.form = NN_JOINED, .parts = count};
    TN_CHECK(count <= NN_MAX_JOINED, "%d layers", count);
    for (int i = 0; i < count; i++) {
        TN_TRY(add_weight(load, nn_join(name, prefix[i], ".weight"), TN_DIMS(out, in),
                          &parts.weight[i]));
        if (nn_has_bias(load, prefix[i]))
            TN_TRY(add_bias(load, nn_join(name, prefix[i], ".bias"), out, &parts.bias[i]));
        if (!parts.bias[i] != !parts.bias[0])
            return tn_fail(load->err, TN_EFORMAT, "%s: '%s' and '%s': one has a bias, one has none",
                           io_weights_path(load->file), prefix[0], prefix[i]);
    }
    return finish(load, &parts, linear);
}

// ---- plain ------------------------------------------------------------------------------------

tn_status nn_linear_load_named(const nn_loader *load, const char *weight, const char *bias,
                               int64_t out, int64_t in, kn_act act, nn_linear *linear) {
    *linear = (nn_linear){.act = act};
    if (load->params) {
        nn_trained parts = {.form = NN_PLAIN, .parts = 1};
        TN_TRY(add_weight(load, weight, TN_DIMS(out, in), &parts.weight[0]));
        if (bias) TN_TRY(add_bias(load, bias, parts.weight[0]->value.dim[0], &parts.bias[0]));
        return finish(load, &parts, linear);
    }
    TN_TRY(nn_pack(load, weight, 2, (int64_t[]){out, in}, NULL, &linear->w, &linear->adjoint));
    return bias ? nn_load(load, bias, TN_DIMS(linear->w.out), &linear->bias) : TN_OK;
}

tn_status nn_linear_load(const nn_loader *load, const char *prefix, int64_t out, int64_t in,
                         kn_act act, nn_linear *linear) {
    char weight[NN_NAME], bias[NN_NAME];
    nn_join(weight, prefix, ".weight");
    nn_join(bias, prefix, ".bias");
    return nn_linear_load_named(load, weight, nn_has_bias(load, prefix) ? bias : NULL, out, in, act,
                                linear);
}

// ---- joined or transposed ---------------------------------------------------------------------

// Opens an arena with space for two copies of [rows,columns]: a tensor and its rearranged form.
static tn_status open_scratch(const nn_loader *load, const char *name, size_t rows, size_t columns,
                              tn_arena *scratch) {
    size_t count, bytes;
    if (!tn_mul_size(rows, columns, &count) ||
        !tn_mul_size(count, 2 * tn_dtype_size(load->dtype), &bytes) ||
        !tn_add_size(bytes, 16 * TN_ALIGN, &bytes))
        return tn_fail(load->err, TN_EFORMAT, "%s: tensor '%s' is too large",
                       io_weights_path(load->file), name);
    return tn_arena_init(scratch, bytes, load->err);
}

static void copy_element(const tn_tensor *from, int64_t i, tn_tensor *to, int64_t k) {
    if (from->dtype == TN_F64)
        ((double *)to->data)[k] = ((const double *)from->data)[i];
    else
        tn_f32(to)[k] = tn_f32(from)[i];
}

static tn_status pack_transposed(const nn_loader *load, tn_arena *scratch, const char *name,
                                 int64_t in, int64_t out, nn_linear *linear) {
    tn_tensor stored, reordered;
    TN_TRY(nn_load_into(load, scratch, name, TN_DIMS(in, out), &stored));
    int64_t rows = stored.dim[0], columns = stored.dim[1];
    TN_TRY(tn_new(scratch, &reordered, stored.dtype, TN_DIMS(columns, rows), load->err));
    for (int64_t i = 0; i < rows; i++)
        for (int64_t k = 0; k < columns; k++)
            copy_element(&stored, i * columns + k, &reordered, k * rows + i);
    return nn_pack_tensor(load, &reordered, NULL, &linear->w, &linear->adjoint);
}

tn_status nn_linear_load_matrix(const nn_loader *load, const char *name, int64_t in, int64_t out,
                                nn_linear *linear) {
    const io_tensor *found;
    *linear = (nn_linear){.act = KN_LINEAR};
    if (load->params) {
        nn_trained parts = {.form = NN_TRANSPOSED, .parts = 1};
        TN_TRY(add_weight(load, name, TN_DIMS(in, out), &parts.weight[0]));
        return finish(load, &parts, linear);
    }
    TN_TRY(nn_find(load, name, &found));
    if (found->rank != 2)
        return nn_pack(load, name, 2, (int64_t[]){in, out}, NULL, &linear->w, &linear->adjoint);
    tn_arena scratch;
    TN_TRY(open_scratch(load, name, (size_t)found->dim[0], (size_t)found->dim[1], &scratch));
    tn_status status = pack_transposed(load, &scratch, name, in, out, linear);
    tn_arena_deinit(&scratch);
    return status;
}

// Weights first, then biases, as in nn_linear_load: the memory layout of a layer does not depend on
// how the file stores it.
static tn_status join(const nn_loader *load, tn_arena *scratch, int count,
                      const char *const *prefix, int64_t out, int64_t in, nn_linear *linear) {
    char name[NN_NAME];
    tn_tensor w, part;
    bool biased = false;
    TN_TRY(tn_new(scratch, &w, load->dtype, TN_DIMS(count * out, in), load->err));
    for (int i = 0; i < count; i++) {
        size_t mark = tn_arena_mark(scratch);
        TN_TRY(nn_load_into(load, scratch, nn_join(name, prefix[i], ".weight"), TN_DIMS(out, in),
                            &part));
        memcpy((char *)w.data + (size_t)i * tn_bytes(&part), part.data, tn_bytes(&part));
        tn_arena_reset(scratch, mark);
        biased = biased || nn_has(load, nn_join(name, prefix[i], ".bias"));
    }
    TN_TRY(nn_pack_tensor(load, &w, NULL, &linear->w, &linear->adjoint));
    if (!biased) return TN_OK;
    TN_TRY(tn_new(load->arena, &linear->bias, load->dtype, TN_DIMS(count * out), load->err));
    for (int i = 0; i < count; i++) {
        size_t mark = tn_arena_mark(scratch);
        TN_TRY(nn_load_into(load, scratch, nn_join(name, prefix[i], ".bias"), TN_DIMS(out), &part));
        memcpy((char *)linear->bias.data + (size_t)i * tn_bytes(&part), part.data, tn_bytes(&part));
        tn_arena_reset(scratch, mark);
    }
    return TN_OK;
}

tn_status nn_linear_load_joined(const nn_loader *load, int count, const char *const *prefix,
                                int64_t out, int64_t in, kn_act act, nn_linear *linear) {
    *linear = (nn_linear){.act = act};
    TN_CHECK(count > 0 && out > 0 && in > 0, "%d layers of [%lld,%lld]", count, (long long)out,
             (long long)in);
    if (load->params) return train_joined(load, count, prefix, out, in, linear);
    tn_arena scratch;
    TN_TRY(open_scratch(load, prefix[0], (size_t)count * (size_t)out, (size_t)in, &scratch));
    tn_status status = join(load, &scratch, count, prefix, out, in, linear);
    tn_arena_deinit(&scratch);
    return status;
}

// ---- over regions -----------------------------------------------------------------------------

// w [K, C*bins] as in the file -> [K, bins*C], which matches a channels-last region.
static void reorder_columns(const tn_tensor *w, int64_t channels, int64_t bins,
                            tn_tensor *reordered) {
    for (int64_t k = 0; k < w->dim[0]; k++)
        for (int64_t b = 0; b < bins; b++)
            for (int64_t c = 0; c < channels; c++)
                copy_element(w, (k * channels + c) * bins + b, reordered,
                             (k * bins + b) * channels + c);
}

// The weight of a layer over regions: [K,C,s,s], which a file may also store as [K,C*s*s].
typedef struct region_shape {
    int64_t dim[4], flat[2];
} region_shape;

static tn_status pack_reordered(const nn_loader *load, tn_arena *scratch, const char *name,
                                bool flat, const region_shape *shape, nn_linear *linear) {
    tn_tensor w, reordered;
    int64_t channels = shape->dim[1], bins = shape->dim[2] * shape->dim[3];
    TN_TRY(nn_load_into(load, scratch, name, flat ? 2 : 4, flat ? shape->flat : shape->dim, &w));
    TN_TRY(tn_new(scratch, &reordered, w.dtype, TN_DIMS(w.dim[0], bins * channels), load->err));
    reorder_columns(&w, channels, bins, &reordered);
    return nn_pack_tensor(load, &reordered, NULL, &linear->w, &linear->adjoint);
}

static tn_status load_regions(const nn_loader *load, const char *name, const region_shape *shape,
                              nn_linear *linear) {
    const io_tensor *found;
    size_t count;
    tn_arena scratch;
    TN_TRY(nn_find(load, name, &found));
    if (!tn_count_checked(found->rank, found->dim, &count) || count == 0)
        return tn_fail(load->err, TN_EFORMAT, "%s: tensor '%s' is empty or too large",
                       io_weights_path(load->file), name);
    TN_TRY(open_scratch(load, name, 1, count, &scratch));
    tn_status status = pack_reordered(load, &scratch, name, found->rank != 4, shape, linear);
    tn_arena_deinit(&scratch);
    return status;
}

tn_status nn_linear_load_regions(const nn_loader *load, const char *prefix, int64_t out,
                                 int64_t channels, int64_t size, kn_act act, nn_linear *linear) {
    char name[NN_NAME], bias[NN_NAME];
    const io_tensor *found = NULL;
    const region_shape shape = {{out, channels, size, size}, {out, channels * size * size}};
    *linear = (nn_linear){.act = act};
    nn_join(name, prefix, ".weight");
    nn_join(bias, prefix, ".bias");
    if (load->params) {
        nn_trained parts = {.form = NN_REGIONS, .parts = 1, .bins = size * size};
        if (load->file) TN_TRY(nn_find(load, name, &found));
        bool flat = !found || found->rank != 4; // a new one has the shape of PyTorch's Linear
        TN_TRY(
            add_weight(load, name, flat ? 2 : 4, flat ? shape.flat : shape.dim, &parts.weight[0]));
        if (nn_has_bias(load, prefix))
            TN_TRY(add_bias(load, bias, parts.weight[0]->value.dim[0], &parts.bias[0]));
        return finish(load, &parts, linear);
    }
    TN_TRY(load_regions(load, name, &shape, linear));
    if (!nn_has(load, bias)) return TN_OK;
    return nn_load(load, bias, TN_DIMS(linear->w.out), &linear->bias);
}
