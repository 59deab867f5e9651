// SPDX-License-Identifier: Apache-2.0
// All that a validation will need is read and checked before a run's first update.
#include "train/jobs/validation.h"

#include "io/coco/coco_rle.h"
#include "train/dataset.h"
#include "train/jobs/train_parts.h"

#include <string.h>

size_t tr_validation_pictures(const tr_validation *v) {
    size_t count = v->truth->image_count;
    return v->limit && (size_t)v->limit < count ? (size_t)v->limit : count;
}

// Why masks cannot be compared, in *why; TN_OK: they can.
static tn_status check_mask(const tr_validation *v, const io_coco_object *o, size_t image,
                            tn_arena *scratch, tn_error *why) {
    const io_coco_image *picture = &v->truth->images[image];
    const io_coco_shape *shape = &o->shape;
    bool drawn = shape->kind == IO_COCO_POLYGONS;
    char id[24];
    io_rle rle;
    tn_status status;
    if (shape->kind == IO_COCO_NONE)
        status = tn_fail(why, TN_EFORMAT, "no \"segmentation\"");
    else if (drawn && (picture->w <= 0 || picture->h <= 0))
        status = tn_fail(why, TN_EFORMAT, "its picture has no \"width\" and \"height\"");
    else
        status = io_rle_from_shape(shape, (uint32_t)picture->h, (uint32_t)picture->w, scratch, &rle,
                                   why);
    tn_arena_reset(scratch, 0);
    if (status == TN_OK) return TN_OK;
    return tn_fail_prefix(why, "annotation %s", io_coco_show_id(o->id, o->id_text, id));
}

static tn_status check_box(const tr_validation *v, const io_coco_object *o, tn_error *err) {
    char id[24];
    if (o->has_box) return TN_OK;
    return tn_fail(err, TN_EFORMAT, "%s: annotation %s has no \"bbox\", which validation needs",
                   v->file, io_coco_show_id(o->id, o->id_text, id));
}

// Every object needs a box. Without masks of all of them only boxes are compared.
static tn_status check_objects(tr_validation *v, tn_error *err) {
    tn_arena scratch = {0};
    tn_error why = {0};
    size_t pictures = tr_validation_pictures(v);
    tn_status status = tn_arena_init_large(&scratch, err);
    v->has_masks = true;
    for (size_t i = 0; i < v->truth->object_count && status == TN_OK; i++) {
        const io_coco_object *o = &v->truth->objects[i];
        int64_t image = io_coco_find_image(v->truth, o->image_id);
        if (image < 0 || (size_t)image >= pictures) continue;
        status = check_box(v, o, err);
        if (v->has_masks) v->has_masks = check_mask(v, o, (size_t)image, &scratch, &why) == TN_OK;
    }
    tn_arena_deinit(&scratch);
    if (status == TN_OK && !v->has_masks)
        tr_job_note(v->job, "%s: %s: validation compares boxes, and no masks", v->file, why.text);
    return status;
}

static tn_status make_text(tr_validation *v, const md_bpe *bpe, tn_error *err) {
    size_t count = v->truth->category_count;
    const char **names = tn_alloc_zero(count + 1, sizeof *names);
    if (!names) return tn_fail(err, TN_ENOMEM, "%s: out of memory", v->file);
    tn_status status = TN_OK;
    for (size_t i = 0; i < count && status == TN_OK; i++)
        if (!(names[i] = v->truth->categories[i].name))
            status = tn_fail(err, TN_EFORMAT, "%s: category %lld has no name", v->file,
                             (long long)v->truth->categories[i].id);
    if (status == TN_OK) {
        status = tr_train_text(v->job, v->model, bpe, names, (int64_t)count, &v->text, err);
        if (status == TN_EINVAL) tn_fail_prefix(err, "%s", v->file);
    }
    tn_free(names);
    return status;
}

tn_status tr_validation_open(tr_validation *v, const md_bpe *bpe, const char *split,
                             tn_error *err) {
    TN_TRY(io_coco_open(v->file, IO_COCO_SHAPES, &v->truth, err));
    TN_TRY(tr_merge_categories(v->truth, false, err));
    tr_note_annotations(v->job, v->file, v->truth);
    TN_TRY(tr_validation_find_pictures(v, err));
    TN_TRY(check_objects(v, err));
    if (split) {
        TN_TRY(strcmp(split, IO_SPLIT_COCO_OVD)
                   ? io_coco_split_files(split, NULL, v->truth, &v->split, err)
                   : io_coco_split_named(split, v->truth, &v->split, err));
        v->has_split = true;
    }
    return make_text(v, bpe, err);
}

void tr_validation_close(tr_validation *v) {
    md_vocabulary_deinit(&v->text);
    io_coco_split_deinit(&v->split);
    io_coco_close(v->truth);
    v->truth = NULL;
}
