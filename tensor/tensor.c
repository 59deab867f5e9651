// SPDX-License-Identifier: Apache-2.0
#include "tensor/tensor.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
} dtypes[TN_DTYPES] = {
    [TN_F32] = {"float32", 4},   [TN_F64] = {"float64", 8}, [TN_F16] = {"float16", 2},
    [TN_BF16] = {"bfloat16", 2}, [TN_U8] = {"uint8", 1},    [TN_I8] = {"int8", 1},
    [TN_I16] = {"int16", 2},     [TN_I32] = {"int32", 4},   [TN_I64] = {"int64", 8},
    [TN_BOOL] = {"bool", 1},
};

size_t tn_dtype_size(tn_dtype dtype) {
    TN_CHECK((unsigned)dtype < TN_DTYPES, "dtype %d", (int)dtype);
    return dtypes[dtype].size;
}

const char *tn_dtype_name(tn_dtype dtype) {
    return (unsigned)dtype < TN_DTYPES ? dtypes[dtype].name : "unknown type";
}

bool tn_count_checked(int rank, const int64_t *dim, size_t *count) {
    size_t product = 1;
    for (int i = 0; i < rank; i++)
        if (dim[i] < 0 || !tn_mul_size(product, (size_t)dim[i], &product)) return false;
    *count = product;
    return true;
}

int64_t tn_count(const tn_tensor *t) {
    int64_t product = 1;
    for (int i = 0; i < t->rank; i++) product *= t->dim[i];
    return product;
}

size_t tn_bytes(const tn_tensor *t) {
    return (size_t)tn_count(t) * tn_dtype_size(t->dtype);
}

int64_t tn_rows(const tn_tensor *t) {
    int64_t product = 1;
    for (int i = 0; i + 1 < t->rank; i++) product *= t->dim[i];
    return product;
}

tn_tensor tn_view(void *data, tn_dtype dtype, int rank, const int64_t *dim) {
    TN_CHECK(rank >= 0 && rank <= TN_MAX_RANK, "rank %d", rank);
    tn_tensor t = {.dtype = dtype, .rank = rank, .data = data};
    for (int i = 0; i < rank; i++) t.dim[i] = dim[i];
    return t;
}

tn_tensor tn_reshape(const tn_tensor *t, int rank, const int64_t *dim) {
    tn_tensor view = tn_view(t->data, t->dtype, rank, dim);
    view.device = t->device;
    TN_CHECK(tn_count(&view) == tn_count(t), "%lld elements reshaped to %lld",
             (long long)tn_count(t), (long long)tn_count(&view));
    return view;
}

tn_tensor tn_slice(const tn_tensor *t, int64_t from, int64_t count) {
    TN_CHECK(t->rank > 0 && from >= 0 && count >= 0 && count <= t->dim[0] - from,
             "rows [%lld,+%lld) of %lld", (long long)from, (long long)count,
             t->rank ? (long long)t->dim[0] : 0);
    tn_tensor view = *t;
    size_t row = t->dim[0] ? tn_bytes(t) / (size_t)t->dim[0] : 0;
    view.dim[0] = count;
    view.data = (char *)t->data + (size_t)from * row;
    return view;
}

const char *tn_shape_text(int rank, const int64_t *dim, char *text, size_t bytes) {
    size_t used = (size_t)snprintf(text, bytes, "[");
    for (int i = 0; i < rank && used < bytes; i++)
        used +=
            (size_t)snprintf(text + used, bytes - used, i ? ",%lld" : "%lld", (long long)dim[i]);
    if (used < bytes) snprintf(text + used, bytes - used, "]");
    return text;
}

static tn_status sized(tn_dtype dtype, int rank, const int64_t *dim, size_t *bytes, tn_error *err) {
    char shape[128];
    size_t count;
    TN_CHECK(rank >= 0 && rank <= TN_MAX_RANK, "rank %d", rank);
    if (!tn_count_checked(rank, dim, &count) || !tn_mul_size(count, tn_dtype_size(dtype), bytes))
        return tn_fail(err, TN_ENOMEM, "a tensor %s does not fit into memory",
                       tn_shape_text(rank, dim, shape, sizeof shape));
    return TN_OK;
}

static tn_status out_of_memory(size_t bytes, int rank, const int64_t *dim, tn_error *err) {
    char shape[128];
    return tn_fail(err, TN_ENOMEM, "out of memory for a tensor %s of %zu bytes",
                   tn_shape_text(rank, dim, shape, sizeof shape), bytes);
}

tn_status tn_new(tn_arena *arena, tn_tensor *out, tn_dtype dtype, int rank, const int64_t *dim,
                 tn_error *err) {
    size_t bytes;
    TN_TRY(sized(dtype, rank, dim, &bytes, err));
    void *data = tn_arena_alloc(arena, bytes);
    if (!data) return out_of_memory(bytes, rank, dim, err);
    *out = tn_view(data, dtype, rank, dim);
    return TN_OK;
}

// An empty tensor may have the same address as the next one; it sorts before it.
static bool lies_before(const tn_tensor *a, const tn_tensor *b) {
    if (a->data != b->data) return (const char *)a->data < (const char *)b->data;
    return tn_bytes(a) < tn_bytes(b);
}

// Sorts the tensors that have data by address (there are few). Returns their number.
static int by_address(tn_tensor *const *tensors, int count, tn_tensor **sorted) {
    int n = 0;
    for (int i = 0; i < count; i++) {
        if (!tensors[i]->data) continue;
        int at = n++;
        for (; at > 0 && lies_before(tensors[i], sorted[at - 1]); at--) sorted[at] = sorted[at - 1];
        sorted[at] = tensors[i];
    }
    return n;
}

void tn_arena_keep(tn_arena *arena, size_t mark, tn_tensor *const *tensors, int count) {
    TN_CHECK(count <= TN_MAX_KEPT, "%d tensors, at most %d can be kept", count, TN_MAX_KEPT);
    tn_tensor *sorted[TN_MAX_KEPT];
    int n = by_address(tensors, count, sorted);
    const char *free_from = arena->base + mark, *end = arena->base + arena->used;
    for (int i = 0; i < n; i++) {
        const char *data = sorted[i]->data;
        TN_CHECK(data >= free_from && data <= end,
                 "kept tensor %d shares memory with another, or "
                 "lies outside of what the mark frees",
                 i);
        free_from = data + tn_bytes(sorted[i]);
    }
    tn_arena_reset(arena, mark);
    for (int i = 0; i < n; i++) {
        char *to = arena->base + arena->used;
        size_t bytes = tn_bytes(sorted[i]);
        // Each tensor moves down; those above it have not been overwritten yet.
        TN_CHECK(to <= (char *)sorted[i]->data, "kept tensor %d does not begin an allocation", i);
        memmove(to, sorted[i]->data, bytes);
        sorted[i]->data = to;
        arena->used += (bytes + TN_ALIGN - 1) / TN_ALIGN * TN_ALIGN;
    }
}

tn_status tn_new_heap(tn_tensor *out, tn_dtype dtype, int rank, const int64_t *dim, tn_error *err) {
    size_t bytes;
    TN_TRY(sized(dtype, rank, dim, &bytes, err));
    void *data = tn_alloc(bytes);
    if (!data) return out_of_memory(bytes, rank, dim, err);
    *out = tn_view(data, dtype, rank, dim);
    return TN_OK;
}

bool tn_same_shape(const tn_tensor *a, const tn_tensor *b) {
    return a->rank == b->rank && tn_has_shape(a, b->rank, b->dim);
}

bool tn_has_shape(const tn_tensor *t, int rank, const int64_t *dim) {
    if (t->rank != rank) return false;
    for (int i = 0; i < rank; i++)
        if (dim[i] >= 0 && dim[i] != t->dim[i]) return false;
    return true;
}
