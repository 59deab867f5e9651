// SPDX-License-Identifier: Apache-2.0
#include "io/coco/coco.h"
#include "io/number.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

tn_status io_coco_writer_open(io_coco_writer *writer, const char *path, tn_error *err) {
    writer->count = 0;
    TN_TRY(io_writer_open(&writer->file, path, err));
    tn_status status = io_write(&writer->file, "[", 1, err);
    if (status != TN_OK) io_writer_abort(&writer->file);
    return status;
}

static tn_status write_text(io_coco_writer *writer, const char *text, tn_error *err) {
    return io_write(&writer->file, text, strlen(text), err);
}

static tn_status write_float(io_coco_writer *writer, float value, tn_error *err) {
    char text[24];
    size_t length = io_number_float(value, text);
    return io_write(&writer->file, text, length, err);
}

// A JSON string: quotes, backslashes and control characters are escaped.
static tn_status write_string(io_coco_writer *writer, const char *text, tn_error *err) {
    TN_TRY(io_write(&writer->file, "\"", 1, err));
    while (*text) {
        size_t plain = 0;
        while ((unsigned char)text[plain] >= ' ' && text[plain] != '"' && text[plain] != '\\')
            plain++;
        TN_TRY(io_write(&writer->file, text, plain, err));
        text += plain;
        if (!*text) break;
        char escaped[8];
        bool control = (unsigned char)*text < ' ';
        snprintf(escaped, sizeof escaped, control ? "\\u%04x" : "\\%c", (unsigned char)*text);
        TN_TRY(write_text(writer, escaped, err));
        text++;
    }
    return io_write(&writer->file, "\"", 1, err);
}

static tn_status write_id(io_coco_writer *writer, const char *key, const io_coco_id *id,
                          tn_error *err) {
    char number[32];
    TN_TRY(write_text(writer, key, err));
    if (id->text) return write_string(writer, id->text, err);
    snprintf(number, sizeof number, "%" PRId64, id->number);
    return write_text(writer, number, err);
}

// Corners to left, top, width, height.
static void coco_box(const float corner[4], float box[4]) {
    box[0] = corner[0], box[1] = corner[1];
    box[2] = corner[2] - corner[0], box[3] = corner[3] - corner[1];
}

io_coco_object io_coco_object_of(const io_coco_found *found) {
    float box[4];
    coco_box(found->box, box);
    io_coco_object object = {.image_id = found->image.number,
                             .category_id = found->category.number,
                             .box = {box[0], box[1], box[2], box[3]},
                             .area = (double)box[2] * (double)box[3],
                             .score = found->score,
                             .has_box = !found->counts};
    if (found->counts)
        object.shape = (io_coco_shape){.kind = IO_COCO_TEXT,
                                       .h = found->h,
                                       .w = found->w,
                                       .count = strlen(found->counts),
                                       .text = found->counts};
    return object;
}

static tn_status refuse(const io_coco_writer *writer, const io_coco_id *image, tn_error *err) {
    char number[32];
    snprintf(number, sizeof number, "%" PRId64, image->number);
    return tn_fail(err, TN_EINVAL, "%s: image %s: a box or score is not finite", writer->file.path,
                   image->text ? image->text : number);
}

tn_status io_coco_writer_add(io_coco_writer *writer, const io_coco_found *found, tn_error *err) {
    float box[4];
    coco_box(found->box, box);
    for (int i = 0; i < 5; i++)
        if (!isfinite(i < 4 ? box[i] : found->score)) return refuse(writer, &found->image, err);
    if (writer->count++) TN_TRY(write_text(writer, ",\n", err));
    TN_TRY(write_id(writer, "{\"image_id\":", &found->image, err));
    TN_TRY(write_id(writer, ",\"category_id\":", &found->category, err));
    TN_TRY(write_text(writer, ",\"bbox\":[", err));
    for (int i = 0; i < 4; i++) {
        if (i) TN_TRY(write_text(writer, ",", err));
        TN_TRY(write_float(writer, box[i], err));
    }
    TN_TRY(write_text(writer, "],\"score\":", err));
    TN_TRY(write_float(writer, found->score, err));
    if (found->counts) {
        char head[80];
        snprintf(head, sizeof head,
                 ",\"segmentation\":{\"size\":[%" PRIu32 ",%" PRIu32 "],\"counts\":", found->h,
                 found->w);
        TN_TRY(write_text(writer, head, err));
        TN_TRY(write_string(writer, found->counts, err));
        TN_TRY(write_text(writer, "}", err));
    }
    return write_text(writer, "}", err);
}

tn_status io_coco_writer_commit(io_coco_writer *writer, tn_error *err) {
    tn_status status = write_text(writer, "]\n", err);
    if (status == TN_OK) return io_writer_commit(&writer->file, err);
    io_writer_abort(&writer->file);
    return status;
}

void io_coco_writer_abort(io_coco_writer *writer) {
    io_writer_abort(&writer->file);
}
