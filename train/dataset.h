// SPDX-License-Identifier: Apache-2.0
// COCO annotations as a list of pictures with the objects to learn from. What cannot be learned
// from is left out as torchvision's and detectron2's loaders leave it out, and counted.
#pragma once

#include "io/coco/coco.h"

// What was there and what became of it. Pictures: used, or one of those after it; objects likewise
// (the first reason that holds, in this order).
typedef enum tr_count {
    TR_PICTURES,
    TR_PICTURES_USED,
    TR_PICTURES_EMPTY,    // without any annotation
    TR_PICTURES_UNUSABLE, // all of its annotations were left out
    TR_PICTURES_UNNAMED,  // without "file_name"
    TR_OBJECTS,
    TR_OBJECTS_USED,
    TR_UNKNOWN_PICTURE,  // an image_id that no picture has
    TR_CROWDS,           // "iscrowd"
    TR_UNKNOWN_CATEGORY, // a category_id that no category has
    TR_OTHER_NAMES,      // a category that is not trained on
    TR_NO_BOX,           // no "bbox", or one that is not finite
    TR_NO_AREA,          // a box of no width or no height inside of the picture
    TR_NO_MASK,          // no segmentation, or only polygons of less than three points
    TR_BAD_MASK,         // run lengths that are not of this picture; points far outside of it
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
    char *folder; // of the pictures
    tr_picture *pictures;
    tr_object *objects;
    size_t count, object_count;
    const char **names; // [name_count] what is trained on, in the file's order
    size_t name_count;
    int64_t counts[TR_COUNTS];
} tr_dataset;

typedef struct tr_dataset_options {
    const char *annotations; // instance annotations, COCO JSON
    const char *pictures;    // the folder that "file_name" is relative to
    const char *base; // NULL: all names; "coco-ovd": its 48; else a file of names, one a line
    bool boxes_only;  // segmentations are not read, and not needed
    bool keep_empty;  // keep pictures without usable objects: nothing but background
} tr_dataset_options;

// TN_EIO, TN_EFORMAT (also when nothing is left to learn from: the text has the counts that say
// why), TN_ENOMEM. Pictures are not opened here.
tn_status tr_dataset_open(const tr_dataset_options *options, tr_dataset **out, tn_error *err);
void tr_dataset_close(tr_dataset *data); // NULL is fine

// "FOLDER/file_name", or "file_name" alone where it is an absolute path; from tn_alloc; NULL when
// memory is out.
char *tr_dataset_path(const tr_dataset *data, size_t picture);
// "pictures 5, pictures_used 3, …" without what is 0; returns text.
const char *tr_counts_text(const int64_t counts[TR_COUNTS], char *text, size_t bytes);

// The box of an object inside a picture of w x h pixels as x1 y1 x2 y2; false when nothing is left.
bool tr_object_box(const io_coco_object *object, int64_t w, int64_t h, double box[4]);
// Polygons of three points and more; points of other polygons do not count.
bool tr_polygon_usable(const io_coco_polygon *polygon);
// TR_OBJECTS_USED, TR_NO_MASK or TR_BAD_MASK. Uses scratch, and gives it back.
tr_count tr_object_mask_state(const io_coco_object *object, int64_t w, int64_t h,
                              tn_arena *scratch);
