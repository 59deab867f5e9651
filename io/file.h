// SPDX-License-Identifier: Apache-2.0
// Reads files whole or mapped, and writes them so that a half-written file never appears.
#pragma once

#include "tensor/alloc.h"

#include <stdio.h>

// The bytes of a file, mapped read-only. An empty file has bytes == NULL. The file must not become
// shorter while it is mapped (io/map_fault.h).
typedef struct io_map {
    const uint8_t *bytes;
    size_t count;
} io_map;
// TN_EIO names the file, and its type if it is not a regular file; never waits for a pipe.
tn_status io_map_open(const char *path, io_map *out, tn_error *err);
void io_map_close(io_map *map);

// The whole file, or everything from a pipe, with a 0 after it, from tn_alloc. max_bytes: larger is
// TN_EFORMAT; 0 means 1 GiB.
tn_status io_read_text(const char *path, size_t max_bytes, char **out, size_t *count,
                       tn_error *err);

// The same for an open stream, which is called `name` in errors.
tn_status io_read_stream(FILE *file, const char *name, size_t max_bytes, char **out, size_t *count,
                         tn_error *err);

// Number of UTF-8 characters of a text: its columns on a terminal, unless it has wide characters.
int io_text_columns(const char *text);

// A file that is written as "PATH.tmp-PID-N", then flushed, synced and renamed to PATH. Symbolic
// links are followed first. If PATH exists and is not a regular file (a device, a pipe), it is
// written directly.
typedef struct io_writer {
    FILE *file;
    char *path, *temporary;
} io_writer;
tn_status io_writer_open(io_writer *writer, const char *path, tn_error *err);
// Writes bytes. fprintf on writer->file also works: errors are reported at commit.
tn_status io_write(io_writer *writer, const void *bytes, size_t count, tn_error *err);
// Flush, fsync, rename, fsync of the folder. On failure the temporary file is removed and the old
// file is unchanged; the text says what failed (a full disk, a folder without write permission).
tn_status io_writer_commit(io_writer *writer, tn_error *err);
void io_writer_abort(io_writer *writer); // removes the temporary file; fine after commit
// Writes a file with these bytes. Errors as above.
tn_status io_write_file(const char *path, const void *bytes, size_t count, tn_error *err);

// fsync of the folder of the path, so that a rename in it survives a crash. Errors are ignored:
// some file systems cannot do it, and the rename itself is done.
void io_sync_folder_of(const char *path);

// mkdir -p. TN_EIO names the folder that could not be created.
tn_status io_make_folder(const char *path, tn_error *err);
