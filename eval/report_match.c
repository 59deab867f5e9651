// SPDX-License-Identifier: Apache-2.0
// Names true boxes by the results of a detector.
#include "eval/report.h"
#include "io/coco/rle.h"

#include <stdlib.h>

typedef struct found {
    int64_t image;
    double score;
    size_t index;
} found;

// By picture, then best score; ties by index.
static int by_image(const void *a, const void *b) {
    const found *x = a, *y = b;
    if (x->image != y->image) return x->image < y->image ? -1 : 1;
    if (x->score != y->score) return x->score < y->score ? 1 : -1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static tn_status list_results(const io_coco *truth, const io_coco *results, found *list,
                              tn_error *err) {
    for (size_t i = 0; i < results->object_count; i++) {
        const io_coco_object *o = &results->objects[i];
        int64_t image = io_coco_find_image(truth, o->image_id);
        if (image < 0)
            return tn_fail(err, TN_EFORMAT,
                           "result %zu is in picture %s, which is not in the annotations", i + 1,
                           io_coco_show_id(o->image_id, o->image_text, (char[24]){0}));
        if (!o->has_box) return tn_fail(err, TN_EFORMAT, "result %zu has no \"bbox\"", i + 1);
        list[i] = (found){image, o->score, i};
    }
    qsort(list, results->object_count, sizeof *list, by_image);
    return TN_OK;
}

static size_t first_of(const found *list, size_t count, int64_t image) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (list[middle].image < image)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int64_t name_of(const io_coco *truth, const io_coco *results, const found *list,
                       const io_coco_object *o, double iou) {
    int64_t image = io_coco_find_image(truth, o->image_id);
    size_t count = results->object_count;
    for (size_t i = first_of(list, count, image); i < count && list[i].image == image; i++) {
        const io_coco_object *result = &results->objects[list[i].index];
        int64_t category = io_coco_find_category(truth, result->category_id);
        if (category >= 0 && io_box_iou(result->box, o->box, false) >= iou) return category;
    }
    return IO_COCO_UNNAMED;
}

static tn_status name_all(const io_coco *truth, const io_coco *results, const found *list,
                          double iou, int64_t *named, tn_error *err) {
    for (size_t i = 0; i < truth->object_count; i++) {
        const io_coco_object *o = &truth->objects[i];
        named[i] = EV_LEFT_OUT;
        if (o->crowd) continue;
        if (!o->has_box)
            return tn_fail(err, TN_EFORMAT, "annotation %s (picture %s) has no \"bbox\"",
                           io_coco_show_id(o->id, o->id_text, (char[24]){0}),
                           io_coco_show_id(o->image_id, o->image_text, (char[24]){0}));
        named[i] = name_of(truth, results, list, o, iou);
    }
    return TN_OK;
}

tn_status ev_name_by_results(const io_coco *truth, const io_coco *results, double iou,
                             int64_t *named, tn_error *err) {
    found *list = tn_alloc_zero(results->object_count + 1, sizeof *list);
    if (!list) return tn_fail(err, TN_ENOMEM, "out of memory for the names of boxes");
    tn_status status = list_results(truth, results, list, err);
    if (status == TN_OK) status = name_all(truth, results, list, iou, named, err);
    tn_free(list);
    return status;
}
