// SPDX-License-Identifier: Apache-2.0
// Whether a folder is that of the annotations' pictures, before anything is done.
#include "train/jobs/train_parts.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#define LOOKED_FOR 1000 // pictures, the first ones

// `at` gives picture i of a list.
static tn_status check(const char *option, const char *folder, const char *annotations,
                       const io_coco_image *(*at)(const void *list, size_t i), const void *list,
                       size_t count, tn_error *err) {
    char first[PATH_MAX] = "", path[PATH_MAX];
    if (access(folder, F_OK) != 0)
        return tn_fail(err, TN_EIO, "--%s %s: no such folder", option, folder);
    if (count > LOOKED_FOR) count = LOOKED_FOR;
    for (size_t i = 0; i < count; i++) {
        tn_error none;
        if (io_coco_image_path(at(list, i), folder, path, sizeof path, &none) != TN_OK) continue;
        if (access(path, F_OK) == 0) return TN_OK;
        if (!first[0]) memcpy(first, path, sizeof path);
    }
    if (!first[0]) return TN_OK; // no picture has a name: reported by what needs one
    return tn_fail(err, TN_EIO,
                   "--%s %s: not one of the first %zu pictures of %s is there (the first would be "
                   "%s); give the folder that its \"file_name\" begins from",
                   option, folder, count, annotations, first);
}

static const io_coco_image *learned_from(const void *list, size_t i) {
    return ((const tr_dataset *)list)->pictures[i].source;
}

static const io_coco_image *of_all(const void *list, size_t i) {
    return &((const io_coco *)list)->images[i];
}

tn_status tr_train_find_pictures(const tr_dataset *data, const char *annotations, tn_error *err) {
    return check("pictures", data->folder, annotations, learned_from, data, data->count, err);
}

tn_status tr_validation_find_pictures(const tr_validation *v, tn_error *err) {
    return check("val-pictures", v->pictures, v->file, of_all, v->truth, tr_validation_pictures(v),
                 err);
}
