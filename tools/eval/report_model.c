// SPDX-License-Identifier: Apache-2.0
// Every true box of a data set, named by a model.
#include "tensor/alloc.h"
#include "tools/eval/report_output.h"
#include "tools/shared/options.h"
#include "tools/shared/progress.h"

#include <stdlib.h>
#include <string.h>

typedef struct entry {
    int64_t image;
    size_t object;
} entry;

typedef struct naming {
    const tool_data_model *model;
    const io_coco *data;
    const char *pictures;
    entry *list;        // true boxes by picture, in the file's order
    size_t count, most; // most: boxes of one picture
    float *boxes, *scores;
    int *labels;
    int64_t *named;
    float *score;
    size_t *broken;
} naming;

static int by_image(const void *a, const void *b) {
    const entry *x = a, *y = b;
    if (x->image != y->image) return x->image < y->image ? -1 : 1;
    return x->object < y->object ? -1 : x->object > y->object;
}

static const io_coco_image *picture_at(const naming *n, size_t at) {
    return &n->data->images[n->list[at].image];
}

static tn_status list_boxes(naming *n, tn_error *err) {
    for (size_t i = 0; i < n->data->object_count; i++) {
        const io_coco_object *o = &n->data->objects[i];
        n->named[i] = EV_LEFT_OUT, n->score[i] = 0;
        if (o->crowd) continue;
        int64_t image = io_coco_find_image(n->data, o->image_id);
        if (image < 0 || !o->has_box)
            return tn_fail(err, TN_EFORMAT, "annotation %lld %s", (long long)o->id,
                           image < 0 ? "is in a picture that is not listed" : "has no \"bbox\"");
        n->list[n->count++] = (entry){image, i};
    }
    qsort(n->list, n->count, sizeof *n->list, by_image);
    for (size_t from = 0, to; from < n->count; from = to) {
        char path[4096];
        for (to = from; to < n->count && n->list[to].image == n->list[from].image;) to++;
        if (to - from > n->most) n->most = to - from;
        // All are looked for before the first one is worked on.
        TN_TRY(tool_data_find(n->pictures, picture_at(n, from), path, sizeof path, err));
    }
    return TN_OK;
}

static tn_status name_picture(naming *n, size_t from, size_t to, const char *path, tn_error *err) {
    for (size_t i = from; i < to; i++) {
        const double *box = n->data->objects[n->list[i].object].box;
        float *corners = n->boxes + 4 * (i - from);
        corners[0] = (float)box[0], corners[1] = (float)box[1];
        corners[2] = (float)(box[0] + box[2]), corners[3] = (float)(box[1] + box[3]);
    }
    lexmask_error failure = {0};
    lexmask_picture picture = lexmask_picture_file(path);
    lexmask_status status = lexmask_name_boxes(n->model->open.session, &picture, n->boxes,
                                               to - from, n->labels, n->scores, &failure);
    TN_TRY(tool_api_status(status, &failure, err));
    for (size_t i = from; i < to; i++) {
        int label = n->labels[i - from];
        n->named[n->list[i].object] =
            label < 0 ? IO_COCO_UNNAMED : (int64_t)n->model->category[label];
        n->score[n->list[i].object] = n->scores[i - from];
    }
    return TN_OK;
}

static tn_status name_all(naming *n, tn_error *err) {
    tool_progress progress = tool_progress_start(n->count);
    tn_status status = TN_OK;
    for (size_t from = 0, to; status == TN_OK && from < n->count; from = to) {
        char path[4096];
        tn_error failure = {0};
        for (to = from; to < n->count && n->list[to].image == n->list[from].image;) to++;
        status = io_coco_image_path(picture_at(n, from), n->pictures, path, sizeof path, err);
        if (status != TN_OK) break;
        tn_status one = name_picture(n, from, to, path, &failure);
        if (one == TN_EFORMAT || one == TN_EUNSUPPORTED || one == TN_EIO) {
            tool_error("%s", failure.text);
            ++*n->broken;
        } else if (one != TN_OK) {
            *err = failure;
            status = one;
        }
        for (size_t i = from; i < to; i++) tool_progress_step(&progress, path);
    }
    tool_progress_hide();
    return status;
}

tn_status tool_report_name(const tool_data_model *model, const io_coco *data, const char *pictures,
                           int64_t *named, float *score, size_t *broken, tn_error *err) {
    naming n = {.model = model,
                .data = data,
                .pictures = pictures,
                .list = tn_alloc_zero(data->object_count + 1, sizeof *n.list),
                .named = named,
                .score = score,
                .broken = broken};
    *broken = 0;
    tn_status status = n.list ? list_boxes(&n, err) : tn_fail(err, TN_ENOMEM, "out of memory");
    if (status == TN_OK) {
        n.boxes = tn_alloc_zero(n.most + 1, 4 * sizeof *n.boxes);
        n.scores = tn_alloc_zero(n.most + 1, sizeof *n.scores);
        n.labels = tn_alloc_zero(n.most + 1, sizeof *n.labels);
        status = n.boxes && n.scores && n.labels ? name_all(&n, err)
                                                 : tn_fail(err, TN_ENOMEM, "out of memory");
    }
    tn_free(n.list);
    tn_free(n.boxes);
    tn_free(n.scores);
    tn_free(n.labels);
    return status;
}
