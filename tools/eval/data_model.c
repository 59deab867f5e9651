// SPDX-License-Identifier: Apache-2.0
#include "tools/eval/data_model.h"

#include "models/names/prompts.h"
#include "tensor/alloc.h"

#include <string.h>
#include <unistd.h>

static bool wanted(const io_coco_split *split, size_t category) {
    return !split || split->part[category] != IO_PART_NONE;
}

static tn_status make_room(tool_data_model *m, size_t labels, tn_error *err) {
    m->category = tn_alloc_zero(labels + 1, sizeof *m->category);
    m->category_id = tn_alloc_zero(labels + 1, sizeof *m->category_id);
    m->left_out = tn_alloc_zero(labels + 1, sizeof *m->left_out);
    if (m->category && m->category_id && m->left_out) return TN_OK;
    return tn_fail(err, TN_ENOMEM, "out of memory for names");
}

static void put(tool_data_model *m, const io_coco *data, size_t label, size_t category) {
    m->category[label] = category;
    const io_coco_category *of = &data->categories[category];
    m->category_id[label] = (io_coco_id){of->id, of->id_text};
}

// The names of the categories are what is looked for.
static tn_status choose_names(const io_coco *data, const io_coco_split *split, const char **list,
                              tool_data_model *m, tn_error *err) {
    TN_TRY(make_room(m, data->category_count, err));
    for (size_t i = 0; i < data->category_count; i++) {
        const io_coco_category *category = &data->categories[i];
        if (!wanted(split, i)) continue;
        if (!category->name)
            return tn_fail(err, TN_EFORMAT, "category %lld has no name to look for",
                           (long long)category->id);
        put(m, data, m->labels, i);
        list[m->labels++] = category->name;
    }
    return m->labels ? TN_OK : tn_fail(err, TN_EFORMAT, "no categories to look for");
}

// The detector's classes that are categories of the data set.
static tn_status match_classes(const io_coco *data, const io_coco_split *split, tool_data_model *m,
                               tn_error *err) {
    size_t met = 0;
    m->labels = lexmask_model_class_count(m->open.model);
    TN_TRY(make_room(m, m->labels, err));
    for (size_t label = 0; label < m->labels; label++) {
        const char *name = lexmask_model_class_at(m->open.model, label);
        m->left_out[label] = true;
        for (size_t i = 0; name && i < data->category_count; i++) {
            const char *category = data->categories[i].name;
            if (!wanted(split, i) || !category || strcmp(category, name)) continue;
            put(m, data, label, i);
            m->left_out[label] = false;
            met++;
            break;
        }
    }
    return met ? TN_OK
               : tn_fail(err, TN_EFORMAT,
                         "none of the detector's classes is a category of the "
                         "annotations");
}

// Puts plain copies of LVIS's names, which *copies owns, into the list.
static tn_status make_plain(const char **list, size_t count, char ***copies, tn_error *err) {
    *copies = tn_alloc_zero(count + 1, sizeof **copies);
    for (size_t i = 0; *copies && i < count; i++) {
        char *copy = (*copies)[i] = tn_strdup(list[i]);
        if (!copy) return tn_fail(err, TN_ENOMEM, "out of memory for names");
        md_name_from_lvis(copy);
        list[i] = copy;
    }
    return *copies ? TN_OK : tn_fail(err, TN_ENOMEM, "out of memory for names");
}

static tn_status open_named(const io_coco *data, const io_coco_split *split, tool_data_model *m,
                            tn_error *err) {
    lexmask_names_options names;
    const char **list = tn_alloc_zero(data->category_count + 1, sizeof *list);
    if (!list) return tn_fail(err, TN_ENOMEM, "out of memory for names");
    tn_status status = choose_names(data, split, list, m, err);
    char **plain = NULL;
    if (status == TN_OK && tool_names_of_lvis()) status = make_plain(list, m->labels, &plain, err);
    if (status == TN_OK) status = tool_model_open(&m->open, err);
    lexmask_names_options_init(&names);
    names.names = list, names.count = m->labels;
    if (status == TN_OK) status = tool_model_names(&m->open, names, err);
    for (size_t i = 0; plain && i < m->labels; i++) tn_free(plain[i]);
    tn_free(plain);
    tn_free(list);
    return status;
}

tn_status tool_data_model_open(const io_coco *data, const io_coco_split *split,
                               tool_data_model *out, tn_error *err) {
    tn_status status;
    *out = (tool_data_model){0};
    if (tool_model_closed(&tool_chosen)) {
        status = tool_model_open(&out->open, err);
        if (status == TN_OK) status = match_classes(data, split, out, err);
    } else {
        status = open_named(data, split, out, err);
    }
    if (status == TN_OK) status = tool_model_session(&out->open, err);
    if (status != TN_OK) tool_data_model_close(out);
    return status;
}

void tool_data_model_close(tool_data_model *model) {
    tool_model_close(&model->open);
    tn_free(model->category);
    tn_free(model->category_id);
    tn_free(model->left_out);
    *model = (tool_data_model){0};
}

tn_status tool_data_find(const char *folder, const io_coco_image *image, char *path, size_t bytes,
                         tn_error *err) {
    TN_TRY(io_coco_image_path(image, folder, path, bytes, err));
    if (access(path, R_OK) == 0) return TN_OK;
    return tn_fail(err, TN_EIO, "%s: no such picture (its name is in the annotations)", path);
}
