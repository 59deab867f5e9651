// SPDX-License-Identifier: Apache-2.0
// COCO annotations as a list of pictures with the objects to train on. Unusable objects are dropped
// as in torchvision's and detectron2's loaders, and counted. Categories whose names CLIP reads as
// the same text are merged.
#pragma once

#include "io/coco/coco.h"

// Counts. Each picture is used or has one of the reasons listed after; objects likewise (the first
// reason that holds, in this order).
typedef enum tr_count {
    TR_PICTURES,
    TR_PICTURES_USED,
    TR_PICTURES_EMPTY,    // without any annotation
    TR_PICTURES_UNUSABLE, // all of its annotations were dropped
    TR_PICTURES_UNNAMED,  // without "file_name"
    TR_OBJECTS,
    TR_OBJECTS_USED,
    TR_UNKNOWN_PICTURE,  // the image_id is not in the file
    TR_CROWDS,           // "iscrowd"
    TR_UNKNOWN_CATEGORY, // the category_id is not in the file
    TR_OTHER_NAMES,      // a category that is not trained
    TR_NO_BOX,           // no "bbox", or a non-finite one
    TR_NO_AREA,          // a box without width or height inside the picture
    TR_NO_MASK,          // no segmentation, or only polygons of fewer than three points
    TR_BAD_MASK,         // run lengths for another size; points far outside the picture
    TR_COUNTS
} tr_count;
const char *tr_count_name(tr_count which); // "pictures", "pictures_used", …: keys of the log

typedef struct tr_object {
    const io_coco_object *source;
    int32_t label; // index into names
} tr_object;

typedef struct tr_picture {
    const io_coco_image *source; // w and h may be 0: not in the file
    const tr_object *objects;
    size_t count; // may be 0 with keep_empty
} tr_picture;

typedef struct tr_dataset {
    io_coco *coco;
    char *folder; // folder of the pictures
    tr_picture *pictures;
    tr_object *objects;
    size_t count, object_count;
    const char **names; // [name_count] trained categories, in the file's order
    size_t name_count;
    int64_t counts[TR_COUNTS];
} tr_dataset;

typedef struct tr_dataset_options {
    const char *annotations; // instance annotations, COCO JSON
    const char *pictures;    // the folder that "file_name" is relative to
    const char *base; // NULL: all names; "coco-ovd": its 48; else a file of names, one per line
    bool boxes_only;  // segmentations are not read and not required
    bool keep_empty;  // keep pictures without usable objects, as background
} tr_dataset_options;

// Merges categories whose names CLIP reads as the same text ("Cat" and "cat"): the first of them
// gets the objects of the others; io_coco_notes reports it. lvis: names are in LVIS's style.
// TN_ENOMEM.
tn_status tr_merge_categories(io_coco *coco, bool lvis, tn_error *err);

// TN_EIO, TN_EFORMAT (also if no object is left; the text gives the counts), TN_ENOMEM. Does not
// open pictures.
tn_status tr_dataset_open(const tr_dataset_options *options, tr_dataset **out, tn_error *err);
void tr_dataset_close(tr_dataset *data); // NULL is allowed

// "FOLDER/file_name", or "file_name" if that is an absolute path; from tn_alloc; NULL if out of
// memory.
char *tr_dataset_path(const tr_dataset *data, size_t picture);
// "pictures 5, pictures_used 3, …" without zero counts; returns text.
const char *tr_counts_text(const int64_t counts[TR_COUNTS], char *text, size_t bytes);

// The box of an object, clipped to a picture of w x h pixels, as x1 y1 x2 y2; false if it is empty.
bool tr_object_box(const io_coco_object *object, int64_t w, int64_t h, double box[4]);
// Polygons of at least three points; other polygons are ignored.
bool tr_polygon_usable(const io_coco_polygon *polygon);
// TR_OBJECTS_USED, TR_NO_MASK or TR_BAD_MASK. Uses scratch and frees it.
tr_count tr_object_mask_state(const io_coco_object *object, int64_t w, int64_t h,
                              tn_arena *scratch);
