// SPDX-License-Identifier: Apache-2.0
#include "train/world/scene_set.h"

#include "io/file.h"
#include "io/image/image.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCH 32 // pictures between two calls of progress
#define PATH 4096

typedef struct row { // annotations of one picture
    char *image, *objects;
    int64_t count;
    tn_status status;
    tn_error err;
} row;

typedef struct writer {
    const tr_scene_maker *maker;
    const tr_scene_options *options;
    const tr_scene_set *set;
    int32_t *category; // per glyph; 0: none
    tn_arena *arena;   // one per worker
    int workers;
    int64_t from; // first index of this batch
    row row[BATCH];
    io_writer file;
    FILE *objects; // text of the annotations so far
    char *objects_text;
    size_t objects_bytes;
    int64_t written, total;
} writer;

// ---- one picture -------------------------------------------------------------------------------

static void print_text(FILE *out, const char *text) { // as a JSON string
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') fputc('\\', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static tn_status save_picture(const writer *w, const tr_scene *scene, const char *name,
                              tn_error *err) {
    char path[PATH];
    snprintf(path, sizeof path, "%s/images/%s", w->set->folder, name);
    if (!scene->jpeg) return io_png_write(path, &scene->picture, err);
    return io_write_file(path, scene->jpeg, scene->jpeg_bytes, err);
}

// Removes the picture in the other format, which an earlier run with another seed may have left.
static void remove_other(const writer *w, int64_t id, bool jpeg) {
    char path[PATH];
    snprintf(path, sizeof path, "%s/images/%06" PRId64 ".%s", w->set->folder, id,
             jpeg ? "png" : "jpg");
    unlink(path);
}

static tn_status print_objects(const writer *w, const tr_scene *scene, int64_t id, tn_arena *arena,
                               FILE *out, tn_error *err) {
    for (int64_t i = 0; i < scene->count; i++) {
        const tr_scene_object *t = &scene->objects[i];
        char *counts;
        size_t length;
        TN_TRY(io_rle_to_text(&t->mask, arena, &counts, &length, err));
        // Ids do not depend on other pictures.
        fprintf(out,
                "%s{\"id\":%" PRId64 ",\"image_id\":%" PRId64
                ",\"category_id\":%d,\"iscrowd\":0,\"bbox\":[%u,%u,%u,%u],\"area\":%u,"
                "\"segmentation\":{\"size\":[%u,%u],\"counts\":",
                i ? ",\n" : "", (id - 1) * TR_SCENE_MAX_OBJECTS + i + 1, id, w->category[t->name],
                t->box[0], t->box[1], t->box[2], t->box[3], t->area, t->mask.h, t->mask.w);
        print_text(out, counts);
        fputs("}}", out);
    }
    return TN_OK;
}

static tn_status make_row(const writer *w, int64_t index, tn_arena *arena, row *r) {
    tr_scene scene;
    char name[32];
    TN_TRY(tr_scene_make(w->maker, w->options, w->set->seed, index, arena, &scene, &r->err));
    snprintf(name, sizeof name, "%06" PRId64 ".%s", index + 1, scene.jpeg ? "jpg" : "png");
    TN_TRY(save_picture(w, &scene, name, &r->err));
    remove_other(w, index + 1, scene.jpeg != NULL);
    size_t bytes;
    FILE *out = open_memstream(&r->objects, &bytes);
    tn_status status = out ? print_objects(w, &scene, index + 1, arena, out, &r->err) : TN_ENOMEM;
    r->count = scene.count;
    if (out && fclose(out) != 0) status = TN_ENOMEM;
    if (asprintf(&r->image,
                 "{\"id\":%" PRId64 ",\"file_name\":\"%s\",\"width\":%lld,\"height\":%lld}",
                 index + 1, name, (long long)scene.picture.dim[1],
                 (long long)scene.picture.dim[0]) < 0) {
        r->image = NULL;
        status = TN_ENOMEM;
    }
    if (status == TN_ENOMEM) tn_fail(&r->err, TN_ENOMEM, "out of memory for annotations");
    return status;
}

static void run(void *data, int64_t task, int worker) {
    writer *w = data;
    w->row[task].status = make_row(w, w->from + task, &w->arena[worker], &w->row[task]);
    tn_arena_reset(&w->arena[worker], 0);
}

// ---- all pictures ------------------------------------------------------------------------------

static tn_status add_row(writer *w, row *r, tn_error *err) {
    if (r->status != TN_OK) {
        if (err) *err = r->err;
        return r->status;
    }
    fprintf(w->file.file, "%s%s", w->written++ ? ",\n" : "", r->image);
    if (r->count) fprintf(w->objects, "%s%s", w->total ? ",\n" : "", r->objects);
    w->total += r->count;
    return TN_OK;
}

static tn_status write_batch(writer *w, tn_pool *pool, int64_t count, tn_error *err) {
    memset(w->row, 0, sizeof w->row);
    tn_pool_run(pool, count, run, w);
    tn_status status = TN_OK;
    for (int64_t i = 0; i < count; i++) {
        if (status == TN_OK) status = add_row(w, &w->row[i], err);
        free(w->row[i].image);
        free(w->row[i].objects);
    }
    return status;
}

static tn_status write_batches(writer *w, tn_pool *pool, tn_error *err) {
    const tr_scene_set *set = w->set;
    for (w->from = 0; w->from < set->count; w->from += BATCH) {
        int64_t count = set->count - w->from < BATCH ? set->count - w->from : BATCH;
        TN_TRY(write_batch(w, pool, count, err));
        if (set->progress && !set->progress(set->user, w->from + count))
            return tn_fail(err, TN_ECANCELLED,
                           "%s: stopped after %" PRId64 " of %" PRId64
                           " pictures, no annotations written",
                           set->folder, w->from + count, set->count);
    }
    return TN_OK;
}

static void print_categories(const writer *w) {
    const tr_glyphs *g = w->maker->glyphs;
    int64_t count = w->set->names ? w->set->name_count : g->count;
    for (int64_t i = 0; i < count; i++) {
        fprintf(w->file.file, "%s{\"id\":%" PRId64 ",\"name\":", i ? ",\n" : "", i + 1);
        print_text(w->file.file, g->glyph[w->set->names ? w->set->names[i] : i].name);
        fputs("}", w->file.file);
    }
}

static tn_status write_annotations(writer *w, tn_pool *pool, tn_error *err) {
    w->objects = open_memstream(&w->objects_text, &w->objects_bytes);
    if (!w->objects) return tn_fail(err, TN_ENOMEM, "out of memory for annotations");
    fprintf(w->file.file,
            "{\"info\":{\"description\":\"%s of colour emoji (Noto Color Emoji, OFL 1.1), seed "
            "%" PRIu64 "\"},\n\"images\":[",
            w->options->chat ? "chats" : "scenes", w->set->seed);
    TN_TRY(write_batches(w, pool, err));
    if (fflush(w->objects) != 0) return tn_fail(err, TN_ENOMEM, "out of memory for annotations");
    fputs("],\n\"annotations\":[", w->file.file);
    TN_TRY(io_write(&w->file, w->objects_text, w->objects_bytes, err));
    fputs("],\n\"categories\":[", w->file.file);
    print_categories(w);
    fputs("]}\n", w->file.file);
    return TN_OK;
}

static tn_status write_part(const writer *w, const char *name, bool novel, tn_error *err) {
    const tr_glyphs *g = w->maker->glyphs;
    int64_t count = w->set->names ? w->set->name_count : g->count;
    char path[PATH];
    io_writer file;
    snprintf(path, sizeof path, "%s/%s", w->set->folder, name);
    TN_TRY(io_writer_open(&file, path, err));
    for (int64_t i = 0; i < count; i++) {
        const tr_glyph *glyph = &g->glyph[w->set->names ? w->set->names[i] : i];
        if (glyph->novel == novel) fprintf(file.file, "%s\n", glyph->name);
    }
    return io_writer_commit(&file, err);
}

static tn_status prepare(writer *w, tn_pool *pool, tn_error *err) {
    const tr_scene_set *set = w->set;
    const tr_glyphs *g = w->maker->glyphs;
    w->category = tn_alloc_zero((size_t)g->count, sizeof *w->category);
    w->arena = tn_alloc_zero((size_t)tn_pool_workers(pool), sizeof *w->arena);
    if (!w->category || !w->arena) return tn_fail(err, TN_ENOMEM, "out of memory for pictures");
    for (int64_t i = 0; i < (set->names ? set->name_count : g->count); i++)
        w->category[set->names ? set->names[i] : i] = (int32_t)i + 1;
    for (; w->workers < tn_pool_workers(pool); w->workers++)
        TN_TRY(tn_arena_init(&w->arena[w->workers], (size_t)1 << 32, err));
    char path[PATH];
    snprintf(path, sizeof path, "%s/images", set->folder);
    TN_TRY(io_make_folder(path, err));
    TN_TRY(write_part(w, "base.txt", false, err));
    return write_part(w, "novel.txt", true, err);
}

static tn_status write_set(writer *w, tn_pool *pool, tn_error *err) {
    char path[PATH];
    TN_TRY(prepare(w, pool, err));
    snprintf(path, sizeof path, "%s/annotations.json", w->set->folder);
    TN_TRY(io_writer_open(&w->file, path, err));
    tn_status status = write_annotations(w, pool, err);
    if (status == TN_OK) return io_writer_commit(&w->file, err);
    io_writer_abort(&w->file);
    return status;
}

tn_status tr_scene_set_write(const tr_scene_maker *maker, const tr_scene_options *options,
                             const tr_scene_set *set, tn_pool *pool, int64_t *objects,
                             tn_error *err) {
    writer *w = tn_alloc_zero(1, sizeof *w);
    if (!w) return tn_fail(err, TN_ENOMEM, "out of memory for pictures");
    w->maker = maker, w->options = options, w->set = set;
    tn_status status = write_set(w, pool, err);
    *objects = w->total;
    if (w->objects) fclose(w->objects);
    free(w->objects_text);
    for (int i = 0; i < w->workers; i++) tn_arena_deinit(&w->arena[i]);
    tn_free(w->arena);
    tn_free(w->category);
    tn_free(w);
    return status;
}
