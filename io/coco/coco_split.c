// SPDX-License-Identifier: Apache-2.0
#include "io/coco/coco_split.h"

#include <string.h>

static const char *const ovd_novel[] = {
    "airplane", "bus",      "cat",       "dog",      "cow",        "elephant",
    "umbrella", "tie",      "snowboard", "cup",      "knife",      "cake",
    "couch",    "keyboard", "sink",      "scissors", "skateboard",
};
static const char *const ovd_base[] = {
    "person",   "bicycle",  "car",          "motorcycle", "train",  "truck",      "boat",
    "bench",    "bird",     "horse",        "sheep",      "bear",   "zebra",      "giraffe",
    "backpack", "handbag",  "suitcase",     "frisbee",    "skis",   "kite",       "surfboard",
    "bottle",   "fork",     "spoon",        "bowl",       "banana", "apple",      "sandwich",
    "orange",   "broccoli", "carrot",       "pizza",      "donut",  "chair",      "bed",
    "toilet",   "tv",       "laptop",       "mouse",      "remote", "microwave",  "oven",
    "toaster",  "book",     "refrigerator", "clock",      "vase",   "toothbrush",
};
enum {
    OVD_NOVEL = sizeof ovd_novel / sizeof *ovd_novel,
    OVD_BASE = sizeof ovd_base / sizeof *ovd_base,
};
_Static_assert(OVD_NOVEL == 17 && OVD_BASE == 48, "the split is 48/17");

io_part io_coco_ovd_part(const char *name) {
    for (int i = 0; i < OVD_NOVEL; i++)
        if (!strcmp(name, ovd_novel[i])) return IO_PART_NOVEL;
    for (int i = 0; i < OVD_BASE; i++)
        if (!strcmp(name, ovd_base[i])) return IO_PART_BASE;
    return IO_PART_NONE;
}

static tn_status begin(const io_coco *coco, io_coco_split *out, tn_error *err) {
    *out = (io_coco_split){.part = tn_alloc_zero(coco->category_count + 1, sizeof *out->part)};
    return out->part ? TN_OK : tn_fail(err, TN_ENOMEM, "out of memory for a split");
}

void io_coco_split_deinit(io_coco_split *split) {
    tn_free(split->part);
    *split = (io_coco_split){0};
}

static void count_parts(const io_coco *coco, io_coco_split *split) {
    split->base = split->novel = 0;
    for (size_t i = 0; i < coco->category_count; i++) {
        split->base += split->part[i] == IO_PART_BASE;
        split->novel += split->part[i] == IO_PART_NOVEL;
    }
}

// If two categories share a name, the first counts.
static int64_t category_called(const io_coco *coco, const char *name) {
    for (size_t i = 0; i < coco->category_count; i++)
        if (coco->categories[i].name && !strcmp(coco->categories[i].name, name)) return (int64_t)i;
    return -1;
}

tn_status io_coco_split_named(const char *name, const io_coco *coco, io_coco_split *out,
                              tn_error *err) {
    *out = (io_coco_split){0};
    if (strcmp(name, IO_SPLIT_COCO_OVD) != 0)
        return tn_fail(err, TN_EINVAL, "split '%s': expected " IO_SPLIT_COCO_OVD, name);
    for (int i = 0; i < OVD_BASE + OVD_NOVEL; i++) {
        const char *wanted = i < OVD_BASE ? ovd_base[i] : ovd_novel[i - OVD_BASE];
        if (category_called(coco, wanted) < 0)
            return tn_fail(
                err, TN_EFORMAT,
                "no category is called '%s', which the split " IO_SPLIT_COCO_OVD " needs", wanted);
    }
    TN_TRY(begin(coco, out, err));
    for (size_t i = 0; i < coco->category_count; i++)
        if (coco->categories[i].name) out->part[i] = io_coco_ovd_part(coco->categories[i].name);
    count_parts(coco, out);
    return TN_OK;
}

static tn_status mark_line(const char *path, size_t line, const char *name, const io_coco *coco,
                           io_part part, io_coco_split *split, tn_error *err) {
    int64_t at = category_called(coco, name);
    if (at < 0)
        return tn_fail(err, TN_EFORMAT, "%s: line %zu: the data set has no category '%.200s'", path,
                       line, name);
    if (split->part[at] != IO_PART_NONE)
        return tn_fail(err, TN_EFORMAT, "%s: line %zu: '%.200s' is listed twice%s", path, line,
                       name, split->part[at] == part ? "" : ", in base and in novel");
    split->part[at] = part;
    return TN_OK;
}

static tn_status mark_lines(const char *path, char *text, size_t bytes, const io_coco *coco,
                            io_part part, io_coco_split *split, tn_error *err) {
    size_t names = 0, line = 0;
    const void *zero = memchr(text, 0, bytes);
    if (zero)
        return tn_fail(err, TN_EFORMAT, "%s: a zero byte at offset %zu, expected text", path,
                       (size_t)((const char *)zero - text));
    if (!strncmp(text, "\xef\xbb\xbf", 3)) text += 3;
    for (char *at = text, *next; at; at = next) {
        next = strchr(at, '\n');
        if (next) *next++ = 0;
        line++;
        at += strspn(at, " \t\r");
        size_t length = strlen(at);
        while (length && strchr(" \t\r", at[length - 1])) at[--length] = 0;
        if (!length || *at == '#') continue;
        TN_TRY(mark_line(path, line, at, coco, part, split, err));
        names++;
    }
    if (!names) return tn_fail(err, TN_EFORMAT, "%s: no names, expected one a line", path);
    return TN_OK;
}

static tn_status mark_file(const char *path, const io_coco *coco, io_part part,
                           io_coco_split *split, tn_error *err) {
    char *text;
    size_t bytes;
    TN_TRY(io_read_text(path, (size_t)1 << 26, &text, &bytes, err));
    tn_status status = mark_lines(path, text, bytes, coco, part, split, err);
    tn_free(text);
    return status;
}

tn_status io_coco_split_files(const char *base, const char *novel, const io_coco *coco,
                              io_coco_split *out, tn_error *err) {
    TN_TRY(begin(coco, out, err));
    tn_status status = mark_file(base, coco, IO_PART_BASE, out, err);
    if (status == TN_OK && novel) status = mark_file(novel, coco, IO_PART_NOVEL, out, err);
    for (size_t i = 0; !novel && i < coco->category_count; i++)
        if (out->part[i] == IO_PART_NONE) out->part[i] = IO_PART_NOVEL;
    count_parts(coco, out);
    if (status != TN_OK) io_coco_split_deinit(out);
    return status;
}

static bool in_part(io_part part, io_part wanted) {
    return wanted == IO_PART_NONE ? part != IO_PART_NONE : part == wanted;
}

tn_status io_coco_split_ids(const io_coco_split *split, const io_coco *coco, io_part part,
                            int64_t **ids, size_t *count, tn_error *err) {
    *count = 0;
    *ids = tn_alloc_zero(coco->category_count + 1, sizeof **ids);
    if (!*ids) return tn_fail(err, TN_ENOMEM, "out of memory for the ids of a split");
    for (size_t i = 0; i < coco->category_count; i++)
        if (in_part(split->part[i], part)) (*ids)[(*count)++] = coco->categories[i].id;
    return TN_OK;
}

tn_status io_coco_split_images(const io_coco_split *split, const io_coco *coco, int64_t **ids,
                               size_t *count, tn_error *err) {
    *count = 0;
    *ids = NULL;
    bool *holds = tn_alloc_zero(coco->image_count + 1, sizeof *holds);
    int64_t *list = holds ? tn_alloc_zero(coco->image_count + 1, sizeof *list) : NULL;
    if (!list) {
        tn_free(holds);
        return tn_fail(err, TN_ENOMEM, "out of memory for the pictures of a split");
    }
    for (size_t i = 0; i < coco->object_count; i++) {
        int64_t category = io_coco_find_category(coco, coco->objects[i].category_id);
        int64_t image = io_coco_find_image(coco, coco->objects[i].image_id);
        if (category >= 0 && image >= 0 && split->part[category] != IO_PART_NONE)
            holds[image] = true;
    }
    for (size_t i = 0; i < coco->image_count; i++)
        if (holds[i]) list[(*count)++] = coco->images[i].id;
    tn_free(holds);
    *ids = list;
    return TN_OK;
}
