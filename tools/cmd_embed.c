// SPDX-License-Identifier: Apache-2.0
// lexmask embed: pictures or texts as CLIP's unit vectors, in a .npy file.
#include "io/image/image.h"
#include "io/npy.h"
#include "models/names/text_batch.h"
#include "tools/commands.h"
#include "tools/shared/clip_options.h"
#include "tools/shared/files.h"
#include "tools/shared/progress.h"

#include <string.h>

static struct {
    tool_list pictures, texts;
    const char *texts_file, *out;
    int64_t batch;
} o;

static const tool_option table[] = {
    {"pictures", TOOL_LIST, "FILE…",
     "pictures, folders or patterns; preprocessed as CLIP expects them", &o.pictures, .many = true},
    {"texts", TOOL_LIST, "TEXT…", "sentences, used as given", &o.texts, .many = true},
    {"texts-file", TOOL_TEXT, "FILE", "sentences, one per line; - for standard input",
     &o.texts_file},
    {"out", TOOL_TEXT, "FILE", "write the float32 array [rows,D] there (.npy)", &o.out},
    {"batch", TOOL_INT, "N", "pictures at a time; default 32", &o.batch, 1, 65536},
};

static const tool_option *options(size_t *count) {
    *count = sizeof table / sizeof *table;
    return table;
}

static const tool_option_group *const shared[] = {&tool_clip_group, &tool_clip_more_group,
                                                  &tool_compute_group, NULL};

static tn_status read_input(tool_clip *open, const char *path, tn_tensor *y, tn_error *err) {
    tn_tensor image;
    TN_TRY(io_image_read(path, 0, &image, err));
    tn_status status = md_clip_preprocess(&open->cx, open->clip, &image, NULL, y);
    tn_free(image.data);
    return status;
}

static tn_status embed_pictures(tool_clip *open, const tool_paths *paths, tn_tensor *y,
                                tn_error *err) {
    int64_t size = md_clip_settings(open->clip)->image_size, most = o.batch ? o.batch : 32;
    tool_progress progress = tool_progress_start(paths->count);
    for (size_t done = 0; done < paths->count;) {
        int64_t left = (int64_t)(paths->count - done), batch = left < most ? left : most;
        size_t mark = tn_arena_mark(&open->step);
        tn_tensor x;
        TN_TRY(tn_new(&open->step, &x, TN_F32, TN_DIMS(batch, size, size, 3), err));
        for (int64_t i = 0; i < batch; i++) {
            if (tool_interrupted()) return tn_fail(err, TN_ECANCELLED, "interrupted");
            tn_tensor row = tn_slice(&x, i, 1);
            row = tn_reshape(&row, TN_DIMS(size, size, 3));
            TN_TRY(read_input(open, paths->path[done + (size_t)i], &row, err));
            tool_progress_step(&progress, paths->path[done + (size_t)i]);
        }
        tn_tensor rows = tn_slice(y, (int64_t)done, batch);
        TN_TRY(md_clip_encode_images(&open->cx, open->clip, &x, &rows));
        tn_arena_reset(&open->step, mark);
        done += (size_t)batch;
    }
    tool_progress_hide();
    return TN_OK;
}

static tn_status add_text(tool_clip *open, md_text_batch *batch, const char *text, size_t number,
                          tn_error *err) {
    if (tool_interrupted()) return tn_fail(err, TN_ECANCELLED, "interrupted");
    if (md_text_batch_add(batch, open->bpe, text, err) != TN_OK)
        return tn_fail_prefix(err, "text %zu", number);
    const md_tokens *tokens = &batch->tokens;
    if (tokens->was_cut) tool_note("text %zu was cut to %zu tokens", number, tokens->count);
    return TN_OK;
}

static tn_status embed_texts(tool_clip *open, const tool_list *texts, tn_tensor *y, tn_error *err) {
    md_text_batch batch;
    TN_TRY(md_text_batch_init(&batch, open->clip, MD_TEXTS_AT_ONCE, err));
    tn_status status = TN_OK;
    tool_progress progress = tool_progress_start(texts->count);
    for (size_t i = 0; status == TN_OK && i < texts->count;) {
        int64_t from = (int64_t)i;
        for (; status == TN_OK && i < texts->count && batch.count < batch.capacity; i++)
            status = add_text(open, &batch, texts->word[i], i + 1, err);
        if (status != TN_OK) break;
        tn_tensor to = tn_slice(y, from, batch.count);
        status = md_text_batch_encode(&open->cx, open->clip, &batch, &to);
        tool_progress_to(&progress, i, texts->word[i - 1]);
    }
    tool_progress_hide();
    md_text_batch_deinit(&batch);
    return status;
}

static tn_status embed(tool_clip *open, const tool_paths *paths, const tool_list *texts,
                       tn_error *err) {
    size_t rows = paths->count ? paths->count : texts->count;
    tn_tensor y;
    TN_TRY(tn_new_heap(&y, TN_F32, TN_DIMS((int64_t)rows, md_clip_settings(open->clip)->embed_dim),
                       err));
    tn_status status =
        paths->count ? embed_pictures(open, paths, &y, err) : embed_texts(open, texts, &y, err);
    if (status == TN_OK) status = io_npy_write(o.out, &y, err);
    tn_free(y.data);
    return status;
}

static const char *misuse(const tool_list *words) {
    (void)words;
    int kinds = (o.pictures.count > 0) + (o.texts.count > 0) + (o.texts_file != NULL);
    if (kinds != 1) return "what to embed? Give one of --pictures, --texts, --texts-file";
    if (!o.out) return "where to? Give --out FILE.npy";
    if (!o.pictures.count && o.batch) return "--batch goes with --pictures";
    if (o.pictures.count && tool_clip_chosen.tokenizer)
        return "--tokenizer is for texts: pictures need none";
    return NULL;
}

static tn_status embed_all(const tool_list *words, tn_error *err) {
    (void)words;
    tool_catch_signals();
    tool_paths paths = {0};
    tool_list lines = {0};
    char *buffer = NULL;
    tool_clip open = {0};
    tn_status status = TN_OK;
    if (o.pictures.count) status = tool_find_pictures(&o.pictures, false, &paths, err);
    if (o.texts_file) status = tool_read_lines(o.texts_file, &buffer, &lines, err);
    if (status == TN_OK) status = tool_clip_open(&tool_clip_chosen, !paths.count, &open, err);
    if (status == TN_OK) status = embed(&open, &paths, o.texts_file ? &lines : &o.texts, err);
    tool_clip_close(&open);
    tool_list_free(&lines);
    tn_free(buffer);
    tool_paths_free(&paths);
    return status;
}

static int run(const tool_command *self, int argc, char **argv) {
    memset(&o, 0, sizeof o);
    tool_clip_chosen = (tool_clip_choice){0};
    int code = tool_run(self, argc, argv, false, embed_all);
    tool_list_free(&o.pictures);
    tool_list_free(&o.texts);
    return code;
}

const tool_command tool_embed = {
    .name = "embed",
    .summary = "pictures or texts as CLIP's unit vectors (.npy)",
    .usage = "--clip FILE|DIR --pictures FILE… | --texts TEXT… | --texts-file FILE --out X.npy",
    .examples =
        "  lexmask embed --clip demo/pair/clip --pictures photos/ --out photos.npy\n"
        "  lexmask embed --clip demo/pair/clip --texts \"a photo of a cat\" \"a dog\" --out "
        "texts.npy\n",
    .misuse = misuse,
    .run = run,
    .options = options,
    .shared = shared,
};
