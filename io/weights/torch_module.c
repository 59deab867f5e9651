// SPDX-License-Identifier: Apache-2.0
// Trees of modules: TorchScript's objects, whose attributes are tensors and modules, and pickled
// nn.Modules, whose state is {"_parameters": {}, "_buffers": {}, "_modules": {}, ...}. Both are
// read as state_dict() names their tensors. No class is needed, and none is looked up.
#include "io/weights/torch_state.h"

#include <string.h>

#define MAX_NESTING 64    // modules inside modules
#define MAX_VISITS 200000 // attributes; a module that is shared is visited at each place

typedef struct tree {
    io_torch *torch;
    char name[IO_TORCH_NAME];
    int depth;
    tn_error *err;
} tree;

static const io_value *dictionary(const io_value *state, const char *key) {
    const io_value *found = io_value_get(state, key);
    return found && found->kind == IO_PK_DICT ? found : NULL;
}

// The state that an nn.Module was given; NULL if the value is none.
static const io_value *module_state(const io_value *value) {
    if (value->kind != IO_PK_PLACEHOLDER) return NULL;
    for (size_t i = 2; i < value->count; i++) { // after the class and its arguments
        const io_value *state = value->items[i];
        if (state->kind == IO_PK_DICT && dictionary(state, "_parameters") &&
            dictionary(state, "_modules"))
            return state;
    }
    return NULL;
}

bool io_torch_is_module(const io_value *value) {
    return value->kind == IO_PK_OBJECT || module_state(value);
}

static tn_status count_visit(tree *at) {
    if (++at->torch->visits <= MAX_VISITS) return TN_OK;
    return tn_fail(at->err, TN_EFORMAT, "%s: more than %d attributes", at->torch->path, MAX_VISITS);
}

static tn_status enter(tree *at) {
    if (at->depth++ < MAX_NESTING) return TN_OK;
    return tn_fail(at->err, TN_EFORMAT, "%s: modules are nested deeper than %d", at->torch->path,
                   MAX_NESTING);
}

static tn_status add_script(tree *at, const io_value *module, size_t length) {
    const io_value *state = module->count ? module->items[0] : NULL;
    if (!state || state->kind != IO_PK_DICT) return TN_OK; // a class with a state of its own making
    TN_TRY(enter(at));
    for (size_t i = 0; i + 1 < state->count; i += 2) {
        io_value *value = state->items[i + 1];
        size_t end = length;
        TN_TRY(count_visit(at));
        if (value->kind != IO_PK_TENSOR && value->kind != IO_PK_OBJECT) continue;
        TN_TRY(io_torch_extend(at->torch, at->name, &end, state->items[i], at->err));
        TN_TRY(value->kind == IO_PK_OBJECT
                   ? add_script(at, value, end)
                   : io_torch_add_value(at->torch, at->name, value, at->err));
    }
    at->depth--;
    return TN_OK;
}

// A buffer that state_dict() leaves out. The names are in a set, which a pickle makes by a call of
// set() with a list.
static bool is_left_out(const io_value *state, const io_value *name) {
    const io_value *set = io_value_get(state, "_non_persistent_buffers_set");
    if (!set || set->kind != IO_PK_PLACEHOLDER || name->kind != IO_PK_TEXT) return false;
    const io_value *arguments = set->items[1];
    const io_value *list =
        arguments->kind == IO_PK_TUPLE && arguments->count == 1 ? arguments->items[0] : NULL;
    for (size_t i = 0; list && list->kind == IO_PK_LIST && i < list->count; i++) {
        const io_value *item = list->items[i];
        if (item->kind == IO_PK_TEXT && item->bytes == name->bytes &&
            memcmp(item->text, name->text, name->bytes) == 0)
            return true;
    }
    return false;
}

static tn_status add_tensors(tree *at, const io_value *state, const char *which, size_t length) {
    const io_value *dict = dictionary(state, which);
    bool buffers = strcmp(which, "_buffers") == 0;
    for (size_t i = 0; dict && i + 1 < dict->count; i += 2) {
        size_t end = length;
        TN_TRY(count_visit(at));
        if (dict->items[i + 1]->kind == IO_PK_NONE ||
            (buffers && is_left_out(state, dict->items[i])))
            continue;
        TN_TRY(io_torch_extend(at->torch, at->name, &end, dict->items[i], at->err));
        TN_TRY(io_torch_add_value(at->torch, at->name, dict->items[i + 1], at->err));
    }
    return TN_OK;
}

static tn_status add_pickled(tree *at, const io_value *state, size_t length) {
    TN_TRY(enter(at));
    TN_TRY(add_tensors(at, state, "_parameters", length));
    TN_TRY(add_tensors(at, state, "_buffers", length));
    const io_value *modules = dictionary(state, "_modules");
    for (size_t i = 0; i + 1 < modules->count; i += 2) {
        const io_value *inner = module_state(modules->items[i + 1]);
        size_t end = length;
        TN_TRY(count_visit(at));
        if (modules->items[i + 1]->kind == IO_PK_NONE) continue;
        TN_TRY(io_torch_extend(at->torch, at->name, &end, modules->items[i], at->err));
        TN_TRY(inner ? add_pickled(at, inner, end)
                     : io_torch_add_value(at->torch, at->name, modules->items[i + 1], at->err));
    }
    at->depth--;
    return TN_OK;
}

tn_status io_torch_add_module(io_torch *torch, const io_value *module, tn_error *err) {
    tree at = {.torch = torch, .err = err};
    return module->kind == IO_PK_OBJECT ? add_script(&at, module, 0)
                                        : add_pickled(&at, module_state(module), 0);
}
