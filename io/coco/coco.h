// SPDX-License-Identifier: Apache-2.0
// COCO's files: annotations (https://cocodataset.org/#format-data) and results
// (https://cocodataset.org/#format-results), read whole, and results written.
//
// They have a reader of their own, not the JSON library that configurations use: a tree of the 448
// MB of instances_train2017.json takes a minute and 10 GB, and an evaluation is over in a fifth of
// a second. Here the mapped file is read once, from front to back, into tables; what is not known
// is checked and skipped.
#pragma once

#include "io/file.h"

// An id is an integer, or a text. A text that is written like an integer ("139", but not "0139")
// is that integer. Any other text is given a number by io_coco_text_number, the same in every file;
// where the file has a text, it is kept beside the number.
typedef struct io_coco_image {
    int64_t id;
    const char *id_text; // NULL where the file has a number
    int32_t w, h;        // 0 where the file has none
    const char *file;    // "file_name"; NULL where there is none
    // With IO_COCO_LVIS: ids of categories that are known not to be in the picture
    // ("neg_category_ids"), and of those of which not all objects are annotated
    // ("not_exhaustive_category_ids"). NULL where the file has no such list.
    const int64_t *absent, *partial;
    size_t absent_count, partial_count;
} io_coco_image;

typedef struct io_coco_category {
    int64_t id;
    const char *id_text;      // NULL where the file has a number
    const char *name, *group; // "name", "supercategory"; NULL where there is none
    char frequency;           // with IO_COCO_LVIS: 'r', 'c', 'f'; 0 where there is none
} io_coco_category;

typedef struct io_coco_polygon {
    const double *xy; // x, y, x, y, …
    size_t points;
} io_coco_polygon;

typedef enum io_coco_kind {
    IO_COCO_NONE,     // no segmentation, or null
    IO_COCO_POLYGONS, // may be none of them
    IO_COCO_COUNTS,   // run lengths as numbers
    IO_COCO_TEXT,     // run lengths as compressed text
} io_coco_kind;

typedef struct io_coco_shape { // as it stands in the file: not compared with the picture's size
    io_coco_kind kind;
    uint32_t h, w; // of run lengths: "size"
    size_t count;  // polygons, runs or characters
    union {
        const io_coco_polygon *polygons;
        const uint32_t *counts;
        const char *text; // with a 0 behind its end
    };
} io_coco_shape;

typedef struct io_coco_object { // an annotation or a result
    int64_t id;                 // of results: 1, 2, … in their order
    int64_t image_id, category_id;
    const char *id_text, *image_text; // the text of id and image_id, or NULL
    double box[4];                    // left, top, width, height; 0 where there is none
    // "area" of annotations; where the file has none, that of the mask in its picture, or else that
    // of the box. 0 for results.
    double area;
    double score; // of results
    bool crowd, has_box, has_area;
    bool ignore;         // with IO_COCO_LVIS: "ignore"
    io_coco_shape shape; // IO_COCO_NONE when not asked for
} io_coco_object;

typedef struct io_coco {
    const io_coco_image *images;
    size_t image_count;
    const io_coco_category *categories;
    size_t category_count;
    const io_coco_object *objects; // in the file's order
    size_t object_count;
    // Annotations whose area was computed, from the mask or from the box.
    size_t areas_of_masks, areas_of_boxes;
    // Annotations with the id of an earlier one, and one such id (an index into objects). They are
    // kept, each with its own box and mask; pycocotools takes the last one of the file for each.
    size_t repeated_ids, repeated;
} io_coco;

#define IO_COCO_SHAPES 1u // read segmentations too; without it they are checked and skipped
#define IO_COCO_LVIS 2u   // read what annotations of LVIS have besides; likewise

// Annotations need id, image_id, category_id; images and categories need id, and no id may come
// twice among images or among categories. A byte order mark is skipped. A list that is not there is
// empty, but one of images and annotations must be there. TN_EIO, TN_ENOMEM, TN_EFORMAT: the text
// names file, line, byte, what is there and what was expected.
tn_status io_coco_open(const char *path, unsigned want, io_coco **out, tn_error *err);
// Results need image_id, category_id, score, and a box or a segmentation.
tn_status io_coco_results_open(const char *path, unsigned want, io_coco **out, tn_error *err);
// The same from memory, which may go away afterwards; name is used in error texts.
tn_status io_coco_read(const void *bytes, size_t count, const char *name, bool results,
                       unsigned want, io_coco **out, tn_error *err);
void io_coco_close(io_coco *coco); // NULL is fine; all that it holds is gone with it
// Only the first `images` in the file's order stay, and the objects in them.
void io_coco_keep_first(io_coco *coco, size_t images);

// The index of an image or a category, or -1. Takes log(count) steps.
int64_t io_coco_find_image(const io_coco *coco, int64_t id);
int64_t io_coco_find_category(const io_coco *coco, int64_t id);

// The number of an id that is a text: of "139" 139; of others a hash, far below 0, in which two
// texts of one data set meet with a probability of 1e-7 for a million of them.
int64_t io_coco_text_number(const char *text, size_t length);
// An id as the file has it: text, or number written into room. For messages.
const char *io_coco_show_id(int64_t number, const char *text, char room[24]);

// "FOLDER/file_name", or "file_name" alone where it is an absolute path. TN_EFORMAT when the image
// has none, TN_EINVAL when bytes are too few.
tn_status io_coco_image_path(const io_coco_image *image, const char *folder, char *path,
                             size_t bytes, tn_error *err);

// What was put right while reading, as sentences for the user, one per line: areas that were
// computed, ids that come twice. Empty when there is nothing to say. Returns text.
const char *io_coco_notes(const io_coco *coco, char *text, size_t bytes);

// What a picture or a category is called in a file: a number, or the text where that is not NULL.
typedef struct io_coco_id {
    int64_t number;
    const char *text; // UTF-8
} io_coco_id;

// One thing that a detector found.
typedef struct io_coco_found {
    io_coco_id image, category;
    float box[4]; // x1, y1, x2, y2 in pixels
    float score;
    const char *counts; // compressed run lengths of its mask of h x w, or NULL
    uint32_t h, w;
} io_coco_found;

// The same as a result in memory, for an evaluation; its ids are the numbers. With a mask its area
// is the mask's, and the text stays the caller's.
io_coco_object io_coco_object_of(const io_coco_found *found);

// Results, written as they come and there only when committed.
typedef struct io_coco_writer {
    io_writer file;
    int64_t count; // so far
} io_coco_writer;
tn_status io_coco_writer_open(io_coco_writer *writer, const char *path, tn_error *err);
// Floats take the shortest form that reads back to the same float32. TN_EINVAL when one is not
// finite.
tn_status io_coco_writer_add(io_coco_writer *writer, const io_coco_found *found, tn_error *err);
tn_status io_coco_writer_commit(io_coco_writer *writer, tn_error *err);
void io_coco_writer_abort(io_coco_writer *writer); // fine after commit
