// SPDX-License-Identifier: Apache-2.0
#include "io/coco/coco_named.h"

#include "io/number.h"
#include "io/scan.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

typedef struct id_entry {
    int64_t id, index;
    bool seen;
} id_entry;

typedef struct reader {
    io_scan scan;
    const io_coco *coco;
    id_entry *by_id;
    int64_t *named;
} reader;

static int by_id(const void *a, const void *b) {
    const id_entry *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

// null leaves *found unchanged.
static void read_id(io_scan *s, int64_t *out, bool *found) {
    if (io_scan_peek(s) == 'n') {
        io_scan_skip(s);
        return;
    }
    io_scan_integer(s, out);
    *found = true;
}

static void read_entry(reader *r) {
    io_scan *s = &r->scan;
    const uint8_t *from = (io_scan_peek(s), s->at);
    int64_t annotation = 0, category = 0;
    bool has_annotation = false, has_category = false;
    io_scan_enter(s, '{');
    for (io_slice key; io_scan_key(s, &key);) {
        if (io_slice_is(key, "annotation_id"))
            read_id(s, &annotation, &has_annotation);
        else if (io_slice_is(key, "category_id"))
            read_id(s, &category, &has_category);
        else
            io_scan_skip(s);
    }
    if (!has_annotation) io_scan_expected(s, from, "an entry with \"annotation_id\"");
    if (s->status != TN_OK) return;
    id_entry wanted = {.id = annotation};
    id_entry *at = bsearch(&wanted, r->by_id, r->coco->object_count, sizeof *at, by_id);
    int64_t index = has_category ? io_coco_find_category(r->coco, category) : IO_COCO_UNNAMED;
    if (!at)
        io_scan_expected(s, from, "an annotation of the data set, not %" PRId64, annotation);
    else if (at->seen)
        io_scan_expected(s, from, "annotation %" PRId64 " only once", annotation);
    else if (has_category && index < 0)
        io_scan_expected(s, from, "a category of the data set, not %" PRId64, category);
    if (s->status != TN_OK) return;
    at->seen = true;
    r->named[at->index] = index;
}

static tn_status read_all(reader *r) {
    size_t count = r->coco->object_count;
    for (size_t i = 0; i < count; i++) {
        r->named[i] = IO_COCO_UNNAMED;
        r->by_id[i] = (id_entry){.id = r->coco->objects[i].id, .index = (int64_t)i};
    }
    qsort(r->by_id, count, sizeof *r->by_id, by_id);
    io_scan_enter(&r->scan, '[');
    while (io_scan_item(&r->scan)) read_entry(r);
    io_scan_end(&r->scan);
    return r->scan.status;
}

tn_status io_coco_named_read(const char *path, const io_coco *coco, int64_t *named, tn_error *err) {
    io_map file;
    TN_TRY(io_map_open(path, &file, err));
    const void *bytes = file.bytes ? (const void *)file.bytes : "";
    reader r = {.scan = io_scan_new(path, bytes, file.count, err),
                .coco = coco,
                .by_id = tn_alloc_zero(coco->object_count + 1, sizeof *r.by_id),
                .named = named};
    tn_status status = r.by_id ? read_all(&r) : tn_fail(err, TN_ENOMEM, "%s: out of memory", path);
    tn_free(r.by_id);
    io_map_close(&file);
    return status;
}

static tn_status write_entry(io_writer *file, bool first, const io_coco *coco, size_t i,
                             int64_t named, const float *score, tn_error *err) {
    char text[160], number[24] = "";
    int n = snprintf(text, sizeof text,
                     "%s{\"annotation_id\":%" PRId64 ",\"category_id\":", first ? "" : ",\n",
                     coco->objects[i].id);
    size_t used = (size_t)n;
    if (named == IO_COCO_UNNAMED)
        n = snprintf(text + used, sizeof text - used, "null");
    else
        n = snprintf(text + used, sizeof text - used, "%" PRId64, coco->categories[named].id);
    used += (size_t)n;
    if (score && isfinite(score[i])) {
        io_number_float(score[i], number);
        n = snprintf(text + used, sizeof text - used, ",\"score\":%s", number);
        used += (size_t)n;
    }
    text[used++] = '}';
    return io_write(file, text, used, err);
}

tn_status io_coco_named_write(const char *path, const io_coco *coco, const int64_t *named,
                              const float *score, tn_error *err) {
    io_writer file;
    bool first = true;
    TN_TRY(io_writer_open(&file, path, err));
    tn_status status = io_write(&file, "[", 1, err);
    for (size_t i = 0; status == TN_OK && i < coco->object_count; i++) {
        if (coco->objects[i].crowd || named[i] < IO_COCO_UNNAMED) continue;
        status = write_entry(&file, first, coco, i, named[i], score, err);
        first = false;
    }
    if (status == TN_OK) status = io_write(&file, "]\n", 2, err);
    if (status == TN_OK) return io_writer_commit(&file, err);
    io_writer_abort(&file);
    return status;
}
