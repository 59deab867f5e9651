// SPDX-License-Identifier: Apache-2.0
#include "io/weights/torch_state.h"

#include <string.h>

#define MAX_NAME 1024     // bytes of a dotted name
#define MAX_NESTING 64    // modules inside modules
#define MAX_VISITS 200000 // attributes; a module that is shared is visited at each place

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
        at->stride[i] = dim->integer > 1 ? stride->integer : 0; // never stepped along otherwise
    }
    return TN_OK;
}

// The last element that the strides reach lies inside what the storage shows.
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

static tn_status add_tensor(io_torch *torch, const char *name, const io_pickled_tensor *from,
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
        TN_TRY(io_weights_copy_room(torch->file, torch->path, at.count * size, &copy, err));
        gather(elements, &t, &at, copy);
        t.data = copy;
    }
    return io_weights_add(torch->file, torch->path, &t, err);
}

// Appends "." (unless at the start) and the key to a name of length bytes.
static tn_status extend(const io_torch *torch, char name[MAX_NAME], size_t *length,
                        const io_value *key, tn_error *err) {
    if (key->kind != IO_PK_TEXT)
        return tn_fail(err, TN_EFORMAT, "%s: a tensor whose name is no text", torch->path);
    if (key->bytes >= MAX_NAME - 2 || *length >= MAX_NAME - 2 - key->bytes ||
        memchr(key->text, 0, key->bytes))
        return tn_fail(err, TN_EFORMAT, "%s: the name of a tensor has a NUL or more than %d bytes",
                       torch->path, MAX_NAME - 2);
    if (*length) name[(*length)++] = '.';
    memcpy(name + *length, key->text, key->bytes);
    *length += key->bytes;
    name[*length] = 0;
    return TN_OK;
}

static tn_status add_module(io_torch *torch, const io_value *module, char name[MAX_NAME],
                            size_t length, int depth, tn_error *err) {
    const io_value *state = module->count ? module->items[0] : NULL;
    if (!state || state->kind != IO_PK_DICT) return TN_OK; // a class with a state of its own making
    if (depth == MAX_NESTING)
        return tn_fail(err, TN_EFORMAT, "%s: modules are nested deeper than %d", torch->path,
                       MAX_NESTING);
    for (size_t i = 0; i + 1 < state->count; i += 2) {
        const io_value *value = state->items[i + 1];
        size_t end = length;
        if (++torch->visits > MAX_VISITS)
            return tn_fail(err, TN_EFORMAT, "%s: more than %d attributes", torch->path, MAX_VISITS);
        if (value->kind != IO_PK_TENSOR && value->kind != IO_PK_OBJECT) continue;
        TN_TRY(extend(torch, name, &end, state->items[i], err));
        TN_TRY(value->kind == IO_PK_TENSOR ? add_tensor(torch, name, value->tensor, err)
                                           : add_module(torch, value, name, end, depth + 1, err));
    }
    return TN_OK;
}

static bool has_tensors(const io_value *dict) {
    for (size_t i = 0; i + 1 < dict->count; i += 2)
        if (dict->items[i + 1]->kind == IO_PK_TENSOR) return true;
    return false;
}

// The state dict inside what a training run saved, which may hold other tensors beside it.
static const io_value *unwrap(const io_value *root) {
    static const char *const keys[] = {"state_dict", "model", "model_state_dict"};
    for (int depth = 0; depth < 4 && root->kind == IO_PK_DICT; depth++) {
        const io_value *found = NULL;
        for (size_t i = 0; !found && i < sizeof keys / sizeof *keys; i++) {
            found = io_value_get(root, keys[i]);
            if (found && found->kind != IO_PK_DICT) found = NULL;
        }
        if (!found) break;
        root = found;
    }
    return root;
}

static tn_status add_dict(io_torch *torch, const io_value *dict, tn_error *err) {
    char name[MAX_NAME];
    for (size_t i = 0; i + 1 < dict->count; i += 2) {
        const io_value *value = dict->items[i + 1];
        size_t length = 0;
        if (value->kind != IO_PK_TENSOR) continue;
        TN_TRY(extend(torch, name, &length, dict->items[i], err));
        TN_TRY(add_tensor(torch, name, value->tensor, err));
    }
    return TN_OK;
}

static void strip_module(io_weights *file, size_t first) {
    static const char prefix[] = "module.";
    size_t length = sizeof prefix - 1;
    for (size_t i = first; i < file->count; i++)
        if (strncmp(file->tensors[i].name, prefix, length) != 0) return;
    for (size_t i = first; i < file->count; i++) file->tensors[i].name += length;
}

tn_status io_torch_add_state(io_torch *torch, const io_value *root, tn_error *err) {
    static const char *const found[] = {"None",      "a bool",     "a number",
                                        "a number",  "a number",   "text",
                                        "a tuple",   "a list",     "an empty dictionary",
                                        "a class",   "a storage",  "a tensor",
                                        "an object", "a constant", "a mark"};
    size_t first = torch->file->count;
    char name[MAX_NAME] = "";
    root = unwrap(root);
    if (root->kind == IO_PK_OBJECT)
        TN_TRY(add_module(torch, root, name, 0, 0, err));
    else if (root->kind == IO_PK_DICT && (has_tensors(root) || root->count == 0))
        TN_TRY(add_dict(torch, root, err));
    else
        return tn_fail(err, TN_EFORMAT,
                       "%s: holds %s, expected a state dict, or one under 'state_dict' or 'model'",
                       torch->path,
                       root->kind == IO_PK_DICT ? "a dictionary without tensors"
                                                : found[root->kind]);
    strip_module(torch->file, first);
    return TN_OK;
}
