// SPDX-License-Identifier: Apache-2.0
// One tensor of a pickle: its shape, strides and offset, checked against its storage.
#include "io/weights/torch_state.h"

#include <string.h>

typedef struct layout {
    int64_t offset, stride[TN_MAX_RANK]; // elements
    size_t count;
    bool contiguous;
} layout;

static tn_status wrong_tensor(const io_torch *torch, const char *name, const char *what,
                              tn_error *err) {
    return tn_fail(err, TN_EFORMAT, "%s: tensor '%s': %s", torch->path, name, what);
}

static tn_status read_shape(const io_torch *torch, const io_pickled_tensor *from, io_tensor *t,
                            layout *at, tn_error *err) {
    if (from->dim->count != from->stride->count)
        return wrong_tensor(torch, t->name, "its shape and its strides differ in length", err);
    if (from->dim->count > TN_MAX_RANK)
        return tn_fail(err, TN_EUNSUPPORTED,
                       "%s: tensor '%s' has %zu dimensions, expected at most %d", torch->path,
                       t->name, from->dim->count, TN_MAX_RANK);
    t->rank = (int)from->dim->count;
    for (int i = 0; i < t->rank; i++) {
        const io_value *dim = from->dim->items[i], *stride = from->stride->items[i];
        if (dim->kind != IO_PK_INT || stride->kind != IO_PK_INT)
            return wrong_tensor(torch, t->name, "its shape or strides are not integers", err);
        if (dim->integer < 0) return wrong_tensor(torch, t->name, "a negative size", err);
        if (stride->integer < 0) return wrong_tensor(torch, t->name, "a negative stride", err);
        t->dim[i] = dim->integer;
        at->stride[i] = dim->integer > 1 ? stride->integer : 0; // otherwise unused
    }
    return TN_OK;
}

// Whether the last element that the strides reach lies inside the visible part of the storage.
static bool inside(const io_storage *storage, const io_tensor *t, const layout *at) {
    if (at->offset < 0 || at->offset > storage->visible) return false;
    if (at->count == 0) return true;
    int64_t last = at->offset, step;
    for (int i = 0; i < t->rank; i++)
        if (__builtin_mul_overflow(t->dim[i] - 1, at->stride[i], &step) ||
            __builtin_add_overflow(last, step, &last))
            return false;
    return last < storage->visible;
}

static bool in_order(const io_tensor *t, const layout *at) {
    int64_t expected = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        if (t->dim[i] != 1 && at->stride[i] != expected) return false;
        expected *= t->dim[i];
    }
    return true;
}

static tn_status read_layout(const io_torch *torch, const io_pickled_tensor *from, io_tensor *t,
                             layout *at, tn_error *err) {
    char shape[160];
    size_t bytes;
    TN_TRY(read_shape(torch, from, t, at, err));
    at->offset = from->offset;
    if (!tn_count_checked(t->rank, t->dim, &at->count) ||
        !tn_mul_size(at->count, tn_dtype_size(t->dtype), &bytes) || bytes > PTRDIFF_MAX)
        return tn_fail(err, TN_EFORMAT, "%s: tensor '%s': the shape %s overflows", torch->path,
                       t->name, tn_shape_text(t->rank, t->dim, shape, sizeof shape));
    if (!inside(from->storage, t, at))
        return tn_fail(err, TN_EFORMAT,
                       "%s: tensor '%s': %s at element %lld does not fit its storage of %lld",
                       torch->path, t->name, tn_shape_text(t->rank, t->dim, shape, sizeof shape),
                       (long long)at->offset, (long long)from->storage->visible);
    at->contiguous = at->count == 0 || in_order(t, at);
    return TN_OK;
}

static void gather(const uint8_t *from, const io_tensor *t, const layout *at, uint8_t *to) {
    size_t size = tn_dtype_size(t->dtype);
    int64_t index[TN_MAX_RANK] = {0}, element = 0;
    for (size_t n = 0; n < at->count; n++, to += size) {
        memcpy(to, from + (size_t)element * size, size);
        for (int i = t->rank - 1; i >= 0; i--) {
            element += at->stride[i];
            if (++index[i] < t->dim[i]) break;
            element -= at->stride[i] * t->dim[i];
            index[i] = 0;
        }
    }
}

tn_status io_torch_add_tensor(io_torch *torch, const char *name, const io_pickled_tensor *from,
                              tn_error *err) {
    io_tensor t = {.name = name, .dtype = from->storage->dtype};
    size_t size = tn_dtype_size(t.dtype);
    layout at = {0};
    const uint8_t *elements = NULL;
    TN_TRY(read_layout(torch, from, &t, &at, err));
    if (at.count) {
        TN_TRY(torch->find(torch, from->storage, &elements, err));
        elements += (size_t)(from->storage->from + at.offset) * size;
    }
    t.data = elements;
    if (!at.contiguous) {
        void *copy = NULL;
        TN_TRY(io_weights_copy_buffer(torch->file, torch->path, at.count * size, &copy, err));
        gather(elements, &t, &at, copy);
        t.data = copy;
    }
    return io_weights_add(torch->file, torch->path, &t, err);
}
