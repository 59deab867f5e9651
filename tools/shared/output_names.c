// SPDX-License-Identifier: Apache-2.0
// What is written must not overwrite what is read, nor each other.
#include "tensor/alloc.h"
#include "tools/shared/outputs.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

tn_status tool_output_path(char *out, size_t bytes, const char *folder, const char *stem,
                           const char *ending, tn_error *err) {
    if ((size_t)snprintf(out, bytes, "%s/%s%s", folder, stem, ending) < bytes) return TN_OK;
    return tn_fail(err, TN_EINVAL, "%s: the path is too long", folder);
}

static bool same_file(const struct stat *a, const char *path) {
    struct stat b;
    return stat(path, &b) == 0 && a->st_dev == b.st_dev && a->st_ino == b.st_ino;
}

tn_status tool_output_spares(const char *path, const tool_paths *pictures, tn_error *err) {
    struct stat there;
    if (stat(path, &there) != 0) return TN_OK;
    for (size_t i = 0; i < pictures->count; i++)
        if (same_file(&there, pictures->path[i]))
            return tn_fail(err, TN_EINVAL,
                           "%s: would overwrite a picture that is read; choose another place",
                           path);
    return TN_OK;
}

// ---- what an earlier run left -------------------------------------------------------------------

// STEM_labels.png or STEM_001_name.png.
static bool is_mask_of(const char *file, const char *stem) {
    size_t length = strlen(stem), all = strlen(file);
    if (strncmp(file, stem, length) != 0 || file[length] != '_') return false;
    const char *rest = file + length + 1;
    if (!strcmp(rest, "labels.png")) return true;
    size_t digits = strspn(rest, "0123456789");
    return digits >= 3 && rest[digits] == '_' && all > 4 && !strcmp(file + all - 4, ".png");
}

// A picture may be called a_001_b.png: its masks look like those of a.png.
static bool is_mask_of_another(const char *file, const char *stem, const tool_paths *pictures) {
    char other[512];
    for (size_t i = 0; i < pictures->count; i++) {
        tool_stem(pictures->path[i], other, sizeof other);
        if (strlen(other) > strlen(stem) && is_mask_of(file, other)) return true;
    }
    return false;
}

static tn_status remove_mask(const char *folder, const char *file, const tool_paths *pictures,
                             tn_error *err) {
    char path[4096];
    struct stat there;
    tn_error ignored = {0};
    TN_TRY(tool_output_path(path, sizeof path, folder, file, "", err));
    if (lstat(path, &there) != 0 || !S_ISREG(there.st_mode)) return TN_OK;
    if (tool_output_spares(path, pictures, &ignored) != TN_OK) return TN_OK;
    if (unlink(path) == 0 || errno == ENOENT) return TN_OK;
    return tn_fail(err, TN_EIO, "%s: cannot remove this mask of an earlier run: %s", path,
                   strerror(errno));
}

tn_status tool_output_clear_masks(const char *folder, const char *stem, const tool_paths *pictures,
                                  tn_error *err) {
    DIR *dir = opendir(folder);
    if (!dir)
        return tn_fail(err, TN_EIO, "%s: cannot read the folder: %s", folder, strerror(errno));
    tn_status status = TN_OK;
    for (struct dirent *entry; status == TN_OK && (entry = readdir(dir));)
        if (is_mask_of(entry->d_name, stem) && !is_mask_of_another(entry->d_name, stem, pictures))
            status = remove_mask(folder, entry->d_name, pictures, err);
    closedir(dir);
    return status;
}

static bool there(const char *folder, const char *stem, const char *ending) {
    char path[4096];
    tn_error ignored = {0};
    if (!folder) return true;
    return tool_output_path(path, sizeof path, folder, stem, ending, &ignored) == TN_OK &&
           access(path, F_OK) == 0;
}

// Of several files of a picture the one that is written last.
bool tool_outputs_there(const tool_outputs *outputs, size_t index) {
    const tool_output_options *wanted = &outputs->wanted;
    char stem[512];
    tool_stem(outputs->pictures->path[index], stem, sizeof stem);
    return there(wanted->out, stem, ".png") && there(wanted->masks, stem, "_labels.png") &&
           there(wanted->stages, stem, "_fused.png");
}

// ---- what must not be overwritten ---------------------------------------------------------------

static int by_stem(const void *a, const void *b) {
    char x[512], y[512];
    tool_stem(*(char *const *)a, x, sizeof x);
    tool_stem(*(char *const *)b, y, sizeof y);
    return strcmp(x, y);
}

static tn_status check_stems(char **path, size_t count, tn_error *err) {
    qsort(path, count, sizeof *path, by_stem);
    for (size_t i = 1; i < count; i++) {
        char stem[512];
        if (by_stem(&path[i - 1], &path[i]) != 0) continue;
        tool_stem(path[i], stem, sizeof stem);
        return tn_fail(err, TN_EINVAL,
                       "%s and %s would both be written as %s.png: give them in two runs, with "
                       "folders of their own",
                       path[i - 1], path[i], stem);
    }
    return TN_OK;
}

// Overlays: each to a file of its own, and none over its picture.
static tn_status check_overlays(const tool_output_options *wanted, const tool_paths *pictures,
                                tn_error *err) {
    if (!wanted->out && !wanted->masks && !wanted->stages) return TN_OK;
    char **path = tn_alloc(pictures->count * sizeof *path);
    if (!path) return tn_fail(err, TN_ENOMEM, "out of memory for %zu pictures", pictures->count);
    memcpy(path, pictures->path, pictures->count * sizeof *path);
    tn_status status = check_stems(path, pictures->count, err);
    tn_free(path);
    for (size_t i = 0; wanted->out && status == TN_OK && i < pictures->count; i++) {
        char stem[512], overlay[4096];
        tool_paths one = {&pictures->path[i], 1};
        tool_stem(pictures->path[i], stem, sizeof stem);
        status = tool_output_path(overlay, sizeof overlay, wanted->out, stem, ".png", err);
        if (status == TN_OK) status = tool_output_spares(overlay, &one, err);
    }
    return status;
}

// A file of results: neither the other one nor anything that is read.
static tn_status check_file(const char *path, const char *other, const tool_output_options *wanted,
                            const tool_paths *pictures, tn_error *err) {
    struct stat there;
    if (!path || !strcmp(path, "-")) return TN_OK;
    bool exists = stat(path, &there) == 0;
    if (exists && !S_ISREG(there.st_mode)) return TN_OK; // a device takes it all
    if (other && (!strcmp(path, other) || (exists && same_file(&there, other))))
        return tn_fail(err, TN_EINVAL, "%s: --json and --jsonl are two files; name another one",
                       path);
    if (exists && wanted->ids && same_file(&there, wanted->ids))
        return tn_fail(err, TN_EINVAL, "%s: would overwrite the annotations that --ids reads",
                       path);
    return tool_output_spares(path, pictures, err);
}

tn_status tool_outputs_check(const tool_output_options *wanted, const tool_paths *pictures,
                             tn_error *err) {
    TN_TRY(check_overlays(wanted, pictures, err));
    TN_TRY(check_file(wanted->json, wanted->jsonl, wanted, pictures, err));
    return check_file(wanted->jsonl, NULL, wanted, pictures, err);
}
