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

// ---- folders ------------------------------------------------------------------------------------

#define KINDS 6 // endings that are named one by one

// Files that are no pictures, by their endings.
typedef struct others {
    struct {
        char ending[16];
        size_t count;
    } kind[KINDS];
    size_t kinds, more;
} others;

static void count_other(others *o, const char *name) {
    const char *dot = strrchr(name, '.');
    size_t i = 0;
    while (dot && i < o->kinds && strcasecmp(o->kind[i].ending, dot) != 0) i++;
    if (!dot || i == KINDS || strlen(dot) >= sizeof o->kind[i].ending) {
        o->more++;
        return;
    }
    if (i == o->kinds) snprintf(o->kind[o->kinds++].ending, sizeof o->kind[i].ending, "%s", dot);
    o->kind[i].count++;
}

// Pictures may be in a format that is not read: their owner should know.
static void tell_others(const char *folder, const others *o) {
    char text[KINDS * 48 + 32];
    size_t used = 0;
    if (!o->kinds && !o->more) return;
    for (size_t i = 0; i < o->kinds; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%zu %s", i ? ", " : "",
                                 o->kind[i].count, o->kind[i].ending);
    if (o->more)
        snprintf(text + used, sizeof text - used, "%s%zu other", o->kinds ? ", " : "", o->more);
    tool_note("%s: files that are not read: %s", folder, text);
}

static void sort(tool_paths *paths, size_t from) {
    if (paths->count > from)
        qsort(paths->path + from, paths->count - from, sizeof *paths->path, by_name);
}

static bool is_folder(const char *path) { // and no link to one, which may lead in a circle
    struct stat info;
    return lstat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static tn_status add_entry(tool_paths *paths, tool_paths *folders, others *rest, const char *folder,
                           const char *name, tn_error *err) {
    char path[4096];
    const char *between = folder[strlen(folder) - 1] == '/' ? "" : "/";
    if (name[0] == '.') return TN_OK;
    if ((size_t)snprintf(path, sizeof path, "%s%s%s", folder, between, name) >= sizeof path)
        return TN_OK;
    if (is_folder(path)) return add(folders, path, err);
    if (is_picture(name)) return add(paths, path, err);
    count_other(rest, name);
    return TN_OK;
}

// The pictures of a folder by name, and then those of its folders.
static tn_status walk(tool_paths *paths, const char *folder, bool recursive, tn_error *err) {
    DIR *dir = opendir(folder);
    if (!dir)
        return tn_fail(err, TN_EIO, "%s: cannot read the folder: %s", folder, strerror(errno));
    size_t before = paths->count;
    tool_paths folders = {0};
    others rest = {0};
    tn_status status = TN_OK;
    for (struct dirent *entry; status == TN_OK && (entry = readdir(dir));)
        status = add_entry(paths, &folders, &rest, folder, entry->d_name, err);
    closedir(dir);
    sort(paths, before), sort(&folders, 0);
    if (status == TN_OK) tell_others(folder, &rest);
    for (size_t i = 0; recursive && status == TN_OK && i < folders.count; i++)
        status = walk(paths, folders.path[i], true, err);
    tool_paths_free(&folders);
    return status;
}

static tn_status add_folder(tool_paths *paths, const char *folder, bool recursive, tn_error *err) {
    size_t before = paths->count;
    TN_TRY(walk(paths, folder, recursive, err));
    if (paths->count > before) return TN_OK;
    return tn_fail(err, TN_EINVAL, "%s: no picture in this folder (.jpg .png .webp .tif ...)",
                   folder);
}

// ---- words --------------------------------------------------------------------------------------

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

static tn_status add_word(tool_paths *paths, const char *word, bool recursive, tn_error *err) {
    struct stat info;
    if (stat(word, &info) != 0) return add_glob(paths, word, err);
    return S_ISDIR(info.st_mode) ? add_folder(paths, word, recursive, err) : add(paths, word, err);
}

// @FILE: a line each; @-: of standard input.
static tn_status add_list(tool_paths *paths, const char *file, bool recursive, tn_error *err) {
    char *text = NULL;
    tool_list lines = {0};
    TN_TRY(tool_read_lines(file, &text, &lines, err));
    tn_status status = TN_OK;
    for (size_t i = 0; status == TN_OK && i < lines.count; i++)
        if (lines.word[i][0]) status = add_word(paths, lines.word[i], recursive, err);
    tool_list_free(&lines);
    tn_free(text);
    return status;
}

tn_status tool_find_pictures(const tool_list *words, bool recursive, tool_paths *out,
                             tn_error *err) {
    *out = (tool_paths){0};
    tn_status status = TN_OK;
    for (size_t i = 0; status == TN_OK && i < words->count; i++) {
        const char *word = words->word[i];
        bool list = word[0] == '@' && word[1] && access(word, F_OK) != 0;
        status =
            list ? add_list(out, word + 1, recursive, err) : add_word(out, word, recursive, err);
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
