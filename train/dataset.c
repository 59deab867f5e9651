// SPDX-License-Identifier: Apache-2.0
#include "train/dataset.h"

#include "io/coco/coco_rle.h"
#include "io/coco/coco_split.h"
#include "models/names/prompts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const count_names[TR_COUNTS] = {
    [TR_PICTURES] = "pictures",
    [TR_PICTURES_USED] = "pictures_used",
    [TR_PICTURES_EMPTY] = "pictures_empty",
    [TR_PICTURES_UNUSABLE] = "pictures_unusable",
    [TR_PICTURES_UNNAMED] = "pictures_unnamed",
    [TR_OBJECTS] = "objects",
    [TR_OBJECTS_USED] = "objects_used",
    [TR_UNKNOWN_PICTURE] = "unknown_picture",
    [TR_CROWDS] = "crowds",
    [TR_UNKNOWN_CATEGORY] = "unknown_category",
    [TR_OTHER_NAMES] = "other_names",
    [TR_NO_BOX] = "no_box",
    [TR_NO_AREA] = "no_area",
    [TR_NO_MASK] = "no_mask",
    [TR_BAD_MASK] = "bad_mask",
};

const char *tr_count_name(tr_count which) {
    TN_CHECK((int)which >= 0 && which < TR_COUNTS, "count %d", (int)which);
    return count_names[which];
}

const char *tr_counts_text(const int64_t counts[TR_COUNTS], char *text, size_t bytes) {
    size_t at = 0;
    text[0] = 0;
    for (int i = 0; i < TR_COUNTS && at < bytes; i++)
        if (counts[i])
            at += (size_t)snprintf(text + at, bytes - at, "%s%s %lld", at ? ", " : "",
                                   count_names[i], (long long)counts[i]);
    return text;
}

// ---- one object -------------------------------------------------------------------------------

static double clamp(double x, double max) {
    return x < 0 ? 0 : x > max ? max : x;
}

bool tr_object_box(const io_coco_object *object, int64_t w, int64_t h, double box[4]) {
    const double *b = object->box;
    box[0] = clamp(b[0], (double)w), box[2] = clamp(b[0] + b[2], (double)w);
    box[1] = clamp(b[1], (double)h), box[3] = clamp(b[1] + b[3], (double)h);
    return box[2] > box[0] && box[3] > box[1];
}

bool tr_polygon_usable(const io_coco_polygon *polygon) {
    return polygon->points >= 3;
}

tr_count tr_object_mask_state(const io_coco_object *object, int64_t w, int64_t h,
                              tn_arena *scratch) {
    const io_coco_shape *shape = &object->shape;
    if (shape->kind == IO_COCO_NONE) return TR_NO_MASK;
    if (shape->kind == IO_COCO_POLYGONS) {
        size_t usable = 0;
        for (size_t i = 0; i < shape->count; i++) {
            if (!tr_polygon_usable(&shape->polygons[i])) continue;
            if (!io_polygon_near(&shape->polygons[i], w, h)) return TR_BAD_MASK;
            usable++;
        }
        return usable ? TR_OBJECTS_USED : TR_NO_MASK;
    }
    if (shape->h != h || shape->w != w) return TR_BAD_MASK;
    size_t mark = tn_arena_mark(scratch);
    io_rle rle;
    tn_status status = io_rle_from_shape(shape, (uint32_t)h, (uint32_t)w, scratch, &rle, NULL);
    bool empty = status == TN_OK && !io_rle_area(&rle);
    tn_arena_reset(scratch, mark);
    return status != TN_OK ? TR_BAD_MASK : empty ? TR_NO_MASK : TR_OBJECTS_USED;
}

// ---- categories --------------------------------------------------------------------------------

static tn_status copy_names(const io_coco *coco, bool lvis, char **name, tn_error *err) {
    for (size_t i = 0; i < coco->category_count; i++) {
        if (!coco->categories[i].name) continue;
        if (!(name[i] = tn_strdup(coco->categories[i].name)))
            return tn_fail(err, TN_ENOMEM, "out of memory for names");
        if (lvis) md_name_from_lvis(name[i]);
    }
    return TN_OK;
}

tn_status tr_merge_categories(io_coco *coco, bool lvis, tn_error *err) {
    size_t count = coco->category_count;
    size_t *first = tn_alloc_zero(count + 1, sizeof *first);
    char **name = tn_alloc_zero(count + 1, sizeof *name);
    tn_status status = first && name ? copy_names(coco, lvis, name, err)
                                     : tn_fail(err, TN_ENOMEM, "out of memory for names");
    if (status == TN_OK) status = md_names_alike((const char *const *)name, count, first, err);
    if (status == TN_OK) io_coco_merge_categories(coco, first);
    for (size_t i = 0; name && i < count; i++) tn_free(name[i]);
    tn_free(name);
    tn_free(first);
    return status;
}

// ---- all objects -------------------------------------------------------------------------------

typedef struct sorter {
    tr_dataset *data;
    const tr_dataset_options *options;
    int32_t *label;   // [categories] -1: not trained
    int32_t *picture; // [objects] index of the picture, or -1 if dropped
    size_t *seen;     // [images] annotations
    size_t *used;     // [images]
    tn_arena scratch;
} sorter;

// Why an object is dropped; TR_OBJECTS_USED if it is not.
static tr_count judge(sorter *s, const io_coco_object *o, int64_t image) {
    const io_coco *coco = s->data->coco;
    if (image < 0) return TR_UNKNOWN_PICTURE;
    if (o->crowd) return TR_CROWDS;
    int64_t category = io_coco_find_category(coco, o->category_id);
    if (category < 0) return TR_UNKNOWN_CATEGORY;
    if (s->label[category] < 0) return TR_OTHER_NAMES;
    if (!o->has_box) return TR_NO_BOX;
    for (int i = 0; i < 4; i++)
        if (!isfinite(o->box[i])) return TR_NO_BOX;
    // Without a size in the file the object is checked again when the picture is read.
    int64_t w = coco->images[image].w, h = coco->images[image].h;
    bool known = w > 0 && h > 0;
    double box[4];
    if (!tr_object_box(o, known ? w : INT32_MAX, known ? h : INT32_MAX, box)) return TR_NO_AREA;
    if (s->options->boxes_only) return TR_OBJECTS_USED;
    if (known) return tr_object_mask_state(o, w, h, &s->scratch);
    return o->shape.kind == IO_COCO_NONE ? TR_NO_MASK : TR_OBJECTS_USED;
}

static void judge_objects(sorter *s) {
    const io_coco *coco = s->data->coco;
    int64_t *counts = s->data->counts;
    counts[TR_OBJECTS] = (int64_t)coco->object_count;
    for (size_t i = 0; i < coco->object_count; i++) {
        int64_t image = io_coco_find_image(coco, coco->objects[i].image_id);
        tr_count why = judge(s, &coco->objects[i], image);
        counts[why]++;
        if (image >= 0) s->seen[image]++;
        if (why == TR_OBJECTS_USED) s->used[image]++;
        s->picture[i] = why == TR_OBJECTS_USED ? (int32_t)image : -1;
    }
}

static tr_count judge_picture(const sorter *s, size_t i) {
    const char *file = s->data->coco->images[i].file;
    if (!file || !*file) return TR_PICTURES_UNNAMED;
    if (s->used[i] || s->options->keep_empty) return TR_PICTURES_USED;
    return s->seen[i] ? TR_PICTURES_UNUSABLE : TR_PICTURES_EMPTY;
}

// Groups objects by picture, keeping the file's order within each.
static tn_status sort_objects(sorter *s, tn_error *err) {
    tr_dataset *d = s->data;
    const io_coco *coco = d->coco;
    d->pictures = tn_alloc_zero(coco->image_count + 1, sizeof *d->pictures);
    d->objects = tn_alloc_zero((size_t)d->counts[TR_OBJECTS_USED] + 1, sizeof *d->objects);
    size_t *place = tn_alloc_zero(coco->image_count + 1, sizeof *place);
    if (!d->pictures || !d->objects || !place) {
        tn_free(place);
        return tn_fail(err, TN_ENOMEM, "out of memory for %zu annotations", coco->object_count);
    }
    for (size_t i = 0, at = 0; i < coco->image_count; at += s->used[i++]) place[i] = at;
    for (size_t i = 0; i < coco->image_count; i++) {
        tr_count why = judge_picture(s, i);
        d->counts[why]++;
        if (why == TR_PICTURES_USED)
            d->pictures[d->count++] =
                (tr_picture){&coco->images[i], d->objects + place[i], s->used[i]};
    }
    for (size_t i = 0; i < coco->object_count; i++) {
        if (s->picture[i] < 0) continue;
        const io_coco_object *o = &coco->objects[i];
        int32_t label = s->label[io_coco_find_category(coco, o->category_id)];
        d->objects[place[s->picture[i]]++] = (tr_object){o, label};
    }
    d->object_count = (size_t)d->counts[TR_OBJECTS_USED];
    d->counts[TR_PICTURES] = (int64_t)coco->image_count;
    tn_free(place);
    return TN_OK;
}

static tn_status choose_names(sorter *s, tn_error *err) {
    tr_dataset *d = s->data;
    const char *base = s->options->base;
    io_coco_split split = {0};
    if (base && !strcmp(base, IO_SPLIT_COCO_OVD))
        TN_TRY(io_coco_split_named(base, d->coco, &split, err));
    else if (base)
        TN_TRY(io_coco_split_files(base, NULL, d->coco, &split, err));
    d->names = tn_alloc_zero(d->coco->category_count + 1, sizeof *d->names);
    for (size_t i = 0; d->names && i < d->coco->category_count; i++) {
        const char *name = d->coco->categories[i].name;
        s->label[i] = -1;
        if (!name || (base && split.part[i] != IO_PART_BASE)) continue;
        s->label[i] = (int32_t)d->name_count;
        d->names[d->name_count++] = name;
    }
    io_coco_split_deinit(&split);
    return d->names ? TN_OK : tn_fail(err, TN_ENOMEM, "out of memory for names");
}

static tn_status sort(sorter *s, tn_error *err) {
    tr_dataset *d = s->data;
    const tr_dataset_options *o = s->options;
    const io_coco *coco = d->coco;
    TN_TRY(tn_arena_init_large(&s->scratch, err));
    if (coco->image_count > INT32_MAX)
        return tn_fail(err, TN_EUNSUPPORTED, "%s: %zu pictures, expected at most %d",
                       o->annotations, coco->image_count, INT32_MAX);
    s->label = tn_alloc_zero(coco->category_count + 1, sizeof *s->label);
    s->picture = tn_alloc_zero(coco->object_count + 1, sizeof *s->picture);
    s->seen = tn_alloc_zero(coco->image_count + 1, sizeof *s->seen);
    s->used = tn_alloc_zero(coco->image_count + 1, sizeof *s->used);
    if (!s->label || !s->picture || !s->seen || !s->used)
        return tn_fail(err, TN_ENOMEM, "out of memory for %zu annotations", coco->object_count);
    TN_TRY(choose_names(s, err));
    judge_objects(s);
    TN_TRY(sort_objects(s, err));
    char text[512];
    if (!d->name_count)
        return tn_fail(err, TN_EFORMAT, "%s: no categories with names, expected some to learn",
                       o->annotations);
    if (!d->count || (!d->object_count && !o->keep_empty))
        return tn_fail(err, TN_EFORMAT, "%s: nothing to learn from: %s", o->annotations,
                       tr_counts_text(d->counts, text, sizeof text));
    return TN_OK;
}

tn_status tr_dataset_open(const tr_dataset_options *options, tr_dataset **out, tn_error *err) {
    tr_dataset *d = tn_alloc_zero(1, sizeof *d);
    sorter s = {.data = d, .options = options};
    tn_status status = TN_ENOMEM;
    *out = NULL;
    if (d) d->folder = tn_strdup(options->pictures);
    if (!d || !d->folder)
        tn_fail(err, status, "out of memory for %s", options->annotations);
    else
        status = io_coco_open(options->annotations, options->boxes_only ? 0 : IO_COCO_SHAPES,
                              &d->coco, err);
    if (status == TN_OK) status = tr_merge_categories(d->coco, false, err);
    if (status == TN_OK) status = sort(&s, err);
    tn_arena_deinit(&s.scratch);
    tn_free(s.label), tn_free(s.picture), tn_free(s.seen), tn_free(s.used);
    if (status == TN_OK)
        *out = d;
    else
        tr_dataset_close(d);
    return status;
}

void tr_dataset_close(tr_dataset *data) {
    if (!data) return;
    io_coco_close(data->coco);
    tn_free(data->folder), tn_free(data->pictures), tn_free(data->objects), tn_free(data->names);
    tn_free(data);
}

char *tr_dataset_path(const tr_dataset *data, size_t picture) {
    const io_coco_image *image = data->pictures[picture].source;
    size_t bytes = strlen(data->folder) + strlen(image->file) + 2;
    tn_error none;
    char *path = tn_alloc(bytes);
    if (path)
        io_coco_image_path(image, data->folder, path, bytes, &none); // bytes are always enough
    return path;
}
