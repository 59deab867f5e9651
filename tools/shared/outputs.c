// SPDX-License-Identifier: Apache-2.0
#include "tools/shared/outputs.h"

#include "io/image/image.h"
#include "lexmask_draw.h"
#include "tensor/alloc.h"
#include "tools/shared/api_calls.h"
#include "tools/shared/wanted_names.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

void tool_print_table(const lexmask_result *result, double lowest) {
    size_t count = lexmask_result_count(result);
    const lexmask_detection *best = lexmask_result_at(result, 0);
    if (!best)
        printf("nothing found\n");
    else if (best->score < lowest)
        printf("nothing found with a score of %g or more; the best is %s with %.3f (--show X shows "
               "from X on)\n",
               lowest, best->name, best->score);
    for (size_t i = 0; i < count; i++) {
        const lexmask_detection *d = lexmask_result_at(result, i);
        if (d->score < lowest) break; // the best come first
        printf("%-24s %.3f  %7.1f %7.1f %7.1f %7.1f%s\n", d->name, d->score, d->box[0], d->box[1],
               d->box[2], d->box[3], d->novel == 1 ? "  novel" : "");
    }
    fflush(stdout); // who reads a pipe sees each picture when it is done
}

// ---- overlays and masks ------------------------------------------------------------------------

static tn_status path_in(const tool_outputs *o, char *out, size_t bytes, const char *folder,
                         const char *stem, const char *ending, tn_error *err) {
    TN_TRY(tool_output_path(out, bytes, folder, stem, ending, err));
    return tool_output_spares(out, o->pictures, err);
}

static tn_status write_overlay(const tool_outputs *o, const char *stem, lexmask_result *result,
                               tn_error *err) {
    char path[4096];
    lexmask_error failure = {0};
    TN_TRY(path_in(o, path, sizeof path, o->wanted.out, stem, ".png", err));
    TN_TRY(tool_api_status(lexmask_result_draw(result, o->wanted.lowest, path, &failure), &failure,
                           err));
    tool_note("%s", path);
    return TN_OK;
}

// Names become parts of file names: what a shell or a file system minds is replaced.
static void file_word(const char *name, char *out, size_t bytes) {
    size_t n = 0;
    for (; *name && n + 1 < bytes && n < 80; name++) {
        unsigned char c = (unsigned char)*name;
        out[n++] = c <= ' ' || strchr("/\\:*?\"<>|'`$", c) ? '_' : (char)c;
    }
    out[n] = 0;
}

// The label map holds 1 + the index of the best detection that covers a pixel, 0 for none. A
// picture's masks are a set: those of an earlier run would look like results of this one.
static tn_status write_masks(const tool_outputs *o, const char *stem, lexmask_result *result,
                             tn_error *err) {
    int width, height;
    lexmask_result_size(result, &width, &height);
    tn_tensor mask = {0}, map = {0};
    TN_TRY(tool_output_clear_masks(o->wanted.masks, stem, o->pictures, err));
    tn_status status = tn_new_heap(&mask, TN_U8, TN_DIMS(height, width), err);
    if (status == TN_OK) status = tn_new_heap(&map, TN_I32, TN_DIMS(height, width), err);
    if (status == TN_OK) memset(map.data, 0, tn_bytes(&map));
    for (size_t i = 0; status == TN_OK && i < lexmask_result_count(result); i++) {
        lexmask_error failure = {0};
        status =
            tool_api_status(lexmask_result_mask(result, i, mask.data, 0, &failure), &failure, err);
        if (status != TN_OK) break;
        uint8_t *pixel = tn_u8(&mask);
        int32_t *label = tn_i32(&map);
        for (int64_t k = 0; k < tn_count(&mask); k++) {
            if (pixel[k] && !label[k]) label[k] = (int32_t)i + 1;
            pixel[k] = pixel[k] ? 255 : 0;
        }
        char word[96], ending[160], path[4096];
        file_word(lexmask_result_at(result, i)->name, word, sizeof word);
        snprintf(ending, sizeof ending, "_%03zu_%s.png", i + 1, word);
        status = path_in(o, path, sizeof path, o->wanted.masks, stem, ending, err);
        if (status == TN_OK) status = io_png_write(path, &mask, err);
    }
    char path[4096];
    if (status == TN_OK)
        status = path_in(o, path, sizeof path, o->wanted.masks, stem, "_labels.png", err);
    if (status == TN_OK) status = io_png_write(path, &map, err);
    tn_free(mask.data);
    tn_free(map.data);
    return status;
}

// ---- JSON lines --------------------------------------------------------------------------------

static json_t *detection_json(const tool_outputs *o, const lexmask_detection *d) {
    json_t *top = json_array();
    for (int k = 0; k < d->top_count; k++)
        json_array_append_new(top, json_pack("{s:s, s:f}", "name",
                                             lexmask_names_at(o->names, (size_t)d->top_label[k]),
                                             "score", (double)d->top_score[k]));
    json_t *found =
        json_pack("{s:s, s:i, s:f, s:f, s:f, s:[f,f,f,f], s:o}", "name", d->name, "label", d->label,
                  "score", (double)d->score, "objectness", (double)d->objectness, "name_score",
                  (double)d->name_score, "box", (double)d->box[0], (double)d->box[1],
                  (double)d->box[2], (double)d->box[3], "top", top);
    if (found && d->score1 >= 0) json_object_set_new(found, "score1", json_real((double)d->score1));
    if (found && d->score2 >= 0) json_object_set_new(found, "score2", json_real((double)d->score2));
    if (found && d->novel >= 0) json_object_set_new(found, "novel", json_boolean(d->novel));
    return found;
}

static tn_status write_line(tool_outputs *o, const char *path, io_coco_id id,
                            lexmask_result *result, tn_error *err) {
    int width, height;
    lexmask_result_size(result, &width, &height);
    json_t *list = json_array();
    for (size_t i = 0; list && i < lexmask_result_count(result); i++)
        json_array_append_new(list, detection_json(o, lexmask_result_at(result, i)));
    json_t *image = id.text ? json_string(id.text) : json_integer((json_int_t)id.number);
    json_t *line = json_pack("{s:s, s:o, s:i, s:i, s:o}", "picture", path, "image_id", image,
                             "width", width, "height", height, "detections", list);
    FILE *to = o->jsonl_open ? o->jsonl.file : stdout;
    // Nine digits read back to the same float32.
    bool good = line && json_dumpf(line, to, JSON_COMPACT | JSON_REAL_PRECISION(9)) == 0 &&
                fputc('\n', to) != EOF && (o->jsonl_open || fflush(to) == 0);
    json_decref(line);
    if (good) return TN_OK;
    return tn_fail(err, TN_EIO, "%s: cannot write (is the picture's path UTF-8?)", o->wanted.jsonl);
}

// ---- COCO results ------------------------------------------------------------------------------

static const char *file_part(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

// With --ids the picture's file name tells; one that is not in the file is an error.
static tn_status picture_id(const tool_outputs *o, const char *path, size_t index, io_coco_id *id,
                            tn_error *err) {
    *id = (io_coco_id){.number = (int64_t)index + 1};
    if (!o->ids) return TN_OK;
    for (size_t i = 0; i < o->ids->image_count; i++) {
        const io_coco_image *image = &o->ids->images[i];
        if (!image->file || strcmp(file_part(image->file), file_part(path))) continue;
        *id = (io_coco_id){image->id, image->id_text};
        return TN_OK;
    }
    return tn_fail(err, TN_EINVAL, "%s: no picture of this file name in %s", path, o->wanted.ids);
}

static tn_status category_id(const tool_outputs *o, const char *name, io_coco_id *id,
                             tn_error *err) {
    for (size_t i = 0; i < o->ids->category_count; i++) {
        const io_coco_category *category = &o->ids->categories[i];
        if (!category->name || !tool_same_name(category->name, name, o->wanted.lvis)) continue;
        *id = (io_coco_id){category->id, category->id_text};
        return TN_OK;
    }
    return tn_fail(err, TN_EINVAL, "%s: no category '%s'", o->wanted.ids, name);
}

// Names are 1, 2, … and the detector's own classes keep their labels, unless --ids says otherwise:
// there every name must have a category, while a class of the detector may lack one.
static tn_status make_categories(tool_outputs *o, tn_error *err) {
    size_t count = o->names ? lexmask_names_count(o->names) : lexmask_model_class_count(o->model);
    o->category = tn_alloc(count * sizeof *o->category);
    if (!o->category) return tn_fail(err, TN_ENOMEM, "out of memory for %zu categories", count);
    for (size_t i = 0; i < count; i++) {
        o->category[i] = (io_coco_id){.number = (int64_t)i + (o->names ? 1 : 0)};
        if (!o->ids) continue;
        const char *name =
            o->names ? lexmask_names_at(o->names, i) : lexmask_model_class_at(o->model, i);
        tn_status status = category_id(o, name, &o->category[i], err);
        if (status != TN_OK && o->names) return status;
    }
    return TN_OK;
}

// ---- all of them -------------------------------------------------------------------------------

tn_status tool_outputs_open(tool_outputs *o, const tool_output_options *wanted,
                            const lexmask_model *model, const lexmask_names *names,
                            const tool_paths *pictures, tn_error *err) {
    *o = (tool_outputs){.wanted = *wanted, .model = model, .names = names, .pictures = pictures};
    if (wanted->masks && !lexmask_model_has_masks(model))
        return tn_fail(err, TN_EUNSUPPORTED,
                       "--masks: the detector is a Faster R-CNN, without masks");
    if (wanted->ids) TN_TRY(io_coco_open(wanted->ids, 0, &o->ids, err));
    TN_TRY(make_categories(o, err));
    if (wanted->out) TN_TRY(io_make_folder(wanted->out, err));
    if (wanted->masks) TN_TRY(io_make_folder(wanted->masks, err));
    if (wanted->json) {
        TN_TRY(io_coco_writer_open(&o->json, wanted->json, err));
        o->json_open = true;
    }
    if (wanted->jsonl && strcmp(wanted->jsonl, "-")) {
        TN_TRY(io_writer_open(&o->jsonl, wanted->jsonl, err));
        o->jsonl_open = true;
    }
    return TN_OK;
}

tn_status tool_outputs_add(tool_outputs *o, size_t index, lexmask_result *result, tn_error *err) {
    const char *path = o->pictures->path[index];
    char stem[512];
    io_coco_id id;
    tool_stem(path, stem, sizeof stem);
    TN_TRY(picture_id(o, path, index, &id, err));
    if (o->wanted.json) TN_TRY(tool_api_write_coco(result, id, o->category, NULL, &o->json, err));
    if (o->wanted.jsonl) TN_TRY(write_line(o, path, id, result, err));
    if (o->wanted.masks) TN_TRY(write_masks(o, stem, result, err));
    if (o->wanted.out) TN_TRY(write_overlay(o, stem, result, err));
    return TN_OK;
}

tn_status tool_outputs_commit(tool_outputs *o, tn_error *err) {
    tn_status status = TN_OK;
    if (o->json_open) status = io_coco_writer_commit(&o->json, err);
    if (o->jsonl_open && status == TN_OK) status = io_writer_commit(&o->jsonl, err);
    return status;
}

void tool_outputs_close(tool_outputs *o) {
    if (o->json_open) io_coco_writer_abort(&o->json);
    if (o->jsonl_open) io_writer_abort(&o->jsonl);
    io_coco_close(o->ids);
    tn_free(o->category);
    *o = (tool_outputs){0};
}
