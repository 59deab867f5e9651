// SPDX-License-Identifier: Apache-2.0
// Detects the format of a file and keeps the table of its tensors.
#include "io/weights/weights_file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct io_kept_map {
    io_map map;
    io_kept_map *next;
};

tn_status io_out_of_memory(const char *path, tn_error *err) {
    return tn_fail(err, TN_ENOMEM, "%s: out of memory", path);
}

tn_status io_weights_map(io_weights *file, const char *path, io_map *out, tn_error *err) {
    io_kept_map *kept = io_region_alloc(&file->region, sizeof *kept);
    if (!kept) return io_out_of_memory(path, err);
    TN_TRY(io_map_open(path, &kept->map, err));
    kept->next = file->maps;
    file->maps = kept;
    file->mapped += kept->map.count;
    *out = kept->map;
    return TN_OK;
}

tn_status io_weights_copy_buffer(io_weights *file, const char *path, size_t bytes, void **out,
                                 tn_error *err) {
    size_t most = ((size_t)256 << 20) + 2 * file->mapped;
    if (bytes > most - file->copied)
        return tn_fail(err, TN_EFORMAT,
                       "%s: tensors that repeat elements would take %zu bytes or more, expected at "
                       "most %zu",
                       path, bytes, most);
    *out = io_region_alloc(&file->region, bytes);
    if (!*out) return io_out_of_memory(path, err);
    file->copied += bytes;
    return TN_OK;
}

tn_status io_weights_add(io_weights *file, const char *path, const io_tensor *tensor,
                         tn_error *err) {
    static const uint64_t nothing; // data of empty tensors
    if (file->count >= IO_MAX_TENSORS)
        return tn_fail(err, TN_EFORMAT, "%s: more than %d tensors", path, IO_MAX_TENSORS);
    io_tensor added = *tensor;
    size_t count = 0, size = tn_dtype_size(tensor->dtype);
    bool sized = tn_count_checked(tensor->rank, tensor->dim, &count);
    TN_CHECK(sized && count <= PTRDIFF_MAX / size, "tensor '%s' was not checked", tensor->name);
    added.name = io_region_text(&file->region, tensor->name, strlen(tensor->name));
    if (count == 0) {
        added.data = &nothing;
    } else if ((uintptr_t)tensor->data % size) {
        void *aligned;
        TN_TRY(io_weights_copy_buffer(file, path, count * size, &aligned, err));
        added.data = memcpy(aligned, tensor->data, count * size);
    }
    void *array = file->tensors;
    if (!added.name ||
        !io_region_grow(&file->region, &array, file->count, &file->capacity, sizeof added))
        return io_out_of_memory(path, err);
    file->tensors = array;
    file->tensors[file->count++] = added;
    return TN_OK;
}

tn_status io_weights_add_meta(io_weights *file, const char *path, const char *key,
                              const char *value, tn_error *err) {
    if (io_weights_meta(file, key)) return TN_OK; // the first shard wins
    struct io_meta added = {io_region_text(&file->region, key, strlen(key)),
                            io_region_text(&file->region, value, strlen(value))};
    void *array = file->meta;
    if (!added.key || !added.value ||
        !io_region_grow(&file->region, &array, file->meta_count, &file->meta_capacity,
                        sizeof added))
        return io_out_of_memory(path, err);
    file->meta = array;
    file->meta[file->meta_count++] = added;
    return TN_OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const io_tensor *)a)->name, ((const io_tensor *)b)->name);
}

tn_status io_weights_sort(io_weights *file, tn_error *err) {
    if (file->count) qsort(file->tensors, file->count, sizeof *file->tensors, by_name);
    for (size_t i = 1; i < file->count; i++)
        if (by_name(&file->tensors[i - 1], &file->tensors[i]) == 0)
            return tn_fail(err, TN_EFORMAT, "%s: there are two tensors '%s'", file->path,
                           file->tensors[i].name);
    return TN_OK;
}

tn_status io_weights_note(io_weights *file, const char *path, const char **note, const char *text,
                          tn_error *err) {
    char joined[256];
    snprintf(joined, sizeof joined, "%s%s%s", *note ? *note : "", *note ? ", " : "", text);
    *note = io_region_text(&file->region, joined, strlen(joined));
    return *note ? TN_OK : io_out_of_memory(path, err);
}

bool io_map_starts(const io_map *map, const char *text) {
    size_t length = strlen(text);
    return map->count >= length && memcmp(map->bytes, text, length) == 0;
}

static bool looks_like_json(const io_map *map) {
    size_t i = 0;
    while (i < map->count && memchr(" \t\r\n", map->bytes[i], 4)) i++;
    return i < map->count && map->bytes[i] == '{' && !io_safetensors.is(map);
}

static tn_status unknown_format(const char *path, const io_map *map, tn_error *err) {
    if (map->count == 0) return tn_fail(err, TN_EFORMAT, "%s: the file is empty", path);
    if (io_map_starts(map, "version https://git-lfs"))
        return tn_fail(err, TN_EFORMAT,
                       "%s: a pointer of Git LFS, not the file itself (try: git lfs pull)", path);
    if (map->count > 262 && memcmp(map->bytes + 257, "ustar", 5) == 0)
        return tn_fail(err, TN_EUNSUPPORTED,
                       "%s: a tar archive, as PyTorch wrote before 2017; save it again with a "
                       "newer one",
                       path);
    char start[8 * 3 + 1] = "";
    for (size_t i = 0; i < map->count && i < 8; i++)
        snprintf(start + 3 * i, 4, " %02x", map->bytes[i]);
    return tn_fail(err, TN_EFORMAT,
                   "%s: not a weight file: starts with%s, expected safetensors or PyTorch's", path,
                   start);
}

static const io_weights_reader *const readers[] = {
#define IO_ROW(reader) &reader,
    IO_WEIGHTS_READERS(IO_ROW)
#undef IO_ROW
};

static tn_status read_map(io_weights *file, const char *path, const io_map *map, tn_error *err) {
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
        if (readers[i]->is(map)) return readers[i]->read(file, path, map, err);
    return unknown_format(path, map, err);
}

tn_status io_weights_read(io_weights *file, const char *path, tn_error *err) {
    io_map map;
    TN_TRY(io_weights_map(file, path, &map, err));
    return read_map(file, path, &map, err);
}

static tn_status read_all(io_weights *file, tn_error *err) {
    io_map map;
    TN_TRY(io_weights_map(file, file->path, &map, err));
    TN_TRY(looks_like_json(&map) ? io_shards_read(file, file->path, &map, err)
                                 : read_map(file, file->path, &map, err));
    TN_TRY(io_weights_strip_wrappers(file, err));
    return io_weights_sort(file, err);
}

tn_status io_weights_open(const char *path, io_weights **out, tn_error *err) {
    *out = NULL;
    struct stat info;
    char *inside = NULL;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        TN_TRY(io_weights_in_folder(path, &inside, err));
    const char *chosen = inside ? inside : path;
    io_weights *file = tn_alloc_zero(1, sizeof *file);
    tn_status status = TN_OK;
    if (!file || !(file->path = io_region_text(&file->region, chosen, strlen(chosen))))
        status = io_out_of_memory(chosen, err);
    else
        status = read_all(file, err);
    tn_free(inside);
    if (status == TN_OK)
        *out = file;
    else
        io_weights_close(file);
    return status;
}

void io_weights_close(io_weights *file) {
    if (!file) return;
    for (io_kept_map *kept = file->maps; kept; kept = kept->next) io_map_close(&kept->map);
    io_region_free(&file->region);
    tn_free(file);
}

const char *io_weights_path(const io_weights *file) {
    return file->path;
}

const char *io_weights_format(const io_weights *file) {
    return file->format;
}

bool io_weights_scripted(const io_weights *file) {
    return file->scripted;
}

const char *io_weights_under(const io_weights *file) {
    return file->under;
}

const char *io_weights_unused(const io_weights *file) {
    return file->unused;
}

const char *io_weights_prefix(const io_weights *file) {
    return file->prefix;
}

size_t io_weights_count(const io_weights *file) {
    return file->count;
}

const io_tensor *io_weights_at(const io_weights *file, size_t i) {
    TN_CHECK(i < file->count, "tensor %zu of %zu", i, file->count);
    return &file->tensors[i];
}

const io_tensor *io_weights_find(const io_weights *file, const char *name) {
    io_tensor key = {.name = name};
    if (!file->count) return NULL;
    return bsearch(&key, file->tensors, file->count, sizeof key, by_name);
}

const char *io_weights_meta(const io_weights *file, const char *key) {
    for (size_t i = 0; i < file->meta_count; i++)
        if (strcmp(file->meta[i].key, key) == 0) return file->meta[i].value;
    return NULL;
}
