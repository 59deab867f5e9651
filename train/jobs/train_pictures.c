// SPDX-License-Identifier: Apache-2.0
// Whether a folder is that of the annotations' pictures, before anything is done.
#include "train/jobs/train_parts.h"

#include <limits.h>
#include <unistd.h>

#define LOOKED_FOR 1000 // pictures, the first ones

static bool is_there(const char *folder, const char *file) {
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%s", folder, file);
    return length > 0 && length < (int)sizeof path && access(path, F_OK) == 0;
}

// `file` gives the name of picture i of list, or NULL.
static tn_status check(const char *option, const char *folder, const char *annotations,
                       const char *(*file)(const void *list, size_t i), const void *list,
                       size_t count, tn_error *err) {
    const char *first = NULL;
    if (access(folder, F_OK) != 0)
        return tn_fail(err, TN_EIO, "--%s %s: no such folder", option, folder);
    if (count > LOOKED_FOR) count = LOOKED_FOR;
    for (size_t i = 0; i < count; i++) {
        const char *name = file(list, i);
        if (name && is_there(folder, name)) return TN_OK;
        if (!first) first = name;
    }
    if (!first) return TN_OK; // no picture has a name: told by whoever needs one
    return tn_fail(err, TN_EIO,
                   "--%s %s: not one of the first %zu pictures of %s is there (the first would be "
                   "%s/%s); give the folder that its \"file_name\" begins from",
                   option, folder, count, annotations, folder, first);
}

static const char *learned_from(const void *list, size_t i) {
    return ((const tr_dataset *)list)->pictures[i].source->file;
}

static const char *of_all(const void *list, size_t i) {
    return ((const io_coco *)list)->images[i].file;
}

tn_status tr_train_find_pictures(const tr_dataset *data, const char *annotations, tn_error *err) {
    return check("pictures", data->folder, annotations, learned_from, data, data->count, err);
}

tn_status tr_validation_find_pictures(const tr_validation *v, tn_error *err) {
    size_t count = v->truth->image_count;
    if (v->limit && (size_t)v->limit < count) count = (size_t)v->limit;
    return check("val-pictures", v->pictures, v->file, of_all, v->truth, count, err);
}
