// SPDX-License-Identifier: Apache-2.0
#include "io/coco/coco.h"
#include "io/number.h"

#include <inttypes.h>
#include <math.h>
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

// The only characters of run lengths that JSON escapes are backslashes.
static tn_status write_counts(io_coco_writer *writer, const char *counts, tn_error *err) {
    while (*counts) {
        size_t plain = strcspn(counts, "\\");
        TN_TRY(io_write(&writer->file, counts, plain, err));
        counts += plain;
        if (!*counts) break;
        TN_TRY(io_write(&writer->file, "\\\\", 2, err));
        counts++;
    }
    return TN_OK;
}

tn_status io_coco_writer_add(io_coco_writer *writer, int64_t image_id, int64_t category_id,
                             const float box[4], float score, uint32_t h, uint32_t w,
                             const char *counts, tn_error *err) {
    for (int i = 0; i < 5; i++)
        if (!isfinite(i < 4 ? box[i] : score))
            return tn_fail(err, TN_EINVAL, "%s: image %" PRId64 ": a box or score is not finite",
                           writer->file.path, image_id);
    char head[128];
    snprintf(head, sizeof head,
             "%s{\"image_id\":%" PRId64 ",\"category_id\":%" PRId64 ",\"bbox\":[",
             writer->count++ ? ",\n" : "", image_id, category_id);
    TN_TRY(write_text(writer, head, err));
    for (int i = 0; i < 4; i++) {
        if (i) TN_TRY(write_text(writer, ",", err));
        TN_TRY(write_float(writer, box[i], err));
    }
    TN_TRY(write_text(writer, "],\"score\":", err));
    TN_TRY(write_float(writer, score, err));
    if (counts) {
        snprintf(head, sizeof head,
                 ",\"segmentation\":{\"size\":[%" PRIu32 ",%" PRIu32 "],\"counts\":\"", h, w);
        TN_TRY(write_text(writer, head, err));
        TN_TRY(write_counts(writer, counts, err));
        TN_TRY(write_text(writer, "\"}", err));
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
