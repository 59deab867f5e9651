// SPDX-License-Identifier: Apache-2.0
// PyTorch's files before 1.6: five pickles (a magic number, a version, the writer's machine, the
// object, the keys of storages), then for each key the number of elements and the elements.
#include "io/bytes.h"
#include "io/weights/torch_state.h"

#include <stdlib.h>
#include <string.h>

#define VERSION 1001

typedef struct part {
    const io_storage *storage;
    const uint8_t *bytes; // NULL until the elements are found
} part;

typedef struct stream {
    io_pickle machine;
    part *parts; // one per key, sorted by key
    size_t count;
} stream;

static int compare_keys(const io_value *a, const io_value *b) {
    size_t shorter = a->bytes < b->bytes ? a->bytes : b->bytes;
    int order = shorter ? memcmp(a->text, b->text, shorter) : 0;
    return order ? order : a->bytes < b->bytes ? -1 : a->bytes > b->bytes;
}

static int by_key(const void *a, const void *b) {
    return compare_keys(((const part *)a)->storage->key, ((const part *)b)->storage->key);
}

static part *find_part(const stream *in, const io_value *key) {
    const io_storage wanted = {.key = (io_value *)key};
    const part pattern = {.storage = &wanted};
    if (in->count == 0) return NULL;
    return bsearch(&pattern, in->parts, in->count, sizeof pattern, by_key);
}

static tn_status next_value(stream *in, const char *name, io_pickle_kind kind, io_value **out) {
    in->machine.part = name;
    TN_TRY(io_pickle_run(&in->machine, out));
    if ((*out)->kind == kind) return TN_OK;
    return tn_fail(in->machine.err, TN_EFORMAT, "%s: %s has an unexpected type", in->machine.path,
                   name);
}

static tn_status read_magic(stream *in) {
    static const char magic[10] = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
    io_value *value = NULL;
    in->machine.part = "magic number";
    TN_TRY(io_pickle_run(&in->machine, &value));
    if (value->kind == IO_PK_LONG && value->bytes == sizeof magic &&
        memcmp(value->text, magic, sizeof magic) == 0)
        return TN_OK;
    return tn_fail(in->machine.err, TN_EFORMAT,
                   "%s: a pickle, but not PyTorch's: it does not start with its magic number",
                   in->machine.path);
}

static tn_status read_preamble(stream *in) {
    tn_error *err = in->machine.err;
    io_value *value = NULL;
    TN_TRY(read_magic(in));
    TN_TRY(next_value(in, "version", IO_PK_INT, &value));
    if (value->integer != VERSION)
        return tn_fail(err, TN_EUNSUPPORTED, "%s: version %lld of PyTorch's format, expected %d",
                       in->machine.path, (long long)value->integer, VERSION);
    TN_TRY(next_value(in, "system information", IO_PK_DICT, &value));
    const io_value *little = io_value_get(value, "little_endian");
    if (!little || little->kind != IO_PK_BOOL)
        return tn_fail(err, TN_EFORMAT, "%s: system information: there is no 'little_endian'",
                       in->machine.path);
    if (!little->integer)
        return tn_fail(err, TN_EUNSUPPORTED, "%s: elements are big endian, expected little endian",
                       in->machine.path);
    return TN_OK;
}

// Collects one part per key. Tensors that share a storage repeat its description, which must be the
// same.
static tn_status collect_parts(stream *in) {
    const io_pickle *machine = &in->machine;
    if (machine->storage_count == 0) return TN_OK;
    in->parts = io_region_alloc(machine->region, machine->storage_count * sizeof *in->parts);
    if (!in->parts) return io_out_of_memory(machine->path, machine->err);
    for (size_t i = 0; i < machine->storage_count; i++)
        in->parts[i] = (part){.storage = machine->storages[i]};
    qsort(in->parts, machine->storage_count, sizeof *in->parts, by_key);
    for (size_t i = 0; i < machine->storage_count; i++) {
        const part *last = in->count ? &in->parts[in->count - 1] : NULL;
        if (!last || by_key(last, &in->parts[i]) != 0)
            in->parts[in->count++] = in->parts[i];
        else if (last->storage->dtype != in->parts[i].storage->dtype ||
                 last->storage->count != in->parts[i].storage->count)
            return tn_fail(machine->err, TN_EFORMAT,
                           "%s: two descriptions of a storage differ in type or size",
                           machine->path);
    }
    return TN_OK;
}

static tn_status read_elements(stream *in, size_t index, part *to) {
    io_pickle *machine = &in->machine;
    size_t left = machine->count - machine->at, bytes;
    if (left < 8)
        return tn_fail(machine->err, TN_EFORMAT, "%s: ends before storage %zu", machine->path,
                       index);
    uint64_t count = io_le64(machine->bytes + machine->at);
    if (count != (uint64_t)to->storage->count)
        return tn_fail(machine->err, TN_EFORMAT,
                       "%s: byte %zu: storage %zu has %llu elements, expected %lld", machine->path,
                       machine->at, index, (unsigned long long)count,
                       (long long)to->storage->count);
    if (!tn_mul_size((size_t)count, tn_dtype_size(to->storage->dtype), &bytes) || bytes > left - 8)
        return tn_fail(machine->err, TN_EFORMAT,
                       "%s: byte %zu: storage %zu of %llu elements, but only %zu bytes follow",
                       machine->path, machine->at, index, (unsigned long long)count, left - 8);
    to->bytes = machine->bytes + machine->at + 8;
    machine->at += 8 + bytes;
    return TN_OK;
}

static tn_status read_parts(stream *in, const io_value *keys) {
    const io_pickle *machine = &in->machine;
    for (size_t i = 0; i < keys->count; i++) {
        const io_value *key = keys->items[i];
        part *to = key->kind == IO_PK_TEXT ? find_part(in, key) : NULL;
        if (!to || to->bytes)
            return tn_fail(machine->err, TN_EFORMAT, "%s: key %zu of the storages is %s",
                           machine->path, i, to ? "there twice" : "of no storage");
        TN_TRY(read_elements(in, i, to));
    }
    return TN_OK;
}

static tn_status find_storage(const io_torch *torch, const io_storage *storage, const uint8_t **out,
                              tn_error *err) {
    const part *found = find_part(torch->context, storage->key);
    if (!found || !found->bytes)
        return tn_fail(err, TN_EFORMAT, "%s: the elements of a storage are missing", torch->path);
    *out = found->bytes;
    return TN_OK;
}

static tn_status read_stream(stream *in, io_weights *file) {
    io_torch torch = {.file = file,
                      .path = in->machine.path,
                      .part = "object",
                      .find = find_storage,
                      .context = in,
                      .scratch = in->machine.region};
    io_value *root = NULL, *keys = NULL;
    file->format = "PyTorch pickle stream (before 1.6)";
    TN_TRY(read_preamble(in));
    in->machine.part = "object";
    TN_TRY(io_pickle_run(&in->machine, &root));
    TN_TRY(next_value(in, "keys of storages", IO_PK_LIST, &keys));
    TN_TRY(collect_parts(in));
    TN_TRY(read_parts(in, keys));
    return io_torch_add_state(&torch, root, in->machine.err);
}

static tn_status read_pickles(io_weights *file, const char *path, const io_map *map,
                              tn_error *err) {
    io_region scratch = {0};
    stream in = {.machine = {.path = path,
                             .bytes = map->bytes,
                             .count = map->count,
                             .region = &scratch,
                             .err = err}};
    tn_status status = read_stream(&in, file);
    io_region_free(&scratch);
    return status;
}

static bool is_pickle(const io_map *map) {
    return io_map_starts(map, "\x80");
}

const io_weights_reader io_torch_legacy = {is_pickle, read_pickles};
