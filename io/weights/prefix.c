// SPDX-License-Identifier: Apache-2.0
// Prefixes that wrappers put before every name: DataParallel's "module.", torch.compile's
// "_orig_mod.", a training module's "model." or any other attribute that held the model.
#include "io/weights/weights_file.h"

#include <stdio.h>
#include <string.h>

// Whether the name is the prefix followed by something.
static bool has_prefix(const char *name, const char *prefix, size_t length) {
    return strncmp(name, prefix, length) == 0 && name[length];
}

static tn_status strip(io_weights *file, const char *prefix, size_t length, tn_error *err) {
    char all[512];
    snprintf(all, sizeof all, "%s%.*s", file->prefix ? file->prefix : "", (int)length, prefix);
    const char *kept = io_region_text(&file->region, all, strlen(all));
    if (!kept) return io_out_of_memory(file->path, err);
    // The names may lie in a mapped file: nothing is written, only pointers are moved.
    for (size_t i = 0; i < file->count; i++)
        if (has_prefix(file->tensors[i].name, prefix, length)) file->tensors[i].name += length;
    file->prefix = kept;
    return TN_OK;
}

static bool all_have(const io_weights *file, const char *prefix) {
    for (size_t i = 0; i < file->count; i++)
        if (!has_prefix(file->tensors[i].name, prefix, strlen(prefix))) return false;
    return file->count > 0;
}

tn_status io_weights_strip_wrappers(io_weights *file, tn_error *err) {
    static const char *const wrappers[] = {"module.", "_orig_mod.", "model."};
    const size_t count = sizeof wrappers / sizeof *wrappers;
    for (size_t i = 0; i < count; i++) {
        if (!all_have(file, wrappers[i])) continue;
        TN_TRY(strip(file, wrappers[i], strlen(wrappers[i]), err));
        i = (size_t)-1; // starts again: wrappers may be nested
    }
    return TN_OK;
}

// Length of the part of a name before `wanted`, which must end with a dot; 0 otherwise.
static size_t before(const char *name, const char *wanted) {
    size_t length = strlen(name), end = strlen(wanted);
    if (length <= end || strcmp(name + length - end, wanted) != 0) return 0;
    return name[length - end - 1] == '.' ? length - end : 0;
}

static bool has_all(const io_weights *file, const char *prefix, size_t length,
                    const char *const *names) {
    char full[1024];
    for (; *names; names++) {
        int bytes = snprintf(full, sizeof full, "%.*s%s", (int)length, prefix, *names);
        if (bytes < 0 || (size_t)bytes >= sizeof full || !io_weights_find(file, full)) return false;
    }
    return true;
}

tn_status io_weights_unwrap(io_weights *file, const char *const *names, tn_error *err) {
    const char *prefix = NULL;
    size_t length = 0;
    if (has_all(file, "", 0, names)) return TN_OK;
    for (size_t i = 0; i < file->count; i++) {
        const char *name = file->tensors[i].name;
        size_t bytes = before(name, names[0]);
        if (!bytes || !has_all(file, name, bytes, names)) continue;
        if (prefix)
            return tn_fail(err, TN_EFORMAT,
                           "%s: '%s' occurs under '%.*s' and under '%.*s', expected only one",
                           file->path, names[0], (int)length, prefix, (int)bytes, name);
        prefix = name;
        length = bytes;
    }
    if (!prefix) return TN_OK;
    TN_TRY(strip(file, prefix, length, err));
    return io_weights_sort(file, err);
}
