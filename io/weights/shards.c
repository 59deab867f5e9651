// SPDX-License-Identifier: Apache-2.0
// Weights in several files: Hugging Face's index of shards ({"weight_map": {"name": "file"}}); and
// how the weight file of a folder is found.
#include "io/json.h"
#include "io/weights/weights_file.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct entry {
    const char *tensor, *shard;
} entry;

static int by_shard(const void *a, const void *b) {
    const entry *x = a, *y = b;
    int order = strcmp(x->shard, y->shard);
    return order ? order : strcmp(x->tensor, y->tensor);
}

// "folder of index" + "/" + shard, from tn_alloc.
static char *beside(const char *index, const char *name) {
    const char *slash = strrchr(index, '/');
    size_t folder = slash ? (size_t)(slash - index) + 1 : 0, bytes = folder + strlen(name) + 1;
    char *path = tn_alloc(bytes);
    if (path) snprintf(path, bytes, "%.*s%s", (int)folder, index, name);
    return path;
}

static int by_tensor(const void *a, const void *b) {
    return strcmp(((const io_tensor *)a)->name, ((const io_tensor *)b)->name);
}

// Checks that every name that the index lists for this shard is among the tensors that it added.
static tn_status check_shard(const io_weights *file, size_t first, const char *path,
                             const entry *entries, size_t count, tn_error *err) {
    io_tensor *added = file->tensors + first;
    size_t added_count = file->count - first;
    if (added_count) qsort(added, added_count, sizeof *added, by_tensor);
    for (size_t i = 0; i < count; i++) {
        io_tensor key = {.name = entries[i].tensor};
        if (!added_count || !bsearch(&key, added, added_count, sizeof key, by_tensor))
            return tn_fail(err, TN_EFORMAT, "%s: there is no tensor '%s', which %s expects here",
                           path, key.name, file->path);
    }
    return TN_OK;
}

static tn_status read_shard(io_weights *file, const char *index, const entry *entries, size_t count,
                            tn_error *err) {
    char *path = beside(index, entries->shard);
    if (!path) return io_out_of_memory(index, err);
    size_t first = file->count;
    tn_status status = io_weights_read(file, path, err);
    if (status == TN_OK) status = check_shard(file, first, path, entries, count, err);
    tn_free(path);
    return status;
}

static tn_status collect(const io_json *map, entry *entries, tn_error *err) {
    io_json item;
    size_t count = 0;
    for (void *at = NULL; io_json_each(map, &at, &item); count++) {
        const char *shard;
        TN_TRY(io_json_as_string(&item, &shard, err));
        if (!*shard || strchr(shard, '/'))
            return io_json_fail(&item, err, "'%s', expected the name of a file beside the index",
                                shard);
        entries[count] = (entry){item.key, shard};
    }
    return TN_OK;
}

static tn_status read_index(io_weights *file, const char *path, const io_json *index,
                            tn_error *err) {
    io_json map;
    TN_TRY(io_json_get(index, "weight_map", IO_JSON_OBJECT, &map, err));
    size_t count = io_json_count(&map);
    if (count == 0) return io_json_fail(&map, err, "empty, expected tensors and their files");
    entry *entries = tn_alloc_zero(count, sizeof *entries);
    if (!entries) return io_out_of_memory(path, err);
    tn_status status = collect(&map, entries, err);
    if (status == TN_OK) qsort(entries, count, sizeof *entries, by_shard);
    for (size_t i = 0, n; status == TN_OK && i < count; i += n) {
        for (n = 1; i + n < count && strcmp(entries[i].shard, entries[i + n].shard) == 0;) n++;
        status = read_shard(file, path, entries + i, n, err);
    }
    tn_free(entries);
    return status;
}

tn_status io_shards_read(io_weights *file, const char *path, const io_map *map, tn_error *err) {
    io_json index;
    TN_TRY(io_json_parse(map->bytes, map->count, path, &index, err));
    tn_status status = read_index(file, path, &index, err);
    io_json_close(&index);
    return status;
}

// The only file in the folder that matches a pattern; NULL if there is none.
static tn_status match_one(const char *pattern, const char *folder, char **out, tn_error *err) {
    glob_t found;
    *out = NULL;
    int code = glob(pattern, 0, NULL, &found);
    if (code == GLOB_NOSPACE) return io_out_of_memory(folder, err);
    if (code != 0) return TN_OK;
    tn_status status = TN_OK;
    if (found.gl_pathc > 1)
        status = tn_fail(err, TN_EINVAL, "%s: both %s and %s exist; give one of them", folder,
                         found.gl_pathv[0], found.gl_pathv[1]);
    else if (!(*out = tn_strdup(found.gl_pathv[0])))
        status = io_out_of_memory(folder, err);
    globfree(&found);
    return status;
}

// Puts a backslash before each character that is special to glob().
static size_t escaped(const char *text, char *out) {
    size_t n = 0;
    for (; *text; text++) {
        if (strchr("*?[]\\", *text)) out[n++] = '\\';
        out[n++] = *text;
    }
    return n;
}

tn_status io_weights_in_folder(const char *folder, char **out, tn_error *err) {
    static const char *const names[] = {
        "model.safetensors", "model.safetensors.index.json", "open_clip_*.safetensors",
        "pytorch_model.bin", "pytorch_model.bin.index.json", "open_clip_pytorch_model.bin",
    };
    *out = NULL;
    char *pattern = tn_alloc(2 * strlen(folder) + 64);
    if (!pattern) return io_out_of_memory(folder, err);
    size_t head = escaped(folder, pattern);
    tn_status status = TN_OK;
    for (size_t i = 0; status == TN_OK && !*out && i < sizeof names / sizeof *names; i++) {
        snprintf(pattern + head, 64, "/%s", names[i]);
        status = match_one(pattern, folder, out, err);
    }
    tn_free(pattern);
    if (status == TN_OK && !*out)
        status = tn_fail(err, TN_EIO,
                         "%s: no weights in this folder, expected model.safetensors, its index, "
                         "open_clip_*.safetensors or pytorch_model.bin",
                         folder);
    return status;
}
