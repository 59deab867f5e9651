// SPDX-License-Identifier: Apache-2.0
// Finds the weights in what a training run saved, and reads the tensors of a state dict.
#include "io/weights/torch_state.h"

#include <stdio.h>
#include <string.h>

tn_status io_torch_extend(const io_torch *torch, char name[IO_TORCH_NAME], size_t *length,
                          const io_value *key, tn_error *err) {
    const size_t most = IO_TORCH_NAME - 2;
    if (key->kind != IO_PK_TEXT)
        return tn_fail(err, TN_EFORMAT, "%s: a tensor whose name is not text", torch->path);
    if (key->bytes >= most || *length >= most - key->bytes || memchr(key->text, 0, key->bytes))
        return tn_fail(err, TN_EFORMAT, "%s: the name of a tensor has a NUL or more than %zu bytes",
                       torch->path, most);
    if (*length) name[(*length)++] = '.';
    memcpy(name + *length, key->text, key->bytes);
    *length += key->bytes;
    name[*length] = 0;
    return TN_OK;
}

// ---- placeholders

const char *io_torch_class(const io_value *placeholder) {
    while (placeholder->kind == IO_PK_PLACEHOLDER) placeholder = placeholder->items[0];
    return placeholder->kind == IO_PK_CLASS ? placeholder->text : "a function";
}

static bool has_items(const io_value *value) {
    return value->kind == IO_PK_TUPLE || value->kind == IO_PK_LIST || value->kind == IO_PK_DICT ||
           value->kind == IO_PK_OBJECT || value->kind == IO_PK_PLACEHOLDER;
}

// Whether a tensor or a storage can be reached from a value. Each value is visited once per pickle,
// so cycles and shared values cost nothing: an earlier search found nothing there.
static tn_status search(io_torch *torch, io_value *value, bool *found, tn_error *err) {
    size_t capacity = 0;
    void *waiting = NULL;
    *found = false;
    for (size_t count = 0;;) {
        if (value->kind == IO_PK_TENSOR || value->kind == IO_PK_STORAGE) *found = true;
        if (*found) return TN_OK;
        for (size_t i = 0; has_items(value) && i < value->count; i++) {
            io_value *item = value->items[i];
            if (item->seen) continue;
            item->seen = has_items(item);
            if (!io_region_grow(torch->scratch, &waiting, count, &capacity, sizeof item))
                return io_out_of_memory(torch->path, err);
            ((io_value **)waiting)[count++] = item;
        }
        if (count == 0) return TN_OK;
        value = ((io_value **)waiting)[--count];
    }
}

tn_status io_torch_add_value(io_torch *torch, const char *name, io_value *value, tn_error *err) {
    bool found;
    if (value->kind == IO_PK_TENSOR) return io_torch_add_tensor(torch, name, value->tensor, err);
    if (value->kind != IO_PK_PLACEHOLDER) return TN_OK;
    TN_TRY(search(torch, value, &found, err));
    if (!found) return TN_OK;
    return tn_fail(err, TN_EUNSUPPORTED,
                   "%s: tensor '%s': %s: byte %u: it lies inside an object of %s, expected a plain "
                   "tensor",
                   torch->path, name, torch->part, value->which, io_torch_class(value));
}

// ---- dictionaries

static bool has_tensors(const io_value *dict) {
    for (size_t i = 0; i + 1 < dict->count; i += 2)
        if (dict->items[i + 1]->kind == IO_PK_TENSOR) return true;
    return false;
}

static bool is_dict_of_tensors(const io_value *value) {
    return value->kind == IO_PK_DICT && has_tensors(value);
}

// Well-known keys of a training run's dictionary: weights first, then averages.
static const char *const keys[] = {
    "state_dict", "model",     "model_state_dict", "module",         "ema",
    "model_ema",  "ema_model", "ema_state_dict",   "state_dict_ema",
};
#define KEYS (sizeof keys / sizeof *keys)

static bool is_known_key(const io_value *key) {
    for (size_t i = 0; i < KEYS; i++)
        if (io_value_is_text(key, keys[i])) return true;
    return false;
}

static bool holds_weights(const io_value *value) {
    if (io_torch_is_module(value) || is_dict_of_tensors(value)) return true;
    for (size_t i = 0; value->kind == IO_PK_DICT && i + 1 < value->count; i += 2) {
        const io_value *inner = value->items[i + 1];
        bool filled = inner->kind == IO_PK_DICT && inner->count;
        if (is_known_key(value->items[i]) && (filled || io_torch_is_module(inner))) return true;
    }
    return false;
}

// Finds the dictionary or module of the weights in what a training run saved, which may hold other
// tensors too.
static tn_status unwrap(io_torch *torch, io_value **root, tn_error *err) {
    for (int depth = 0; depth < 4 && (*root)->kind == IO_PK_DICT; depth++) {
        io_value *chosen = NULL;
        for (size_t i = 0; i < KEYS; i++) {
            io_value *found = (io_value *)io_value_get(*root, keys[i]);
            if (!found || !holds_weights(found)) continue;
            const char **note = chosen ? &torch->file->unused : &torch->file->under;
            TN_TRY(io_weights_note(torch->file, torch->path, note, keys[i], err));
            if (!chosen) chosen = found;
        }
        if (!chosen) break;
        *root = chosen;
    }
    return TN_OK;
}

static tn_status add_dict(io_torch *torch, const io_value *dict, tn_error *err) {
    char name[IO_TORCH_NAME];
    for (size_t i = 0; i + 1 < dict->count; i += 2) {
        io_value *value = dict->items[i + 1];
        size_t length = 0;
        if (value->kind != IO_PK_TENSOR && value->kind != IO_PK_PLACEHOLDER) continue;
        TN_TRY(io_torch_extend(torch, name, &length, dict->items[i], err));
        TN_TRY(io_torch_add_value(torch, name, value, err));
    }
    return TN_OK;
}

// Examples: "holds a list", "data.pkl: byte 2: an object of os.system"
static const char *describe(const io_torch *torch, const io_value *value, char out[256]) {
    static const char *const found[] = {
        [IO_PK_NONE] = "None",
        [IO_PK_BOOL] = "a bool",
        [IO_PK_INT] = "a number",
        [IO_PK_REAL] = "a number",
        [IO_PK_LONG] = "a number",
        [IO_PK_TEXT] = "text",
        [IO_PK_TUPLE] = "a tuple",
        [IO_PK_LIST] = "a list",
        [IO_PK_DICT] = "a dictionary without tensors",
        [IO_PK_GLOBAL] = "a class",
        [IO_PK_STORAGE] = "a storage",
        [IO_PK_TENSOR] = "a tensor",
    };
    bool of_class = value->kind == IO_PK_PLACEHOLDER;
    if (of_class || value->kind == IO_PK_CLASS)
        snprintf(out, 256, "%s: byte %u: %s%s", torch->part, value->which,
                 of_class ? "an object of " : "", io_torch_class(value));
    else
        snprintf(out, 256, "holds %s", found[value->kind]);
    return out;
}

tn_status io_torch_add_state(io_torch *torch, io_value *root, tn_error *err) {
    char text[256];
    torch->file->under = torch->file->unused = NULL; // set by the first shard
    TN_TRY(unwrap(torch, &root, err));
    if (io_torch_is_module(root)) return io_torch_add_module(torch, root, err);
    if (root->kind == IO_PK_DICT) TN_TRY(add_dict(torch, root, err));
    if (root->kind == IO_PK_DICT && (has_tensors(root) || root->count == 0)) return TN_OK;
    return tn_fail(err, TN_EFORMAT,
                   "%s: %s, expected a state dict, or one under 'state_dict' or 'model'",
                   torch->path, describe(torch, root, text));
}
