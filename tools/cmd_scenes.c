// SPDX-License-Identifier: Apache-2.0
// lexmask scenes: made-up pictures with exact boxes, masks and names.
#include "tools/commands.h"
#include "tools/shared/context.h"
#include "tools/shared/files.h"
#include "tools/shared/progress.h"
#include "train/world/scene_set.h"

#include <stdio.h>
#include <string.h>

static struct {
    const char *out, *kind, *names, *pool, *font, *list;
    int64_t count, seed, width, height, least, most;
    double smallest, largest;
} o;

enum { SCENES = 1, CHAT = 2 }; // kinds of a run, for used_by

static const tool_option table[] = {
    {"out", TOOL_TEXT, "DIR", "folder of the data set", &o.out},
    {"count", TOOL_INT, "N", "pictures; default 100", &o.count, 1, 999999},
    {"seed", TOOL_INT, "N", "seed of the random numbers; default 1", &o.seed, 0,
     9007199254740992.0},
    {"kind", TOOL_CHOICE, "KIND",
     "scenes (objects of all sizes on all kinds of ground) or chat (text with emoji, as on a "
     "screen); default scenes",
     &o.kind, .choices = "scenes|chat"},
    {"names", TOOL_TEXT, "FILE",
     "use only these names, one per line, as objects and categories; default: all 1,377", &o.names},
    {"pool", TOOL_CHOICE, "PART", "objects are base names, novel names or all; default all",
     &o.pool, .choices = "base|novel|all"},
    {"width", TOOL_INT, "N", "width of every picture in pixels; default: varied", &o.width, 64,
     4096},
    {"height", TOOL_INT, "N", "height of every picture in pixels; default: varied", &o.height, 64,
     4096},
    {"smallest", TOOL_REAL, "X", "side of the smallest objects in pixels; default 20", &o.smallest,
     8, 2000, .used_by = SCENES},
    {"largest", TOOL_REAL, "X", "side of the largest objects in pixels; default 200", &o.largest, 8,
     2000, .used_by = SCENES},
    {"least", TOOL_INT, "N", "lowest number of objects per scene; default 2", &o.least, 0,
     TR_SCENE_MAX_OBJECTS, .used_by = SCENES},
    {"most", TOOL_INT, "N",
     "highest number of objects per scene, more in large pictures; default 14", &o.most, 0,
     TR_SCENE_MAX_OBJECTS, .used_by = SCENES},
    {"font", TOOL_TEXT, "FILE", "default: " TR_GLYPH_FONT, &o.font},
    {"emoji-list", TOOL_TEXT, "FILE", "Unicode's names; default: " TR_GLYPH_LIST, &o.list},
};

static const tool_option *options(size_t *count) {
    *count = sizeof table / sizeof *table;
    return table;
}

static const tool_option_group *const shared[] = {&tool_thread_group, NULL};

static bool chat(void) {
    return o.kind && !strcmp(o.kind, "chat");
}

static void set_defaults(void) {
    memset(&o, 0, sizeof o);
    tr_scene_options usual = tr_scene_default_options(false);
    o.count = 100, o.seed = 1;
    o.smallest = usual.min_side, o.largest = usual.max_side;
    o.least = usual.min_objects, o.most = usual.max_objects;
}

static const char *misuse(const tool_list *words) {
    (void)words;
    if (!o.out) return "where to? Give --out DIR";
    if (chat() && tool_given_unused(CHAT))
        return "--smallest, --largest, --least and --most are for --kind scenes";
    if (o.smallest > o.largest) return "--smallest is larger than --largest";
    if (o.least > o.most) return "--least is more than --most";
    return NULL;
}

// Glyphs by name from the file, each once.
static tn_status read_names(const tr_glyphs *glyphs, int32_t *names, int64_t *count,
                            tn_error *err) {
    char *text;
    tool_list lines = {0};
    TN_TRY(tool_read_lines(o.names, &text, &lines, err));
    tn_status status = TN_OK;
    for (size_t i = 0; i < lines.count && status == TN_OK; i++) {
        if (!*lines.word[i] || *lines.word[i] == '#') continue;
        int64_t found = tr_glyphs_find(glyphs, lines.word[i]);
        for (int64_t k = 0; k < *count && found >= 0; k++)
            if (names[k] == found)
                status = tn_fail(err, TN_EFORMAT, "%s: line %zu: '%.200s' is there twice", o.names,
                                 i + 1, lines.word[i]);
        if (found < 0)
            status = tn_fail(err, TN_EFORMAT, "%s: line %zu: no emoji is called '%.200s'", o.names,
                             i + 1, lines.word[i]);
        if (status == TN_OK) names[(*count)++] = (int32_t)found;
    }
    if (status == TN_OK && !*count)
        status = tn_fail(err, TN_EFORMAT, "%s: no names, expected one a line", o.names);
    tool_list_free(&lines);
    tn_free(text);
    return status;
}

typedef struct choice {
    int32_t *names, *pool; // of the categories; of the objects
    int64_t name_count, pool_count;
} choice;

static tn_status choose(const tr_glyphs *glyphs, choice *c, tn_error *err) {
    size_t most = (size_t)glyphs->count;
    c->names = tn_alloc_zero(most, sizeof *c->names);
    c->pool = tn_alloc_zero(most, sizeof *c->pool);
    if (!c->names || !c->pool) return tn_fail(err, TN_ENOMEM, "out of memory for names");
    if (o.names) TN_TRY(read_names(glyphs, c->names, &c->name_count, err));
    for (int32_t i = 0; !o.names && i < glyphs->count; i++) c->names[c->name_count++] = i;
    bool base = !o.pool || strcmp(o.pool, "novel") != 0, novel = !o.pool || strcmp(o.pool, "base");
    for (int64_t i = 0; i < c->name_count; i++)
        if (glyphs->glyph[c->names[i]].novel ? novel : base) c->pool[c->pool_count++] = c->names[i];
    if (!c->pool_count)
        return tn_fail(err, TN_EINVAL, "%s: none of its names is a %s name", o.names, o.pool);
    return TN_OK;
}

static bool go_on(void *user, int64_t done) {
    tool_progress *progress = user;
    progress->done = (size_t)done - 1;
    tool_progress_step(progress, "");
    return !tool_interrupted();
}

static tn_status write_set(const tr_scene_maker *maker, const choice *c, tn_pool *pool,
                           tn_error *err) {
    tr_scene_options how = tr_scene_default_options(chat());
    how.width = o.width, how.height = o.height;
    how.min_side = o.smallest, how.max_side = o.largest, how.min_objects = o.least,
    how.max_objects = o.most;
    how.pool = c->pool, how.pool_count = c->pool_count;
    tool_progress progress = tool_progress_start((size_t)o.count);
    tr_scene_set set = {.folder = o.out,
                        .seed = (uint64_t)o.seed,
                        .count = o.count,
                        .names = c->names,
                        .name_count = c->name_count,
                        .progress = go_on,
                        .user = &progress};
    int64_t things;
    tn_status status = tr_scene_set_write(maker, &how, &set, pool, &things, err);
    tool_progress_hide();
    if (status == TN_OK)
        tool_note("%s: %lld pictures, %lld objects", o.out, (long long)o.count, (long long)things);
    return status;
}

static tn_status make(const tr_glyphs *glyphs, tn_error *err) {
    choice c = {0};
    tr_scene_maker maker = {0};
    tn_pool *pool = NULL;
    tn_status status = choose(glyphs, &c, err);
    if (status == TN_OK) status = tr_scene_maker_open(glyphs, &maker, err);
    if (status == TN_OK) status = tn_pool_open((int)tool_context.threads, &pool, err);
    if (status == TN_OK) status = write_set(&maker, &c, pool, err);
    tn_pool_close(pool);
    tr_scene_maker_close(&maker);
    tn_free(c.names);
    tn_free(c.pool);
    return status;
}

static tn_status make_all(const tool_list *words, tn_error *err) {
    (void)words;
    tr_glyphs *glyphs = NULL;
    tool_catch_signals();
    tn_status status = tr_glyphs_open(o.font, o.list, &glyphs, err);
    if (status == TN_OK) status = make(glyphs, err);
    tr_glyphs_close(glyphs);
    return status;
}

static int run(const tool_command *self, int argc, char **argv) {
    set_defaults();
    return tool_run(self, argc, argv, false, make_all);
}

const tool_command tool_scenes = {
    .name = "scenes",
    .summary = "make pictures of emoji with exact boxes, masks and names, to train and measure on",
    .usage = "--out DIR [OPTIONS]",
    .details =
        "DIR becomes a COCO data set: images/, annotations.json, and base.txt and novel.txt, the\n"
        "two parts of the names (a quarter is novel, by a hash of the name) for lexmask train\n"
        "--base and lexmask eval --base. Pictures are PNG, or JPEG where they have its "
        "artefacts.\n"
        "The same seed gives the same bytes, with any number of threads. The emoji are those of\n"
        "Noto Color Emoji (SIL Open Font License 1.1); docs/scenes.md says what is in this "
        "world.\n",
    .examples = "  lexmask scenes --out scenes --count 500 --seed 7\n"
                "  lexmask scenes --out screens --kind chat --count 50\n"
                "  lexmask scenes --out base --pool base --width 320 --height 320\n",
    .misuse = misuse,
    .run = run,
    .options = options,
    .shared = shared,
};
