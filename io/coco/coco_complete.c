// SPDX-License-Identifier: Apache-2.0
// Completes what was read: numbers for text ids, missing areas, and notes about both.
#include "io/coco/coco_rle.h"
#include "io/coco/coco_table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#define SCRATCH ((size_t)1 << 28) // address space for one mask

// ---- ids ---------------------------------------------------------------------------------------

static bool integer_of(const char *text, size_t length, int64_t *out) {
    bool negative = length && text[0] == '-';
    size_t first = negative;
    if (length == first || (text[first] == '0' && length > 1)) return false;
    uint64_t value = 0;
    for (size_t i = first; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        if (value > INT64_MAX / 10) return false;
        value = value * 10 + (uint64_t)(text[i] - '0');
        if (value > INT64_MAX) return false;
    }
    *out = negative ? -(int64_t)value : (int64_t)value;
    return true;
}

// FNV-1a (Fowler, Noll, Vo) with the finaliser of MurmurHash3 (Appleby, public domain).
int64_t io_coco_text_number(const char *text, size_t length) {
    int64_t number;
    if (integer_of(text, length, &number)) return number;
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < length; i++) hash = (hash ^ (uint8_t)text[i]) * 0x100000001b3;
    hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccd;
    hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53;
    return INT64_MIN + (int64_t)((hash ^ hash >> 33) >> 2);
}

const char *io_coco_show_id(int64_t number, const char *text, char buffer[24]) {
    if (text) return text;
    snprintf(buffer, 24, "%" PRId64, number);
    return buffer;
}

tn_status io_coco_image_path(const io_coco_image *image, const char *folder, char *path,
                             size_t bytes, tn_error *err) {
    const char *file = image->file;
    if (!file || !*file)
        return tn_fail(err, TN_EFORMAT, "picture %s has no \"file_name\"",
                       io_coco_show_id(image->id, image->id_text, (char[24]){0}));
    bool absolute = file[0] == '/';
    int length = snprintf(path, bytes, "%s%s%s", absolute ? "" : folder, absolute ? "" : "/", file);
    if (length >= 0 && (size_t)length < bytes) return TN_OK;
    return tn_fail(err, TN_EINVAL, "%s: the path is too long", folder);
}

// Open addressing: 0 marks an empty slot, so id 0 is counted separately.
static tn_status count_repeated(io_coco *coco, tn_error *err) {
    size_t capacity = 16, zeros = 0;
    while (capacity < 2 * coco->object_count) capacity *= 2;
    int64_t *set = tn_alloc_zero(capacity, sizeof *set);
    if (!set) return tn_fail(err, TN_ENOMEM, "out of memory for %zu ids", coco->object_count);
    for (size_t i = 0; i < coco->object_count; i++) {
        int64_t id = coco->objects[i].id;
        size_t at = (size_t)((uint64_t)id * 0x9e3779b97f4a7c15 >> 20) & (capacity - 1);
        while (set[at] && set[at] != id) at = (at + 1) & (capacity - 1);
        bool again = id ? set[at] == id : zeros++ > 0;
        set[at] = id ? id : set[at];
        if (again && !coco->repeated_ids++) coco->repeated = i;
    }
    tn_free(set);
    return TN_OK;
}

// ---- areas -------------------------------------------------------------------------------------

// False if there is no mask that can be drawn.
static bool area_of_mask(const io_coco *coco, const io_coco_object *o, tn_arena *scratch,
                         double *area) {
    const io_coco_shape *shape = &o->shape;
    uint32_t h = shape->h, w = shape->w;
    if (shape->kind == IO_COCO_NONE) return false;
    if (shape->kind == IO_COCO_POLYGONS) {
        int64_t image = io_coco_find_image(coco, o->image_id);
        if (image < 0 || !shape->count) return false;
        h = (uint32_t)coco->images[image].h, w = (uint32_t)coco->images[image].w;
        if (!h || !w) return false;
        for (size_t i = 0; i < shape->count; i++)
            if (!io_polygon_near(&shape->polygons[i], w, h)) return false;
    }
    io_rle rle;
    size_t mark = tn_arena_mark(scratch);
    bool good = io_rle_from_shape(shape, h, w, scratch, &rle, NULL) == TN_OK;
    if (good) *area = io_rle_area(&rle);
    tn_arena_reset(scratch, mark);
    return good;
}

static tn_status compute_areas(io_coco_tables *t, bool shapes, tn_error *err) {
    io_coco *coco = &t->coco;
    io_coco_object *object = io_column_at(&t->objects, 0);
    tn_arena scratch;
    TN_TRY(tn_arena_init(&scratch, SCRATCH, err));
    for (size_t i = 0; i < coco->object_count; i++) {
        io_coco_object *o = &object[i];
        if (o->has_area) continue;
        bool mask = area_of_mask(coco, o, &scratch, &o->area);
        if (!mask && o->has_box)
            o->area = o->box[2] > 0 && o->box[3] > 0 ? o->box[2] * o->box[3] : 0;
        o->has_area = mask || o->has_box;
        coco->areas_of_masks += mask;
        coco->areas_of_boxes += !mask && o->has_box;
        if (!shapes) o->shape = (io_coco_shape){0};
    }
    tn_arena_deinit(&scratch);
    return TN_OK;
}

tn_status io_coco_complete(io_coco_tables *t, bool shapes, tn_error *err) {
    TN_TRY(count_repeated(&t->coco, err));
    return t->missing_areas ? compute_areas(t, shapes, err) : TN_OK;
}

// ---- categories --------------------------------------------------------------------------------

static void take_out(io_coco_tables *t, const size_t *first) {
    io_coco *coco = &t->coco;
    io_coco_category *category = io_column_at(&t->categories, 0);
    size_t count = coco->category_count, kept = 0, places = 0;
    for (size_t i = 0; i < count; i++)
        if (first[i] == i) category[kept++] = category[i];
    coco->category_count = t->categories.count = kept;
    // Ids ascend as before; an index is less by those that are gone before it.
    for (size_t p = 0; p < count; p++) {
        io_coco_id_entry entry = t->category_by_id[p];
        size_t was = (size_t)entry.index;
        if (first[was] != was) continue;
        for (size_t i = 0; i < was; i++) entry.index -= first[i] != i;
        t->category_by_id[places++] = entry;
    }
}

void io_coco_merge_categories(io_coco *coco, const size_t *first) {
    io_coco_tables *t = (io_coco_tables *)coco;
    io_coco_object *object = io_column_at(&t->objects, 0);
    for (size_t i = 0; i < coco->category_count; i++) {
        TN_CHECK(first[i] <= i && first[first[i]] == first[i], "category %zu into %zu", i,
                 first[i]);
        if (first[i] == i || coco->merged++) continue;
        coco->merged_name = coco->categories[i].name;
        coco->merged_into = coco->categories[first[i]].name;
    }
    if (!coco->merged) return;
    for (size_t i = 0; i < coco->object_count; i++) {
        int64_t category = io_coco_find_category(coco, object[i].category_id);
        if (category >= 0) object[i].category_id = coco->categories[first[category]].id;
    }
    take_out(t, first);
}

// ---- notes -------------------------------------------------------------------------------------

// Another sentence, in a line of its own.
static void add_note(char *text, size_t bytes, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void add_note(char *text, size_t bytes, const char *format, ...) {
    size_t at = strlen(text);
    va_list list;
    if (at && at + 1 < bytes) text[at++] = '\n';
    va_start(list, format);
    vsnprintf(text + at, bytes - at, format, list);
    va_end(list);
}

const char *io_coco_notes(const io_coco *c, char *text, size_t bytes) {
    size_t areas = c->areas_of_masks + c->areas_of_boxes;
    text[0] = 0;
    if (areas)
        add_note(text, bytes,
                 "annotations without \"area\": %zu; it was computed from the mask (%zu) or the "
                 "box (%zu)",
                 areas, c->areas_of_masks, c->areas_of_boxes);
    if (c->repeated_ids) {
        char buffer[24];
        const io_coco_object *o = &c->objects[c->repeated];
        add_note(text, bytes,
                 "annotations with a duplicate id: %zu, the first %s; all are kept "
                 "(pycocotools uses the last annotation with an id for all of them)",
                 c->repeated_ids, io_coco_show_id(o->id, o->id_text, buffer));
    }
    if (c->merged)
        add_note(
            text, bytes,
            "categories whose name is to CLIP the same text as an earlier one's: %zu, the first "
            "\"%.80s\"; it is one with \"%.80s\"",
            c->merged, c->merged_name, c->merged_into);
    return text;
}
