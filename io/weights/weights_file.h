// SPDX-License-Identifier: Apache-2.0
// Internals that the readers of the weight formats share; not included elsewhere.
#pragma once

#include "io/file.h"
#include "io/region.h"
#include "io/weights/weights.h"

#define IO_MAX_TENSORS 1000000

typedef struct io_kept_map io_kept_map;

struct io_weights {
    io_region region; // names, copies of data that cannot be used in place, the path
    io_kept_map *maps;
    const char *path;
    const char *format; // a description; static
    bool scripted;
    const char *under, *unused, *prefix; // NULL: none
    io_tensor *tensors;
    size_t count, capacity;
    struct io_meta {
        const char *key, *value;
    } * meta;
    size_t meta_count, meta_capacity;
    size_t mapped, copied; // bytes
};

// Maps a file until the weights are closed.
tn_status io_weights_map(io_weights *file, const char *path, io_map *out, tn_error *err);
// Adds a tensor. Its name is copied; its data must be in a map or in the region and hold every
// element. Data that is not aligned to its element is copied.
tn_status io_weights_add(io_weights *file, const char *path, const io_tensor *tensor,
                         tn_error *err);
// Memory for a copy of elements. Copies may take 256 MiB plus twice the size of the files: enough
// for every regular file, too little for tensors that repeat one element many times.
tn_status io_weights_copy_buffer(io_weights *file, const char *path, size_t bytes, void **out,
                                 tn_error *err);
tn_status io_weights_add_meta(io_weights *file, const char *path, const char *key,
                              const char *value, tn_error *err);
tn_status io_out_of_memory(const char *path, tn_error *err);

// Appends text to a note about the file, after ", " unless it is the first.
tn_status io_weights_note(io_weights *file, const char *path, const char **note, const char *text,
                          tn_error *err);
bool io_map_starts(const io_map *map, const char *text);

// A format. `is` checks the first bytes; `read` adds the tensors in the map of path to file and
// sets file->format.
typedef struct io_weights_reader {
    bool (*is)(const io_map *map);
    tn_status (*read)(io_weights *file, const char *path, const io_map *map, tn_error *err);
} io_weights_reader;

// All formats, in the order in which they are tried (docs/howto-weights-format.md).
#define IO_WEIGHTS_READERS(X)                                                                      \
    X(io_safetensors)                                                                              \
    X(io_torch_zip)                                                                                \
    X(io_torch_legacy)
#define IO_DECLARE(reader) extern const io_weights_reader reader;
IO_WEIGHTS_READERS(IO_DECLARE)
#undef IO_DECLARE

// Strips "module.", "model." and "_orig_mod." from the names if all tensors have them.
tn_status io_weights_strip_wrappers(io_weights *file, tn_error *err);
// Sorts the tensors by name. TN_EFORMAT: duplicate names.
tn_status io_weights_sort(io_weights *file, tn_error *err);

// Reads one file that is not an index; its bytes determine the format.
tn_status io_weights_read(io_weights *file, const char *path, tn_error *err);
// Reads the files that an index names; map is the text of the index.
tn_status io_shards_read(io_weights *file, const char *path, const io_map *map, tn_error *err);
// Sets *out to the path of the weight file in a folder, from tn_alloc.
tn_status io_weights_in_folder(const char *folder, char **out, tn_error *err);
