// SPDX-License-Identifier: Apache-2.0
// Finding pictures, reading lines.
#include "tools/shared/files.h"
#include "io/file.h"
#include "io/image/image.h"
#include "tensor/alloc.h"
#include "tools/shared/options.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

void tool_stem(const char *path, char *out, size_t bytes) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    size_t length = dot && dot != name ? (size_t)(dot - name) : strlen(name);
    snprintf(out, bytes, "%.*s", (int)length, name);
}

static bool is_picture(const char *name) {
    return name[0] != '.' && io_image_has_ending(name);
}

static tn_status add(tool_paths *paths, const char *path, tn_error *err) {
    if ((paths->count & (paths->count - 1)) == 0) {
        size_t room = paths->count ? 2 * paths->count : 1;
        char **more = tn_realloc(paths->path, paths->count * sizeof *more, room * sizeof *more);
        if (!more) return tn_fail(err, TN_ENOMEM, "out of memory for %zu pictures", room);
        paths->path = more;
    }
    char *copy = tn_strdup(path);
    if (!copy) return tn_fail(err, TN_ENOMEM, "out of memory for %zu pictures", paths->count);
    paths->path[paths->count++] = copy;
    return TN_OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static tn_status add_folder(tool_paths *paths, const char *folder, tn_error *err) {
    DIR *dir = opendir(folder);
    if (!dir)
        return tn_fail(err, TN_EIO, "%s: cannot read the folder: %s", folder, strerror(errno));
    size_t before = paths->count;
    tn_status status = TN_OK;
    for (struct dirent *entry; status == TN_OK && (entry = readdir(dir));) {
        char path[4096];
        if (!is_picture(entry->d_name)) continue;
        const char *between = folder[strlen(folder) - 1] == '/' ? "" : "/";
        int length = snprintf(path, sizeof path, "%s%s%s", folder, between, entry->d_name);
        if (length < (int)sizeof path) status = add(paths, path, err);
    }
    closedir(dir);
    if (status == TN_OK && paths->count == before)
        return tn_fail(err, TN_EINVAL, "%s: no picture in this folder (.jpg .png .webp .tif ...)",
                       folder);
    if (paths->count > before)
        qsort(paths->path + before, paths->count - before, sizeof *paths->path, by_name);
    return status;
}

static tn_status add_glob(tool_paths *paths, const char *pattern, tn_error *err) {
    glob_t found = {0};
    int code = glob(pattern, 0, NULL, &found);
    tn_status status = TN_OK;
    if (code == GLOB_NOMATCH)
        status = tn_fail(err, TN_EIO, "%s: no such file, folder or pattern with a match", pattern);
    else if (code)
        status = tn_fail(err, TN_EIO, "%s: cannot look for files", pattern);
    for (size_t i = 0; status == TN_OK && i < found.gl_pathc; i++)
        status = add(paths, found.gl_pathv[i], err);
    globfree(&found);
    return status;
}

tn_status tool_find_pictures(const tool_list *words, tool_paths *out, tn_error *err) {
    *out = (tool_paths){0};
    tn_status status = TN_OK;
    for (size_t i = 0; status == TN_OK && i < words->count; i++) {
        const char *word = words->word[i];
        struct stat info;
        if (stat(word, &info) == 0)
            status = S_ISDIR(info.st_mode) ? add_folder(out, word, err) : add(out, word, err);
        else
            status = add_glob(out, word, err);
    }
    if (status == TN_OK && !out->count)
        status =
            tn_fail(err, TN_EINVAL, "no picture was given: name a file, a folder or a pattern");
    if (status != TN_OK) tool_paths_free(out);
    return status;
}

void tool_paths_free(tool_paths *paths) {
    for (size_t i = 0; i < paths->count; i++) tn_free(paths->path[i]);
    tn_free(paths->path);
    *paths = (tool_paths){0};
}

tn_status tool_read_lines(const char *path, char **text, tool_list *lines, tn_error *err) {
    size_t count;
    bool from_stdin = !strcmp(path, "-");
    TN_TRY(from_stdin ? io_read_stream(stdin, "standard input", 0, text, &count, err)
                      : io_read_text(path, 0, text, &count, err));
    char *at = *text, *end = *text + count;
    if (count >= 3 && !memcmp(at, "\xef\xbb\xbf", 3)) at += 3;
    while (at < end) {
        char *line_end = memchr(at, '\n', (size_t)(end - at));
        char *next = line_end ? line_end + 1 : end;
        if (!line_end) line_end = end;
        if (line_end > at && line_end[-1] == '\r') line_end--;
        *line_end = 0;
        if (strlen(at) != (size_t)(line_end - at)) {
            size_t offset = (size_t)(at - *text) + strlen(at);
            tn_free(*text);
            *text = NULL;
            tool_list_free(lines);
            return tn_fail(err, TN_EFORMAT, "%s: a zero byte at offset %zu: expected text",
                           from_stdin ? "standard input" : path, offset);
        }
        if (!tool_list_add(lines, at)) {
            tn_free(*text);
            *text = NULL;
            tool_list_free(lines);
            return tn_fail(err, TN_ENOMEM, "%s: out of memory", path);
        }
        at = next;
    }
    return TN_OK;
}
