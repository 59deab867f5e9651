// SPDX-License-Identifier: Apache-2.0
// COCO files: reads annotations (https://cocodataset.org/#format-data) and results
// (https://cocodataset.org/#format-results), and writes results.
//
// They have their own reader, not the JSON library used for configurations: parsing the 448 MB of
// instances_train2017.json into a tree takes a minute and 10 GB, while a whole evaluation takes a
// fifth of a second. Here the mapped file is read once, front to back, into tables. Unknown members
// are checked and skipped.
#pragma once

#include "io/file.h"

// An id is an integer or a text. A text written as an integer ("139", but not "0139") is that
// integer. io_coco_text_number gives any other text a number, the same in every file. If the file
// has a text, it is kept beside the number.
typedef struct io_coco_image {
    int64_t id;
    const char *id_text; // NULL if the file has a number
    int32_t w, h;        // 0 if the file has none
    const char *file;    // "file_name"; NULL if there is none
    // With IO_COCO_LVIS: ids of categories known to be absent from the picture
    // ("neg_category_ids"), and of categories that are not exhaustively annotated
    // ("not_exhaustive_category_ids"). NULL if the file has no such list.
    const int64_t *absent, *partial;
    size_t absent_count, partial_count;
} io_coco_image;

typedef struct io_coco_category {
    int64_t id;
    const char *id_text;      // NULL if the file has a number
    const char *name, *group; // "name", "supercategory"; NULL if there is none
    char frequency;           // with IO_COCO_LVIS: 'r', 'c', 'f'; 0 if there is none
} io_coco_category;

typedef struct io_coco_polygon {
    const double *xy; // x, y, x, y, …
    size_t points;
} io_coco_polygon;

typedef enum io_coco_kind {
    IO_COCO_NONE,     // no segmentation, or null
    IO_COCO_POLYGONS, // may be an empty list
    IO_COCO_COUNTS,   // run lengths as numbers
    IO_COCO_TEXT,     // run lengths as compressed text
} io_coco_kind;

typedef struct io_coco_shape { // as in the file: not checked against the picture's size
    io_coco_kind kind;
    uint32_t h, w; // for run lengths: "size"
    size_t count;  // polygons, runs or characters
    union {
        const io_coco_polygon *polygons;
        const uint32_t *counts;
        const char *text; // zero-terminated
    };
} io_coco_shape;

typedef struct io_coco_object { // an annotation or a result
    int64_t id;                 // for results: 1, 2, … in order
    int64_t image_id, category_id;
    const char *id_text, *image_text; // the text of id and image_id, or NULL
    double box[4];                    // left, top, width, height; 0 if there is none
    // "area" of annotations; if the file has none, the area of the mask in its picture, or else of
    // the box. 0 for results.
    double area;
    double score; // results only
    bool crowd, has_box, has_area;
    bool ignore;         // with IO_COCO_LVIS: "ignore"
    io_coco_shape shape; // IO_COCO_NONE if not requested
} io_coco_object;

typedef struct io_coco {
    const io_coco_image *images;
    size_t image_count;
    const io_coco_category *categories;
    size_t category_count;
    const io_coco_object *objects; // in the file's order
    size_t object_count;
    // Annotations whose area was computed from the mask or from the box.
    size_t areas_of_masks, areas_of_boxes;
    // Annotations with the id of an earlier one, and the first such (an index into objects). All
    // are kept, each with its own box and mask; pycocotools uses the last annotation with an id for
    // all of them.
    size_t repeated_ids, repeated;
    // Set by io_coco_merge_categories: how many were merged, and the names of the first pair.
    size_t merged;
    const char *merged_name, *merged_into;
} io_coco;

#define IO_COCO_SHAPES 1u // read segmentations too; otherwise they are checked and skipped
#define IO_COCO_LVIS                                                                               \
    2u // read the additional members of LVIS annotations; otherwise they are checked and skipped

// Annotations need id, image_id, category_id; images and categories need id. No id may appear twice
// among images or among categories. A byte order mark is skipped. A missing list is empty, but
// images or annotations must be present. TN_EIO, TN_ENOMEM, TN_EFORMAT: the text names file, line,
// byte, what was found and what was expected.
tn_status io_coco_open(const char *path, unsigned want, io_coco **out, tn_error *err);
// Results need image_id, category_id, score, and a box or a segmentation.
tn_status io_coco_results_open(const char *path, unsigned want, io_coco **out, tn_error *err);
// The same from memory, which the caller may free afterwards; name is used in error texts.
tn_status io_coco_read(const void *bytes, size_t count, const char *name, bool results,
                       unsigned want, io_coco **out, tn_error *err);
void io_coco_close(io_coco *coco); // NULL is allowed; frees everything that it holds
// Keeps the first `images` images, in file order, and their objects.
void io_coco_keep_first(io_coco *coco, size_t images);

// Category i becomes category first[i] <= i, with first[first[i]] = first[i]: its objects get that
// one's id, and it is removed from the categories.
void io_coco_merge_categories(io_coco *coco, const size_t *first);

// The index of an image or a category, or -1. O(log count).
int64_t io_coco_find_image(const io_coco *coco, int64_t id);
int64_t io_coco_find_category(const io_coco *coco, int64_t id);

// The number of a text id: 139 for "139". Other texts give a hash, far below 0; among a million
// texts of one data set two collide with probability 1e-7.
int64_t io_coco_text_number(const char *text, size_t length);
// An id as in the file: its text, or the number written into buffer. For messages.
const char *io_coco_show_id(int64_t number, const char *text, char buffer[24]);

// "FOLDER/file_name", or "file_name" if that is an absolute path. TN_EFORMAT if the image has none,
// TN_EINVAL if the path does not fit into bytes.
tn_status io_coco_image_path(const io_coco_image *image, const char *folder, char *path,
                             size_t bytes, tn_error *err);

// What was corrected while reading, as sentences for the user, one per line: computed areas,
// duplicate ids, merged categories. Empty if nothing was. Returns text.
const char *io_coco_notes(const io_coco *coco, char *text, size_t bytes);

// Id of a picture or a category in a file: text if not NULL, else number.
typedef struct io_coco_id {
    int64_t number;
    const char *text; // UTF-8
} io_coco_id;

// One detection.
typedef struct io_coco_found {
    io_coco_id image, category;
    float box[4]; // x1, y1, x2, y2 in pixels
    float score;
    const char *counts; // compressed run lengths of its mask of h x w, or NULL
    uint32_t h, w;
} io_coco_found;

// The same as a result in memory, for an evaluation; its ids are the numbers. With a mask, the area
// is the mask's. The text is not copied.
io_coco_object io_coco_object_of(const io_coco_found *found);

// Writes results as they come; the file appears at its path only when committed.
typedef struct io_coco_writer {
    io_writer file;
    int64_t count; // so far
} io_coco_writer;
tn_status io_coco_writer_open(io_coco_writer *writer, const char *path, tn_error *err);
// Floats take the shortest form that reads back to the same float32. TN_EINVAL if one is not
// finite.
tn_status io_coco_writer_add(io_coco_writer *writer, const io_coco_found *found, tn_error *err);
tn_status io_coco_writer_commit(io_coco_writer *writer, tn_error *err);
void io_coco_writer_abort(io_coco_writer *writer); // may be called after commit
