// SPDX-License-Identifier: Apache-2.0
#include "io/coco/coco.h"
#include "io/coco/coco_table.h"
#include "io/scan.h"

#include <stdlib.h>

typedef struct reader {
    io_scan scan;
    io_coco_tables *to;
    bool results, shapes, lvis;
    const char *image_text; // of the last object: consecutive objects often share it
} reader;

// Space in a column, or the error.
static void *take(reader *r, io_column *column, size_t n) {
    void *slot = io_column_add(column, n);
    if (!slot)
        io_scan_fail(&r->scan, TN_ENOMEM, "out of memory after %zu bytes",
                     (size_t)(r->scan.at - r->scan.start));
    return slot;
}

// A decoded, zero-terminated string. NULL for null and after an error.
static const char *read_text(reader *r, size_t *length) {
    io_scan *s = &r->scan;
    if (io_scan_peek(s) == 'n') {
        io_scan_skip(s);
        return NULL;
    }
    io_slice raw;
    bool escapes;
    io_scan_string(s, &raw, &escapes);
    if (s->status != TN_OK) return NULL;
    io_column *column = &r->to->text;
    char *slot = take(r, column, raw.length + 1);
    if (!slot) return NULL;
    size_t n = raw.length;
    if (escapes)
        n = io_scan_decode(raw, slot);
    else
        memcpy(slot, raw.text, n);
    slot[n] = 0;
    column->count -= raw.length - n;
    if (length) *length = n;
    return slot;
}

// text may be NULL: it is then not kept.
static int64_t read_id(reader *r, const char **text) {
    io_scan *s = &r->scan;
    int64_t number = 0;
    if (io_scan_peek(s) != '"') {
        io_scan_integer(s, &number);
        return number;
    }
    const uint8_t *from = s->at;
    size_t length = 0;
    const char *read = read_text(r, &length);
    if (!read) return 0;
    if (!length || strlen(read) != length) io_scan_expected(s, from, "an id, a number or a text");
    number = io_coco_text_number(read, length);
    if (!text)
        r->to->text.count -= length + 1;
    else
        *text = read;
    return number;
}

static void read_image_id(reader *r, io_coco_object *o) {
    o->image_id = read_id(r, &o->image_text);
    if (!o->image_text) return;
    if (r->image_text && !strcmp(r->image_text, o->image_text)) {
        r->to->text.count -= strlen(o->image_text) + 1;
        o->image_text = r->image_text;
    }
    r->image_text = o->image_text;
}

static int64_t read_size(io_scan *s) {
    int64_t value = 0;
    const uint8_t *from = (io_scan_peek(s), s->at);
    io_scan_integer(s, &value);
    if (value < 0 || value > INT32_MAX) io_scan_expected(s, from, "a size of 0..2147483647");
    return value;
}

static void read_polygon(reader *r, io_coco_polygon *out) {
    io_scan *s = &r->scan;
    io_column *numbers = &r->to->numbers;
    const uint8_t *from = (io_scan_peek(s), s->at);
    size_t first = numbers->count;
    io_scan_enter(s, '[');
    while (io_scan_item(s)) {
        double *slot = take(r, numbers, 1);
        if (slot) io_scan_number(s, slot);
    }
    size_t count = numbers->count - first;
    if (count == 0 || count % 2) io_scan_expected(s, from, "a polygon of pairs of coordinates");
    *out = (io_coco_polygon){io_column_at(numbers, first), count / 2};
}

static void read_polygons(reader *r, io_coco_shape *out) {
    io_scan *s = &r->scan;
    io_column *polygons = &r->to->polygons;
    size_t first = polygons->count;
    io_scan_enter(s, '[');
    while (io_scan_item(s)) {
        io_coco_polygon *slot = take(r, polygons, 1);
        if (slot) read_polygon(r, slot);
    }
    *out = (io_coco_shape){.kind = IO_COCO_POLYGONS, .count = polygons->count - first};
    out->polygons = io_column_at(polygons, first);
}

static void read_counts(reader *r, io_coco_shape *out) {
    io_scan *s = &r->scan;
    if (io_scan_peek(s) == '"') {
        out->kind = IO_COCO_TEXT;
        out->text = read_text(r, &out->count);
        return;
    }
    io_column *counts = &r->to->counts;
    size_t first = counts->count;
    io_scan_enter(s, '[');
    while (io_scan_item(s)) {
        uint32_t *slot = take(r, counts, 1);
        const uint8_t *from = (io_scan_peek(s), s->at);
        int64_t value = 0;
        io_scan_integer(s, &value);
        if (value < 0 || value > UINT32_MAX) io_scan_expected(s, from, "a run of 0..4294967295");
        if (slot) *slot = (uint32_t)value;
    }
    out->kind = IO_COCO_COUNTS;
    out->count = counts->count - first;
    out->counts = io_column_at(counts, first);
}

static void read_run_lengths(reader *r, io_coco_shape *out) {
    io_scan *s = &r->scan;
    const uint8_t *from = s->at;
    bool size = false;
    *out = (io_coco_shape){0};
    io_scan_enter(s, '{');
    for (io_slice key; io_scan_key(s, &key);) {
        if (io_slice_is(key, "counts")) {
            read_counts(r, out);
        } else if (io_slice_is(key, "size")) {
            int64_t side[2] = {0, 0};
            int n = 0;
            const uint8_t *at = (io_scan_peek(s), s->at);
            for (io_scan_enter(s, '['); io_scan_item(s); n++) side[n & 1] = read_size(s);
            if (n != 2) io_scan_expected(s, at, "a size of height and width");
            out->h = (uint32_t)side[0], out->w = (uint32_t)side[1];
            size = true;
        } else {
            io_scan_skip(s);
        }
    }
    if (!size || out->kind == IO_COCO_NONE)
        io_scan_expected(s, from, "run lengths with \"size\" and \"counts\"");
}

static void read_shape(reader *r, io_coco_shape *out) {
    char there = io_scan_peek(&r->scan);
    if (there == 'n' || !r->shapes)
        io_scan_skip(&r->scan);
    else if (there == '[')
        read_polygons(r, out);
    else if (there == '{')
        read_run_lengths(r, out);
    else
        io_scan_expected(&r->scan, r->scan.at, "polygons or run lengths");
}

// False for null and for an empty list, which some tools write if there is no box.
static bool read_box(io_scan *s, double box[4]) {
    if (io_scan_peek(s) == 'n') {
        io_scan_skip(s);
        return false;
    }
    const uint8_t *from = s->at;
    int n = 0;
    for (io_scan_enter(s, '['); io_scan_item(s); n++) io_scan_number(s, &box[n & 3]);
    if (n != 0 && n != 4) io_scan_expected(s, from, "a box of left, top, width and height");
    return n == 4;
}

enum { ID = 1, IMAGE = 2, CATEGORY = 4, SCORE = 8, SHAPE = 16 };

static int read_member(reader *r, io_slice key, io_coco_object *o) {
    io_scan *s = &r->scan;
    if (io_slice_is(key, "segmentation")) {
        bool shape = io_scan_peek(s) != 'n';
        read_shape(r, &o->shape);
        return shape ? SHAPE : 0;
    }
    if (io_slice_is(key, "bbox")) {
        o->has_box = read_box(s, o->box);
    } else if (io_slice_is(key, "image_id")) {
        read_image_id(r, o);
        return IMAGE;
    } else if (io_slice_is(key, "category_id")) {
        o->category_id = read_id(r, NULL);
        return CATEGORY;
    } else if (r->results && io_slice_is(key, "score")) {
        io_scan_number(s, &o->score);
        return SCORE;
    } else if (!r->results && io_slice_is(key, "id")) {
        o->id = read_id(r, &o->id_text);
        return ID;
    } else if (!r->results && io_slice_is(key, "area")) {
        o->has_area = io_scan_peek(s) != 'n';
        if (o->has_area)
            io_scan_number(s, &o->area);
        else
            io_scan_skip(s);
    } else if (!r->results && io_slice_is(key, "iscrowd")) {
        io_scan_flag(s, &o->crowd);
    } else if (r->lvis && io_slice_is(key, "ignore")) {
        io_scan_flag(s, &o->ignore);
    } else {
        io_scan_skip(s);
    }
    return 0;
}

static const char *missing(const reader *r, const io_coco_object *o, int seen) {
    if (!(seen & IMAGE)) return "\"image_id\"";
    if (!(seen & CATEGORY)) return "\"category_id\"";
    if (r->results && !(seen & SCORE)) return "\"score\"";
    if (r->results && !o->has_box && !(seen & SHAPE)) return "\"bbox\" or \"segmentation\"";
    if (!r->results && !(seen & ID)) return "\"id\"";
    return NULL;
}

static int read_members(reader *r, io_coco_object *o) {
    int seen = 0;
    *o = (io_coco_object){.id = (int64_t)r->to->objects.count + 1};
    io_scan_enter(&r->scan, '{');
    for (io_slice key; io_scan_key(&r->scan, &key);) seen |= read_member(r, key, o);
    return seen;
}

static void read_object(reader *r) {
    io_scan *s = &r->scan;
    const uint8_t *from = (io_scan_peek(s), s->at);
    io_coco_object o;
    int seen = read_members(r, &o);
    bool no_area = !r->results && !o.has_area;
    if (no_area && !r->shapes && seen & SHAPE && s->status == TN_OK) {
        s->at = from; // again, with the segmentation, to compute the area
        r->shapes = true;
        seen = read_members(r, &o);
        r->shapes = false;
    }
    r->to->missing_areas += no_area;
    if (s->status != TN_OK) return;
    const char *lacks = missing(r, &o, seen);
    if (lacks) {
        io_scan_expected(s, from, "%s with %s", r->results ? "a result" : "an annotation", lacks);
        return;
    }
    io_coco_object *slot = take(r, &r->to->objects, 1);
    if (slot) *slot = o;
}

static const int64_t *read_ids(reader *r, size_t *count) {
    io_scan *s = &r->scan;
    io_column *ids = &r->to->ids;
    size_t first = ids->count;
    io_scan_enter(s, '[');
    while (io_scan_item(s)) {
        int64_t *slot = take(r, ids, 1);
        if (slot) *slot = read_id(r, NULL);
    }
    *count = ids->count - first;
    return io_column_at(ids, first);
}

static char read_frequency(reader *r) {
    io_scan *s = &r->scan;
    io_slice raw = {0};
    bool escapes;
    const uint8_t *from = (io_scan_peek(s), s->at);
    io_scan_string(s, &raw, &escapes);
    if (s->status != TN_OK) return 0;
    if (raw.length == 1 && strchr("rcf", *raw.text)) return *raw.text;
    io_scan_expected(s, from, "a frequency of \"r\", \"c\" or \"f\"");
    return 0;
}

static void read_image(reader *r) {
    io_scan *s = &r->scan;
    const uint8_t *from = (io_scan_peek(s), s->at);
    io_coco_image image = {0};
    bool id = false;
    io_scan_enter(s, '{');
    for (io_slice key; io_scan_key(s, &key);) {
        if (io_slice_is(key, "id")) {
            image.id = read_id(r, &image.id_text);
            id = true;
        } else if (io_slice_is(key, "width")) {
            image.w = (int32_t)read_size(s);
        } else if (io_slice_is(key, "height")) {
            image.h = (int32_t)read_size(s);
        } else if (io_slice_is(key, "file_name")) {
            image.file = read_text(r, NULL);
        } else if (r->lvis && io_slice_is(key, "neg_category_ids")) {
            image.absent = read_ids(r, &image.absent_count);
        } else if (r->lvis && io_slice_is(key, "not_exhaustive_category_ids")) {
            image.partial = read_ids(r, &image.partial_count);
        } else {
            io_scan_skip(s);
        }
    }
    if (!id) io_scan_expected(s, from, "an image with \"id\"");
    io_coco_image *slot = s->status == TN_OK ? take(r, &r->to->images, 1) : NULL;
    if (slot) *slot = image;
}

static void read_category(reader *r) {
    io_scan *s = &r->scan;
    const uint8_t *from = (io_scan_peek(s), s->at);
    io_coco_category category = {0};
    bool id = false;
    io_scan_enter(s, '{');
    for (io_slice key; io_scan_key(s, &key);) {
        if (io_slice_is(key, "id")) {
            category.id = read_id(r, &category.id_text);
            id = true;
        } else if (io_slice_is(key, "name")) {
            category.name = read_text(r, NULL);
        } else if (io_slice_is(key, "supercategory")) {
            category.group = read_text(r, NULL);
        } else if (r->lvis && io_slice_is(key, "frequency")) {
            category.frequency = read_frequency(r);
        } else {
            io_scan_skip(s);
        }
    }
    if (!id) io_scan_expected(s, from, "a category with \"id\"");
    io_coco_category *slot = s->status == TN_OK ? take(r, &r->to->categories, 1) : NULL;
    if (slot) *slot = category;
}

static void read_list(reader *r, void (*read)(reader *r)) {
    io_scan *s = &r->scan;
    if (s->depth == 0 && io_scan_peek(s) == '{')
        io_scan_expected(s, s->at, "an array of results (annotations begin like this)");
    io_scan_enter(s, '[');
    while (io_scan_item(s)) read(r);
}

static void read_annotations(reader *r) {
    static const struct {
        const char *name;
        void (*read)(reader *r);
    } lists[] = {
        {"images", read_image}, {"categories", read_category}, {"annotations", read_object}};
    io_scan *s = &r->scan;
    bool seen[3] = {false};
    const uint8_t *from = (io_scan_peek(s), s->at);
    if (io_scan_peek(s) == '[')
        io_scan_expected(s, s->at, "an object of annotations (results begin like this)");
    io_scan_enter(s, '{');
    for (io_slice key; io_scan_key(s, &key);) {
        int i = 0;
        while (i < 3 && !io_slice_is(key, lists[i].name)) i++;
        if (i == 3) {
            io_scan_skip(s);
            continue;
        }
        if (seen[i]) io_scan_expected(s, s->at, "\"%s\" only once", lists[i].name);
        seen[i] = true;
        read_list(r, lists[i].read);
    }
    if (!seen[0] && !seen[2])
        io_scan_expected(s, from, "an object with \"images\" and \"annotations\"");
}

static int by_id(const void *a, const void *b) {
    const io_coco_id_entry *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

// element begins with its id and the id's text.
static void fail_duplicate(io_scan *s, const char *what, const void *element) {
    int64_t id;
    const char *text;
    char buffer[24];
    memcpy(&id, element, sizeof id);
    memcpy(&text, (const char *)element + sizeof id, sizeof text);
    io_scan_fail(s, TN_EFORMAT, "%s id %s appears twice, expected once", what,
                 io_coco_show_id(id, text, buffer));
}

// stride: between elements that begin with their id.
static io_coco_id_entry *sorted(io_scan *s, const void *first, size_t count, size_t stride,
                                const char *what) {
    io_coco_id_entry *entries = tn_alloc_zero(count ? count : 1, sizeof *entries);
    if (!entries) {
        io_scan_fail(s, TN_ENOMEM, "out of memory for %zu ids", count);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        memcpy(&entries[i].id, (const char *)first + i * stride, sizeof entries[i].id);
        entries[i].index = (int64_t)i;
    }
    qsort(entries, count, sizeof *entries, by_id);
    for (size_t i = 1; i < count; i++)
        if (entries[i].id == entries[i - 1].id)
            fail_duplicate(s, what, (const char *)first + entries[i].index * (int64_t)stride);
    return entries;
}

static tn_status open_tables(io_coco_tables *t, size_t bytes, bool results, unsigned want,
                             tn_error *err) {
    // The minimum number of characters of an element in the file, with its comma.
    size_t entries = results ? 0 : bytes / 9, objects = bytes / 24;
    TN_TRY(io_column_open(&t->images, sizeof(io_coco_image), entries, err));
    TN_TRY(io_column_open(&t->categories, sizeof(io_coco_category), entries, err));
    TN_TRY(io_column_open(&t->objects, sizeof(io_coco_object), objects, err));
    // Ids of annotations without an area are read twice.
    TN_TRY(io_column_open(&t->text, 1, results ? bytes : 2 * bytes, err));
    if (want & IO_COCO_LVIS) TN_TRY(io_column_open(&t->ids, sizeof(int64_t), bytes / 2, err));
    // Without IO_COCO_SHAPES: for annotations that have no area.
    if (results && !(want & IO_COCO_SHAPES)) return TN_OK;
    TN_TRY(io_column_open(&t->polygons, sizeof(io_coco_polygon), bytes / 6 + 1, err));
    TN_TRY(io_column_open(&t->numbers, sizeof(double), bytes / 2, err));
    return io_column_open(&t->counts, sizeof(uint32_t), bytes / 2, err);
}

static tn_status read_all(reader *r) {
    io_scan *s = &r->scan;
    io_coco_tables *t = r->to;
    if (r->results)
        read_list(r, read_object);
    else
        read_annotations(r);
    io_scan_end(s);
    if (s->status != TN_OK) return s->status;
    t->image_by_id =
        sorted(s, t->images.arena.base, t->images.count, sizeof(io_coco_image), "image");
    t->category_by_id = sorted(s, t->categories.arena.base, t->categories.count,
                               sizeof(io_coco_category), "category");
    t->coco = (io_coco){
        .images = io_column_at(&t->images, 0),
        .image_count = t->images.count,
        .categories = io_column_at(&t->categories, 0),
        .category_count = t->categories.count,
        .objects = io_column_at(&t->objects, 0),
        .object_count = t->objects.count,
    };
    if (s->status != TN_OK || r->results) return s->status;
    s->status = io_coco_complete(t, r->shapes, s->err);
    return s->status == TN_OK ? TN_OK : tn_fail_prefix(s->err, "%s", s->name);
}

tn_status io_coco_read(const void *bytes, size_t count, const char *name, bool results,
                       unsigned want, io_coco **out, tn_error *err) {
    io_coco_tables *t = tn_alloc_zero(1, sizeof *t);
    if (!t) return tn_fail(err, TN_ENOMEM, "%s: out of memory", name);
    reader r = {.scan = io_scan_new(name, bytes, count, err),
                .to = t,
                .results = results,
                .shapes = want & IO_COCO_SHAPES,
                .lvis = want & IO_COCO_LVIS};
    tn_status status = open_tables(t, count, results, want, err);
    if (status != TN_OK)
        tn_fail_prefix(err, "%s", name);
    else
        status = read_all(&r);
    if (status == TN_OK)
        *out = &t->coco;
    else
        io_coco_close(&t->coco);
    return status;
}

static tn_status open_file(const char *path, bool results, unsigned want, io_coco **out,
                           tn_error *err) {
    io_map file;
    TN_TRY(io_map_open(path, &file, err));
    // An empty file maps to nothing; the scanner needs a valid pointer.
    const void *bytes = file.bytes ? (const void *)file.bytes : "";
    tn_status status = io_coco_read(bytes, file.count, path, results, want, out, err);
    io_map_close(&file);
    return status;
}

tn_status io_coco_open(const char *path, unsigned want, io_coco **out, tn_error *err) {
    return open_file(path, false, want, out, err);
}

tn_status io_coco_results_open(const char *path, unsigned want, io_coco **out, tn_error *err) {
    return open_file(path, true, want, out, err);
}
