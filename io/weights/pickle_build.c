// SPDX-License-Identifier: Apache-2.0
// The globals that have a meaning in a weight file, and the results of calling them: tensors over
// storages, ordered dictionaries, and in TorchScript the attributes of modules. All others become
// placeholders. Nothing is ever imported or called.
#include "io/weights/pickle.h"

#include <stdio.h>
#include <string.h>

#define MAX_PAIRS ((size_t)1 << 20) // in all ordered dictionaries of one pickle

enum {
    TENSOR_V2,    // (storage, offset, size, stride, requires_grad, hooks[, metadata])
    TENSOR,       // (storage, offset, size, stride), before PyTorch 0.4
    PARAMETER,    // (tensor, requires_grad, hooks)
    ORDERED_DICT, // () or a list of pairs
    SIZE,         // (tuple)
    SAME,         // the first argument; its type is irrelevant here
    UNKNOWN,      // a placeholder
    SCRIPT_CLASS,
    STORAGE, // + tn_dtype
};

static const struct {
    const char *module, *name;
    int which;
} globals[] = {
    {"torch._utils", "_rebuild_tensor_v2", TENSOR_V2},
    {"torch._utils", "_rebuild_tensor", TENSOR},
    {"torch._utils", "_rebuild_parameter", PARAMETER},
    {"torch._utils", "_rebuild_parameter_with_state", PARAMETER},
    {"collections", "OrderedDict", ORDERED_DICT},
    {"torch", "Size", SIZE},
    {"torch.jit._pickle", "build_intlist", SAME},
    {"torch.jit._pickle", "build_doublelist", SAME},
    {"torch.jit._pickle", "build_boollist", SAME},
    {"torch.jit._pickle", "build_tensorlist", SAME},
    {"torch.jit._pickle", "restore_type_tag", SAME},
};

static const struct {
    const char *name;
    tn_dtype dtype;
} storages[] = {
    {"FloatStorage", TN_F32},     {"DoubleStorage", TN_F64}, {"HalfStorage", TN_F16},
    {"BFloat16Storage", TN_BF16}, {"ByteStorage", TN_U8},    {"CharStorage", TN_I8},
    {"ShortStorage", TN_I16},     {"IntStorage", TN_I32},    {"LongStorage", TN_I64},
    {"BoolStorage", TN_BOOL},
};

static bool starts_with(const io_value *text, const char *start) {
    size_t length = strlen(start);
    return text->bytes >= length && memcmp(text->text, start, length) == 0;
}

static bool ends_with(const io_value *text, const char *end) {
    size_t length = strlen(end);
    return text->bytes >= length && memcmp(text->text + text->bytes - length, end, length) == 0;
}

static unsigned find_global(const io_pickle *in, const io_value *module, const io_value *name) {
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++)
        if (io_value_is_text(module, globals[i].module) && io_value_is_text(name, globals[i].name))
            return (unsigned)globals[i].which;
    bool saved_on_gpu = io_value_is_text(module, "torch.cuda");
    if (saved_on_gpu || io_value_is_text(module, "torch"))
        for (size_t i = 0; i < sizeof storages / sizeof *storages; i++)
            if (io_value_is_text(name, storages[i].name))
                return STORAGE + (unsigned)storages[i].dtype;
    if (in->script && (io_value_is_text(module, "__torch__") || starts_with(module, "__torch__.")))
        return SCRIPT_CLASS;
    return UNKNOWN;
}

// The printable start of a name in the file, for an error text.
static const char *printable(const io_value *text, char out[65]) {
    size_t n = 0;
    for (; n < text->bytes && n < 64; n++)
        out[n] = text->text[n] >= ' ' && text->text[n] <= '~' ? text->text[n] : '?';
    out[n] = 0;
    return out;
}

static tn_status unknown_global(io_pickle *in, const io_value *module, const io_value *name,
                                io_value **out) {
    char module_text[65], name_text[65], full[160];
    printable(module, module_text);
    printable(name, name_text);
    if (starts_with(module, "torch") && ends_with(name, "Storage"))
        return io_pickle_fail(in, TN_EUNSUPPORTED, "elements of type %s.%s are not supported",
                              module_text, name_text);
    snprintf(full, sizeof full, "%s.%s", module_text, name_text);
    *out = io_pickle_new(in, IO_PK_CLASS);
    char *text = io_region_text(in->region, full, strlen(full));
    if (!*out || !text) return io_pickle_out_of_memory(in);
    (*out)->which = (uint32_t)in->opcode;
    (*out)->text = text;
    (*out)->bytes = strlen(full);
    return TN_OK;
}

tn_status io_pickle_global(io_pickle *in, const io_value *module, const io_value *name,
                           io_value **out) {
    if (module->kind != IO_PK_TEXT || name->kind != IO_PK_TEXT)
        return io_pickle_fail(in, TN_EFORMAT, "a global whose name is not text");
    unsigned which = find_global(in, module, name);
    if (which == UNKNOWN) return unknown_global(in, module, name, out);
    *out = io_pickle_new(in, IO_PK_GLOBAL);
    if (!*out) return io_pickle_out_of_memory(in);
    (*out)->which = which;
    return TN_OK;
}

// The result of calling `function`, which is not on the list: it and its arguments are kept, so
// that a tensor among them is found.
static tn_status placeholder(io_pickle *in, io_value *function, io_value *arguments,
                             io_value **out) {
    *out = io_pickle_new(in, IO_PK_PLACEHOLDER);
    if (!*out) return io_pickle_out_of_memory(in);
    (*out)->which = (uint32_t)in->opcode;
    bool kept = io_pickle_append(in, *out, function) && io_pickle_append(in, *out, arguments);
    return kept ? TN_OK : io_pickle_out_of_memory(in);
}

static bool is_unknown(const io_value *value) {
    return value->kind == IO_PK_CLASS || value->kind == IO_PK_PLACEHOLDER;
}

static tn_status rebuild_tensor(io_pickle *in, const io_value *arguments, io_value **out) {
    io_value **a = arguments->items;
    if (arguments->count < 4 || a[0]->kind != IO_PK_STORAGE || a[1]->kind != IO_PK_INT ||
        a[2]->kind != IO_PK_TUPLE || a[3]->kind != IO_PK_TUPLE)
        return io_pickle_fail(in, TN_EFORMAT,
                              "a tensor is not made of storage, offset, size and stride");
    io_pickled_tensor *tensor = io_region_alloc(in->region, sizeof *tensor);
    *out = io_pickle_new(in, IO_PK_TENSOR);
    if (!tensor || !*out) return io_pickle_out_of_memory(in);
    *tensor = (io_pickled_tensor){a[0]->storage, a[1]->integer, a[2], a[3]};
    (*out)->tensor = tensor;
    return TN_OK;
}

static tn_status rebuild_parameter(io_pickle *in, const io_value *arguments, io_value **out) {
    const io_value *what = arguments->count ? arguments->items[0] : NULL;
    if (!what || (what->kind != IO_PK_TENSOR && what->kind != IO_PK_PLACEHOLDER))
        return io_pickle_fail(in, TN_EFORMAT, "a parameter without a tensor");
    *out = arguments->items[0];
    return TN_OK;
}

static tn_status ordered_dict(io_pickle *in, const io_value *arguments, io_value **out) {
    *out = io_pickle_new(in, IO_PK_DICT);
    if (!*out) return io_pickle_out_of_memory(in);
    if (arguments->count == 0) return TN_OK;
    const io_value *pairs = arguments->items[0];
    if (arguments->count != 1 || pairs->kind != IO_PK_LIST)
        return io_pickle_fail(in, TN_EFORMAT,
                              "OrderedDict of something other than a list of pairs");
    in->work += pairs->count;
    if (in->work > MAX_PAIRS) // the same list again and again
        return io_pickle_fail(in, TN_EFORMAT, "too many items of OrderedDict");
    for (size_t i = 0; i < pairs->count; i++) {
        const io_value *pair = pairs->items[i];
        if ((pair->kind != IO_PK_LIST && pair->kind != IO_PK_TUPLE) || pair->count != 2)
            return io_pickle_fail(in, TN_EFORMAT, "item %zu of an OrderedDict is not a pair", i);
        if (!io_pickle_append(in, *out, pair->items[0]) ||
            !io_pickle_append(in, *out, pair->items[1]))
            return io_pickle_out_of_memory(in);
    }
    return TN_OK;
}

static tn_status first_argument(io_pickle *in, const io_value *arguments, io_value **out) {
    if (arguments->count < 1) return io_pickle_fail(in, TN_EFORMAT, "a call without its argument");
    *out = arguments->items[0];
    return TN_OK;
}

tn_status io_pickle_reduce(io_pickle *in, io_value *function, io_value *arguments, io_value **out) {
    if (arguments->kind != IO_PK_TUPLE)
        return io_pickle_fail(in, TN_EFORMAT, "REDUCE without a tuple of arguments");
    if (is_unknown(function)) return placeholder(in, function, arguments, out);
    switch (function->kind == IO_PK_GLOBAL ? function->which : UNKNOWN) {
    case TENSOR_V2:
    case TENSOR:
        return rebuild_tensor(in, arguments, out);
    case PARAMETER:
        return rebuild_parameter(in, arguments, out);
    case ORDERED_DICT:
        return ordered_dict(in, arguments, out);
    case SIZE:
    case SAME:
        return first_argument(in, arguments, out);
    default:
        return io_pickle_fail(in, TN_EUNSUPPORTED, "REDUCE calls something that is not a function");
    }
}

tn_status io_pickle_newobj(io_pickle *in, io_value *type, io_value *arguments, io_value **out) {
    if (is_unknown(type) && arguments->kind == IO_PK_TUPLE)
        return placeholder(in, type, arguments, out);
    if (type->kind != IO_PK_GLOBAL || type->which != SCRIPT_CLASS)
        return io_pickle_fail(in, TN_EUNSUPPORTED,
                              "NEWOBJ of something that is not a TorchScript class");
    if (arguments->kind != IO_PK_TUPLE || arguments->count != 0)
        return io_pickle_fail(in, TN_EFORMAT, "NEWOBJ with arguments, expected none");
    *out = io_pickle_new(in, IO_PK_OBJECT);
    return *out ? TN_OK : io_pickle_out_of_memory(in);
}

tn_status io_pickle_set_state(io_pickle *in, io_value *object, io_value *state) {
    // A state dict carries versions of modules as an attribute: ignored.
    if (object->kind == IO_PK_DICT) return TN_OK;
    bool first = object->kind == IO_PK_OBJECT && object->count == 0;
    if (!first && object->kind != IO_PK_PLACEHOLDER)
        return io_pickle_fail(in, TN_EUNSUPPORTED, "BUILD of something that is not a new object");
    return io_pickle_append(in, object, state) ? TN_OK : io_pickle_out_of_memory(in);
}

// (view key, offset, size) in elements; None or absent means the whole storage.
static tn_status read_view(io_pickle *in, const io_value *view, io_storage *storage) {
    storage->from = 0;
    storage->visible = storage->count;
    if (view->kind == IO_PK_NONE) return TN_OK;
    if (view->kind != IO_PK_TUPLE || view->count != 3 || view->items[1]->kind != IO_PK_INT ||
        view->items[2]->kind != IO_PK_INT)
        return io_pickle_fail(in, TN_EFORMAT, "a view of a storage is not key, offset and size");
    int64_t from = view->items[1]->integer, visible = view->items[2]->integer;
    if (from < 0 || visible < 0 || from > storage->count || visible > storage->count - from)
        return io_pickle_fail(in, TN_EFORMAT,
                              "a view of %lld elements from %lld of a storage of %lld",
                              (long long)visible, (long long)from, (long long)storage->count);
    storage->from = from;
    storage->visible = visible;
    return TN_OK;
}

static tn_status read_storage(io_pickle *in, const io_value *id, io_storage *storage) {
    io_value **a = id->items;
    if (a[1]->kind != IO_PK_GLOBAL || a[1]->which < STORAGE || a[2]->kind != IO_PK_TEXT ||
        a[4]->kind != IO_PK_INT)
        return io_pickle_fail(in, TN_EFORMAT,
                              "a storage is not made of type, key, location and size");
    if (a[4]->integer < 0)
        return io_pickle_fail(in, TN_EFORMAT, "a storage of %lld elements",
                              (long long)a[4]->integer);
    *storage = (io_storage){
        .dtype = (tn_dtype)(a[1]->which - STORAGE), .key = a[2], .count = a[4]->integer};
    static const io_value none = {.kind = IO_PK_NONE};
    return read_view(in, id->count > 5 ? a[5] : &none, storage);
}

// The class of a module with its source, as torch.save(model) wrote it before 1.6.
static bool is_module_class(const io_value *id) {
    return id->kind == IO_PK_TUPLE && id->count == 4 && io_value_is_text(id->items[0], "module") &&
           id->items[1]->kind == IO_PK_CLASS;
}

tn_status io_pickle_persistent(io_pickle *in, io_value *id, io_value **out) {
    if (is_module_class(id)) {
        *out = id->items[1];
        return TN_OK;
    }
    if (id->kind != IO_PK_TUPLE || id->count < 5 || id->count > 6 ||
        !io_value_is_text(id->items[0], "storage"))
        return io_pickle_fail(in, TN_EUNSUPPORTED, "BINPERSID of something that is not a storage");
    io_storage *storage = io_region_alloc(in->region, sizeof *storage);
    *out = io_pickle_new(in, IO_PK_STORAGE);
    void *array = in->storages;
    if (!storage || !*out ||
        !io_region_grow(in->region, &array, in->storage_count, &in->storage_capacity,
                        sizeof storage))
        return io_pickle_out_of_memory(in);
    in->storages = array;
    TN_TRY(read_storage(in, id, storage));
    (*out)->storage = storage;
    in->storages[in->storage_count++] = storage;
    return TN_OK;
}
