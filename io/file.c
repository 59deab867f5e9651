// SPDX-License-Identifier: Apache-2.0
#include "io/file.h"

#include "io/map_fault.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_TEXT ((size_t)1 << 30)

static const char *kind_of(mode_t mode) {
    if (S_ISDIR(mode)) return "a folder";
    if (S_ISFIFO(mode)) return "a pipe";
    if (S_ISSOCK(mode)) return "a socket";
    return "a device";
}

tn_status io_map_open(const char *path, io_map *out, tn_error *err) {
    *out = (io_map){0};
    // O_NONBLOCK: opening a pipe without a writer would block forever.
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return tn_fail(err, TN_EIO, "%s: cannot open: %s", path, strerror(errno));
    struct stat info;
    tn_status status = TN_OK;
    if (fstat(fd, &info) != 0) {
        status = tn_fail(err, TN_EIO, "%s: cannot read: %s", path, strerror(errno));
    } else if (!S_ISREG(info.st_mode)) {
        status = tn_fail(err, TN_EIO, "%s: %s, expected a file", path, kind_of(info.st_mode));
    } else if (info.st_size > 0) {
        void *bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (bytes == MAP_FAILED)
            status = tn_fail(err, TN_EIO, "%s: cannot map: %s", path, strerror(errno));
        else
            *out = (io_map){bytes, (size_t)info.st_size};
        if (out->bytes) io_map_register(out->bytes, out->count, path);
    }
    close(fd);
    return status;
}

void io_map_close(io_map *map) {
    if (map->bytes) {
        io_map_unregister(map->bytes);
        munmap((void *)map->bytes, map->count);
    }
    *map = (io_map){0};
}

int io_text_columns(const char *text) {
    int n = 0;
    for (; *text; text++) n += (*text & 0xc0) != 0x80;
    return n;
}

tn_status io_read_stream(FILE *file, const char *name, size_t max_bytes, char **out, size_t *count,
                         tn_error *err) {
    size_t limit = max_bytes ? max_bytes : MAX_TEXT, capacity = 1 << 16, used = 0;
    char *text = tn_alloc(capacity);
    while (text) {
        used += fread(text + used, 1, capacity - used - 1, file);
        if (used + 1 < capacity || used > limit) break;
        char *more = tn_realloc(text, used, 2 * capacity);
        if (!more) tn_free(text);
        text = more, capacity *= 2;
    }
    if (!text) return tn_fail(err, TN_ENOMEM, "%s: out of memory", name);
    tn_status status = TN_OK;
    if (ferror(file))
        status = tn_fail(err, TN_EIO, "%s: cannot read: %s", name, strerror(errno));
    else if (used > limit)
        status = tn_fail(err, TN_EFORMAT, "%s: larger than the limit of %zu bytes", name, limit);
    if (status != TN_OK) {
        tn_free(text);
        return status;
    }
    text[used] = 0;
    *out = text;
    *count = used;
    return TN_OK;
}

tn_status io_read_text(const char *path, size_t max_bytes, char **out, size_t *count,
                       tn_error *err) {
    io_map map;
    struct stat info;
    if (stat(path, &info) == 0 && S_ISFIFO(info.st_mode)) { // from `<(…)` of a shell
        FILE *file = fopen(path, "rb");
        if (!file) return tn_fail(err, TN_EIO, "%s: cannot open: %s", path, strerror(errno));
        tn_status status = io_read_stream(file, path, max_bytes, out, count, err);
        fclose(file);
        return status;
    }
    TN_TRY(io_map_open(path, &map, err));
    size_t limit = max_bytes ? max_bytes : MAX_TEXT;
    tn_status status = TN_OK;
    char *text = NULL;
    if (map.count > limit)
        status =
            tn_fail(err, TN_EFORMAT, "%s: %zu bytes, expected at most %zu", path, map.count, limit);
    else if (!(text = tn_alloc(map.count + 1)))
        status = tn_fail(err, TN_ENOMEM, "%s: out of memory for %zu bytes", path, map.count);
    if (text) {
        if (map.count) memcpy(text, map.bytes, map.count);
        text[map.count] = 0;
        *out = text;
        *count = map.count;
    }
    io_map_close(&map);
    return status;
}

// For a device or a pipe, which a rename would replace by a file.
static tn_status open_as_it_is(io_writer *writer, const char *path, tn_error *err) {
    writer->path = tn_strdup(path);
    if (!writer->path) return tn_fail(err, TN_ENOMEM, "%s: out of memory", path);
    writer->file = fopen(path, "wb");
    if (writer->file) return TN_OK;
    int code = errno;
    io_writer_abort(writer);
    return tn_fail(err, TN_EIO, "%s: cannot write: %s", path, strerror(code));
}

tn_status io_writer_open(io_writer *writer, const char *path, tn_error *err) {
    static _Atomic unsigned number;
    *writer = (io_writer){0};
    struct stat info;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) return open_as_it_is(writer, path, err);
    char resolved[PATH_MAX]; // the file itself, not a link to it
    if (!realpath(path, resolved) || strlen(resolved) >= sizeof resolved) resolved[0] = 0;
    if (resolved[0]) path = resolved;
    size_t capacity = strlen(path) + 64;
    writer->path = tn_strdup(path);
    writer->temporary = tn_alloc(capacity);
    if (!writer->path || !writer->temporary) {
        io_writer_abort(writer);
        return tn_fail(err, TN_ENOMEM, "%s: out of memory", path);
    }
    snprintf(writer->temporary, capacity, "%s.tmp-%ld-%u", path, (long)getpid(),
             atomic_fetch_add(&number, 1));
    int fd = open(writer->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    writer->file = fd >= 0 ? fdopen(fd, "wb") : NULL;
    if (!writer->file) {
        int code = errno;
        if (fd >= 0) {
            close(fd);
            unlink(writer->temporary);
        }
        tn_free(writer->temporary);
        writer->temporary = NULL;
        io_writer_abort(writer);
        return tn_fail(err, TN_EIO, "%s: cannot write: %s", path, strerror(code));
    }
    return TN_OK;
}

tn_status io_write(io_writer *writer, const void *bytes, size_t count, tn_error *err) {
    if (count == 0 || fwrite(bytes, 1, count, writer->file) == count) return TN_OK;
    return tn_fail(err, TN_EIO, "%s: cannot write: %s", writer->path, strerror(errno));
}

void io_sync_folder_of(const char *path) {
    char *folder = tn_strdup(path);
    if (!folder) return;
    char *slash = strrchr(folder, '/');
    if (slash) slash[slash == folder] = 0;
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd); // errors are ignored: some file systems cannot do it
        close(fd);
    }
    tn_free(folder);
}

tn_status io_writer_commit(io_writer *writer, tn_error *err) {
    FILE *file = writer->file;
    writer->file = NULL;
    errno = 0;
    bool good = !ferror(file) && fflush(file) == 0;
    if (good && writer->temporary) good = fsync(fileno(file)) == 0;
    int code = errno;
    if (fclose(file) != 0 && good) good = false, code = errno;
    if (good && writer->temporary && rename(writer->temporary, writer->path) != 0)
        good = false, code = errno;
    tn_status status = TN_OK;
    if (good) {
        if (writer->temporary) io_sync_folder_of(writer->path);
        tn_free(writer->temporary);
        writer->temporary = NULL;
    } else {
        status = tn_fail(err, TN_EIO, "%s: cannot write: %s", writer->path,
                         code ? strerror(code) : "an earlier write failed");
    }
    io_writer_abort(writer);
    return status;
}

void io_writer_abort(io_writer *writer) {
    if (writer->file) fclose(writer->file);
    if (writer->temporary) unlink(writer->temporary);
    tn_free(writer->temporary);
    tn_free(writer->path);
    *writer = (io_writer){0};
}

tn_status io_write_file(const char *path, const void *bytes, size_t count, tn_error *err) {
    io_writer writer;
    TN_TRY(io_writer_open(&writer, path, err));
    tn_status status = io_write(&writer, bytes, count, err);
    if (status == TN_OK) return io_writer_commit(&writer, err);
    io_writer_abort(&writer);
    return status;
}

tn_status io_make_folder(const char *path, tn_error *err) {
    char *part = tn_strdup(path);
    if (!part) return tn_fail(err, TN_ENOMEM, "%s: out of memory", path);
    tn_status status = TN_OK;
    for (char *slash = part; status == TN_OK && *slash;) {
        slash += strspn(slash, "/");
        slash += strcspn(slash, "/");
        char kept = *slash;
        *slash = 0;
        struct stat info;
        if (mkdir(part, 0777) != 0 &&
            !(errno == EEXIST && stat(part, &info) == 0 && S_ISDIR(info.st_mode)))
            status =
                tn_fail(err, TN_EIO, "%s: cannot create the folder: %s", part, strerror(errno));
        *slash = kept;
    }
    tn_free(part);
    return status;
}
