// SPDX-License-Identifier: Apache-2.0
// Trees of modules: TorchScript's objects, whose attributes are tensors and modules, and pickled
// nn.Modules, whose state is {"_parameters": {}, "_buffers": {}, "_modules": {}, ...}. Tensors are
// named as by state_dict(). No class is needed, and none is looked up.
#include "io/weights/torch_state.h"

#include <string.h>

#define MAX_NESTING 64 // modules inside modules
// Maximum number of visited attributes, tensors and modules; a shared module counts each time it
// occurs.
#define MAX_VISITS 1000000

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

// The state of an nn.Module, which follows the class and its arguments; NULL if the value is not an
// nn.Module.
static const io_value *module_state(const io_value *value) {
    if (value->kind != IO_PK_PLACEHOLDER || value->count < 3) return NULL;
    const io_value *state = value->items[2];
    bool is = state->kind == IO_PK_DICT && dictionary(state, "_parameters") &&
              dictionary(state, "_modules");
    return is ? state : NULL;
}

bool io_torch_is_module(const io_value *value) {
    return value->kind == IO_PK_OBJECT || module_state(value);
}

static tn_status count_visits(tree *at, size_t count) {
    at->torch->visits += count;
    if (at->torch->visits <= MAX_VISITS) return TN_OK;
    return tn_fail(at->err, TN_EFORMAT, "%s: more than %d attributes", at->torch->path, MAX_VISITS);
}

static tn_status enter(tree *at) {
    if (at->depth++ < MAX_NESTING) return TN_OK;
    return tn_fail(at->err, TN_EFORMAT, "%s: modules are nested deeper than %d", at->torch->path,
                   MAX_NESTING);
}

static tn_status add_script(tree *at, const io_value *module, size_t length) {
    const io_value *state = module->count ? module->items[0] : NULL;
    if (!state || state->kind != IO_PK_DICT) return TN_OK; // a class with its own kind of state
    TN_TRY(enter(at));
    for (size_t i = 0; i + 1 < state->count; i += 2) {
        io_value *value = state->items[i + 1];
        size_t end = length;
        TN_TRY(count_visits(at, 1));
        if (value->kind != IO_PK_TENSOR && value->kind != IO_PK_OBJECT) continue;
        TN_TRY(io_torch_extend(at->torch, at->name, &end, state->items[i], at->err));
        TN_TRY(value->kind == IO_PK_OBJECT
                   ? add_script(at, value, end)
                   : io_torch_add_value(at->torch, at->name, value, at->err));
    }
    at->depth--;
    return TN_OK;
}

// The names of the buffers that state_dict() omits. They are in a set, which a pickle makes by
// calling set() with a list; NULL: none.
static const io_value *left_out(const io_value *state) {
    const io_value *set = io_value_get(state, "_non_persistent_buffers_set");
    const io_value *arguments = set && set->kind == IO_PK_PLACEHOLDER ? set->items[1] : NULL;
    if (!arguments || arguments->kind != IO_PK_TUPLE || arguments->count != 1) return NULL;
    return arguments->items[0]->kind == IO_PK_LIST ? arguments->items[0] : NULL;
}

static bool is_among(const io_value *list, const io_value *name) {
    for (size_t i = 0; name->kind == IO_PK_TEXT && i < list->count; i++) {
        const io_value *item = list->items[i];
        if (item->kind == IO_PK_TEXT && item->bytes == name->bytes &&
            memcmp(item->text, name->text, name->bytes) == 0)
            return true;
    }
    return false;
}

// skip: names to omit, or NULL.
static tn_status add_tensors(tree *at, const io_value *dict, const io_value *skip, size_t length) {
    for (size_t i = 0; dict && i + 1 < dict->count; i += 2) {
        io_value *value = dict->items[i + 1];
        size_t end = length;
        TN_TRY(count_visits(at, 1 + (skip ? skip->count : 0)));
        if (value->kind == IO_PK_NONE || (skip && is_among(skip, dict->items[i]))) continue;
        TN_TRY(io_torch_extend(at->torch, at->name, &end, dict->items[i], at->err));
        TN_TRY(io_torch_add_value(at->torch, at->name, value, at->err));
    }
    return TN_OK;
}

static tn_status add_pickled(tree *at, const io_value *module, size_t length) {
    const io_value *state = module_state(module), *modules = dictionary(state, "_modules");
    TN_TRY(enter(at));
    TN_TRY(add_tensors(at, dictionary(state, "_parameters"), NULL, length));
    TN_TRY(add_tensors(at, dictionary(state, "_buffers"), left_out(state), length));
    for (size_t i = 0; i + 1 < modules->count; i += 2) {
        io_value *inner = modules->items[i + 1];
        size_t end = length;
        // The dictionaries of the module are looked up among its attributes.
        bool object = inner->kind == IO_PK_PLACEHOLDER && inner->count > 2 &&
                      inner->items[2]->kind == IO_PK_DICT;
        TN_TRY(count_visits(at, 1 + (object ? inner->items[2]->count : 0)));
        if (inner->kind == IO_PK_NONE) continue;
        TN_TRY(io_torch_extend(at->torch, at->name, &end, modules->items[i], at->err));
        TN_TRY(module_state(inner) ? add_pickled(at, inner, end)
                                   : io_torch_add_value(at->torch, at->name, inner, at->err));
    }
    at->depth--;
    return TN_OK;
}

tn_status io_torch_add_module(io_torch *torch, const io_value *module, tn_error *err) {
    tree at = {.torch = torch, .err = err};
    return module->kind == IO_PK_OBJECT ? add_script(&at, module, 0) : add_pickled(&at, module, 0);
}
