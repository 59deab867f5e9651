// SPDX-License-Identifier: Apache-2.0
// Files: read whole, mapped, and written so that a half-written one is never seen.
#pragma once

#include "tensor/alloc.h"

#include <stdio.h>

// The bytes of a file, mapped read-only. An empty file has bytes == NULL. The file must not become
// shorter while it is mapped (io/map_fault.h).
typedef struct io_map {
    const uint8_t *bytes;
    size_t count;
} io_map;
// TN_EIO names the file, and what it is if it is no regular file; never waits for a pipe.
tn_status io_map_open(const char *path, io_map *out, tn_error *err);
void io_map_close(io_map *map);

// The whole file, or what a pipe gives, with a 0 behind its end, from tn_alloc. max_bytes:
// TN_EFORMAT over it; 0 = 1 GiB.
tn_status io_read_text(const char *path, size_t max_bytes, char **out, size_t *count,
                       tn_error *err);

// The same of an open stream, called `name` in errors.
tn_status io_read_stream(FILE *file, const char *name, size_t max_bytes, char **out, size_t *count,
                         tn_error *err);

// How many characters of UTF-8 a text has: the columns that a terminal gives it, but for the wide
// ones.
int io_text_columns(const char *text);

// A file written beside its place ("PATH.tmp-PID-N"), then flushed, synced and renamed over it.
// Symbolic links are followed first; what is there and is no regular file (a device, a pipe) is
// written to as it is.
typedef struct io_writer {
    FILE *file;
    char *path, *temporary;
} io_writer;
tn_status io_writer_open(io_writer *writer, const char *path, tn_error *err);
// Bytes go through io_write (or fprintf on writer->file: errors are caught at commit).
tn_status io_write(io_writer *writer, const void *bytes, size_t count, tn_error *err);
// Flush, fsync, rename, fsync of the folder. On failure the temporary file is removed and the old
// file is as it was; the text says what failed (a full disk, a folder without write permission).
tn_status io_writer_commit(io_writer *writer, tn_error *err);
void io_writer_abort(io_writer *writer); // removes the temporary file; fine after commit
// All of it at once: a file of these bytes. Errors as above.
tn_status io_write_file(const char *path, const void *bytes, size_t count, tn_error *err);

// fsync of the folder that the path lies in, so that a rename in it lasts. Quiet: some file systems
// cannot, and the rename itself has been done.
void io_sync_folder_of(const char *path);

// mkdir -p. TN_EIO names the part that could not be made.
tn_status io_make_folder(const char *path, tn_error *err);
