// SPDX-License-Identifier: Apache-2.0
#include "tests/support/crop_dump.h"

#include "io/image/image.h"

#include <string.h>

bool crop_dump_has(const crop_dump *dump, const char *name) {
    return io_weights_find(dump->file, name) != NULL;
}

tn_tensor crop_dump_tensor(const crop_dump *dump, const char *name, tn_dtype dtype) {
    const io_tensor *t = io_weights_find(dump->file, name);
    if (!t || t->dtype != dtype)
        fail_msg("%s has no '%s' of %s", io_weights_path(dump->file), name, tn_dtype_name(dtype));
    return tn_view((void *)(uintptr_t)t->data, t->dtype, t->rank, t->dim);
}

static void read_options(crop_dump *dump) {
    tn_error err;
    const char *shape;
    md_crop_options *o = &dump->options;
    const io_json *root = &dump->settings;
    *o = md_crop_default_options();
    ASSERT_OK(io_json_string(root, "crop_shape", &shape, &err), err);
    o->crops.shape = strcmp(shape, "tight") ? MD_CROP_SQUARE : MD_CROP_TIGHT;
    ASSERT_OK(io_json_number(root, "crop_context", &o->crops.context, &err), err);
    ASSERT_OK(io_json_number(root, "objectness", &o->objectness, &err), err);
    ASSERT_OK(io_json_number(root, "score", &o->rules.score, &err), err);
    ASSERT_OK(io_json_number(root, "nms", &o->rules.nms, &err), err);
    ASSERT_OK(io_json_int(root, "top", 1, 10000, &o->rules.top, &err), err);
}

void crop_dump_open(crop_dump *dump, const char *path) {
    tn_error err;
    const char *picture = NULL;
    *dump = (crop_dump){0};
    ASSERT_OK(io_weights_open(path, &dump->file, &err), err);
    const char *text = io_weights_meta(dump->file, "settings");
    if (!text) fail_msg("%s: no 'settings' in its metadata", path);
    ASSERT_OK(io_json_parse(text, strlen(text), path, &dump->settings, &err), err);
    read_options(dump);
    ASSERT_OK(io_json_maybe_string(&dump->settings, "picture", &picture, &err), err);
    dump->image_is_ours = picture != NULL;
    if (picture)
        ASSERT_OK(io_image_read(picture, 0, &dump->image, &err), err);
    else
        dump->image = crop_dump_tensor(dump, "image", TN_U8);
}

void crop_dump_close(crop_dump *dump) {
    if (dump->image_is_ours) tn_free(dump->image.data);
    io_json_close(&dump->settings);
    io_weights_close(dump->file);
}

void crop_dump_vocabulary(const crop_dump *dump, nn_ctx *cx, const md_clip *clip, const md_bpe *bpe,
                          md_vocabulary *out) {
    tn_error err;
    io_json list, element;
    md_names names;
    md_templates templates;
    md_vocabulary_options options = {.cache_folder = ""};
    const char *prompt;
    ASSERT_OK(io_json_get(&dump->settings, "names", IO_JSON_ARRAY, &list, &err), err);
    size_t count = io_json_count(&list);
    const char **text = tn_alloc_zero(count, sizeof *text);
    for (size_t i = 0; i < count; i++) {
        ASSERT_OK(io_json_at(&list, i, IO_JSON_STRING, &element, &err), err);
        ASSERT_OK(io_json_as_string(&element, &text[i], &err), err);
    }
    ASSERT_OK(md_names_from_array(text, count, &names, &err), err);
    ASSERT_OK(io_json_string(&dump->settings, "prompt", &prompt, &err), err);
    ASSERT_OK(io_json_string(&dump->settings, "background", &options.background, &err), err);
    ASSERT_OK(md_templates_init(&prompt, 1, &templates, &err), err);
    ASSERT_OK(md_vocabulary_make(cx, clip, bpe, &names, &templates, &options, out, &err), err);
    md_templates_deinit(&templates);
    md_names_deinit(&names);
    tn_free(text);
}
