// SPDX-License-Identifier: Apache-2.0
// PyTorch's zip archives since 1.6: TOP/data.pkl describes tensors, TOP/data/KEY holds the elements
// of a storage, uncompressed and aligned, so that they are used in the mapped file. A TorchScript
// archive also has TOP/constants.pkl, and its data.pkl describes a tree of modules.
#include "io/weights/torch_state.h"
#include "io/zip.h"

#include <stdio.h>
#include <string.h>

#define MAX_ENTRY 1024 // bytes of an entry's name

typedef struct archive {
    io_zip zip;
    int top; // length of the name of the top folder
} archive;

// TN_OK and *out == NULL if there is no such entry.
static tn_status find(const archive *in, const char *name, const io_zip_entry **out,
                      tn_error *err) {
    char full[MAX_ENTRY];
    int length = snprintf(full, sizeof full, "%.*s/%s", in->top, in->zip.first, name);
    *out = NULL;
    if (length < 0 || (size_t)length >= sizeof full) return TN_OK;
    return io_zip_find(&in->zip, full, out, err);
}

static tn_status find_storage(const io_torch *torch, const io_storage *storage, const uint8_t **out,
                              tn_error *err) {
    const archive *in = torch->context;
    const io_zip_entry *entry = NULL;
    char name[256];
    size_t bytes;
    const io_value *key = storage->key;
    if (key->bytes > 200 || memchr(key->text, 0, key->bytes))
        return tn_fail(err, TN_EFORMAT, "%s: a storage whose key is no name", torch->path);
    snprintf(name, sizeof name, "data/%.*s", (int)key->bytes, key->text);
    TN_TRY(find(in, name, &entry, err));
    if (!entry)
        return tn_fail(err, TN_EFORMAT, "%s: zip archive: there is no entry '%s'", torch->path,
                       name);
    if (!tn_mul_size((size_t)storage->count, tn_dtype_size(storage->dtype), &bytes) ||
        bytes > entry->count)
        return tn_fail(err, TN_EFORMAT,
                       "%s: zip archive: entry '%s' has %zu bytes, expected %lld of %s",
                       torch->path, name, entry->count, (long long)storage->count,
                       tn_dtype_name(storage->dtype));
    *out = entry->bytes;
    return TN_OK;
}

static tn_status check_byte_order(const archive *in, tn_error *err) {
    const io_zip_entry *entry;
    TN_TRY(find(in, "byteorder", &entry, err));
    if (!entry || (entry->count == 6 && memcmp(entry->bytes, "little", 6) == 0)) return TN_OK;
    if (entry->count == 3 && memcmp(entry->bytes, "big", 3) == 0)
        return tn_fail(err, TN_EUNSUPPORTED, "%s: elements are big endian, expected little endian",
                       in->zip.path);
    return tn_fail(err, TN_EFORMAT, "%s: zip archive: entry 'byteorder' is neither little nor big",
                   in->zip.path);
}

static tn_status read_pickle(io_weights *file, const archive *in, io_region *scratch,
                             tn_error *err) {
    const io_zip_entry *pickle = NULL, *constants = NULL;
    TN_TRY(find(in, "data.pkl", &pickle, err));
    if (!pickle)
        return tn_fail(err, TN_EFORMAT,
                       "%s: a zip archive, but not PyTorch's: there is no '%.*s/data.pkl'",
                       in->zip.path, in->top < 200 ? in->top : 200, in->zip.first);
    TN_TRY(check_byte_order(in, err));
    TN_TRY(find(in, "constants.pkl", &constants, err));
    io_pickle machine = {.path = in->zip.path,
                         .part = "data.pkl",
                         .bytes = pickle->bytes,
                         .count = pickle->count,
                         .region = scratch,
                         .script = constants != NULL,
                         .err = err};
    io_torch torch = {.file = file,
                      .path = in->zip.path,
                      .part = "data.pkl",
                      .find = find_storage,
                      .context = in,
                      .scratch = scratch};
    io_value *root = NULL;
    file->scripted = constants != NULL;
    file->format = constants ? "TorchScript archive" : "PyTorch zip archive";
    TN_TRY(io_pickle_run(&machine, &root));
    return io_torch_add_state(&torch, root, err);
}

static tn_status read_archive(io_weights *file, const char *path, const io_map *map,
                              tn_error *err) {
    archive in = {0};
    io_region scratch = {0};
    tn_status status = io_zip_open(&scratch, path, map, &in.zip, err);
    if (status == TN_OK) {
        in.top = (int)strcspn(in.zip.first, "/");
        status = read_pickle(file, &in, &scratch, err);
    }
    io_region_free(&scratch);
    return status;
}

static bool is_archive(const io_map *map) {
    return io_map_starts(map, "PK\3\4");
}

const io_weights_reader io_torch_zip = {is_archive, read_archive};
